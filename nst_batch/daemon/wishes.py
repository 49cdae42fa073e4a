"""What control files ask of jobs at work, passed on to whoever has each of them, once."""

from __future__ import annotations

from collections.abc import Iterable

from nst_batch.daemon.executor import Executor
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.control import Control


class Wishes:
    """Stop and cancel on their way to workers; those of jobs that do not run are the spool's."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._told: set[tuple[str, str]] = set()  # (job, action)

    def pass_on(self, controls: Iterable[Control]) -> None:
        """Tell workers what they have not been told. SpoolBlocked."""
        asked = [(control.job.id, control.action) for control in controls if control.job is not None]
        self._told.intersection_update(asked)  # one whose file has gone may be asked for again
        for job_id, action in asked:
            worker = self._pool.at_work_on(job_id)
            if worker is not None and (job_id, action) not in self._told:
                worker.tell({"do": action})
                self._told.add((job_id, action))

    def given(self, job: Job, controls: Iterable[Control]) -> None:
        """A worker has been given a job: what an earlier one was told and has not done is asked of this one, at once.

        Of a job that has not begun nothing is: it would not have been handed out, could its control file be removed.
        """
        if job.checkpoint or job.attempts.begun:
            self._told = {told for told in self._told if told[0] != job.id}
            self.pass_on(controls)
