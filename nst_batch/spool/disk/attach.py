"""Taking hold of an inbox and its outbox, and noticing that they are not the ones any more.

A marker file tells an inbox from another folder at the same path, such as the empty folder that an unmounted
file system leaves. Each of the two folders keeps a note of the other and of the mount that it lay on: a folder
without its own note, on another mount than before, is an unmounted one and not an empty one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from nst_batch import names
from nst_batch.beneath import WHAT_IS_NO_FILE, kind_of
from nst_batch.errors import NotNowError, NstError, SetupError
from nst_batch.reasons import INBOX_LOST
from nst_batch.spool.disk.apart import refuse_nested
from nst_batch.spool.disk.blocked import NAME_REFUSED, InboxLost, blocked_by
from nst_batch.spool.disk.fs import FileSystem, free_bytes
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.disk.lock import LOCK_NAME, Lock, lock_inbox
from nst_batch.spool.disk.mounts import mount_now
from nst_batch.spool.disk.own import (
    DamagedError,
    is_still_ours,
    know_outbox,
    let_go,
    mend_folders,
    read_note,
    read_own,
    take_own,
)

RECORD_NAME = ".nst_batch.json"  # in the outbox: which inboxes feed it
OUTBOX_NAME = "outbox.json"  # in the inbox's own folder: where its results go
MAX_MARKER_BYTES = 1000
_MARKER = re.compile(r"[\w-]{1,64}", re.ASCII)
GB = 1e9
Folder = tuple[int, int]  # device and inode


class Attachment:
    """A held inbox: its lock, its marker, and the very folder that it is."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._lock: Lock | None = None
        self._folders: tuple[Folder, Folder] | None = None
        self._held: Folder | None = None  # the inbox that was held last
        self._refusal = "the inbox is not held"  # why, where it is not
        self.inbox_id = ""
        self.is_choosy = False  # the outbox's disk keeps some characters of names for itself

    def attach(self, wall: float, *, make: bool = True) -> None:
        """Take hold. With ``make``, folders that are not there are made.

        NotNowError while another daemon has it, a folder is not mounted or the disk refuses, SetupError where a folder
        cannot be one. The lock stays held while the inbox is there and the outbox is not; that of an inbox that has
        gone is let go, since an open file would keep its disk from being checked and mounted anew.
        """
        self._folders = None
        if not self._holds():
            self.release()
        try:
            refuse_no_folders(self._places)
            refuse_unmounted(self._fs, self._places)
            self._make_folders(make=make)
            if self._lock is None:
                self._lock = lock_inbox(self._fs, self._places.inbox, wall)
            know_outbox(self._fs, self._places)
            self.is_choosy = _is_choosy(self._fs, self._places.outbox)
            mend_folders(self._fs, self._places)
            self._note()
            self._folders = self._folders_now()
            self._held = self._folders[0]
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
            refusal = blocked_by(error) or SetupError("folders_unusable", text)
            self._refusal = refusal.message
            raise refusal from error
        except NstError as error:
            self._refusal = error.message
            raise

    def release(self) -> None:
        """Let go of the inbox."""
        if self._lock is not None:
            self._lock.release()
        let_go(self._fs, self._places)
        self._lock, self._folders = None, None

    def lost(self) -> str | None:
        """Why the folders at their paths are not those that are held; None where all is well."""
        if self._folders is None:
            return self._refusal
        places = self._places
        try:
            are_held = self._are_held(self._folders_now())
            is_ours = is_still_ours(self._fs, places)
        except FileNotFoundError as error:
            return f"{error.filename} is gone; unmounted, replaced or renamed away?"
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        signs = (
            (not are_held, f"{places.inbox} or {places.outbox} was mounted or put there anew"),
            (not is_ours, f"{places.own} is not the daemon's own folder any more"),
            (not self._holds_lock(), f"{places.inbox}: its lock file was replaced"),
        )
        return next((words for is_so, words in signs if is_so), None)

    def _are_held(self, folders: tuple[Folder, Folder]) -> bool:
        """Whether they are those that are held.

        A network's file system, and vfat, number a folder anew that they had forgotten: of the outbox, which is not
        kept open, its note tells.
        """
        if folders != self._folders and self._folders is not None:
            (inbox, (device, _)), (inbox_before, (device_before, _)) = folders, self._folders
            is_renumbered = inbox == inbox_before and device == device_before
            if is_renumbered and _inbox_note(self._fs, self._places).get("id") == self.inbox_id:
                self._folders = folders
        return folders == self._folders

    def mend(self) -> None:
        """Own folders that are none any more, or the marker: made anew, in the inbox that is held. OSError."""
        mend_folders(self._fs, self._places)
        self._note()

    def _holds(self) -> bool:
        with contextlib.suppress(OSError):
            return is_still_ours(self._fs, self._places) and self._holds_lock()
        return False

    def _holds_lock(self) -> bool:
        return self._lock is not None and self._lock.is_on(self._fs, self._places.own / LOCK_NAME)

    def _folders_now(self) -> tuple[Folder, Folder]:
        inbox, outbox = self._places.inbox.stat(), self._places.outbox.stat()  # roots: of the administrator's naming
        return (inbox.st_dev, inbox.st_ino), (outbox.st_dev, outbox.st_ino)

    def _make_folders(self, *, make: bool) -> None:
        places = self._places
        for folder in (places.inbox, places.outbox):
            if not make and not folder.is_dir():
                raise InboxLost(INBOX_LOST, f"{folder} is gone")
            self._fs.make_folder(folder)
        refuse_nested(places.inbox, places.outbox)
        if self._fs.pinned(places.own) is None:
            status = places.inbox.stat()
            if (status.st_dev, status.st_ino) == self._held and not os.path.lexists(places.own):
                raise InboxLost("own_folder_gone", f"{places.own} is gone")
            take_own(self._fs, places)

    def _note(self) -> None:
        places, fs = self._places, self._fs
        known = read_marker(fs, places)
        if known is None:
            known = self.inbox_id or secrets.token_hex(8)
            fs.write_durable(places.marker, known.encode())
        self.inbox_id = known
        inbox_note = {"id": known, "mount": mount_now(places.inbox).point}
        if _inbox_note(fs, places) != inbox_note:
            everything = {**read_note(fs, places.outbox / RECORD_NAME), str(places.inbox): inbox_note}
            fs.write_durable(places.outbox / RECORD_NAME, _text(everything))
        outbox_note = {"path": str(places.outbox), "mount": mount_now(places.outbox).point}
        if read_note(fs, places.own / OUTBOX_NAME) != outbox_note:
            fs.write_durable(places.own / OUTBOX_NAME, _text(outbox_note))


