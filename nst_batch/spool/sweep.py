"""What needs no worker: claims completed and made, control files obeyed, known failures, clearing."""

from __future__ import annotations

import time
from collections import deque
from functools import partial

from nst_batch import names
from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.reasons import CANCELLED, SIDECAR_NOT_TAKEN, Reason
from nst_batch.spool.claims.attempts import JobLimits
from nst_batch.spool.claims.claim import Claimer, ClaimLostError, UntakenError
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.claims.queue import JobQueue
from nst_batch.spool.disk.attach import Attachment
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.ends import Ends
from nst_batch.spool.inbox.control import Control, drop
from nst_batch.spool.inbox.inbox import Inbox
from nst_batch.spool.inbox.readiness import Broken, Ready
from nst_batch.spool.intent import record_of, with_portable_names
from nst_batch.spool.outbox.clear import Clearer
from nst_batch.spool.outbox.superseded import drop_superseded, drop_untaken
from nst_batch.spool.recopy import Recopier
from nst_batch.spool.recover import Recoverer
from nst_batch.turn import Turn

FIRST_ABREAST, MOST_ABREAST = 4, 32  # sidecars that fail side by side
ABREAST_SECONDS = 1.0  # where they took longer, fewer do the next time
WORTH_A_GROUP = 0.25  # of their time, spent waiting for the disk: for less one by one is sooner


