"""Taking a sidecar and its images into the daemon's own folder.

The order: the intent is written durably; the sidecar is renamed in, which is the one commit point; then the
images are copied beside it. Killed before the rename, the intent is dropped; killed after it, copying goes on.
Where an image has changed or gone since it was seen, the sidecar is put back as if nothing had happened, and
the next look decides anew.

One image that the disk cannot read concerns its own jobs: the claim goes on without a copy of it, and the copy is
tried again (:mod:`nst_batch.spool.recopy`). One over ``max_file_mb`` is refused by its size and stays where it is.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from nst_batch import names
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.records import ClaimRecord, SourceRecord, digest_of
from nst_batch.spool.disk.blocked import blocked_by, is_one_files
from nst_batch.spool.disk.copying import UnreadableError
from nst_batch.spool.disk.fs import FileSystem, read_sidecar
from nst_batch.spool.disk.holding import Holds
from nst_batch.spool.disk.layout import (
    CLAIM_NAME,
    COPIED_NAME,
    INPUTS_FOLDER,
    JOBS_FOLDER,
    OWN_SIDECAR_NAME,
    SIDECAR_FOLDER,
    Places,
    unique_file,
)
from nst_batch.spool.disk.primitives import ChangedError, Identity, NotRegularError
from nst_batch.turn import Turn


class ClaimLostError(Exception):
    """What was to be claimed is not as it was seen; the next look decides anew.

    ``stuck`` is a claim of it that could not be undone.
    """

    def __init__(self, message: str, stuck: Claim | None = None) -> None:
        super().__init__(message)
        self.stuck = stuck


class UntakenError(Exception):
    """A sidecar cannot be moved, though its folder may be written; ``str()`` names it as people know it, and why."""

    def __init__(self, origin: str, error: OSError) -> None:
        why = (error.strerror or "").lower()
        super().__init__(
            f"{origin} cannot be taken out of its folder ({why}): another user's sticky folder, chattr +i,"
            " or a mount of its own?"
        )


_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def _same_kind(fs: FileSystem, source: SourceRecord, path: Path) -> None:
    if fs.kind(path) != source.kind:
        raise ChangedError(f"{path} changed since it was seen")


def is_unreadable(error: OSError, origin: Path) -> bool:
    """Whether the disk cannot read this one image; a network that is down, or our own disk, is another matter."""
    if not isinstance(error, UnreadableError) and error.filename != str(origin):
        return False
    return error.errno not in _GONE and is_one_files(error)


class Claimer:
    """Makes, completes and undoes claims."""

    def __init__(self, fs: FileSystem, places: Places, sidecar_limit: int, holds: Holds) -> None:
        self._fs = fs
        self._places = places
        self._holds = holds
        self.sidecar_limit = sidecar_limit

    def commit(self, record: ClaimRecord, text: bytes | None = None) -> Claim:
        """Write the intent, rename the sidecar in; the images are not copied yet. One of our own has a ``text``.

        Raises :class:`ClaimLostError` where the sidecar has gone or is another one by now; it is put back then.
        :class:`UntakenError` where it cannot be moved; nothing is left of the claim then.
        """
        folder = self._places.claims / record.id
        claim = Claim(record, folder)
        self._fs.make_folder(self._places.claims)
        try:
            self._fs.mkdir(folder)
        except FileExistsError as error:  # another one's, that arrived at the same moment: an id is drawn anew
            raise ClaimLostError(f"{record.id} is the id of another claim") from error
        try:
            self._write_intent(folder, record)
            self._fs.step("claim.intent")
            if text is None:
                self._take(claim)
            else:
                self._fs.write_durable(claim.sidecar, text)
        except OSError as error:
            if self._fs.kind(claim.sidecar) is None:
                self._fs.clear_away(folder)
            origin = str(self._places.inbox / record.origin)
            if isinstance(error, FileNotFoundError | NotADirectoryError) and error.filename == origin:
                raise ClaimLostError(f"{record.origin} has gone") from error
            raise
        self._fs.step("claim.renamed")
        if not self.is_as_seen(claim):
            self.undo(claim)
            raise ClaimLostError(f"{record.origin} changed since it was read", claim if claim.stuck else None)
        return claim

    def _take(self, claim: Claim) -> None:
        origin = self._places.inbox / claim.record.origin
        try:
            self._fs.move_file(origin, claim.sidecar, is_free=True)  # one step, or there would be two commit points
        except OSError as error:
            # The intent could be written, so it is not our own folder that refuses.
            if not self._holds.is_one_places(error) or self._fs.kind(origin) is None:
                raise
            # From another file system it was copied, and the one that it was copied from stays.
            self._fs.discard(claim.folder, self._places.trash)
            raise UntakenError(claim.record.origin, error) from error

    def _write_intent(self, folder: Path, record: ClaimRecord) -> None:
        for name in (SIDECAR_FOLDER, JOBS_FOLDER, *((INPUTS_FOLDER,) if record.sources else ())):
            self._fs.mkdir(folder / name)
        if record.is_own:
            self._fs.write_new(folder / OWN_SIDECAR_NAME, b"")
        self._fs.write_durable(folder / CLAIM_NAME, record.model_dump_json().encode())
        self._fs.fsync_dir(self._places.claims)

    def is_as_seen(self, claim: Claim, path: Path | None = None) -> bool:
        """Whether the sidecar that was renamed in, or what lies at ``path``, is the one that was read."""
        try:
            text = read_sidecar(self._fs, path or claim.sidecar, self.sidecar_limit)
        except (UnreadableError, PermissionError, IsADirectoryError):
            return False
        return digest_of(text) == claim.record.sidecar_digest

    def copy_inputs(self, claim: Claim, turn: Turn | None = None) -> None:
        """Copy what is not copied yet, as far as this ``turn`` goes: ``claim.copied`` says whether all is done.

        Raises :class:`ClaimLostError`, the claim undone, where an image changed. One that cannot be read is passed
        over and noted in ``claim.unread``.
        """
        if claim.copied or not claim.record.sources:
            claim.copied = True
            return
        copied = 0
        for index, source in enumerate(claim.record.sources):
            if self._fs.kind(claim.folder / source.stored) is not None:
                continue
            if copied and turn is not None and turn.over:
                return
            copied += 1
            origin = self.origin(source)
            expected = source.identity if source.kind == "file" else None
            try:
                _same_kind(self._fs, source, origin)
                self._fs.copy_file(origin, claim.folder / source.stored, expected, strangers=True)
            except (OSError, ChangedError, NotRegularError) as error:
                if isinstance(error, OSError) and is_unreadable(error, origin):
                    claim.unread.add(index)
                    continue
                if isinstance(error, OSError) and self._is_ours(error, origin):
                    raise
                self.undo(claim)
                raise ClaimLostError(str(error)) from error
            self._fs.step("claim.input")
        self._fs.fsync_dir(claim.folder / INPUTS_FOLDER)
        self._fs.write_durable(claim.folder / COPIED_NAME, b"")
        claim.copied = True
        self._fs.step("claim.copied")

    def origin(self, source: SourceRecord) -> Path:
        """Where an image was found."""
        return Path(source.path) if source.library else self._places.inbox / source.path

    def fetch(self, claim: Claim, index: int) -> None:
        """Copy an image that there is no copy of, or that is not any more what was copied; the old copy stays.

        The record that names the new copy is the commit point. Raises OSError, ChangedError, NotRegularError.
        """
        source = claim.record.sources[index]
        origin = self.origin(source)
        status = self._fs.lstat(origin)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError(f"{origin} is not a file by now")
        now = Identity.of(status)
        inputs = claim.folder / INPUTS_FOLDER
        stored = source.stored
        if now != source.identity:
            taken = {names.fold(name) for name in self._fs.names(inputs)}
            stored = f"{INPUTS_FOLDER}/{unique_file(stored.rpartition('/')[2], taken)}"
        elif self._fs.kind(claim.folder / stored) is not None:
            return
        self._fs.copy_file(origin, claim.folder / stored, now, strangers=True)
        self._fs.fsync_dir(inputs)
        self._fs.step("fetch.copied")
        if now != source.identity:
            fresh = source.model_copy(update={**now._asdict(), "stored": stored})
            sources = (*claim.record.sources[:index], fresh, *claim.record.sources[index + 1 :])
            self.rewrite(claim, claim.record.model_copy(update={"sources": sources}))
            self._fs.step("fetch.recorded")
        claim.unread.discard(index)

    def rewrite(self, claim: Claim, record: ClaimRecord) -> None:
        """Replace a claim's record, durably."""
        self._fs.write_durable(claim.folder / CLAIM_NAME, record.model_dump_json().encode())
        claim.rewritten(record)

    def _is_ours(self, error: OSError, origin: Path) -> bool:
        """Whether our own disk refuses, and not the image."""
        if isinstance(error, PermissionError):
            return self._fs.may(origin, os.R_OK)
        return blocked_by(error) is not None

    def undo(self, claim: Claim) -> bool:
        """Put the sidecar back to where it was and drop the claim.

        False where that folder refuses: the claim is ``stuck`` then, and this is to be called again.
        """
        if self._fs.kind(claim.sidecar) is not None and not claim.record.is_own:
            origin = claim.record.origin
            if self._holds.attempt(claim.record.id, origin, lambda: self.put_back(claim.sidecar, origin)) is None:
                claim.stuck = True
                return False
            self._fs.step("undo.returned")
        self._fs.discard(claim.folder, self._places.trash)
        return True

    def put_back(self, path: Path, origin: str) -> Path:
        """Move a file into the inbox, to where it was or, if something stands there by now, beside it."""
        wanted = self._places.inbox / origin
        self._fs.make_folder(wanted.parent)
        return self._fs.move_beside(path, wanted)
