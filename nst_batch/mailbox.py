"""Messages between machines that share nothing but a file system: one file a direction, one JSON object a line.

Each file has one writer, who only ever appends. Both sides open and close it for every message: that is when a network
file system carries it over (NFS: close-to-open consistency), and what a lock or an event would not do between machines.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from nst_batch.protocol import Message, to_line

READ_BYTES = 1 << 20  # at a time; a reader that was away for long goes on at its next look


class MailWriter:
    """The writing end; takes whole lines, as a pipe would."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: bytes) -> int:
        """Append one line. OSError where the file system does not take it."""
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            return os.write(fd, line)
        finally:
            os.close(fd)

    def post(self, message: Message) -> None:
        """Append one message."""
        self.write(to_line(message))


class MailReader:
    """The reading end, from the beginning of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> list[Message]:
        """The messages that have come since the last call; none where there is no file yet. OSError."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return []
        try:
            data = os.pread(fd, READ_BYTES, self._offset)
        finally:
            os.close(fd)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [message for line in lines if (message := _understood(line)) is not None]


def _understood(line: bytes) -> Message | None:
    """A line's message; None for one that a dying machine or disk has damaged: what counts lies in the folders."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
