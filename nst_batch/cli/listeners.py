"""How a running daemon shows itself: tqdm's bars on a terminal, a line an event and an epoch elsewhere."""

from __future__ import annotations

import itertools
import sys
from typing import Any

from tqdm import tqdm

from nst_batch.characters import visible
from nst_batch.cli import journal
from nst_batch.cli.job_bar import JobBar, ScaleWatch
from nst_batch.cli.terminal import broken, columns, erase_rest, laid_out, plural, room_for_bars, say, whereabouts
from nst_batch.daemon.events import Phased, Stepped
from nst_batch.reasons import SIDECAR_NOT_TAKEN
from nst_batch.spool.claims.live_job import Ended, Job


def end_line(ended: Ended) -> str:
    """One line about a job's end, with where its result is."""
    if ended.reason is None:
        return f"{ended.name}: {ended.state}, in {ended.folder}"
    if ended.state == "cancelled":
        return f"{ended.name}: cancelled, {_left(ended)}"
    why = "; ".join(ended.reason.in_one_line.splitlines())
    return f"{ended.name}: failed ({ended.reason.code}): {why}; {_left(ended)}"


def _left(ended: Ended) -> str:
    """What is left of a job without a result, and where."""
    is_untaken = ended.reason is not None and ended.reason.code == SIDECAR_NOT_TAKEN
    return f"{'this is' if is_untaken else 'its inputs are'} in {ended.folder}"


def end_lines(ended: Ended, width: int) -> list[str]:
    """The same for a terminal ``width`` columns wide: a failure's what, what to do and where on lines of their own."""
    line = end_line(ended)
    if len(line) < width and ended.state != "failed":
        return [line]
    if ended.reason is None:
        return laid_out(f"{ended.name}: {ended.state}", [f"in {ended.folder}"], width)
    if ended.state == "cancelled":
        return laid_out(f"{ended.name}: cancelled", [_left(ended)], width)
    parts = [*ended.reason.message.splitlines(), ended.reason.advice, _left(ended)]
    return laid_out(f"{ended.name}: failed ({ended.reason.code})", [part for part in parts if part], width)


class Lines:
    """A line an event and an epoch, for a log file."""

    def __init__(self) -> None:
        self._scales = ScaleWatch()

    def tell(self, text: str, priority: int = journal.INFO, job: str = "") -> None:  # noqa: ARG002 - for the journal
        """Print a line."""
        say(text, error=True)

    def note(self, text: str) -> None:
        """Something a person may want to know."""
        self.tell(text)

    def warn(self, text: str) -> None:
        """Something a person may have to see to."""
        self.tell(text, journal.WARNING)

    def queue(self, running: int, waiting: int, done: int, failed: int) -> None:
        """The queue is told by its jobs' own lines."""

    def started(self, job: Job) -> None:
        """Say which job begins."""
        again = f", attempt {job.attempts.runs}" if job.attempts.runs > 1 else ""
        self.tell(f"{job.name}: started{again}", job=job.name)

    def stepped(self, event: Stepped) -> None:
        """A line an epoch, and one where a further scale begins."""
        job = event.job
        if change := self._scales.change(job.id, event.progress):
            self.tell(f"{job.name}: {change}", job=job.name)
        if event.epoch_end:
            self.tell(f"{job.name}: {whereabouts(event.progress)}", job=job.name)

    def phased(self, event: Phased) -> None:
        """What is about the worker itself, and where a job goes on."""
        if event.job is None:
            self.note(event.phase)
        elif event.told:
            self.tell(f"{event.job.name}: {event.phase}", job=event.job.name)

    def ended(self, ended: Ended) -> None:
        """Say how a job ended and where it is."""
        self._scales.forget(ended.id)
        self.tell(end_line(ended), journal.WARNING if ended.state == "failed" else journal.INFO, ended.name)


class JournalLines(Lines):
    """The same for the systemd journal, with a priority and the job that a line is about."""

    def tell(self, text: str, priority: int = journal.INFO, job: str = "") -> None:
        """Send an entry; where there is no journal to be reached, print it as systemd reads it."""
        if not journal.send(text, priority, job):
            say(f"<{priority}>{text}", error=True)


class Bars:
    """One bar for the queue, one for each running job with its loss and time left."""

    def __init__(self) -> None:
        self._room = room_for_bars()
        self._queue: tqdm[Any] = tqdm(total=0, position=0, bar_format="{desc}", leave=False, **self._room)
        self.jobs: dict[str, JobBar] = {}
        self._scales = ScaleWatch()

    def note(self, text: str) -> None:
        """Print a line above the bars; one that is wider than the terminal is broken between words."""
        for line in broken(visible(text), columns()):
            tqdm.write(line, file=sys.stderr)

    warn = note

    def queue(self, running: int, waiting: int, done: int, failed: int) -> None:
        """Renew the queue's line."""
        parts = [f"{running} running", f"{waiting} waiting", f"{done} done"]
        if failed:
            parts.append(f"{failed} failed")
        line = ", ".join(parts)
        whole = f"{plural(running + waiting, 'job')} to do: {line}"
        self._queue.set_description_str(whole if len(whole) < columns() else line)

    def started(self, job: Job) -> None:
        """Open the job's bar."""
        spec = job.spec
        assert spec is not None  # a sidecar that could not be understood is never handed out
        steps = spec.settings.total_epochs * spec.settings.steps_per_epoch
        taken = {bar.position for bar in self.jobs.values()}
        position = next(place for place in itertools.count(1) if place not in taken)
        self.jobs[job.id] = JobBar(job.name, steps, position=position)

    def stepped(self, event: Stepped) -> None:
        """Move the job's bar; a line above the bars where a further scale begins."""
        job = event.job
        if change := self._scales.change(job.id, event.progress):
            self.note(f"{job.name}: {change}")
        bar = self.jobs.get(job.id)
        if bar is not None:
            bar.move(event.progress)

    def phased(self, event: Phased) -> None:
        """Show what the job is at."""
        if event.job is None:
            self.note(event.phase)
        elif (bar := self.jobs.get(event.job.id)) is not None:
            bar.phase(event.phase)

    def ended(self, ended: Ended) -> None:
        """Close the job's bar and say where the result is."""
        bar = self.jobs.pop(ended.id, None)
        if bar is not None:
            bar.close()
        self._scales.forget(ended.id)
        for line in end_lines(ended, columns()):
            self.note(line)

    def close(self) -> None:
        """Leave the terminal tidy."""
        for bar in self.jobs.values():
            bar.close()
        self._queue.close()
        erase_rest()
