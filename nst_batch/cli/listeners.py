"""How a running daemon shows itself: tqdm's bars on a terminal, a line an event and an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from nst_batch.characters import visible
from nst_batch.cli.terminal import plural, room_for_bars, say, whereabouts
from nst_batch.daemon.events import Phased, Stepped
from nst_batch.report.markup import shorten
from nst_batch.spool.claims.live_job import Ended, Job

NAME_COLUMNS = 24  # of a job's name beside its bar; a title may have 200 bytes


def end_line(ended: Ended) -> str:
    """One line about a job's end, with where its result is."""
    if ended.reason is None:
        return f"{ended.name}: {ended.state}, in {ended.folder}"
    if ended.state == "cancelled":
        return f"{ended.name}: cancelled, its inputs are in {ended.folder}"
    why = "; ".join(ended.reason.in_one_line.splitlines())
    return f"{ended.name}: failed ({ended.reason.code}): {why}; its inputs are in {ended.folder}"


class Lines:
    """A line an event and an epoch, for a journal or a log file."""

    def note(self, text: str) -> None:
        """Print a line."""
        say(text, error=True)

    def queue(self, running: int, waiting: int, done: int, failed: int) -> None:
        """The queue is told by its jobs' own lines."""

    def started(self, job: Job) -> None:
        """Say which job begins."""
        again = f", attempt {job.attempts.runs}" if job.attempts.runs > 1 else ""
        self.note(f"{job.name}: started{again}")

    def stepped(self, event: Stepped) -> None:
        """A line an epoch."""
        if event.epoch_end:
            self.note(f"{event.job.name}: {whereabouts(event.progress)}")

    def phased(self, event: Phased) -> None:
        """Only what is about the worker itself."""
        if event.job is None:
            self.note(event.phase)

    def ended(self, ended: Ended) -> None:
        """Say how a job ended and where it is."""
        self.note(end_line(ended))


class Bars:
    """One bar for the queue, one for each running job with its loss and time left."""

    def __init__(self) -> None:
        self._room = room_for_bars()
        self._queue: tqdm[Any] = tqdm(total=0, position=0, bar_format="{desc}", leave=False, **self._room)
        self._jobs: dict[str, tqdm[Any]] = {}

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        tqdm.write(visible(text), file=sys.stderr)

    def queue(self, running: int, waiting: int, done: int, failed: int) -> None:
        """Renew the queue's line."""
        parts = [f"{running} running", f"{waiting} waiting", f"{done} done"]
        if failed:
            parts.append(f"{failed} failed")
        self._queue.set_description_str(f"{plural(running + waiting, 'job')} to do: " + ", ".join(parts))

    def started(self, job: Job) -> None:
        """Open the job's bar."""
        spec = job.spec
        assert spec is not None  # a sidecar that could not be understood is never handed out
        self._jobs[job.id] = tqdm(
            total=spec.settings.total_epochs * spec.settings.steps_per_epoch,
            desc=shorten(visible(job.name), NAME_COLUMNS),
            position=len(self._jobs) + 1,
            leave=False,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| step {n_fmt}/{total_fmt}{postfix}",
            **self._room,
        )

    def stepped(self, event: Stepped) -> None:
        """Move the job's bar."""
        bar = self._jobs.get(event.job.id)
        if bar is not None:
            bar.total, bar.n = event.progress["steps"], event.progress["step"]
            bar.set_postfix_str(whereabouts(event.progress, digits=4))

    def phased(self, event: Phased) -> None:
        """Show what the job is at."""
        if event.job is None:
            self.note(event.phase)
        elif (bar := self._jobs.get(event.job.id)) is not None:
            bar.set_postfix_str(visible(event.phase))

    def ended(self, ended: Ended) -> None:
        """Close the job's bar and say where the result is."""
        bar = self._jobs.pop(ended.id, None)
        if bar is not None:
            bar.close()
        self.note(end_line(ended))

    def close(self) -> None:
        """Leave the terminal tidy."""
        for bar in (*self._jobs.values(), self._queue):
            bar.close()
