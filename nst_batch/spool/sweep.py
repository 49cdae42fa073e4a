"""What can be settled without a worker: claims completed and made, control files obeyed, known failures, clearing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nst_batch import names
from nst_batch.config import Config
from nst_batch.spool.attempts import JobLimits
from nst_batch.spool.book import Claim
from nst_batch.spool.claim import Claimer
from nst_batch.spool.clear import Clearer
from nst_batch.spool.control import Control, drop
from nst_batch.spool.desk import Desk
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.holding import Holds
from nst_batch.spool.intent import ClaimLostError, UntakenError, record_of
from nst_batch.spool.layout import Ended, Job, Places
from nst_batch.spool.ledger import Ledger
from nst_batch.spool.pair import Broken, Ready
from nst_batch.spool.recover import Recoverer
from nst_batch.spool.second_look import SecondLook
from nst_batch.spool.turn import Turn
from nst_batch.spool.wanted import Ending, Moment


class Failing(Protocol):
    """Puts a job into ``failed/``."""

    def __call__(self, job: Job, ending: Ending, files: Mapping[str, bytes]) -> Ended | None:
        """Returns its end; None where it has to wait for a place of its own."""
        ...


class Sweep:
    """The spool's own work on what its desk has seen and its ledger holds."""

    def __init__(
        self,
        fs: FileSystem,
        places: Places,
        desk: Desk,
        ledger: Ledger,
        *,
        claimer: Claimer,
        clearer: Clearer,
        recoverer: Recoverer,
        holds: Holds,
        fail: Failing,
    ) -> None:
        self._fs = fs
        self._places = places
        self._desk = desk
        self._ledger = ledger
        self._claimer = claimer
        self._clearer = clearer
        self._recoverer = recoverer
        self._holds = holds
        self._second_look = SecondLook(fs, claimer, desk)
        self._fail = fail

    def run(self, config: Config, at: Moment, turn: Turn) -> None:
        """One sweep, or as much of it as there is time for; the ends that come of it are in the ledger."""
        limits = job_limits(config)
        for claim in list(self._ledger.claims.values()):
            self._complete(claim, turn)
            self._second_look.look(claim, limits, at)
            self._ledger.ended(*self._recoverer.adopt_orphans(claim), *self._recoverer.resume_held(claim))
        for control in self._desk.take_controls():
            self._obey(control, config, at, turn)
        for job in self._ledger.jobs():
            if job.trouble is not None and not (job.given or job.orphaned):
                self._end(job, job.trouble)
                if turn.over:
                    return
        for pair in self._desk.hopeless():
            claimed = self.claim(pair, config, at, turn)
            if claimed is not None:
                self._fail_known(claimed, turn)
            if turn.over:
                return
        self.clear(at, turn)

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
        self._ledger.claims.pop(claim.record.id, None)

    def _fail_known(self, claim: Claim, turn: Turn) -> None:
        """Fail what is known to fail of a new claim; one that is done with at once, and took no image, goes away."""
        for record in list(claim.live()):
            if record.trouble is not None:
                job = self._ledger.view(claim, record)
                self._end(job, record.trouble)
                if turn.over:
                    break
        if claim.finished and not claim.record.sources:
            self._close(claim)

    def _close(self, claim: Claim) -> None:
        self._clearer.close(claim)
        del self._ledger.claims[claim.record.id]

    def claim(self, pair: Ready | Broken, config: Config, at: Moment, turn: Turn) -> Claim | None:
        """Claim a pair; None where it has changed in the last moment, or may not be moved."""
        self._desk.forget(pair.sidecar)
        try:
            record = record_of(self._fs, pair, self._desk.entries, config.after, config.limits.max_file_mb)
            claim = self._claimer.commit(record)
            self._ledger.claims[claim.record.id] = claim
            self._claimer.copy_inputs(claim, turn)
        except ClaimLostError as error:
            if error.stuck is not None:
                self._ledger.claims[error.stuck.record.id] = error.stuck
            self._ledger.gone()
            return None
        except UntakenError as error:
            self._desk.cannot_take(pair.sidecar, str(error), at)
            return None
        return claim

    def _obey(self, control: Control, config: Config, at: Moment, turn: Turn) -> None:
        """Act on a control file, unless its job is a worker's: then the daemon does."""
        job = control.job
        if job is not None and (job.given or job.orphaned or not self._ledger.has(job.id)):
            return  # a claim may have been undone since the look: the control file stays for the next one
        if control.action == "stop":
            text = f"{control.path.name}: {control.name} has not started, so there is nothing to stop"
            if drop(self._fs, control.path):
                self._desk.say(text)
            else:
                self._desk.say_once(f"{text}; it cannot be removed from the inbox, remove it")
            return
        if job is None:
            pair = self._desk.pair(control.sidecar or "")
            claim = self.claim(pair, config, at, turn) if pair is not None else None
            if claim is None:
                return  # it is about to change; the control file stays for the next look
            wanted = names.fold(control.name)
            record = next((job for job in claim.record.jobs if names.fold(job.name) == wanted), None)
            if record is None:
                return
            job = self._ledger.view(claim, record)
        self._holds.hurry(job.id)
        self._end(job, Ending.cancelled())

    def _end(self, job: Job, ending: Ending) -> None:
        ended = self._fail(job, ending, {})
        if ended is not None:
            self._ledger.ended(ended)

    def clear(self, at: Moment, turn: Turn) -> None:
        """Take the images of ended jobs out of the inbox, once it is known what waits there for them."""
        waiting = self._ledger.to_clear()
        if not waiting:
            return
        named = self._desk.named(at, self._ledger.taken(retrying=False), turn)
        if named is None:
            return  # a sidecar is still being written, or has not been read: it may name any of them
        needed = named | self._ledger.needed()
        for claim in waiting:
            self._clearer.clear(claim, needed)
            if claim.finished and not claim.to_clear:
                self._close(claim)
            if turn.over:
                return


def job_limits(config: Config) -> JobLimits:
    """The figures that say how often a job is tried."""
    jobs, watch = config.jobs, config.watch
    return JobLimits(jobs.attempts, tuple(jobs.backoff_seconds), max(watch.settle_seconds, watch.rescan_seconds))
