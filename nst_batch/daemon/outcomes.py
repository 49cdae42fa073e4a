"""What follows from a worker's news: a result is published, a failure told or tried again, a run taken back.

Every call may raise SpoolBlocked or InboxLost: the folders still say then what is to be done, and the daemon comes back
to it.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from nst_batch.clock import Moment, duration
from nst_batch.daemon.status_writer import StatusWriter
from nst_batch.filenames import MANIFEST_NAME
from nst_batch.job import Outcome, manifest
from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.spool import Spool
from nst_batch.turn import Turn


class OutcomeHandler:
    """Takes jobs from a worker's hands to where they belong.

    ``note`` tells a person something, ``on_end`` is told of every end.
    """

    def __init__(
        self,
        spool: Spool,
        status_writer: StatusWriter,
        *,
        note: Callable[[str], None],
        on_end: Callable[[Ended], None],
    ) -> None:
        self._spool = spool
        self._status_writer = status_writer
        self._note = note
        self._on_end = on_end
        self.failed = 0

    def handle(self, job: Job, at: Moment) -> None:
        """Publish, fail or try again by the outcome that lies in the job's folder."""
        try:
            outcome = Outcome.model_validate_json(self._spool.outcome(job))
        except ValidationError:
            damaged = Reason.of("outcome_damaged", "what its worker left of it cannot be read")
            self._died(job, RunFailure(damaged), at)
            return
        reason, look_again = outcome.reason, outcome.cut is not None and not job.attempts.looked_again
        if reason is not None and (outcome.retry or look_again):
            self._died(job, RunFailure(reason, cut=outcome.cut), at)
            return
        if reason is not None and outcome.cut is not None:
            reason = reason.noting("after waiting once more")
            outcome = outcome.model_copy(update={"reason": reason})
        files = {MANIFEST_NAME: manifest(job.spec, outcome, attempts=job.attempts.runs).encode()}
        if reason is None:
            made = {*outcome.outputs, *filter(None, [outcome.final])}
            self._tell(self._spool.finish(job, outcome.state, files, made=made))
        else:
            self._tell(self._spool.fail(job, reason, files))

    def settle_leftovers(self, at_work_on: Callable[[str], object | None], at: Moment, turn: Turn) -> None:
        """Jobs that no worker has any more, whose end or return a full disk or an earlier daemon's end prevented."""
        for job in self._spool.jobs():
            if job.orphaned or at_work_on(job.id) is not None or job.is_held(at.mono):
                continue
            job = self._spool.job(job.id)  # noqa: PLW2901 - what its worker has left since it was given
            if job.outcome is not None:
                self.handle(job, at)
            elif job.given:
                self._spool.take_back(job)
            else:
                continue
            if turn.over:
                return

    def handle_failure(self, job: Job, failure: RunFailure, at: Moment) -> None:
        """A worker died at a job: try again later, or fail. One that died when all was done left its outcome."""
        if job.outcome is not None:
            self.handle(job, at)
        else:
            self._died(job, failure, at)

    def _died(self, job: Job, failure: RunFailure, at: Moment) -> None:
        verdict = self._spool.died(job, failure, at)
        if verdict.retry_at is not None:
            self._note(f"{job.name}: {failure.reason.message}; tried again in {duration(verdict.retry_at - at.wall)}")
        self._follow(job, verdict.ending)

    def put_back(self, job: Job) -> None:
        """A worker gave the job back unfinished."""
        self._follow(job, self._spool.put_back(job).ending)

    def _follow(self, job: Job, ending: Reason | None) -> None:
        if ending is not None:
            self._tell(self._spool.fail(job, ending))

    def _tell(self, ended: Ended | None) -> None:
        """A job has its end, or waits for a place of its own: the spool has said so then."""
        if ended is not None:
            self.tell_end(ended)

    def tell_end(self, ended: Ended) -> None:
        """A job has its end."""
        self.failed += ended.state == "failed"
        self._status_writer.job_ended(ended, Moment.now())
        self._on_end(ended)
