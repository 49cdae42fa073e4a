"""What ``nst-batch status`` shows, as plain data: written by the daemon, read by the command.

The daemon keeps it in ``inbox/.nst_batch/state.json``, for reading only: nothing is ever decided by it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from nst_batch.clock import Moment
from nst_batch.daemon.executor import Worker
from nst_batch.daemon.foreteller import UNKNOWN, Fate, Foreteller
from nst_batch.daemon.line import WILL_FAIL, Asked, Before, Line
from nst_batch.daemon.pace import WORKER_START
from nst_batch.job import now_iso
from nst_batch.reasons import Reason
from nst_batch.report.markup import shorten
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.claims.rota import Rota
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.readiness import UNTAKEN, Ready

PIECE_JOBS = 500
WHY_CHARACTERS = 200  # of a mistake that error.txt will tell in full


def _running_entry(
    worker: Worker, foreteller: Foreteller | None, at: Moment, wishes: Mapping[str, str]
) -> dict[str, Any]:
    """A job at work: where it stands, its loss, the seconds left (None where they cannot be told).

    ``begun`` says that it has a picture to stop with; until then ``first_step_at`` is when it is expected to have one,
    in seconds since 1970. ``wishes``: by job, ``stop`` or ``cancel`` where somebody has asked for it.
    """
    assert worker.job is not None
    progress = worker.progress
    left, first = progress.get("left"), None
    begun = worker.job.checkpoint or progress.get("step", 0) > 0
    if foreteller is not None:
        foretold = foreteller.forecast.seconds_left(worker.job.id, progress.get("step", 0), at.mono)
        left = left if foretold is None else foretold
        first = None if begun else foreteller.forecast.seconds_to_first_step(worker.job.id, at.mono)
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
        "seconds_left": left,
        "begun": begun,
        "first_step_at": None if first is None else round(at.wall + first),
        "wish": wishes.get(worker.job.id, ""),
    }


class Turn(NamedTuple):
    """One job that waits for its turn."""

    priority: int
    lane: str
    name: str
    source: Job | Ready
    fate: Fate

    @property
    def asked(self) -> Asked:
        """What it asks of a worker, where that is known."""
        not_before = self.source.attempts.not_before if isinstance(self.source, Job) else None
        return Asked(self.fate.seconds or 0.0, not_before or 0.0, self.source.now)


def turns_of(
    view: InboxView | None,
    jobs: Sequence[Job],
    running: Collection[str],
    rota: Rota | None = None,
    foreteller: Foreteller | None = None,
) -> list[Turn]:
    """Every job that a worker is to have and has not yet, in the order in which they will run."""
    turns = [
        Turn(job.rank, job.lane, job.name, job, UNKNOWN if foreteller is None else foreteller.of_job(job))
        for job in jobs
        if job.id not in running and (job.held is not None or (job.outcome is None and job.trouble is None))
    ]
    # The look may be older than a claim: what is claimed since is not waiting a second time.
    claimed = {job.name for job in jobs}
    for pair in view.ready if view is not None else ():
        fates = foreteller.of_pair(pair) if foreteller is not None else [UNKNOWN] * len(pair.names)
        named = zip(pair.names, fates, strict=True)
        turns += (Turn(pair.priority, pair.lane, name, pair, fate) for name, fate in named if name not in claimed)
    return list((rota or Rota()).in_order(turns))


def waiting_entries(
    view: InboxView | None,
    turns: Iterable[Turn],
    closed_until: float | None = None,
    queued: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Every job that is not at work, in the order in which they will run, each with why it waits.

    ``closed_until``: when the schedule lets jobs begin; None: now. ``seconds`` is how long a job will take; None where
    that is not known, or it is not known whether it will run. ``queued``: how the jobs stand that wait in the queue of
    a cluster, by id.
    """
    for _rank, _lane, name, source, fate in turns:
        if isinstance(source, Job):
            in_queue = (queued or {}).get(source.id)
            why, until = _why(source, closed_until) if in_queue is None else (in_queue, None)
            arrival, facts = source.arrival, {"begun": source.checkpoint, "held_up": source.held is not None}
            facts["tried"] = source.attempts.begun
        else:
            (why, until), arrival, facts = _when_ready(source, closed_until), now_iso(source.arrival / 1e9), {}
        if fate.failure is not None:
            why, until = _will_fail(fate.failure), None
        yield _entry(name, why, until, source.priority, arrival, fate.seconds, **facts)
    if view is None:
        return
    for broken in view.broken:
        yield _entry(broken.name, _will_fail(broken.reason), None, 0, now_iso(broken.entry.ctime_ns / 1e9))
    told = {folder.path for folder in view.folders if folder.why}  # what speaks for a folder is no job
    for item in view.waiting:
        if item.sidecar in told:
            continue
        is_held = item.kind != "settling"  # which passes by itself
        for name in item.names or (item.sidecar,):
            yield _entry(name, item.why, item.until, 0, "", held_up=is_held, untaken=item.kind in UNTAKEN)


def _will_fail(reason: Reason) -> str:
    return shorten(f"{WILL_FAIL}{reason.message.splitlines()[0]}", WHY_CHARACTERS)


def _when_ready(asked: Job | Ready, closed_until: float | None) -> tuple[str, float | None]:
    """Why what is ready has not begun, and until when."""
    return ("ready", None) if asked.now or closed_until is None else ("outside the hours", closed_until)


