"""At start: finish or undo whatever was under way, from the folders alone. Idempotent, and safe to kill.

| what lies there | what it means | what is done |
|---|---|---|
| a claim without its sidecar | killed before the commit point in, or after an undo | dropped |
| a sidecar other than the one recorded | it was replaced in the last moment | put back |
| a claim without ``copied`` | killed while copying | copying goes on (by the sweep) |
| ``jobs/N.done`` and ``jobs/N`` | killed after settling | the folder goes |
| publish.json, no running folder | published | settled |
| publish.json and a running folder | killed before the rename | published |
| attempts.json with ``given`` | the daemon died while a worker had it | taken back, once its lock is free |
| outcome.json | the worker finished, the daemon died | left: the daemon settles it as ever |
| ``leaving/N`` | killed while clearing | removed, or put back if it is another file |
| running folder of ours without a live claim | left over | removed |
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from nst_batch import names
from nst_batch.spool import attempts as counts
from nst_batch.spool.book import (
    Claim,
    checkpoint_stamp,
    claim_folders,
    lock_path,
    read_claim,
    write_attempts,
)
from nst_batch.spool.claim import Claimer
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.layout import NEW_PREFIX, Ended, Places
from nst_batch.spool.lock import is_held
from nst_batch.spool.publish import Publisher
from nst_batch.spool.records import SIDECAR_FOLDER, JobRecord
from nst_batch.spool.trouble import keeps_one_place


@dataclass(frozen=True)
class Recovery:
    """What came of a start: jobs that got their end by it, and what a person may want to know."""

    ended: tuple[Ended, ...] = ()
    notes: tuple[str, ...] = ()


class Recoverer:
    """Reads the claims and brings each of them into a state to go on from."""

    def __init__(self, fs: FileSystem, places: Places, claimer: Claimer, publisher: Publisher) -> None:
        self._fs = fs
        self._places = places
        self._claimer = claimer
        self._publisher = publisher

    def recover(self, in_hand: frozenset[str]) -> tuple[list[Claim], Recovery]:
        """The live claims. ``in_hand``: ids of jobs that this very daemon has handed out."""
        self._fs.empty(self._places.trash)
        self._fs.empty(self._places.out_trash)
        claims: list[Claim] = []
        ended: list[Ended] = []
        notes: list[str] = []
        for folder in claim_folders(self._places):
            claim = read_claim(folder)
            if claim is None:
                notes += self._drop_unreadable(folder)
            elif not os.path.lexists(claim.sidecar):
                self._fs.discard(folder, self._places.trash)
            elif not claim.copied and not self._claimer.is_as_seen(claim):
                self._claimer.undo(claim)
            elif not self._finish_move(claim):
                self._fs.discard(folder, self._places.trash)  # it may not leave its place: it is no claim
            else:
                ended += self._recover_jobs(claim, in_hand)
                claims.append(claim)
            self._fs.step("recover.claim")
        notes += self._clear_running(claims)
        return claims, Recovery(tuple(ended), tuple(notes))

    def _drop_unreadable(self, folder: os.PathLike[str]) -> list[str]:
        """A claim without a readable intent: whatever sidecar it holds goes back into the inbox."""
        path = self._places.claims / os.path.basename(folder)  # noqa: PTH119 - a name
        kept = path / SIDECAR_FOLDER
        notes = []
        for name in sorted(os.listdir(kept)) if kept.is_dir() else []:  # noqa: PTH208 - names alone
            back = self._claimer.put_back(kept / name, name)
            notes.append(f"the claim {path.name} has no readable record; its sidecar is back as {back.name}")
        self._fs.discard(path, self._places.trash)
        return notes

    def _finish_move(self, claim: Claim) -> bool:
        """A sidecar that was copied in from another file system may still lie where it was; whether it has left."""
        if claim.copied:
            return True
        origin = self._places.inbox / claim.record.origin
        try:
            there, here = origin.lstat(), claim.sidecar.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        same = (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns)
        if there.st_dev != here.st_dev and same:
            try:
                self._fs.remove(origin)
            except OSError as error:
                if not keeps_one_place(error):
                    raise
                return False
        return True

    def _recover_jobs(self, claim: Claim, in_hand: frozenset[str]) -> list[Ended]:
        ended = []
        for job in claim.record.jobs:
            if job.index in claim.done:
                self._fs.rmtree(claim.job_folder(job))
                continue
            if claim.record.job_id(job) in in_hand:
                # Its end may have been under way when the disk refused.
                end = self._publisher.resume(claim, job)
                if end is None:
                    claim.given.add(job.index)
                else:
                    ended.append(end)
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

    def adopt(self, claim: Claim, job: JobRecord) -> Ended | None:
        """Take over a job that no worker has any more: publish it on, or take its run back."""
        claim.orphaned.discard(job.index)
        end = self._publisher.resume(claim, job)
        if end is not None:
            return end
        attempts = claim.attempts.get(job.index)
        folder = claim.job_folder(job)
        if attempts is not None and attempts.given and not (folder / "outcome.json").exists():
            taken_back, _verdict = counts.interrupted(attempts, checkpoint_stamp(folder))
            write_attempts(self._fs, claim, job, taken_back)
            self._fs.step("recover.taken_back")
        return None

    def _clear_running(self, claims: list[Claim]) -> list[str]:
        """Remove running folders of ours that no live job has; somebody else's are left and named."""
        live = {names.fold(job.name) for claim in claims for job in claim.live()}
        notes = []
        try:
            found = sorted(os.listdir(self._places.running))  # noqa: PTH208 - names alone
        except FileNotFoundError:
            return []
        for name in found:
            path = self._places.running / name
            if name == self._places.out_trash.name or names.fold(name) in live:
                continue
            owner = self._publisher.owner(path)
            if name.startswith(self._publisher.new_prefix) or (owner and owner[0] == self._publisher.inbox_id):
                self._fs.discard(path, self._places.out_trash)
            elif owner is None and not name.startswith(NEW_PREFIX):
                notes.append(f"{path} is not a job's folder; it is left alone")
        return notes
