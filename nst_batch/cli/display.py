"""What ``stylize`` shows while it paints, and how a person ends it early."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from tqdm import tqdm

from nst_batch.cli.job_bar import JobBar, ScaleWatch
from nst_batch.cli.terminal import erase_rest, say, whereabouts
from nst_batch.worker.run_listener import Instruction, Progress

WINDOW = "nst_batch"
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

    def ask_to_stop(self) -> None:
        """As the first Ctrl-C, by other means."""
        self._stop = True

    def _interrupted(self, *_: object) -> None:
        self._stop = True
        for number in self._before:
            signal.signal(number, signal.default_int_handler)

    def instruction(self) -> Instruction:
        """What the job should do now."""
        return "stop" if self._stop else "go"


class Display:
    """The bar on the terminal and, where asked, the picture in a window."""

    def __init__(self, title: str, *, steps: int, size: tuple[int, int] | None, interrupts: Interrupts) -> None:
        """``size`` (height, width) is that of the result, to be shown in a window; None for no window."""
        self.wants_pictures = size is not None
        self._title = title
        self._size = size
        self._interrupts = interrupts
        self._bar = JobBar("starting", steps, disable=not sys.stderr.isatty())
        self._scales = ScaleWatch()
        self._shown = 0.0
        self._whereabouts = ""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        erase_rest()
        if self._size is not None:
            from nst_batch.cli import window  # noqa: PLC0415 - loads OpenCV

            window.close()

    def say(self, what: str, **fields: object) -> None:
        """Show a phase; everything else is for the daemon."""
        if what == "phase":
            self._bar.phase(str(fields["phase"]))

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """Move the bar; elsewhere than on a terminal a line an epoch. A line where a further scale begins."""
        facts = progress._asdict()
        self._whereabouts = f"epoch {progress.epoch}/{progress.epochs}, loss {progress.total:.4g}"
        if change := self._scales.change("", facts):
            tqdm.write(change, file=sys.stderr)
        if not self._bar.disable:
            self._bar.rename("painting")
            self._bar.move(facts)
        elif epoch_end:
            say(whereabouts(facts), error=True)

    def picture(self, rgb: Any) -> None:
        """Show the picture, not more often than an eye follows, and hear what is typed there."""
        from nst_batch.cli import window  # noqa: PLC0415 - loads OpenCV

        now = time.monotonic()
        if now - self._shown < SHOW_SECONDS or self._size is None:
            return
        self._shown = now
        match window.show(WINDOW, rgb, f"{self._title}: {self._whereabouts} (q: stop)", self._size):
            case "q":
                self._interrupts.ask_to_stop()
            case "closed":
                # Whoever closes the window has seen enough; the picture is painted all the same.
                self.wants_pictures = False
