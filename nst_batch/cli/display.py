"""What ``stylize`` shows while it paints, and how a person ends it early."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from nst_batch.characters import visible
from nst_batch.cli.terminal import room_for_bars, say, whereabouts

if TYPE_CHECKING:
    from nst_batch.worker.run_listener import Instruction, Progress

SHOW_SECONDS = 0.2  # a window needs no more than five pictures a second


class Interrupts:
    """Ctrl-C and SIGTERM as an instruction: the first stops with the picture as it stands, the second ends at once."""

    def __init__(self) -> None:
        self._stop = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupted(self, *_: object) -> None:
        self._stop = True
        for number in self._before:
            signal.signal(number, signal.default_int_handler)

    def instruction(self) -> Instruction:
        """What the job should do now."""
        return "stop" if self._stop else "go"


class Display:
    """The bar on the terminal and, where asked, the picture in a window."""

    def __init__(self, *, steps: int, show: bool) -> None:
        self.wants_pictures = show
        self._bar: tqdm[Any] = tqdm(
            total=steps,
            disable=not sys.stderr.isatty(),
            leave=False,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| step {n_fmt}/{total_fmt}{postfix}",
            **room_for_bars(),
        )
        self._shown = 0.0

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self.wants_pictures:
            from nst_batch.cli import window  # noqa: PLC0415 - loads OpenCV

            window.close()

    def say(self, what: str, **fields: object) -> None:
        """Show a phase; everything else is for the daemon."""
        if what == "phase":
            self._bar.set_description_str(visible(str(fields["phase"])))

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """Move the bar; elsewhere than on a terminal a line an epoch."""
        line = whereabouts(progress._asdict())
        if self._bar.disable:
            if epoch_end:
                say(line, error=True)
            return
        self._bar.total, self._bar.n = progress.steps, progress.step
        self._bar.set_description_str("painting", refresh=False)
        self._bar.set_postfix_str(line)

    def picture(self, rgb: Any) -> None:
        """Show the picture, not more often than an eye follows."""
        from nst_batch.cli import window  # noqa: PLC0415 - loads OpenCV

        now = time.monotonic()
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            window.show("nst_batch", rgb)