class Sweep:
    """The spool's own work on what its inbox has seen and its queue holds."""

    def __init__(
        self,
        fs: FileSystem,
        places: Places,
        inbox: Inbox,
        queue: JobQueue,
        *,
        claimer: Claimer,
        clearer: Clearer,
        recoverer: Recoverer,
        holds: Holds,
        ends: Ends,
        attachment: Attachment,
    ) -> None:
        self._fs = fs
        self._places = places
        self._inbox = inbox
        self._queue = queue
        self._claimer = claimer
        self._clearer = clearer
        self._recoverer = recoverer
        self._holds = holds
        self._recopy = Recopier(fs, claimer, inbox)
        self._ends = ends
        self._attachment = attachment
        self._abreast = FIRST_ABREAST

    def run(self, config: Config, at: Moment, turn: Turn) -> None:
        """One sweep, or as much of it as there is time for; the ends that come of it are in the queue."""
        self._fs.clear_left_overs()
        for sidecar in self._inbox.untaken_no_more():
            self._drop_untaken(sidecar, "was taken away, or is another one by now")
        limits = job_limits(config)
        for claim in list(self._queue.claims.values()):
            self._complete(claim, turn)
            self._recopy.look(claim, limits, at)
            self._queue.ended(*self._recoverer.adopt_orphans(claim), *self._recoverer.resume_held(claim))
        turn.begin()  # or those that wait for something else would be all that there is time for
        for control in self._inbox.take_controls():
            self._obey(control, config, at, turn)
            if turn.over:
                return  # they lie there still, for the next look
        for job in self._queue.jobs():
            if job.trouble is not None and not (job.given or job.orphaned):
                self._end(job, job.trouble)
                if turn.over:
                    return
        if self._fail_hopeless(config, at, turn):
            self.clear(at, turn)

    def _fail_hopeless(self, config: Config, at: Moment, turn: Turn) -> bool:
        """Fail what can only fail, several side by side where most of it is waiting for the disk; whether all is done.

        As many at a time as take a second or two.
        """

        def fail(pair: Ready | Broken) -> None:
            claimed = self.claim(pair, config, at, turn)
            if claimed is not None:
                self._fail_known(claimed, turn)

        left = deque(self._inbox.hopeless())
        while left:
            group = [left.popleft()]
            # Whether a photograph is being painted already is told by claims that stand: those go one by one.
            while left and len(group) < self._abreast and not any(map(self._inbox.own_sidecar, (group[-1], left[0]))):
                group.append(left.popleft())
            begun, waited_before = time.monotonic(), self._fs.waited
            self._fs.side_by_side([partial(fail, pair) for pair in group])
            took, waited = time.monotonic() - begun, self._fs.waited - waited_before
            if waited < WORTH_A_GROUP * took:
                self._abreast = 1
            else:
                self._abreast = (
                    max(1, self._abreast // 2) if took > ABREAST_SECONDS else min(MOST_ABREAST, self._abreast * 2)
                )
            if turn.over:
                return False
        return True

    def _complete(self, claim: Claim, turn: Turn) -> None:
        try:
            if claim.stuck and not self._claimer.undo(claim):
                return
            if not claim.stuck:
                self._claimer.copy_inputs(claim, turn)
                return
        except ClaimLostError:
            if claim.stuck:
                return
        self._queue.claims.pop(claim.record.id, None)

    def _fail_known(self, claim: Claim, turn: Turn) -> None:
        """Fail what is known to fail of a new claim; one that is done with at once, and took no image, goes away."""
        for record in list(claim.live()):
            if record.trouble is not None:
                job = self._queue.view(claim, record)
                self._end(job, record.trouble)
                if turn.over:
                    break
        if claim.finished and not claim.record.sources:
            self._close(claim)

    def _close(self, claim: Claim) -> None:
        self._inbox.remember(claim)
        self._clearer.close(claim)
        self._queue.claims.pop(claim.record.id, None)

    def claim(self, pair: Ready | Broken, config: Config, at: Moment, turn: Turn) -> Claim | None:
        """Claim a pair; None where it has changed in the last moment, may not be moved, or need not be painted."""
        if isinstance(pair, Broken) and pair.stays:
            return self._claim_untaken(pair, config)
        own = self._inbox.own_sidecar(pair)
        self._inbox.forget(pair.sidecar)
        if own is not None and self._inbox.is_being_painted(own):
            why = f"{own.photograph} is being painted under another name"
            self._inbox.hold(pair.sidecar, why, at, is_untaken=False)
            return None
        if own is not None and self._inbox.is_painted(own):
            return None  # it waited for the other one, which has ended since the look; the next look knows
        try:
            record = record_of(self._fs, pair, self._inbox.entries, config.after, config.limits.max_file_mb)
            if own is not None:
                record = record.model_copy(
                    update={"photograph": own.photograph, "hot": own.keys, "seen": self._inbox.identity(own.photograph)}
                )
            if self._attachment.is_choosy:
                record = with_portable_names(record)
            claim = self._claimer.commit(record, own.text if own is not None else None)
            self._queue.claims[claim.record.id] = claim
            self._drop_untaken(pair.sidecar, "has been taken")
            self._claimer.copy_inputs(claim, turn)
        except ClaimLostError as error:
            if error.stuck is not None:
                self._queue.claims[error.stuck.record.id] = error.stuck
            self._queue.gone()
            return None
        except UntakenError as error:
            self._inbox.hold(pair.sidecar, str(error), at, is_untaken=True)
            return None
        return claim

    def _claim_untaken(self, pair: Broken, config: Config) -> Claim | None:
        """A claim without the sidecar, which stays where it is: to fail with."""
        self._inbox.forget(pair.sidecar, stays=True)
        record = record_of(self._fs, pair, self._inbox.entries, config.after, config.limits.max_file_mb)
        try:
            claim = self._claimer.commit(record, b"")
        except ClaimLostError:
            return None
        self._queue.claims[claim.record.id] = claim
        return claim

    def _obey(self, control: Control, config: Config, at: Moment, turn: Turn) -> None:
        """Act on a control file, unless its job is a worker's: then the daemon does."""
        job = control.job or self._claimed_since(control)
        if job is not None and not self._is_ours_to_end(job):
            return
        if control.action == "stop":
            self._obey_stop(control, job)
            return
        if job is None:
            pair = self._inbox.pair(control.sidecar or "")
            is_there = pair is not None and not (isinstance(pair, Broken) and pair.stays)
            claim = self.claim(pair, config, at, turn) if pair is not None and is_there else None
            if claim is None:
                return  # it is about to change, or cannot be taken yet; the control file stays for the next look
            wanted = names.fold(control.name)
            record = next((job for job in claim.record.jobs if names.fold(job.name) == wanted), None)
            if record is None:
                return
            job = self._queue.view(claim, record)
        self._holds.hurry(job.id)
        self._end(job, Reason.of(CANCELLED, "cancelled on request"))

    def _obey_stop(self, control: Control, job: Job | None) -> None:
        """Leave a stop lying for the worker to come where the job has begun; tell of one that means nothing."""
        if job is not None and job.outcome is None and job.checkpoint:
            self._queue.to_stop.add(job.id)
            return  # a worker has to paint nothing, but to save it; the control file tells it so
        if job is not None and job.outcome is None and job.attempts.begun:
            why = "was interrupted before its first step; it ends with that once it is at work again"
            self._inbox.notes.say_once(f"{control.path.name}: {control.name} {why}")
            return
        if job is not None and job.outcome is not None and job.held is None:
            return  # what its worker has left is still to be seen to: an end, or a reason to try again
        text = f"{control.path.name}: {nothing_to_stop(control.name, job)}"
        if drop(self._fs, control.path):
            self._inbox.notes.say(text)
        else:
            self._inbox.notes.say_once(f"{text}; it cannot be removed from the inbox, remove it")

    def _is_ours_to_end(self, job: Job) -> bool:
        """Whether a control file is for this job, and for us to heed."""
        if job.given or job.orphaned or not self._queue.has(job.id):
            return False  # a claim may have been undone since the look: the control file stays for the next one
        # One that could not be taken waits on in the inbox: it is for that.
        return job.trouble is None or job.trouble.code != SIDECAR_NOT_TAKEN

    def _claimed_since(self, control: Control) -> Job | None:
        """The job that a control file means if its sidecar was claimed since the look, for another one of its jobs."""
        wanted = names.fold(control.name)
        claims = (claim for claim in self._queue.claims.values() if claim.record.origin == control.sidecar)
        jobs = ((claim, record) for claim in claims for record in claim.live() if names.fold(record.name) == wanted)
        return next((self._queue.view(claim, record) for claim, record in jobs), None)

    def _end(self, job: Job, reason: Reason) -> None:
        """Fail a job, with its images: one of which they are not all copied yet has its end at a later turn."""
        claim = self._queue.claims[job.claim]
        if claim.record.sources and not claim.copied:
            return
        ended = self._ends.fail(job, reason, {})
        if ended is not None:
            self._queue.ended(ended)

    def clear(self, at: Moment, turn: Turn, *, last: bool = False) -> None:
        """Take the images of ended jobs out of the inbox, once it is known what waits there for them."""
        waiting = self._queue.to_clear()
        if not waiting:
            return
        named = self._inbox.named(at, self._queue.taken(retrying=False), turn)
        if named is None:
            return  # a sidecar is still being written, or has not been read: it may name any of them
        needed = named | self._queue.needed()
        for claim in waiting:
            self._clearer.clear(claim, needed, last=last)
            if claim.finished and not claim.to_clear:
                for name in drop_superseded(self._fs, self._places, claim):
                    self._inbox.notes.say(f"failed/{name} is gone: its sidecar was corrected, and is done")
                self._close(claim)
            if turn.over:
                return

    def _drop_untaken(self, sidecar: str, why: str) -> None:
        """What failed because it could not be taken is no news any more."""
        name = self._inbox.untaken_as(sidecar)
        if name and drop_untaken(self._fs, self._places, name, sidecar):
            self._inbox.notes.say(f"failed/{name} is gone: its sidecar {why}")


def nothing_to_stop(name: str, job: Job | None) -> str:
    """Why a job that waits cannot be stopped, and what can be done."""
    if job is not None and job.outcome is not None:
        return f"{name} is painted, so there is nothing to stop; nst-batch status says what it waits for"
    cancel = f"nst-batch cancel {names.typed(name)}"
    return f"{name} waits and has no picture yet, so there is nothing to stop; {cancel} drops it"


def job_limits(config: Config) -> JobLimits:
    """The figures that say how often a job is tried."""
    jobs, watch = config.jobs, config.watch
    return JobLimits(jobs.attempts, tuple(jobs.backoff_seconds), max(watch.settle_seconds, watch.rescan_seconds))
