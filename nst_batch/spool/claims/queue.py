"""The claims in memory, which jobs this daemon has handed out, and the ends that are still to be told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from nst_batch.clock import Moment
from nst_batch.spool.claims import attempts as counts
from nst_batch.spool.claims.claims import Claim, job_view
from nst_batch.spool.claims.live_job import Ended, Job, Recovery
from nst_batch.spool.claims.naming import FolderNames, key_of
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.claims.rota import Rota, lane_of
from nst_batch.spool.disk.blocked import InboxLost
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.disk.retry_notes import failed_names

Recover = Callable[[frozenset[str]], tuple[list[Claim], Recovery]]  # reads the folders, and sees to what was under way


class JobQueue:
    """What is under way. ``stale`` says that the folders may hold something else."""

    def __init__(self, fs: FileSystem, places: Places, recover: Recover, holds: Holds) -> None:
        self._fs = fs
        self._places = places
        self._recover = recover
        self._holds = holds
        self.claims: dict[str, Claim] = {}
        self.stale = False
        self.rota = Rota()
        self.to_stop: set[str] = set()  # ids of jobs that are to be handed out only to be published as they stand
        self._running, self._failed = FolderNames(fs, places.running), FolderNames(fs, places.failed)
        self._out: set[str] = set()  # ids of jobs that this daemon has handed out
        self._in_hand: dict[str, Job] = {}  # by id: jobs in workers' hands, as they were when they were first listed
        self._untold: list[Ended] = []  # a disk that refuses may come between an end and its telling

    def read(self) -> Recovery:
        """Read the folders, finishing or undoing what was under way."""
        self.stale = True
        claims, recovery = self._recover(frozenset(self._out))
        self.claims = {claim.record.id: claim for claim in claims}
        self._in_hand.clear()
        self._out.difference_update(end.id for end in recovery.ended)
        self._out = {job_id for job_id in self._out if self._holds.of(job_id) is None}
        self.stale = False
        return recovery

    def expect(self, in_hand: frozenset[str]) -> None:
        """Jobs that are in a worker's hands already, before the folders are read."""
        self._out |= in_hand

    def jobs(self) -> tuple[Job, ...]:
        """Every live job; what a worker is at work on shows as it was when it was given.

        A cluster may have a thousand of them: the disk is not asked of each at every look.
        """
        return tuple(self._listed(claim, job) for claim in self.claims.values() for job in claim.live())

    def _listed(self, claim: Claim, record: JobRecord) -> Job:
        if record.index not in claim.given or record.index in claim.orphaned:
            return self.view(claim, record)
        job_id = claim.record.job_id(record)
        if job_id not in self._in_hand:
            self._in_hand[job_id] = self.view(claim, record)
        return self._in_hand[job_id]

    def view(self, claim: Claim, record: JobRecord) -> Job:
        """One job as the rest of the program sees it, as it stands now."""
        job_id = claim.record.job_id(record)
        held = self._holds.of(job_id, claim.record.id)
        return job_view(self._fs, claim, record, self._places, held, to_stop=job_id in self.to_stop)

    def find(self, job_id: str) -> tuple[Claim, JobRecord]:
        """A live job; InboxLost where it is not there any more."""
        claim = self.claims.get(job_id.rpartition(".")[0])
        record = claim.by_id.get(job_id) if claim is not None else None
        if claim is None or record is None or record.index in claim.done:
            raise InboxLost("job_gone", f"the job {job_id} is not in the inbox any more", "it was taken away there")
        return claim, record

    def has(self, job_id: str) -> bool:
        """Whether the job is live."""
        with contextlib.suppress(InboxLost):
            return self.find(job_id) is not None
        return False

    def next_job(self, at: Moment, pauses: tuple[float, ...], *, now_only: bool = False) -> Job | None:
        """The claimed job that is to run next; with ``now_only`` one that is asked for at any hour."""
        runnable = (
            job
            for claim in self.claims.values()
            if claim.copied
            for job in (self.view(claim, record) for record in claim.live() if claim.may_be_given(record))
            if not (job.trouble or job.outcome or self._holds.waits(job.id))
            and job.attempts.cut is None
            and (job.now or not now_only)
            and (job.id in self.to_stop or counts.is_due(job.attempts, at.wall, pauses))
        )
        return min(runnable, key=self.order, default=None)

    def order(self, job: Job) -> tuple[int, int, int, str, int]:
        """Sorts by whether it is to be stopped, priority, whose turn it is, arrival and number."""
        record = self.claims[job.claim].record
        return (*self.rota.place(job.rank, job.lane, record.arrival_ns, record.origin), job.index)

    def taken(self, *, retrying: bool = True) -> frozenset[str]:
        """The JOB names, folded, that are not free: of live claimed, running and failed jobs.

        Failed ones on their way back are none any more; they are told from the others only with ``retrying``.
        """
        live = {key_of(job.name) for claim in self.claims.values() for job in claim.live()}
        failed = self._failed.names()
        if retrying and failed:
            failed = frozenset(key_of(name) for name in failed_names(self._fs, self._places))
        return frozenset(live | self._running.names() | failed)

    def gone(self) -> None:
        """Forget claims whose folders have been undone."""
        self.claims = {key: claim for key, claim in self.claims.items() if self._fs.kind(claim.folder)}

    def given(self, claim: Claim, record: JobRecord) -> None:
        """A worker has the job."""
        claim.given.add(record.index)
        self.rota.serve(lane_of(claim.record.origin))
        self._out.add(claim.record.job_id(record))

    def returned(self, claim: Claim, record: JobRecord) -> None:
        """No worker has the job any more."""
        claim.given.discard(record.index)
        self._out.discard(claim.record.job_id(record))
        self._in_hand.pop(claim.record.job_id(record), None)

    def needed(self) -> set[str]:
        """The images that unfinished jobs use."""
        return set().union(*(claim.needs() for claim in self.claims.values()))

    def to_clear(self) -> list[Claim]:
        """Claims with images that may have to leave the inbox."""
        return [claim for claim in self.claims.values() if claim.to_clear and claim.done]

    def ended(self, *ends: Ended) -> None:
        """A job has its end; it is told with the next :meth:`tell`."""
        self._untold += ends

    def tell(self) -> tuple[Ended, ...]:
        """The ends that have not been told."""
        ends, self._untold = tuple(self._untold), []
        return ends
