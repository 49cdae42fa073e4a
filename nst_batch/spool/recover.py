"""At start: finish or undo whatever was under way, from the folders alone. Idempotent, and safe to kill.

| what lies there | what it means | what is done |
|---|---|---|
| a claim without its sidecar | killed before the commit point in, or after an undo | dropped |
| a claim whose record or sidecar is damaged | a bad disk, or a hand that went wrong | set aside in ``damaged/`` |
| a sidecar other than the one recorded | it was replaced in the last moment | put back |
| a claim without ``copied`` | killed while copying | copying goes on (by the sweep) |
| ``jobs/N.done`` and ``jobs/N`` | killed after its end was recorded | the folder goes |
| publish.json, no running folder | published | its end is recorded |
| publish.json and a running folder | killed before the rename | published |
| publish.json with a ``source`` | as the two above, with that folder in the running folder's place | likewise |
| attempts.json with ``given`` | the daemon died while a worker had it | taken back, once its lock is free |
| outcome.json | the worker finished, the daemon died | left: the daemon handles it as ever |
| ``leaving/N`` | killed while clearing | removed, or put back if it is another file |
| running folder of ours without a live claim | left over | removed |
"""

from __future__ import annotations

import os
from pathlib import Path

from nst_batch import names
from nst_batch.filenames import OUTCOME_NAME
from nst_batch.spool.claims import attempts as counts
from nst_batch.spool.claims.claim import Claimer
from nst_batch.spool.claims.claims import Claim, checkpoint_stamp, claim_folders, lock_path, read_claim, write_attempts
from nst_batch.spool.claims.live_job import Ended, Recovery
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.disk.blocked import keeps_one_place, one_place_only
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import (
    CLAIM_NAME,
    DONE_SUFFIX,
    JOBS_FOLDER,
    NEW_PREFIX,
    OWN_SIDECAR_NAME,
    SIDECAR_FOLDER,
    Places,
)
from nst_batch.spool.disk.lock import is_held
from nst_batch.spool.disk.own import DamagedError, mend_claim, set_aside
from nst_batch.spool.outbox.publish import Publisher
from nst_batch.spool.outbox.running import RunningFolders


