"""After a job's end: its images leave the inbox, then its claim goes away.

An image leaves only if it is still the file that was copied, no sidecar in the inbox names it, and no
unfinished job of any claim uses it. It is renamed into the claim first and looked at there, so that one that
was replaced at the last moment is put back instead of lost.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Collection
from pathlib import Path

from nst_batch.spool.claims.claim import Claimer
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.records import SourceRecord
from nst_batch.spool.disk.blocked import one_place_only
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import AGAIN_PREFIX, LEAVING_FOLDER, RETRY_PREFIX, Places
from nst_batch.spool.disk.primitives import Identity


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

    def clear(self, claim: Claim, named: Collection[str]) -> None:
        """Take out what no job of this claim and nobody in ``named`` (inbox paths) needs any more."""
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
                all_left = self._take_out(claim, index, source) and all_left
                claim.left.add(index)
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
            with one_place_only():
                self._fs.rmdir(self._places.inbox / folder)
        self._fs.discard(claim.folder, self._places.trash)
        self._fs.step("claim.closed")

    def _take_out(self, claim: Claim, index: int, source: SourceRecord) -> bool:
        """Whether nothing more is to be done about an image."""
        path = self._places.inbox / source.path
        try:
            if not self._is(path, source):
                return True
        except PermissionError as error:
            self._leave(source, error)
            return True
        folder = claim.folder / LEAVING_FOLDER
        self._fs.make_folder(folder)
        leaving = folder / f"{index:04d}"
        try:
            self._fs.rename(path, leaving)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            if error.errno == errno.EXDEV:
                # A sub-folder on another file system: no way to look at it after it was taken.
                self._remove(path, source)
            else:
                self._leave(source, error)
            return True
        self._fs.step("clear.leaving")
        return self._let_go(claim, leaving, source)

    def _remove(self, path: Path, source: SourceRecord) -> None:
        try:
            self._fs.remove(path)
        except OSError as error:
            self._leave(source, error)

    def _leave(self, source: SourceRecord, error: OSError) -> None:
        """An image that may not be moved stays: its copy is in the result, and its sidecar is gone."""
        if not self._holds.is_one_places(error):
            raise error
        why = (error.strerror or "").lower()
        self._say(f"{source.path} stays in the inbox though its job has ended: it cannot be moved ({why})")

    def _let_go(self, claim: Claim, leaving: Path, source: SourceRecord) -> bool:
        """Remove what was taken out, or put it back; False where the folder that it came from refuses that."""
        if self._is(leaving, source):
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

    def _is(self, path: Path, source: SourceRecord) -> bool:
        try:
            return Identity.of(self._fs.lstat(path)) == source.identity
        except (FileNotFoundError, NotADirectoryError):
            return False
