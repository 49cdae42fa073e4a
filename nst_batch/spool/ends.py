"""The ends of jobs: published, or put into ``failed/``; where the place that one belongs to refuses, it waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from nst_batch.filenames import MANIFEST_NAME
from nst_batch.job import Outcome, manifest
from nst_batch.reasons import EndState, Reason
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.claims.queue import JobQueue
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.outbox.publish import Publisher
from nst_batch.spool.outbox.rewriting import with_inputs
from nst_batch.spool.outbox.running import RunningFolders
from nst_batch.spool.runs import Runs


class Ends:
    """Takes jobs to their ends. Every call returns None where its place refuses: it is tried again once it is due."""

    def __init__(
        self, queue: JobQueue, running: RunningFolders, publisher: Publisher, runs: Runs, holds: Holds
    ) -> None:
        self._queue = queue
        self._running = running
        self._publisher = publisher
        self._runs = runs
        self._holds = holds

    def finish(self, job: Job, state: EndState, files: Mapping[str, bytes], made: Collection[str]) -> Ended | None:
        """Publish a job that is done or stopped; ``files`` are written into its folder first, ``made`` must lie there.

        SpoolBlocked ``running_gone`` where its running folder, or something in it, has gone: it will run again.
        """
        claim, record = self._queue.find(job.id)

        def publish() -> Ended:
            if not self._running.has(claim, record, made):
                self._runs.begin_anew(claim, record)
            return self._publisher.finish(claim, record, state, files)

        return self._publish(claim, record, publish)

    def fail(self, job: Job, reason: Reason, files: Mapping[str, bytes]) -> Ended | None:
        """Put a job that failed or was cancelled into ``failed/`` with its inputs."""
        if self._holds.waits(job.id, job.claim):
            return None
        claim, record = self._queue.find(job.id)
        if MANIFEST_NAME not in files:
            fallback = {"title": job.title, "id": job.id, "received_at": job.arrival}
            outcome = Outcome(state=reason.end_state, reason=reason)
            text = manifest(job.spec, outcome, attempts=job.attempts.runs, fallback=fallback)
            files = {MANIFEST_NAME: text.encode(), **files}
        files = {**files, MANIFEST_NAME: with_inputs(files[MANIFEST_NAME], record, claim.record.origin)}
        return self._publish(claim, record, lambda: self._publisher.fail(claim, record, reason, files))

    def _publish(self, claim: Claim, record: JobRecord, act: Callable[[], Ended]) -> Ended | None:
        """Take a job to its place, or go on with that; no worker has it then, whether it got there or not."""
        job_id = claim.record.job_id(record)
        begun = self._holds.of(job_id) is not None

        def go_on() -> Ended:
            return (self._publisher.resume(claim, record) if begun else None) or act()

        ended = self._holds.attempt(job_id, record.name, go_on)
        self._queue.returned(claim, record)
        return ended