def _is_choosy(fs: FileSystem, folder: Path) -> bool:
    """Whether a disk does not take every name, as vfat, exfat and some servers do not for Windows' sake."""
    path = folder / f".{secrets.token_hex(6)}{names.FORBIDDEN.replace('/', '')}.tmp"
    try:
        fs.write_new(path, b"", sync=False)
    except OSError as error:
        return error.errno in NAME_REFUSED
    fs.clear_away(path)
    return False


def read_marker(fs: FileSystem, places: Places) -> str | None:
    """What tells this inbox from another; None where there is none, or nothing of use."""
    try:
        text = (read_own(fs, places.marker, MAX_MARKER_BYTES) or b"").decode(errors="replace")
    except DamagedError:
        return None
    return text if _MARKER.fullmatch(text) else None


def no_folder(path: Path) -> str:
    """What stands where a folder is to be, or above it; "" where a folder does, a link to one, or nothing yet."""
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    try:
        kind = kind_of(there.stat().st_mode)
    except PermissionError:
        return ""  # who may not look there is told so where he needs it
    except OSError:
        what = "a link that leads nowhere"
    else:
        if kind == "folder":
            return ""
        what = "a plain file" if kind == "file" else WHAT_IS_NO_FILE[kind]
    what = f"{there} is {what}, and no folder"
    return what if there == path else f"{path} cannot be there: {what}"


def refuse_no_folders(places: Places) -> None:
    """SetupError where something else stands at the path of the inbox or the outbox."""
    for name, path in (("inbox", places.inbox), ("outbox", places.outbox)):
        if what := no_folder(path):
            raise SetupError("folders_unusable", what, f"move it away, or name a folder as {name}: in config.yaml")


def refuse_closed(*folders: Path) -> None:
    """NotNowError where who asks may not look into one of them; one that is not there is no fault."""
    for path in folders:
        is_folder = os.path.isdir(path)  # noqa: PTH112 - Path raises where a folder above is closed
        if is_folder and not os.access(path, os.R_OK | os.X_OK, effective_ids=True):
            user = names.user_called(os.geteuid())
            advice = joining(path) or f"let user {user} read it: chown or chmod {names.typed(path)}"
            raise NotNowError("folder_closed", f"{path} may not be read by user {user}", advice)


def joining(folder: Path) -> str:
    """How to become one of the group that may use a folder; "" where that may not either, or who asks is in it."""
    status = folder.stat()
    if status.st_mode & stat.S_IRWXG != stat.S_IRWXG or status.st_gid in (os.getegid(), *os.getgroups()):
        return ""
    group = names.group_called(status.st_gid)
    return f"its group {group} may: sudo usermod -aG {group} {names.user_called(os.geteuid())}, then log in anew"


def refuse_unmounted(fs: FileSystem, places: Places) -> None:
    """InboxLost where the inbox or the outbox is the bare folder that an unmounted one leaves; nothing is changed."""
    inbox, outbox = places.inbox, places.outbox
    _refuse(fs, inbox, places.marker, _inbox_note(fs, places).get("mount"), outbox / RECORD_NAME)
    note = read_note(fs, places.own / OUTBOX_NAME)
    if note.get("path") == str(outbox):
        _refuse(fs, outbox, outbox / RECORD_NAME, note.get("mount"), places.own / OUTBOX_NAME)


def _refuse(fs: FileSystem, folder: Path, own_note: Path, mount: object, note: Path) -> None:
    if not isinstance(mount, str) or fs.kind(own_note) is not None or mount == mount_now(folder).point:
        return
    raise InboxLost(
        "not_mounted",
        f"{folder} is empty and not on the mount it was on before ({mount}); is it not mounted?",
        f"mount it; if it is meant to be a new one, remove {note} first",
    )


def _inbox_note(fs: FileSystem, places: Places) -> dict[str, Any]:
    note = read_note(fs, places.outbox / RECORD_NAME).get(str(places.inbox))
    return note if isinstance(note, dict) else {}


def short_of_room(places: Places, least_gb: float) -> str | None:
    """Why no job may start for want of disk space, on either file system; None where there is enough."""
    for folder in (places.inbox, places.outbox):
        try:
            free = free_bytes(folder) / GB
        except OSError as error:
            return f"{folder}: {error.strerror}"
        if free < least_gb:
            return (
                f"only {free:.1f} GB are free at {folder}, less than min_free_gb: {least_gb:,g};"
                " make room, or lower limits.min_free_gb in config.yaml"
            )
    return None


def _text(data: dict[str, Any]) -> bytes:
    return json.dumps(data, indent=2).encode() + b"\n"
