"""How long sidecars have waited for what somebody has to bring, and which have failed for it: over restarts.

``waiting.json`` is written now and then. That a sidecar has failed, though it still lies there, must not be forgotten
between two times, or it would fail again: it is put down at once, in a file of its own in ``given-up``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import mend_folder, read_note
from nst_batch.spool.disk.primitives import Identity

WAITS_NAME, GIVEN_UP_NAME = "waiting.json", "given-up"


class Wait(NamedTuple):
    """What is known of a sidecar that was ``identity``."""

    identity: Identity
    seconds: float = 0.0  # for which it has waited under our eyes
    given_up: str = ""  # JOB as which it has failed for that, though it lies there still


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
            found |= dict(self._failed())
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
                self._fs.step("waits.written")
                self._fs.rmtree(self._given_up)
        self._is_empty = not waits

    def give_up(self, path: str, wait: Wait) -> None:
        """Put down, durably, that a sidecar has failed. OSError."""
        mend_folder(self._fs, self._given_up, self._fs.rmtree)
        note = {"path": path, "identity": wait.identity, "name": wait.given_up}
        place = self._given_up / hashlib.sha256(os.fsencode(path)).hexdigest()
        self._fs.write_durable(place, json.dumps(note).encode())
        self._fs.step("waits.given_up")
        self._is_empty = False

    def _failed(self) -> Iterator[tuple[str, Wait]]:
        """Those that have failed since all was put down."""
        with contextlib.suppress(OSError):
            for name in self._fs.names_in(self._given_up):
                note = read_note(self._fs, self._given_up / name)
                kept = [*(note.get("identity") or ()), 0.0, note.get("name")]
                path, wait = _understood((str(note.get("path")), kept))
                if wait is not None:
                    yield path, wait


def _understood(item: tuple[str, Any]) -> tuple[str, Wait | None]:
    path, kept = item
    try:
        return path, Wait(Identity(*kept[:3]), float(kept[3]), str(*kept[4:5]))
    except (TypeError, ValueError, IndexError, OverflowError):
        return path, None
