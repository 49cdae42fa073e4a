"""Taking hold of an inbox and its outbox, and noticing that they are not the ones any more.

A marker file tells an inbox from another folder at the same path, such as the empty folder that an unmounted
file system leaves. Each of the two folders keeps a note of the other and of the mount that it lay on: a folder
without its own note, on another mount than before, is an unmounted one and not an empty one.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

from nst_batch.errors import NstError, SetupError
from nst_batch.spool.apart import refuse_nested
from nst_batch.spool.fs import FileSystem, free_bytes
from nst_batch.spool.layout import Places
from nst_batch.spool.lock import LOCK_NAME, Lock, lock_inbox
from nst_batch.spool.trouble import InboxLost, blocked_by
from nst_batch.spool.watch import mount_now

RECORD_NAME = ".nst_batch.json"  # in the outbox: which inboxes feed it
OUTBOX_NAME = "outbox.json"  # in the inbox's own folder: where its results go
GB = 1e9
Folder = tuple[int, int]  # device and inode


class Attachment:
    """A held inbox: its lock, its marker, and the very folder that it is."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._lock: Lock | None = None
        self._folders: tuple[Folder, Folder] | None = None
        self._refusal = "the inbox is not held"  # why, where it is not
        self.inbox_id = ""

    def attach(self, wall: float, *, make: bool = True) -> None:
        """Take hold. With ``make``, folders that are not there are made.

        NotNowError while another daemon has it, a folder is not mounted or the disk refuses, SetupError where a folder
        cannot be one. The lock stays held while the inbox is there and the outbox is not; that of an inbox that has
        gone is let go, since an open file would keep its disk from being checked and mounted anew.
        """
        self._folders = None
        if self._lock is not None and not self._lock.is_on(self._places.own / LOCK_NAME):
            self.release()
        try:
            refuse_unmounted(self._places)
            self._make_folders(make=make)
            if self._lock is None:
                self._lock = lock_inbox(self._places.inbox, wall)
            self._note()
            self._folders = self._folders_now()
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
            advice = "let the daemon's user write there, or name other folders"
            refusal = blocked_by(error) or SetupError("folders_unusable", text, advice)
            self._refusal = refusal.message
            raise refusal from error
        except NstError as error:
            self._refusal = error.message
            raise

    def release(self) -> None:
        """Let go of the inbox."""
        if self._lock is not None:
            self._lock.release()
        self._lock, self._folders = None, None

    def lost(self) -> str | None:
        """Why the folders at their paths are not those that are held; None where all is well."""
        if self._folders is None:
            return self._refusal
        inbox = self._places.inbox
        try:
            marker = self._places.marker.read_text()
            folders = self._folders_now()
        except FileNotFoundError as error:
            return f"{error.filename} is gone; unmounted, replaced or renamed away?"
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        lock_is_ours = self._lock is not None and self._lock.is_on(self._places.own / LOCK_NAME)
        signs = (
            (marker != self.inbox_id, f"{inbox} is another inbox by now"),
            (folders != self._folders, f"{inbox} or {self._places.outbox} was mounted or put there anew"),
            (not lock_is_ours, f"{inbox}: its lock file was replaced"),
        )
        return next((words for is_so, words in signs if is_so), None)

    def _folders_now(self) -> tuple[Folder, Folder]:
        inbox, outbox = self._places.inbox.stat(), self._places.outbox.stat()
        return (inbox.st_dev, inbox.st_ino), (outbox.st_dev, outbox.st_ino)

    def _make_folders(self, *, make: bool) -> None:
        for folder in (self._places.inbox, self._places.outbox):
            if not make and not folder.is_dir():
                raise InboxLost("inbox_lost", f"{folder} is gone", "mount it or bring it back")
        places = self._places
        for folder in (places.inbox, places.outbox):
            self._fs.make_folder(folder)
        refuse_nested(places.inbox, places.outbox)
        for folder in (places.own, places.claims, places.running, places.failed):
            self._fs.make_folder(folder)

    def _note(self) -> None:
        places = self._places
        if not places.marker.exists():
            self._fs.write_durable(places.marker, secrets.token_hex(8).encode())
        self.inbox_id = places.marker.read_text()
        inbox_note = {"id": self.inbox_id, "mount": mount_now(places.inbox)[0]}
        if _inbox_note(places) != inbox_note:
            everything = {**_read(places.outbox / RECORD_NAME), str(places.inbox): inbox_note}
            self._fs.write_durable(places.outbox / RECORD_NAME, _text(everything))
        outbox_note = {"path": str(places.outbox), "mount": mount_now(places.outbox)[0]}
        if _read(places.own / OUTBOX_NAME) != outbox_note:
            self._fs.write_durable(places.own / OUTBOX_NAME, _text(outbox_note))


def refuse_unmounted(places: Places) -> None:
    """InboxLost where the inbox or the outbox is the bare folder that an unmounted one leaves; nothing is changed."""
    inbox, outbox = places.inbox, places.outbox
    _refuse(inbox, places.marker, _inbox_note(places).get("mount"), outbox / RECORD_NAME)
    note = _read(places.own / OUTBOX_NAME)
    if note.get("path") == str(outbox):
        _refuse(outbox, outbox / RECORD_NAME, note.get("mount"), places.own / OUTBOX_NAME)


def _refuse(folder: Path, own_note: Path, mount: str | None, note: Path) -> None:
    if mount is None or own_note.exists() or mount == mount_now(folder)[0]:
        return
    raise InboxLost(
        "not_mounted",
        f"{folder} is empty and not on the mount it was on before ({mount}); is it not mounted?",
        f"mount it; if it is meant to be a new one, remove {note} first",
    )


def _inbox_note(places: Places) -> dict[str, Any]:
    note = _read(places.outbox / RECORD_NAME).get(str(places.inbox))
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


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        data = json.loads(path.read_bytes())
        if isinstance(data, dict):
            return data
    return {}


def _text(data: dict[str, Any]) -> bytes:
    return json.dumps(data, indent=2).encode() + b"\n"
