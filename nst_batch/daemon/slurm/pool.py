"""The pool of a cluster: each worker in an allocation of Slurm, found again after a restart, and asked for only once.

It is to the loop what :class:`nst_batch.daemon.worker_pool.WorkerPool` is. Its workers outlive the daemon; whether one
lives is Slurm's to say, never a lock's or a clock's on another machine. What a worker tells comes by its mailbox, and
that is looked at, since no event crosses machines.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.daemon.events import Begun, Event, Finished, Phased, Refused, Yielded, event_of
from nst_batch.daemon.slurm.allocation import Allocation, AllocationRecord, allocation_records
from nst_batch.daemon.slurm.commands import QueueEntry
from nst_batch.daemon.slurm.ends import GONE, end_of_run, may_live_on, start_failure
from nst_batch.daemon.slurm.scheduler import Scheduler
from nst_batch.daemon.worker_process import worker_options
from nst_batch.errors import SetupError
from nst_batch.filenames import OWN_FOLDER
from nst_batch.protocol import WorkerOptions
from nst_batch.reasons import Reason
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import SpoolBlocked, pause_for
from nst_batch.spool.disk.fs import FileSystem

FOLDER_NAME = "slurm"
NODE_COMMAND = (sys.executable, "-m", "nst_batch.worker.node")
MAIL_SECONDS = 0.5  # between two looks at one allocation's mailbox
MAILS_A_SECOND = 100  # at most: a look is a few round trips on a network file system
REVOKED_SECONDS = 15.0  # a worker that its machine has lost, but that lives, reads its mail well within that time
START_SECONDS = 600.0  # for a worker to load TensorFlow from a shared file system
PAUSES = (5.0, 15.0, 60.0, 300.0)  # before Slurm is asked again for what it has refused, or what ended at once
MISSED_LOOKS = 2  # of the queue without it, before an allocation is taken to be gone
# A thousand in four minutes, for less than a tenth of a core: what is asked for is claimed first.
NEW_AT_ONCE, NEW_SECONDS = 20, 5.0
UNHEARD_LOOKS = 3  # at the queue without an answer, before somebody who waits for the end should wait no longer


class SlurmPool:
    """Every allocation of one inbox."""

    def __init__(self, config: Config, fs: FileSystem, command: Sequence[str] = NODE_COMMAND) -> None:
        """``command`` is what starts a worker on a node, but for its folder. SetupError without Slurm's commands."""
        if shutil.which("sbatch") is None:
            raise SetupError(
                "slurm_missing",
                "executor: slurm, but there is no sbatch on the PATH",
                "run the daemon on a machine with Slurm's commands, or write executor: local",
            )
        self._config = config
        self._command = command
        self._settings = config.slurm
        self._fs = fs
        self._folder = Path(config.inbox) / OWN_FOLDER / FOLDER_NAME
        self._allocations: dict[str, Allocation] = {}  # by the name that Slurm knows
        self._read = False  # the folders have been looked at
        self._scheduler = Scheduler(config.slurm)
        self._having: dict[str, Allocation] = {}  # by the id of the last job that each was given
        self._mail_due: dict[str, float] = {}
        self._missed: dict[str, int] = {}
        self.restarts = 0  # allocations that ended with a job, which another one has to go on with
        self._failures = 0  # in a row: refused, or ended before a worker was ready
        self._start_due = self._new_due = 0.0
        self._new_left = 0  # that may be asked for before ``_new_due``
        self._troubles: dict[str, str] = {}  # of submitting, of starting
        self._to_tell: list[Event] = []

    # -- what the loop asks -------------------------------------------------------------------------

    @property
    def workers(self) -> tuple[Allocation, ...]:
        """Every allocation, waiting and running."""
        return tuple(self._allocations.values())

    @property
    def to_watch(self) -> tuple[int, ...]:
        """Nothing wakes the loop: a mailbox is looked at."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is to be said of devices: they are the cluster's."""
        return ()

    @property
    def busy(self) -> tuple[Allocation, ...]:
        """The allocations that have a job."""
        return tuple(one for one in self._allocations.values() if one.record.job)

    @property
    def giving_back(self) -> tuple[Allocation, ...]:
        """What has to come back before the daemon ends: the jobs that Slurm has never heard of. The others go on."""
        return tuple(one for one in self.busy if self._is_unheard_of(one))

    @property
    def devices(self) -> tuple[str, ...]:
        """None are known: the cluster gives them."""
        return ()

    @property
    def queued(self) -> dict[str, str]:
        """How the jobs stand that were handed out and have not begun, by id."""
        return {one.record.job: one.queue_state for one in self.busy if not one.at_work}

    @property
    def trouble(self) -> str | None:
        """Why no job gets to the cluster; None where all is well."""
        unheard = f"Slurm's controller does not answer: {self._scheduler.trouble}" if self._scheduler.trouble else ""
        return "; ".join(filter(None, (*self._troubles.values(), unheard))) or None

    @property
    def gives_up(self) -> bool:
        """Whether somebody who waits for the end should wait no longer: nothing can be asked for, and nothing runs."""
        fails = self._failures >= self._config.jobs.attempts or self._scheduler.failures >= UNHEARD_LOOKS
        return fails and not any(one.record.slurm_id for one in self.busy)

    @property
    def start_due(self) -> float:
        """When Slurm may next be asked for an allocation (monotonic)."""
        is_full = len(self._allocations) >= self._settings.max_queued
        return self._start_due if self._new_left or is_full else max(self._start_due, self._new_due)

    def jobs_in_hand(self) -> frozenset[str]:
        """Ids of the jobs that allocations have, those of an earlier daemon included."""
        if not self._read:
            self._find_allocations()
        return frozenset(one.record.job for one in self._allocations.values() if one.record.job)

    def adopt(self, find: Callable[[str], Job | None]) -> None:
        """Take over what an earlier daemon gave; ``find`` gives a job that is in hand, None for one that has ended."""
        for one in self._allocations.values():
            if one.record.job and one.job is None:
                one.job = find(one.record.job)
                if one.job is None:
                    one.let_go()

    def at_work_on(self, job_id: str) -> Allocation | None:
        """The allocation that has this job."""
        one = self._having.get(job_id)
        return one if one is not None and one.record.job == job_id else None

    def openings(self, now: float) -> Iterator[Callable[[Job], None]]:
        """What takes a job, one call for each warm worker, then for allocations still to be asked for. SpoolBlocked."""
        for one in [one for one in self._allocations.values() if one.idle]:
            yield functools.partial(self._give, one, now)
        if now >= self._new_due:
            self._new_left, self._new_due = NEW_AT_ONCE, now + NEW_SECONDS
        while len(self._allocations) < self._settings.max_queued and now >= self._start_due and self._new_left:
            self._new_left -= 1
            token = secrets.token_hex(8)
            one = Allocation(self._fs, self._folder / token, AllocationRecord(token=token), now)
            yield functools.partial(self._give, one, now)

    def _give(self, one: Allocation, now: float, job: Job) -> None:
        """Hand a job to a warm worker, or ask for an allocation for it. SpoolBlocked."""
        try:
            if one.name not in self._allocations:
                one.make(self._options())
            one.give(job, now)
        except OSError as error:
            raise pause_for(error) from error
        self._keep(one)

    def news(self, now: float) -> Iterator[Event]:
        """What has happened since the last call. SpoolBlocked, at last, where the disk refuses some of it."""
        told, self._to_tell = self._to_tell, []
        yield from told
        refused: OSError | SpoolBlocked | None = None
        try:
            self._submit(now)
            entries = self._scheduler.queue(now)
            if entries is not None:
                self._take_in(entries, now)
        except OSError as error:
            refused = error
        pause = max(MAIL_SECONDS, len(self._allocations) / MAILS_A_SECOND)
        for one in list(self._allocations.values()):
            try:
                if now >= self._mail_due.get(one.name, 0.0):
                    self._mail_due[one.name] = now + pause
                    yield from self._heard(one, now)
                    self._watch_over(one, now)
                if one.is_over:
                    yield from self._buried(one, now)
            except (OSError, SpoolBlocked) as error:
                refused = error  # the others are heard all the same
        if refused is not None:
            raise pause_for(refused) if isinstance(refused, OSError) else refused

    def reload(self, config: Config) -> None:
        """Another config, for the workers that are asked for from now on; what is asked of the cluster stays."""
        self._config = config

    def end(self) -> None:
        """The daemon ends: workers go on, those without a job end, and what Slurm has not heard of comes back."""
        for one in self._allocations.values():
            one.called_back = one.called_back or self._is_unheard_of(one)
        self.rest()

    def rest(self) -> None:
        """End the workers that have nothing to do."""
        for one in self._allocations.values():
            if one.idle:
                with contextlib.suppress(SpoolBlocked):
                    one.end()

    def call_back(self) -> None:
        """No job begins for now: those that wait in Slurm's queue come back."""
        for one in self.busy:
            one.called_back = one.called_back or not one.at_work

    def kill(self) -> tuple[Job, ...]:
        """Nothing is taken back: the jobs are the cluster's, and the next daemon finds them there."""
        return ()

    # -- allocations --------------------------------------------------------------------------------

    def _find_allocations(self) -> None:
        """Those that the folders know, all of them. OSError."""
        for token, record in list(allocation_records(self._fs, self._folder)):
            if record.token != token:
                self._fs.clear_away(self._folder / token)
                continue
            one = Allocation(self._fs, self._folder / token, record, 0.0)
            self._keep(one)
        self._read = True

    def _keep(self, one: Allocation) -> None:
        self._allocations[one.name] = one
        self._having = {job: other for job, other in self._having.items() if other is not one}
        if one.record.job:
            self._having[one.record.job] = one

    def _options(self) -> WorkerOptions:
        return worker_options(self._config, parent=0, device="gpu" if self._settings.gpus else "cpu")

    def _submit(self, now: float) -> None:
        """Ask for what has not been asked for. What an earlier daemon may have asked for is looked for first."""
        for answer in self._scheduler.answers(now):
            if answer.slurm_id:
                self._troubles.pop("submit", None)
                self._allocations[answer.name].submitted(answer.slurm_id)
            else:
                self._failed(now, "submit", f"Slurm takes no job: {answer.why}")
        if now < self._start_due:
            return
        for one in self._allocations.values():
            if not self._scheduler.may_submit:
                return
            if self._is_unheard_of(one) and not one.called_back:
                self._scheduler.submit(one.name, one.script(self._settings.setup, self._command), now)

    def _is_unheard_of(self, one: Allocation) -> bool:
        """Whether Slurm has certainly never taken it."""
        asked = self._scheduler.is_being_asked_for(one.name)
        return self._scheduler.has_looked and not one.record.slurm_id and not asked

    def _take_in(self, entries: list[QueueEntry], now: float) -> None:
        known: dict[str, list[QueueEntry]] = {}
        for entry in entries:
            known.setdefault(entry.name, []).append(entry)
        for one in self._allocations.values():
            if self._scheduler.is_being_asked_for(one.name):
                continue
            found = known.get(one.name, [])
            own = next((entry for entry in found if entry.slurm_id == one.record.slurm_id), None)
            if own is None and not one.record.slurm_id and found:
                own = found[0]
                one.submitted(own.slurm_id)
            for twin in (entry for entry in found if entry is not own and entry.lives):
                self._scheduler.cancel(twin.slurm_id, one.name, now)
            if own is not None:
                self._missed.pop(one.name, None)
                if one.state != own.state and own.state == "RUNNING":
                    one.last_beat = now
                one.seen(own)
            elif one.record.slurm_id:
                # Just submitted, perhaps, or ended so long ago that Slurm has forgotten.
                self._missed[one.name] = self._missed.get(one.name, 0) + 1
                if self._missed[one.name] >= MISSED_LOOKS:
                    one.state = GONE

    def _watch_over(self, one: Allocation, now: float) -> None:
        """End a worker that gets no further, and what is not to begin, or not to begin again, in Slurm's queue."""
        if one.called_back and self._is_unheard_of(one):
            one.state = "CANCELLED"
        is_queued = bool(one.record.slurm_id) and not (one.cancelled or one.runs or one.is_over)
        if is_queued and (one.called_back or one.requeued):
            self._cancel(one, now)
        if one.state != "RUNNING" or one.cancelled or one.fault:
            return
        silence = now - one.last_beat
        if one.ready and one.job is not None and silence > self._config.jobs.stall_timeout:
            one.stalled = True
            self._cancel(one, now)
        elif not one.ready and silence > START_SECONDS:
            self._failed(now, "start", f"the worker of {one.device.name} took too long to start")
            self._cancel(one, now)

    def _cancel(self, one: Allocation, now: float) -> None:
        one.cancelled = True
        self._scheduler.cancel(one.record.slurm_id, one.name, now)

    def _failed(self, now: float, what: str, text: str) -> None:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._start_due = now + pause
        if self._troubles.get(what) != text:
            self._to_tell.append(Phased(None, f"{text}; tried again in {duration(pause)}"))
        self._troubles[what] = text

    # -- what workers tell --------------------------------------------------------------------------

    def _heard(self, one: Allocation, now: float) -> Iterator[Event]:
        for message in one.read(now):
            job = one.job
            match message["say"]:
                case "ready":
                    self._failures = 0
                    self._troubles.pop("start", None)
                    yield Phased(None, f"worker ready in {one.device.name}: {message['device']}")
                case "fault":
                    self._failed(now, "start", f"{one.device.name}: {Reason(**message['reason']).in_one_line}")
                case "taken" if job is not None:
                    yield Begun(job, one.device.name)
                case _ if job is not None and (event := event_of(job, message)) is not None:
                    if isinstance(event, Finished | Yielded | Refused):
                        one.let_go()
                    yield event

    def _buried(self, one: Allocation, now: float) -> Iterator[Event]:
        """Slurm says that nothing of it runs any more."""
        yield from self._heard(one, now)  # its last words
        if may_live_on(one):
            # It must not touch the job once another worker has it.
            if one.revoked_at is None:
                one.tell({"do": "revoked"})
                one.revoked_at = now
            if now - one.revoked_at < REVOKED_SECONDS:
                return
        job = one.job
        del self._allocations[one.name]
        self._having.pop(one.record.job, None)
        self._mail_due.pop(one.name, None)
        self._missed.pop(one.name, None)
        if text := start_failure(one):
            self._failed(now, "start", text)
        if job is not None:
            self.restarts += one.taken
            yield end_of_run(one, job, self._config.jobs.stall_timeout)
        self._fs.rmtree(one.folder)
