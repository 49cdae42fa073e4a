"""What ``nst-batch status`` shows, as plain data: written by the daemon, read by the command.

The daemon keeps it in ``inbox/.nst_batch/state.json``, for reading only: nothing is ever decided by it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from nst_batch.daemon.worker_process import WorkerProcess
from nst_batch.job import now_iso
from nst_batch.report.markup import shorten
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.inbox import InboxView

STATE_NAME = "state.json"
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


def running_entry(worker: WorkerProcess) -> dict[str, Any]:
    """A job at work: where it stands, its loss, the seconds left (None before the first step)."""
    assert worker.job is not None
    progress = worker.progress
    return {
        "name": worker.job.job.name,
        "id": worker.job.job.id,
        "device": worker.device.name,
        "attempt": worker.job.attempt,
        "step": progress.get("step", 0),
        "steps": progress.get("steps"),
        "epoch": progress.get("epoch", 0),
        "epochs": progress.get("epochs"),
        "scale": progress.get("scale", ""),
        "loss": progress.get("total"),
        "seconds_left": progress.get("left"),
    }


def waiting_entries(view: InboxView | None, jobs: Iterable[Job], running: set[str]) -> list[dict[str, Any]]:
    """Every job that is not at work, in the order in which they will run, each with why it waits."""
    entries = []
    claimed = set()
    for job in jobs:
        claimed.add(job.name)
        if job.id in running or (job.held is None and (job.outcome is not None or job.trouble is not None)):
            continue
        why, until = "ready", None
        if job.held is not None:
            why = job.held.why
        elif job.attempts.cut is not None:
            why, until = "an image looks cut short; it is looked at once more", job.attempts.not_before
        elif job.attempts.not_before:
            why, until = "will be tried again", job.attempts.not_before
        elif job.orphaned:
            why = "its earlier worker still ends"
        entries.append(_entry(job.name, why, until, job.priority, job.arrival))
    if view is not None:
        # The look may be older than a claim: what is claimed since is not waiting a second time.
        entries += [
            _entry(name, "ready", None, pair.priority, now_iso(pair.arrival / 1e9))
            for pair in view.ready
            for name in pair.names
            if name not in claimed
        ]
        entries.sort(key=lambda entry: -entry["priority"])
        for broken in view.broken:
            why = shorten(f"will fail: {broken.reason.message.splitlines()[0]}", WHY_CHARACTERS)
            entries.append(_entry(broken.name, why, None, 0, now_iso(broken.entry.ctime_ns / 1e9)))
        for pair in view.waiting:
            entries += [_entry(name, pair.why, pair.until, 0, "") for name in pair.names or (pair.sidecar,)]
    return entries


def _entry(name: str, why: str, until: float | None, priority: int, arrival: str) -> dict[str, Any]:
    # Whole seconds, or the state would differ at every look by what two clocks differ.
    due = None if until is None else round(until)
    return {"name": name, "why": why, "until": due, "priority": priority, "arrival": arrival}


def state(
    view: InboxView | None,
    jobs: tuple[Job, ...],
    workers: Iterable[WorkerProcess],
    pace: Pace,
    blocked: str | None,
    pid: int,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The whole state. ``until`` and ``empty_at`` are in seconds since the epoch; ``notes`` are on the devices."""
    running = [running_entry(worker) for worker in workers if worker.job is not None]
    waiting = waiting_entries(view, jobs, {entry["id"] for entry in running})
    return {
        "pid": pid,
        "paused": bool(view and view.paused),
        "blocked": blocked,
        "notes": list(notes),
        "running": running,
        "waiting": waiting,
        "empty_at": _empty_at(running, waiting, pace),
    }


def encoded(facts: dict[str, Any]) -> list[bytes]:
    """``facts`` as JSON, in pieces: in one, tens of thousands of waiting jobs would take several times their room."""
    waiting = facts["waiting"]
    head = json.dumps({key: value for key, value in facts.items() if key != "waiting"}, ensure_ascii=False)
    pieces = [head[:-1].encode() + b', "waiting": [']
    for start in range(0, len(waiting), PIECE_JOBS):
        piece = json.dumps(waiting[start : start + PIECE_JOBS], ensure_ascii=False)[1:-1].encode()
        pieces.append((b", " if start else b"") + piece)
    return [*pieces, b"]}"]


def _empty_at(running: list[dict[str, Any]], waiting: list[dict[str, Any]], pace: Pace) -> float | None:
    """When everything will be done, as far as can be told: what runs, then the rest at the pace of late."""
    left = [entry["seconds_left"] for entry in running]
    if any(seconds is None for seconds in left):
        return None
    mean = pace.seconds_a_job()
    if waiting and mean is None:
        return None
    lanes = max(1, len(running))
    return time.time() + max(left, default=0.0) + len(waiting) * (mean or 0.0) / lanes
