"""What ``nst-batch status`` shows, as plain data: written by the daemon, read by the command.

The daemon keeps it in ``inbox/.nst_batch/state.json``, for reading only: nothing is ever decided by it.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from nst_batch.daemon.executor import Worker
from nst_batch.job import now_iso
from nst_batch.report.markup import shorten
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.claims.rota import Rota
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.readiness import Ready

REMEMBERED_JOBS = 20
PIECE_JOBS = 500
WHY_CHARACTERS = 200  # of a mistake that error.txt will tell in full


class Pace:
    """How long jobs have taken of late, for a guess at when the queue will be empty."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED_JOBS)

    def add(self, seconds: float) -> None:
        """A job took so long."""
        self._seconds.append(seconds)

    def seconds_a_job(self) -> float | None:
        """The mean of the last jobs; None before the first."""
        return statistics.fmean(self._seconds) if self._seconds else None


def running_entries(workers: Iterable[Worker]) -> list[dict[str, Any]]:
    """Every job at work."""
    return [_running_entry(worker) for worker in workers if worker.job is not None]


def _running_entry(worker: Worker) -> dict[str, Any]:
    """A job at work: where it stands, its loss, the seconds left (None before the first step)."""
    assert worker.job is not None
    progress = worker.progress
    return {
        "name": worker.job.name,
        "id": worker.job.id,
        "device": worker.device.name,
        "attempt": worker.job.attempts.runs,
        "step": progress.get("step", 0),
        "steps": progress.get("steps"),
        "epoch": progress.get("epoch", 0),
        "epochs": progress.get("epochs"),
        "scale": progress.get("scale", ""),
        "loss": progress.get("total"),
        "seconds_left": progress.get("left"),
    }


class _Turn(NamedTuple):
    """One job that waits for its turn."""

    priority: int
    lane: str
    name: str
    source: Job | Ready


def waiting_entries(
    view: InboxView | None,
    jobs: Iterable[Job],
    running: Collection[str],
    rota: Rota | None = None,
    closed_until: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Every job that is not at work, in the order in which they will run, each with why it waits.

    ``closed_until``: when the schedule lets jobs begin; None: now.
    """
    jobs = tuple(jobs)
    turns = [
        _Turn(job.priority, job.lane, job.name, job)
        for job in jobs
        if job.id not in running and (job.held is not None or (job.outcome is None and job.trouble is None))
    ]
    # The look may be older than a claim: what is claimed since is not waiting a second time.
    claimed = {job.name for job in jobs}
    for pair in view.ready if view is not None else ():
        turns += (_Turn(pair.priority, pair.lane, name, pair) for name in pair.names if name not in claimed)
    for priority, _lane, name, source in (rota or Rota()).in_order(turns):
        if isinstance(source, Job):
            yield _entry(name, *_why(source, closed_until), priority, source.arrival, begun=source.checkpoint)
        else:
            yield _entry(name, *_when_ready(source, closed_until), priority, now_iso(source.arrival / 1e9))
    if view is None:
        return
    for broken in view.broken:
        why = shorten(f"will fail: {broken.reason.message.splitlines()[0]}", WHY_CHARACTERS)
        yield _entry(broken.name, why, None, 0, now_iso(broken.entry.ctime_ns / 1e9))
    for item in view.waiting:
        yield from (_entry(name, item.why, item.until, 0, "") for name in item.names or (item.sidecar,))


def _when_ready(asked: Job | Ready, closed_until: float | None) -> tuple[str, float | None]:
    """Why what is ready has not begun, and until when."""
    return ("ready", None) if asked.now or closed_until is None else ("outside the hours", closed_until)


def _why(job: Job, closed_until: float | None) -> tuple[str, float | None]:
    """Why a claimed job waits, and until when."""
    if job.held is not None:
        return job.held.why, None
    if job.attempts.cut is not None:
        return "an image looks cut short; it is looked at once more", job.attempts.not_before
    if job.attempts.not_before:
        return "will be tried again", job.attempts.not_before
    return ("its earlier worker still ends", None) if job.orphaned else _when_ready(job, closed_until)


def _entry(
    name: str, why: str, until: float | None, priority: int, arrival: str, *, begun: bool = False
) -> dict[str, Any]:
    # Whole seconds, or the state would differ at every look by what two clocks differ.
    due = None if until is None else round(until)
    return {"name": name, "why": why, "until": due, "priority": priority, "arrival": arrival, "begun": begun}


def state(
    view: InboxView | None,
    jobs: tuple[Job, ...],
    workers: Iterable[Worker],
    pace: Pace,
    blocked: str | None,
    pid: int,
    notes: tuple[str, ...] = (),
    closed_until: float | None = None,
) -> dict[str, Any]:
    """The whole state; ``notes`` are on the devices.

    ``until``, ``closed_until`` (when the schedule lets jobs begin, None: now) and ``empty_at`` are in seconds since the
    epoch.
    """
    running = running_entries(workers)
    waiting = list(waiting_entries(view, jobs, {entry["id"] for entry in running}, None, closed_until))
    facts = summary(view, running, len(waiting), pace, blocked, pid, notes, closed_until)
    return {**facts, "waiting": waiting}


def summary(
    view: InboxView | None,
    running: list[dict[str, Any]],
    waiting: int,
    pace: Pace,
    blocked: str | None,
    pid: int,
    notes: tuple[str, ...] = (),
    closed_until: float | None = None,
) -> dict[str, Any]:
    """The state but for the list of the jobs that wait, of which there may be tens of thousands."""
    return {
        "pid": pid,
        "paused": bool(view and view.paused),
        "blocked": blocked,
        "closed_until": None if closed_until is None else round(closed_until),
        "notes": list(notes),
        "running": running,
        "empty_at": _empty_at(running, waiting, pace, closed_until),
    }


def encoded(entries: Iterable[dict[str, Any]]) -> tuple[list[bytes], int]:
    """Waiting jobs as JSON, in pieces to stand between brackets, and how many they are.

    In one, or as data, tens of thousands of them would take several times their room.
    """
    pieces, count, rest = [], 0, iter(entries)
    while some := list(itertools.islice(rest, PIECE_JOBS)):
        text = json.dumps(some, ensure_ascii=False)[1:-1]
        pieces.append(((", " if count else "") + text).encode())
        count += len(some)
    return pieces, count


def _empty_at(running: list[dict[str, Any]], waiting: int, pace: Pace, closed_until: float | None) -> float | None:
    """When everything will be done, as far as can be told: what runs, then the rest at the pace of late.

    What waits for the schedule begins with its hours.
    """
    left = [entry["seconds_left"] for entry in running]
    if any(seconds is None for seconds in left):
        return None
    mean = pace.seconds_a_job()
    if waiting and mean is None:
        return None
    lanes = max(1, len(running))
    begin = max(time.time(), (waiting and closed_until) or 0.0)
    return begin + max(left, default=0.0) + waiting * (mean or 0.0) / lanes
