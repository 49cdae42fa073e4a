"""A job in a worker's hands: handed out, given back, dead. Each is counted durably before anything follows from it."""

from __future__ import annotations

from nst_batch.clock import Moment
from nst_batch.filenames import CHECKPOINT_PREFIX, OUTCOME_NAME, SPEC_NAME
from nst_batch.spool.claims import attempts as counts
from nst_batch.spool.claims.attempts import Attempts, JobLimits, RunFailure, Verdict
from nst_batch.spool.claims.claims import Claim, checkpoint_stamp, write_attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.claims.queue import JobQueue
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.outbox.running import RunningFolders


class Runs:
    """Begins and ends the runs of jobs."""

    def __init__(self, fs: FileSystem, places: Places, queue: JobQueue, running: RunningFolders) -> None:
        self._fs = fs
        self._places = places
        self._queue = queue
        self._running = running

    def hand_out(self, job_id: str) -> Job:
        """Make ready what a worker needs, then count the run. The job is in a worker's hands then.

        The count comes last, so that a disk that refuses one of the others costs the job nothing.
        """
        claim, record = self._queue.find(job_id)
        folder = claim.job_folder(record)
        stamp = checkpoint_stamp(self._fs, folder)
        attempts = counts.given(claim.attempts.get(record.index, Attempts()), stamp)
        self._fs.make_folder(folder)
        self._fs.rmtree(folder / OUTCOME_NAME)
        self._running.prepare(claim, record, keep=bool(stamp))
        claim, record = self._queue.find(job_id)  # it may go by another name from now on
        spec = claim.specs[record.index]
        assert spec is not None
        self._fs.write_durable(folder / SPEC_NAME, spec.model_dump_json().encode())
        self._fs.step("handout.made")
        write_attempts(self._fs, claim, record, attempts)
        self._queue.given(claim, record)
        self._fs.step("handout.counted")
        return self._queue.view(claim, record)

    def in_hand(self, job_id: str) -> Job | None:
        """A job that was handed out before, as the folders tell of it; None where it is in nobody's hands."""
        claim, record = self._queue.find(job_id)
        return self._queue.view(claim, record) if record.index in claim.given else None

    def put_back(self, job_id: str) -> Verdict:
        """The run is taken back: the daemon is stopping, the worker has ended."""
        claim, record = self._queue.find(job_id)
        folder = claim.job_folder(record)
        if self._fs.kind(folder / OUTCOME_NAME) is not None:
            # It finished in the last moment: the next start handles it.
            self._queue.returned(claim, record)
            return Verdict(retry_at=0.0)
        before = claim.attempts.get(record.index, Attempts())
        after, verdict = counts.interrupted(before, checkpoint_stamp(self._fs, folder))
        write_attempts(self._fs, claim, record, after)
        self._queue.returned(claim, record)
        return verdict

    def take_back(self, job_id: str, *, begun: bool = True) -> None:
        """The run counts for nothing, neither as an attempt nor as an interruption."""
        claim, record = self._queue.find(job_id)
        if self._fs.kind(claim.job_folder(record) / OUTCOME_NAME) is None:
            before = claim.attempts.get(record.index, Attempts())
            write_attempts(self._fs, claim, record, counts.taken_back(before, begun=begun))
        self._queue.returned(claim, record)

    def died(self, job_id: str, failure: RunFailure, limits: JobLimits, at: Moment) -> Verdict:
        """A run ended without a result: when it is tried again, or its end."""
        claim, record = self._queue.find(job_id)
        folder = claim.job_folder(record)
        before = claim.attempts.get(record.index, Attempts())
        if failure.cut is not None and not before.looked_again:
            after, verdict = counts.cut_short(before, _copy_of(claim, record, failure.cut), limits, at.wall)
        else:
            after, verdict = counts.died(before, failure, checkpoint_stamp(self._fs, folder), limits, at.wall)
        write_attempts(self._fs, claim, record, after)
        self._fs.step("died.counted")
        self._fs.rmtree(folder / OUTCOME_NAME)
        self._queue.returned(claim, record)
        return verdict

    def begin_anew(self, claim: Claim, record: JobRecord) -> None:
        """Forget every run of a job of which something has gone that was to be published; raises SpoolBlocked."""
        folder = claim.job_folder(record)
        for name in self._fs.names(folder):
            if name == OUTCOME_NAME or name.startswith(CHECKPOINT_PREFIX):
                self._fs.rmtree(folder / name)
        write_attempts(self._fs, claim, record, Attempts(begun=True))
        self._queue.returned(claim, record)
        raise SpoolBlocked(
            "running_gone",
            f"{self._places.running / record.name}, or something in it, has gone before it could be published",
        )


def _copy_of(claim: Claim, record: JobRecord, name: str) -> str:
    """The copy that a worker knew by an input's name; "" where the job has no such input."""
    sources = (item.source for item in record.inputs if item.name == name and item.source is not None)
    return next((claim.record.sources[index].stored for index in sources), "")
