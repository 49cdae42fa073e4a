"""Images that are copied once more after they were claimed: those that could not be read, and those that looked cut.

A copy into the inbox that has stalled for longer than ``settle_seconds`` looks finished. So a job whose image looks
cut short waits once more, then the image is copied anew if it is another one by now and the job runs again. An
image that the disk cannot read costs its jobs an attempt each time. Other jobs of the claim are not concerned.

The state lies in the folders: attempts.json says which copy looked cut (``cut``), a copy that is missing was not to be
read, and claim.json names the newest copy of each image. Killed anywhere, the next sweep begins again.
"""

from __future__ import annotations

from collections.abc import Iterator

from nst_batch.clock import Moment, duration
from nst_batch.reasons import Reason
from nst_batch.spool.claims import attempts as counts
from nst_batch.spool.claims.attempts import Attempts, JobLimits, RunFailure
from nst_batch.spool.claims.claim import Claimer, is_unreadable
from nst_batch.spool.claims.claims import Claim, checkpoint_stamp, write_attempts
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import ChangedError, NotRegularError
from nst_batch.spool.inbox.inbox import Inbox

_UNREADABLE_ADVICE = "look at the disk it lies on, put the image there again, then nst-batch retry"


class Recopier:
    """Looks again at the images of jobs that wait for it."""

    def __init__(self, fs: FileSystem, claimer: Claimer, inbox: Inbox) -> None:
        self._fs = fs
        self._claimer = claimer
        self._inbox = inbox

    def look(self, claim: Claim, limits: JobLimits, at: Moment) -> None:
        """Copy what is due and still; the jobs whose images have come can run then."""
        if not claim.copied or not (claim.unread or any(each.cut is not None for each in claim.attempts.values())):
            return
        refused: dict[int, str] = {}  # one try at each image, however many jobs wait for it
        for job, attempts in list(_waiting(claim)):
            pauses = limits.backoff_seconds if attempts.cut is None else (limits.recopy_seconds,)
            if counts.is_due(attempts, at.wall, pauses):
                self._look_for(claim, job, attempts, limits, at, refused)

    def _look_for(
        self, claim: Claim, job: JobRecord, attempts: Attempts, limits: JobLimits, at: Moment, refused: dict[int, str]
    ) -> None:
        lacking = claim.lacks(job)
        sources = claim.record.sources
        wanted = lacking | {n for n, source in enumerate(sources) if source.stored == attempts.cut}
        if not all(sources[n].library or self._inbox.is_still(sources[n].path, at) for n in wanted):
            return
        for index in sorted(wanted):
            if index not in refused:
                try:
                    self._fetch(claim, index, refused)
                except ChangedError:
                    return  # it is being written to: the next look finds it so
        failed = [refused[index] for index in sorted(lacking) if index in refused]
        if failed:
            reason = Reason.of("image_unreadable", failed[0], _UNREADABLE_ADVICE)
            self._count(claim, job, attempts, RunFailure(reason), limits, at)
        elif attempts.cut is not None:
            write_attempts(self._fs, claim, job, attempts.model_copy(update={"cut": None, "not_before": 0.0}))
            self._fs.step("recopy.done")

    def _fetch(self, claim: Claim, index: int, refused: dict[int, str]) -> None:
        source = claim.record.sources[index]
        try:
            self._claimer.fetch(claim, index)
        except NotRegularError as error:
            refused[index] = str(error)
        except OSError as error:
            origin = self._claimer.origin(source)
            gone = isinstance(error, FileNotFoundError | NotADirectoryError) and error.filename == str(origin)
            if not gone and not is_unreadable(error, origin):
                raise
            refused[index] = f"{source.base_name}: {error.strerror}"

    def _count(
        self, claim: Claim, job: JobRecord, attempts: Attempts, failure: RunFailure, limits: JobLimits, at: Moment
    ) -> None:
        stamp = checkpoint_stamp(self._fs, claim.job_folder(job))
        after, verdict = counts.unread(attempts, failure, stamp, limits, at.wall)
        write_attempts(self._fs, claim, job, after)
        self._fs.step("recopy.counted")
        if verdict.retry_at is not None:
            self._inbox.notes.say(
                f"{job.name}: {failure.reason.message}; tried again in {duration(verdict.retry_at - at.wall)}"
            )


def _waiting(claim: Claim) -> Iterator[tuple[JobRecord, Attempts]]:
    """The jobs that no worker has and that wait for an image."""
    for job in claim.live():
        attempts = claim.attempts.get(job.index, Attempts())
        at_work = job.index in claim.given or job.index in claim.orphaned
        if at_work or job.trouble or attempts.ending:
            continue
        if attempts.cut is not None or claim.lacks(job):
            yield job, attempts
