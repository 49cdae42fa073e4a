"""What others read of the daemon while it works: its state, for ``status``, and the gallery."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from typing import Any

from nst_batch.characters import is_text
from nst_batch.clock import Moment, duration
from nst_batch.config.load import Config
from nst_batch.daemon.events import Begun, Event, Finished, Phased, Stepped
from nst_batch.daemon.executor import Executor
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.foreteller import Foreteller, content_shape
from nst_batch.daemon.gallery_keeper import GalleryKeeper
from nst_batch.daemon.listener import Listener
from nst_batch.daemon.open_hours import OpenHours
from nst_batch.daemon.pace import Pace
from nst_batch.daemon.queue_state import encoded, state
from nst_batch.daemon.reached import steps_reached
from nst_batch.daemon.service import Notifier
from nst_batch.daemon.shapes import Shapes
from nst_batch.daemon.told_waits import ToldWaits
from nst_batch.filenames import PACE_NAME, STATE_NAME
from nst_batch.report.markup import being_ended, clock, shorten
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.disk.alive import born
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.disk.own import read_note
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.spool import Spool

STATE_SECONDS = 1.0
PACE_SECONDS = 30.0
STATE_BYTES_A_SECOND = 200_000  # a state of thousands of jobs is written less often
FAULT_CHARACTERS = 250  # of a config's mistakes, in a line that tells of the queue as well


class StatusWriter:
    """Renewed as the daemon's loop goes round, not more often than anybody reads."""

    def __init__(self, spool: Spool, config: Config, files: FileSystem, listener: Listener, notifier: Notifier) -> None:
        self._spool = spool
        self._files = files
        self._whose = _whose(config)
        self._kept_pace = Places(config.inbox, config.outbox).own / PACE_NAME
        self._foreteller: Foreteller | None = None  # once the inbox is held, where an earlier daemon's pace lies
        limits = config.limits
        self._shapes = Shapes(files, config.inbox, limits.max_megapixels, limits.max_file_mb)
        self._has_learned, self._pace_due = False, 0.0
        self._listener = listener
        self._notifier = notifier
        self._done = self._failed = 0
        self._state_due = 0.0
        self._owed = math.inf  # monotonic; when what was left out the last time is to be written
        self._shown: tuple[object, ...] = ()  # what the facts were made of
        self._facts: dict[str, Any] = {}  # all that the state says; of the waiting jobs it has the number
        self._state_rests = 0.0  # it is not written again before then
        self._written = b""  # a digest of the state
        self._gallery_keeper = GalleryKeeper(spool, config.outbox, listener.warn, beat=notifier.watchdog)
        self._told_waits = ToldWaits(listener.note)
        self.config_fault = ""  # what is wrong with a config that was to be read again
        self._line = ""  # what the service manager shows

    def reload(self, config: Config) -> None:
        """Go by another config: what it lets an image have decides what will fail."""
        self._shapes.limit(config.limits.max_megapixels, config.limits.max_file_mb)
        self._shown = ()

    def given(self, job: Job, pool: Executor, at: Moment) -> None:
        """A worker has been given a job, or is to have it once a cluster has a place for it."""
        worker = pool.at_work_on(job.id)
        if worker is not None and worker.at_work:
            self._begun(job, worker.device.name, at)

    def _begun(self, job: Job, device: str, at: Moment) -> None:
        self._listener.started(job)
        if job.spec is not None:
            shape = content_shape(self._shapes.of_job(job))
            done = steps_reached(self._files, job)
            self._told_of().forecast.begins(job.id, job.spec.settings, shape, device, at.mono, done)

    def heard(self, event: Event, at: Moment) -> None:
        """Something that a worker tells: how fast it is hangs on some of it."""
        job: Job | None = getattr(event, "job", None)
        if job is None:
            return
        forecast = self._told_of().forecast
        if isinstance(event, Begun):
            self._begun(event.job, event.device, at)
        elif isinstance(event, Stepped):
            forecast.stepped(job.id, event.progress, at.mono, epoch_end=event.epoch_end)
        elif not isinstance(event, Phased):
            forecast.ends(job.id, at.mono, whole=isinstance(event, Finished))
            self._has_learned = True

    def _told_of(self) -> Foreteller:
        """What foretells, with what an earlier daemon has learned once the inbox is held."""
        if self._foreteller is None and self._files.pinned(self._kept_pace.parent) is not None:
            with contextlib.suppress(OSError):
                self._foreteller = Foreteller(Forecast(Pace(read_note(self._files, self._kept_pace))), self._shapes)
        return self._foreteller or Foreteller(Forecast(Pace()), self._shapes)

    def _keep_pace(self, at: Moment, *, last: bool) -> None:
        """Put down what has been learned, for the next daemon and for ``check``."""
        if self._has_learned and self._foreteller is not None and (last or at.mono >= self._pace_due):
            self._has_learned, self._pace_due = False, at.mono + PACE_SECONDS
            self._spool.note_state(PACE_NAME, json.dumps(self._foreteller.forecast.pace.facts()).encode())

    def tell_waits(self, view: InboxView, at: Moment) -> None:
        """Say once of each sidecar for what it waits, and until when."""
        self._told_waits.tell(view, at)

    def job_ended(self, ended: Ended, at: Moment) -> None:
        """One more job has its end; the gallery will show it."""
        if ended.reason is None:
            self._done += 1
        else:
            self._failed += 1
        self._gallery_keeper.job_ended(at)

    def post(
        self,
        view: InboxView | None,
        pool: Executor,
        blocked: str | None,
        hours: OpenHours,
        at: Moment,
        *,
        last: float | None = None,
    ) -> None:
        """Write what is due, or everything, for which a daemon that ends has ``last`` seconds.

        ``blocked``: why the queue waits; ``hours``: what the schedule says. Raises SpoolBlocked or InboxLost.
        """
        if last is None and at.mono < self._state_due:
            self._owed = self._state_due
            return
        self._state_due, self._owed = at.mono + STATE_SECONDS, math.inf
        if last is not None or at.mono >= self._state_rests:
            size = self._renew(view, pool, blocked, hours, at)
            self._state_rests = at.mono + size / STATE_BYTES_A_SECOND
            if self._shapes.were_cut:
                self._owed = max(self._state_due, self._state_rests)  # to look at the others
        else:
            self._owed = self._state_rests
        self._keep_pace(at, last=last is not None)
        self._gallery_keeper.post(self._facts, at, last=last)

    def due_in(self, now: float) -> float:
        """In how many seconds what was left out is to be written; what is overdue met with trouble: no haste then."""
        left = self._owed - now
        return left if left > 0.0 else STATE_SECONDS

    def _renew(self, view: InboxView | None, pool: Executor, blocked: str | None, hours: OpenHours, at: Moment) -> int:
        """Put the state down where it has changed; how many bytes that took."""
        jobs = self._spool.jobs()
        steps = [(worker.device, worker.at_work, worker.ready, worker.progress) for worker in pool.workers]
        wrong = (blocked, self.config_fault, view is not None and view.paused)
        counts = (self._done, self._failed, *wrong, hours.closed_until, hours.zone, pool.notes)
        lists = () if view is None else (view.ready, view.waiting, view.broken, view.folders, view.controls, view.aside)
        shown = (*lists, jobs, steps, counts)
        # The lists stay the very same while nothing in the inbox changes: no need to look into thousands of jobs.
        if len(shown) == len(self._shown) and all(a is b or a == b for a, b in zip(shown, self._shown, strict=True)):
            return 0
        foreteller = self._told_of()
        foreteller.follow(pool.workers, pool.devices)
        foreteller.forecast.begin_round()
        self._shapes.begin_round()
        facts = state(
            view,
            jobs,
            pool.workers,
            blocked,
            os.getpid(),
            pool.notes,
            hours.closed_until,
            zone=hours.zone,
            breaks=hours.breaks(at),
            foreteller=foreteller,
            at=at,
            rota=self._spool.rota,
            queued=pool.queued,
            keep=lambda entries: encoded(entries, self._notifier.watchdog),
        )
        listed, waiting = facts.pop("waiting")
        facts |= self._whose
        self._listener.queue(len(facts["running"]), waiting, self._done, self._failed)
        pieces = [json.dumps(facts, ensure_ascii=False)[:-1].encode(), b', "waiting": [', *listed, b"]}"]
        sum_of = hashlib.sha256()
        for piece in pieces:
            sum_of.update(piece)
        if sum_of.digest() != self._written:
            self._spool.note_state(STATE_NAME, pieces)
        line = status_line(facts, waiting, self._done, self._failed, self.config_fault)
        if line != self._line:
            self._line = line
            self._notifier.status(line)
        if self._shapes.were_cut:
            shown = ()  # those that were not looked at are, the next time
        self._shown, self._written, self._facts = shown, sum_of.digest(), {**facts, "waiting": waiting}
        return sum(map(len, pieces))