class Recoverer:
    """Reads the claims and brings each of them into a state to go on from."""

    def __init__(
        self,
        fs: FileSystem,
        places: Places,
        claimer: Claimer,
        publisher: Publisher,
        running: RunningFolders,
        holds: Holds,
    ) -> None:
        self._fs = fs
        self._places = places
        self._claimer = claimer
        self._publisher = publisher
        self._running = running
        self._holds = holds

    def recover(self, in_hand: frozenset[str]) -> tuple[list[Claim], Recovery]:
        """The live claims. ``in_hand``: ids of jobs that this very daemon has handed out."""
        self._fs.empty(self._places.trash)
        self._fs.empty(self._places.out_trash)
        claims: list[Claim] = []
        ended: list[Ended] = []
        notes: list[str] = []
        for folder in claim_folders(self._fs, self._places):
            try:
                mend_claim(self._fs, folder)
                claim = read_claim(self._fs, folder)
                if claim is None:
                    notes += self._without_record(folder)
                elif not self._stands(claim):
                    claims += [claim] if claim.stuck else []
                elif not self._finish_move(claim):
                    self._fs.discard(folder, self._places.trash)  # it may not leave its place: it is no claim
                else:
                    ended += self._recover_jobs(claim, in_hand)
                    claims.append(claim)
            except DamagedError as error:
                notes += self._set_aside(folder, str(error))
            self._fs.step("recover.claim")
        notes += self._clear_running(claims)
        return claims, Recovery(tuple(ended), tuple(notes))

    def _stands(self, claim: Claim) -> bool:
        """Whether a claim is one to go on with; dropped or undone where not. DamagedError."""
        kind = self._fs.kind(claim.sidecar)
        if kind is None and not claim.copied:
            self._fs.discard(claim.folder, self._places.trash)
            return False
        if kind not in ("file", "link"):
            raise DamagedError(f"its sidecar, {claim.record.sidecar_name}, is gone")
        if kind == "file" and not self._fs.may(claim.sidecar, os.R_OK):
            raise DamagedError(f"its sidecar, {claim.record.sidecar_name}, may not be read any more")
        if not claim.copied and not self._claimer.is_as_seen(claim):
            self._claimer.undo(claim)
            return False
        self._drop_damaged_copies(claim)
        return True

    def _drop_damaged_copies(self, claim: Claim) -> None:
        """A copy that is none is made again, as one that the disk could not read."""
        for index, source in enumerate(claim.record.sources):
            copy = claim.folder / source.stored
            kind = self._fs.kind(copy)
            if kind is None or (kind == source.kind and (kind == "link" or self._fs.may(copy, os.R_OK))):
                continue
            self._fs.rmtree(copy)
            if claim.copied:
                claim.unread.add(index)

    def _without_record(self, folder: Path) -> list[str]:
        """A claim killed before its intent was written holds no sidecar; one that does has lost its record."""
        if self._sidecars(folder):
            return self._set_aside(folder, f"{CLAIM_NAME} is gone")
        self._fs.discard(folder, self._places.trash)
        return []

    def _sidecars(self, folder: Path) -> list[str]:
        kept = folder / SIDECAR_FOLDER
        return [name for name in self._fs.names_in(kept) if self._fs.kind(kept / name) in ("file", "link")]

    def _set_aside(self, folder: Path, why: str) -> list[str]:
        """A claim that cannot be gone on with: its sidecar goes back into the inbox, unless some of it is done."""
        backs = []
        is_own = self._fs.kind(folder / OWN_SIDECAR_NAME) is not None
        if not is_own and not any(name.endswith(DONE_SUFFIX) for name in self._fs.names_in(folder / JOBS_FOLDER)):
            for name in self._sidecars(folder):
                with one_place_only():
                    backs.append(self._claimer.put_back(folder / SIDECAR_FOLDER / name, name).name)
        aside = set_aside(self._fs, self._places, folder)
        then = f"; its sidecar is back as {', '.join(backs)}" if backs else "; put its sidecar into the inbox again"
        return [f"the claim {folder.name} is damaged ({why}) and now lies in {aside}{then}"]

    def _finish_move(self, claim: Claim) -> bool:
        """A sidecar may still lie where it was; whether it has left.

        It was copied in from another file system, or was to go back by a link where no rename refuses a name in use.
        """
        origin = self._places.inbox / claim.record.origin
        if claim.copied or claim.record.is_own or not self._is_the_one_taken(claim, origin):
            return True
        try:
            self._fs.remove(origin)
        except OSError as error:
            if not self._holds.is_one_places(error):
                raise
            return False
        return True

    def _is_the_one_taken(self, claim: Claim, origin: Path) -> bool:
        """Whether what lies at the origin is the very sidecar of a claim, and no other that came after it."""
        try:
            there, here = self._fs.lstat(origin), self._fs.lstat(claim.sidecar)
            if there.st_size != here.st_size or (there.st_dev == here.st_dev and there.st_mtime_ns != here.st_mtime_ns):
                return False  # a copy's time may be a coarser one
            return os.path.samestat(there, here) or self._claimer.is_as_seen(claim, origin)
        except OSError:
            return False

    def _recover_jobs(self, claim: Claim, in_hand: frozenset[str]) -> list[Ended]:
        ended = []
        for job in claim.record.jobs:
            if job.index in claim.done:
                if not claim.goes_at_once:
                    self._fs.clear_away(claim.job_folder(job))
                continue
            if claim.record.job_id(job) in in_hand:
                # Its end may have been under way when the disk refused.
                end = self._resume(claim, job)
                if end is not None:
                    ended.append(end)
                elif self._holds.of(claim.record.job_id(job)) is None:
                    claim.given.add(job.index)
                continue
            attempts = claim.attempts.get(job.index)
            if attempts is not None and attempts.given and is_held(lock_path(claim, job)):
                claim.orphaned.add(job.index)
                continue
            end = self.adopt(claim, job)
            if end is not None:
                ended.append(end)
        return ended

    def adopt_orphans(self, claim: Claim) -> list[Ended]:
        """Take over the jobs whose worker, of an earlier daemon, has let go by now."""
        free = [claim.by_index[index] for index in sorted(claim.orphaned)]
        free = [job for job in free if not is_held(lock_path(claim, job))]
        return [end for job in free if (end := self.adopt(claim, job)) is not None]

    def resume_held(self, claim: Claim) -> list[Ended]:
        """Try again to publish what its place refused, where it is time for that."""
        due = [claim.by_id[key] for key in self._holds.due() if key in claim.by_id]
        live = [job for job in due if job.index not in claim.done]
        return [end for job in live if (end := self._resume(claim, job)) is not None]

    def _resume(self, claim: Claim, job: JobRecord) -> Ended | None:
        key = claim.record.job_id(job)
        return self._holds.attempt(key, job.name, lambda: self._publisher.resume(claim, job))

    def adopt(self, claim: Claim, job: JobRecord) -> Ended | None:
        """Take over a job that no worker has any more: publish it on, or take its run back."""
        claim.orphaned.discard(job.index)
        end = self._resume(claim, job)
        if end is not None or self._holds.of(claim.record.job_id(job)) is not None:
            return end
        attempts = claim.attempts.get(job.index)
        folder = claim.job_folder(job)
        if attempts is not None and attempts.given and self._fs.kind(folder / OUTCOME_NAME) is None:
            taken_back, _verdict = counts.interrupted(attempts, checkpoint_stamp(self._fs, folder))
            write_attempts(self._fs, claim, job, taken_back)
            self._fs.step("recover.taken_back")
        return None

    def _clear_running(self, claims: list[Claim]) -> list[str]:
        """Remove running folders of ours that no live job has; somebody else's are left and named."""
        live = {names.fold(job.name) for claim in claims for job in claim.live()}
        live |= {self._running.end_of(job_id).name for claim in claims for job_id in claim.by_id}
        notes = []
        for name in self._fs.names_in(self._places.running):
            path = self._places.running / name
            if name == self._places.out_trash.name or name in live or names.fold(name) in live:
                continue
            owner = self._running.owner(path)
            if name.startswith(self._running.new_prefix) or (owner and owner[0] == self._running.inbox_id):
                try:
                    self._fs.discard(path, self._places.out_trash)
                except OSError as error:
                    if not keeps_one_place(error) or not self._holds.ours_can_be_written():
                        raise
                    notes.append(f"{path} is left over and cannot be removed ({error.strerror}); remove it")
            elif owner is None and not name.startswith(NEW_PREFIX):
                notes.append(f"{path} is not a job's folder; it is left alone")
        return notes
