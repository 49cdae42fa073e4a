"""After a job's end: its images leave the inbox, then its claim goes away.

An image leaves only if it is still the file that was copied, no sidecar in the inbox names it, and no
unfinished job of any claim uses it. It is renamed into the claim first and looked at there, so that one that
was replaced at the last moment is put back instead of lost.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from nst_batch.spool.claims.claim import Claimer
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.records import SourceRecord
from nst_batch.spool.disk.fs import FileSystem, digest_of_file
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import AGAIN_PREFIX, LEAVING_FOLDER, RETRY_PREFIX, Places
from nst_batch.spool.disk.primitives import Identity

TRIES = 4  # at an image that cannot be moved: over about a minute, for a disk that refuses now and then says the same


class Clearer:
    """Takes the images of ended jobs out of the inbox."""

    def __init__(
        self, fs: FileSystem, places: Places, claimer: Claimer, holds: Holds, say: Callable[[str], object]
    ) -> None:
        """``say`` tells a person."""
        self._fs = fs
        self._holds = holds
        self._places = places
        self._claimer = claimer
        self._say = say

    def clear(self, claim: Claim, named: Collection[str], *, last: bool = False) -> None:
        """Take out what no job of this claim and nobody in ``named`` (inbox paths) needs any more.

        What cannot be moved is tried again a little later, unless this is the ``last`` time: then it stays.
        """
        all_left = self.finish_leaving(claim)
        if claim.record.after != "keep":
            needed = claim.needs()
            folders = set()
            for index, source in enumerate(claim.record.sources):
                if index in claim.left or source.library or source.path in needed or source.path in named:
                    continue
                if index in claim.unread:
                    continue  # there is no copy of it
                if claim.record.hot and source.path != claim.record.photograph:
                    continue  # the folder's own, for the next photograph
                if self._take_out(claim, index, source, last=last):
                    claim.left.add(index)
                    self._holds.forget(_key(claim, source))
                else:
                    all_left = False
                folders.add((self._places.inbox / source.path).parent)
            # Before the claim goes away, or a power cut may bring back images that nobody would take out again.
            for folder in folders:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    self._fs.fsync_dir(folder)
        claim.to_clear = not all_left

    def close(self, claim: Claim) -> None:
        """Every job has its end and every image has been seen to: the claim goes away."""
        folder = claim.record.origin.rpartition("/")[0]
        if folder.startswith((RETRY_PREFIX, AGAIN_PREFIX)) and "/" not in folder:
            path = self._places.inbox / folder
            self._fs.clear_away(path, partial(self._fs.rmdir, path))
        self._fs.discard(claim.folder, self._places.trash)
        self._fs.step("claim.closed")

    def _take_out(self, claim: Claim, index: int, source: SourceRecord, *, last: bool) -> bool:
        """Whether nothing more is to be done about an image."""
        if self._holds.waits(_key(claim, source)) and not last:
            return False
        path = self._places.inbox / source.path
        try:
            if not self._is(path, claim, source):
                return True
        except PermissionError as error:
            return self._stays(claim, source, error, last=last)
        folder = claim.folder / LEAVING_FOLDER
        self._fs.make_folder(folder)
        leaving = folder / f"{index:04d}"
        try:
            self._fs.rename(path, leaving)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            # A sub-folder on another file system: no way to look at it after it was taken.
            refused = self._removed(path) if error.errno == errno.EXDEV else error
            return refused is None or self._stays(claim, source, refused, last=last)
        self._fs.step("clear.leaving")
        return self._let_go(claim, leaving, source)

    def _removed(self, path: Path) -> OSError | None:
        try:
            self._fs.remove(path)
        except OSError as error:
            return error
        return None

    def _stays(self, claim: Claim, source: SourceRecord, error: OSError, *, last: bool) -> bool:
        """Whether an image that cannot be moved is given up: its copy is in the result, and its sidecar is gone.

        OSError where our own folders refuse as well: it is not the image's trouble then.
        """
        if not self._holds.is_one_places(error) or not self._holds.ours_can_be_written():
            raise error
        key, why = _key(claim, source), (error.strerror or "").lower()
        if not last and self._holds.tries(key) + 1 < TRIES:
            self._holds.hold(key, source.path, why, quietly=True)
            return False
        self._say(f"{source.path} stays in the inbox though its job has ended: it cannot be moved ({why})")
        return True

    def _let_go(self, claim: Claim, leaving: Path, source: SourceRecord) -> bool:
        """Remove what was taken out, or put it back; False where the folder that it came from refuses that."""
        if self._is(leaving, claim, source):
            self._fs.remove(leaving)
        else:
            key = f"{claim.record.id} {source.path}"
            back = self._holds.attempt(key, source.path, lambda: self._claimer.put_back(leaving, source.path))
            if back is None:
                return False
        self._fs.step("clear.left")
        return True

    def finish_leaving(self, claim: Claim) -> bool:
        """Finish what a killed daemon was about to take out; whether that was possible."""
        folder = claim.folder / LEAVING_FOLDER
        known = {f"{index:04d}": source for index, source in enumerate(claim.record.sources)}
        waiting = [name for name in self._fs.names_in(folder) if name in known]
        let_go = [self._let_go(claim, folder / name, known[name]) for name in waiting]
        return all(let_go)

    def _is(self, path: Path, claim: Claim, source: SourceRecord) -> bool:
        """Whether an image is the one that was copied.

        Some file systems (vfat, sshfs, SMB without serverino) give a file another number when they come to it again:
        there its bytes tell.
        """
        try:
            now = Identity.of(self._fs.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        if now == source.identity or source.kind == "link" or now._replace(ino=source.ino) != source.identity:
            return now == source.identity
        digest = digest_of_file(self._fs, path)
        return digest != "" and digest == digest_of_file(self._fs, claim.folder / source.stored)


def _key(claim: Claim, source: SourceRecord) -> str:
    """What an image that cannot be moved waits by."""
    return f"{claim.record.id} takes out {source.path}"