def _whose(config: Config) -> dict[str, str | None]:
    """By which a state is known for this daemon's, and where results go, whatever becomes of the file that says so."""
    folders = {"inbox": str(config.inbox), "outbox": str(config.outbox)}
    # A path that is no text is nothing that JSON can hold.
    return {"born": born(os.getpid()), **{key: path if is_text(path) else None for key, path in folders.items()}}


def status_line(facts: dict[str, Any], waiting: int, done: int, failed: int, config_fault: str = "") -> str:
    """What ``systemctl status`` shows: what is wrong, the jobs at work, the queue; ``facts`` as the state has them."""
    wrong = [shorten(config_fault, FAULT_CHARACTERS), facts["blocked"] or "", "paused" if facts["paused"] else ""]
    jobs = [_at_work(entry) for entry in facts["running"]]
    queue = [f"{waiting} waiting", f"{done} done", f"{failed} failed"]
    if facts["closed_until"] is not None:
        queue.append(f"waits for {clock(facts['closed_until'], zone=facts['closed_zone'])}")
    elif facts["empty_at"] is not None and (jobs or waiting):
        queue.append(f"empty about {clock(facts['empty_at'])}")
    return "; ".join(filter(None, [*wrong, *jobs, ", ".join(queue)]))


def _at_work(entry: dict[str, Any]) -> str:
    if ends := being_ended(entry):
        return f"{entry['name']} {ends}"
    if entry["loss"] is None:
        return f"{entry['name']} is starting"
    left = "" if entry["seconds_left"] is None else f", {duration(entry['seconds_left'])} left"
    return f"{entry['name']} epoch {entry['epoch']}/{entry['epochs']}, loss {entry['loss']:.4g}{left}"
