"""The bar of one job on a terminal: as much of where it stands as there is room for, and always a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from nst_batch.characters import visible
from nst_batch.cli.terminal import ERASE_LINE, columns, room_for_bars, whereabouts
from nst_batch.clock import duration
from nst_batch.report.markup import shorten

NAME_COLUMNS = 24  # of a job's name beside its bar, at most; a title may have 200 bytes
NAME_SHARE = 4  # and of the terminal's columns one in so many, at most
SPARE_COLUMNS = 4  # a Ctrl-C that the terminal shows there, or two, breaks no line
BAR_COLUMNS = 10  # at least
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| "
_AROUND = len(": 100%|| ")  # what stands between name, bar and words


class JobBar:
    """A bar, its job's name before it, where the job stands behind it."""

    def __init__(self, name: str, steps: int, *, position: int = 0, disable: bool = False) -> None:
        """``position``: the line that it stands in, counted from the cursor's."""
        self.position = position
        self._name = visible(name)
        self._bar: tqdm[Any] = tqdm(
            total=steps,
            position=position,
            disable=disable,
            leave=False,
            bar_format=_FORMAT,
            **room_for_bars(),
        )
        self._bar.dynamic_ncols = False  # each step sees to that
        self._bar.set_description_str(self._shortened(), refresh=False)

    @property
    def disable(self) -> bool:
        """Whether there is no terminal to show it on."""
        return bool(self._bar.disable)

    def rename(self, name: str) -> None:
        """Another word before it, from the next step on."""
        self._name = visible(name)

    def phase(self, text: str) -> None:
        """It is at something that is not a step."""
        told = visible(text)
        self._show((f"step {self._bar.n}/{self._bar.total}, {told}", told))

    def move(self, progress: Mapping[str, Any]) -> None:
        """It has made a step."""
        self._bar.total, self._bar.n = progress["steps"], progress["step"]
        left = f"{duration(progress['left'])} left"
        whole = whereabouts(progress, digits=4)
        narrow = whereabouts({**progress, "scale": ""}, digits=4)
        loss = f"loss {progress['total']:.4g}, {left}"
        self._show((f"step {progress['step']}/{progress['steps']}, {whole}", whole, narrow, loss, left))

    def close(self) -> None:
        """Take it off the terminal."""
        self._bar.close()

    def _show(self, choices: Sequence[str]) -> None:
        """The first of ``choices``, the fullest first, that leaves room for a bar; the last where none does."""
        name = self._shortened()
        room = columns() - SPARE_COLUMNS - len(name) - _AROUND - BAR_COLUMNS
        self._bar.ncols = columns() - SPARE_COLUMNS
        words = next((words for words in choices if len(words) <= room), choices[-1])
        self._bar.set_description_str(name, refresh=False)
        # tqdm would put a comma before a postfix.
        self._bar.bar_format = _FORMAT + words.replace("{", "{{").replace("}", "}}") + ERASE_LINE
        self._bar.refresh()

    def _shortened(self) -> str:
        return shorten(self._name, min(NAME_COLUMNS, columns() // NAME_SHARE))


class ScaleWatch:
    """Notices where a job goes on to a larger scale, at which its loss is another number."""

    def __init__(self) -> None:
        self._scales: dict[str, str] = {}

    def change(self, job: str, progress: Mapping[str, Any]) -> str | None:
        """What to tell of the step, where it is the first of a further scale; ``job`` tells jobs apart."""
        before, now = self._scales.get(job), progress.get("scale", "")
        self._scales[job] = now
        if not before or not now or before == now:
            return None
        return f"now at {now}: a larger picture has a larger loss"

    def forget(self, job: str) -> None:
        """The job has its end."""
        self._scales.pop(job, None)