def _why(job: Job, closed_until: float | None) -> tuple[str, float | None]:
    """Why a claimed job waits, and until when."""
    if job.held is not None:
        return job.held.why, None
    if job.to_stop:
        return "is being stopped: published as it stands before the next job starts", _when_ready(job, closed_until)[1]
    if job.attempts.cut is not None:
        return "an image looks cut short; it is looked at once more", job.attempts.not_before
    if job.attempts.not_before:
        opens = 0.0 if job.now or closed_until is None else closed_until
        return "will be tried again", max(job.attempts.not_before, opens)
    return ("its earlier worker still ends", None) if job.orphaned else _when_ready(job, closed_until)


def _entry(
    name: str,
    why: str,
    until: float | None,
    priority: int,
    arrival: str,
    seconds: float | None = None,
    *,
    begun: bool = False,
    held_up: bool = False,
    untaken: bool = False,
    tried: bool = False,
) -> dict[str, Any]:
    """``held_up``: until somebody else sees to it, and nobody knows when; ``untaken``: for want of a right to it.

    ``begun``: with a picture that it could be stopped with; ``tried``: a worker has had it, with or without one.
    """
    # Whole seconds, or the state would differ at every look by what two clocks differ.
    due = None if until is None else round(until)
    takes = None if seconds is None else round(seconds, 1)
    facts = {"name": name, "why": why, "until": due, "priority": priority, "arrival": arrival}
    facts |= {"begun": begun, "tried": tried, "held_up": held_up, "untaken": untaken}
    return {**facts, "seconds": takes, "done_at": None}


def state(
    view: InboxView | None,
    jobs: tuple[Job, ...],
    workers: Sequence[Worker],
    blocked: str | None,
    pid: int,
    notes: tuple[str, ...] = (),
    closed_until: float | None = None,
    *,
    zone: str | None = None,
    breaks: Sequence[tuple[float, float]] = (),
    foreteller: Foreteller | None = None,
    at: Moment | None = None,
    rota: Rota | None = None,
    queued: Mapping[str, str] | None = None,
    keep: Callable[[Iterator[dict[str, Any]]], object] = list,
) -> dict[str, Any]:
    """The whole state; ``queued`` is as with :func:`waiting_entries`.

    ``notes`` are on the devices; those on what lies in the inbox and waits for a hand follow them.

    No end is foretold of what waits while the queue is paused or blocked, and of nothing within ``breaks``, those of
    the schedule. ``until``, ``done_at``, ``closed_until`` (when the schedule lets jobs begin, None: now; ``zone``: for
    which time zone that hour was written, where it is not the system's) and ``empty_at`` are in seconds since 1970.
    ``keep`` makes of the jobs that wait, which may be tens of thousands, what is to stand for them.
    """
    at = at or Moment.now()
    wishes = {each.job.id: each.action for each in view.controls if each.job is not None} if view else {}
    running = [_running_entry(worker, foreteller, at, wishes) for worker in workers if worker.at_work]
    is_paused = bool(view and view.paused)
    opens = None if closed_until is None else round(closed_until)
    closed = breaks if opens is None else ((at.wall, opens), *breaks)
    line = Line(_before(workers, running, at), at.wall, closed, is_held=is_paused or blocked is not None)
    turns = turns_of(view, jobs, {entry["id"] for entry in running}, rota, foreteller)
    asked = [turn.asked for turn in turns if turn.fate.seconds is not None]
    entries = waiting_entries(view, turns, closed_until, queued)
    waiting = keep(line.placed(entries, asked))  # before the line is asked for its end
    # Sidecars that have only just come, of which nobody knows yet what they ask for.
    unread = view is not None and any(pair.kind == "settling" for pair in view.waiting)
    return {
        "pid": pid,
        "paused": is_paused,
        "blocked": blocked,
        "closed_until": opens,
        "closed_zone": zone,
        "notes": [*notes, *(view.aside if view else ())],
        "folders": [asdict(folder) for folder in view.folders] if view else [],
        "running": running,
        "empty_at": None if unread or (line.is_held_up and not running) else line.empty_at,
        "waiting": waiting,
    }


def _before(workers: Sequence[Worker], running: list[dict[str, Any]], at: Moment) -> list[Before]:
    """What each worker has before it, before it can take a job of the line."""
    at_work = [worker.job for worker in workers if worker.at_work and worker.job is not None]
    found = [Before(entry["seconds_left"], job.now) for entry, job in zip(running, at_work, strict=True)]
    others = [worker for worker in workers if worker.job is None]
    starts = (0.0 if worker.ready else max(0.0, WORKER_START - (at.mono - worker.last_beat)) for worker in others)
    found += [Before(seconds) for seconds in starts]
    # Of a cluster nobody knows when it will have a place.
    return found or [Before(None if workers else WORKER_START)]


def encoded(entries: Iterable[dict[str, Any]], beat: Callable[[], object]) -> tuple[list[bytes], int]:
    """Waiting jobs as JSON, in pieces to stand between brackets, and how many they are; ``beat()`` after each piece.

    In one, or as data, tens of thousands of them would take several times their room.
    """
    pieces, count, rest = [], 0, iter(entries)
    while some := list(itertools.islice(rest, PIECE_JOBS)):
        text = json.dumps(some, ensure_ascii=False)[1:-1]
        pieces.append(((", " if count else "") + text).encode())
        count += len(some)
        beat()
    return pieces, count
