"""How long sidecars have waited for what somebody has to bring, and which have failed for it: over restarts.

``waiting.json`` is written now and then. That a sidecar has failed, though it still lies there, must not be forgotten
between two times, or it would fail again: it is put down at once, as a line of ``given-up``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import DamagedError, read_note, read_own
from nst_batch.spool.disk.primitives import Identity

WAITS_NAME, GIVEN_UP_NAME = "waiting.json", "given-up"


class Wait(NamedTuple):
    """What is known of a sidecar that was ``identity``."""

    identity: Identity
    seconds: float = 0.0  # for which it has waited under our eyes
    given_up: bool = False  # it has failed for that, and lies there still


class Waits:
    """The two files, in the daemon's own folder."""

    def __init__(self, fs: FileSystem, own: Path) -> None:
        self._fs = fs
        self._kept, self._given_up = own / WAITS_NAME, own / GIVEN_UP_NAME
        self._is_empty = True

    def read(self) -> dict[str, Wait]:
        """What an earlier daemon put down, by path in the inbox; what is damaged only means that they wait anew."""
        with contextlib.suppress(OSError):
            found = {path: wait for path, wait in map(_understood, read_note(self._fs, self._kept).items()) if wait}
            found |= {path: Wait(identity, given_up=True) for path, identity in self._lines()}
            self._is_empty = not found
            return found
        return {}

    def write(self, waits: Mapping[str, Wait]) -> None:
        """Put all of it down. OSError."""
        if waits or not self._is_empty:
            data = {path: [*wait.identity, wait.seconds, wait.given_up] for path, wait in waits.items()}
            self._fs.replace(self._kept, json.dumps(data).encode(), sync=any(wait.given_up for wait in waits.values()))
            if self._fs.kind(self._given_up) is not None:
                self._fs.fsync_dir(self._kept.parent)
                self._fs.rmtree(self._given_up)
        self._is_empty = not waits

    def give_up(self, path: str, identity: Identity) -> None:
        """Put down, durably, that a sidecar has failed. OSError."""
        is_new = self._fs.kind(self._given_up) is None
        fd = self._fs.open(self._given_up, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A line break before it too: what a power cut has left of a line spoils itself alone.
            os.write(fd, b"\n" + json.dumps([path, *identity]).encode() + b"\n")
            self._fs.sync(fd)
        finally:
            os.close(fd)
        if is_new:
            self._fs.fsync_dir(self._given_up.parent)
        self._is_empty = False

    def _lines(self) -> Iterator[tuple[str, Identity]]:
        try:
            text = read_own(self._fs, self._given_up) or b""
        except DamagedError:
            return
        for line in text.split(b"\n"):
            with contextlib.suppress(ValueError, TypeError):
                path, *identity = json.loads(line)
                yield str(path), Identity(*identity)


def _understood(item: tuple[str, Any]) -> tuple[str, Wait | None]:
    path, kept = item
    try:
        return path, Wait(Identity(*kept[:3]), float(kept[3]), kept[4:5] == [True])
    except (TypeError, ValueError, IndexError, OverflowError):
        return path, None
