"""Messages between machines that share nothing but a file system: one file a direction, one JSON object a line.

Each file has one writer, who only ever appends. Both sides open and close it for every message: that is when a network
file system carries it over (NFS: close-to-open consistency), and what a lock or an event would not do between machines.

A mailbox lies in a folder that is its user's alone. Whoever may rename that folder could put one of their own in its
place; so a file counts only if it belongs to the owner that is asked for, and has no second name.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

from nst_batch.protocol import Message, to_line

READ_BYTES = 1 << 20  # at a time; a reader that was away for long goes on at its next look


class MailWriter:
    """The writing end; takes whole lines, as a pipe would."""

    def __init__(self, path: Path, owner: int) -> None:
        self._path = path
        self._owner = owner
        self._torn = False  # whether the file ends within a line that did not fit

    def write(self, line: bytes) -> int:
        """Append one line. OSError where the file system does not take it, or not all of it."""
        view = memoryview(b"\n" + line if self._torn else line)
        fd = _open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, self._owner)
        try:
            while view:  # a disk that is filling up takes some, and then says so
                view = view[os.write(fd, view) :]
                self._torn = bool(view)
        finally:
            os.close(fd)
        return len(line)

    def post(self, message: Message) -> None:
        """Append one message."""
        self.write(to_line(message))


class MailReader:
    """The reading end, from the beginning of the file. ``key`` is what every message has."""

    def __init__(self, path: Path, owner: int, key: str) -> None:
        self._path = path
        self._owner = owner
        self._key = key
        self._offset = 0
        self._rest = b""

    @property
    def has_heard(self) -> bool:
        """Whether anything has come yet."""
        return self._offset > 0

    def read(self) -> list[Message]:
        """The messages that have come since the last call. OSError; FileNotFoundError where there is no file."""
        fd = _open(self._path, os.O_RDONLY, self._owner)
        try:
            data = os.pread(fd, READ_BYTES, self._offset)
        finally:
            os.close(fd)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [message for line in lines if (message := self._understood(line)) is not None]

    def _understood(self, line: bytes) -> Message | None:
        """A line's message; None for one that a dying machine or disk has damaged: what counts lies in the folders."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) and isinstance(message.get(self._key), str) else None


def _open(path: Path, flags: int, owner: int) -> int:
    """A descriptor of a regular file of this owner's, without a second name. OSError."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_uid == owner and status.st_nlink <= 1:
        return fd
    os.close(fd)
    raise PermissionError(errno.EPERM, "not a file of this program's own", str(path))
