"""What a contact sheet notes of itself, ``NAME-sheet/sheet.json``, and what that tells without a picture being read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from nst_batch.filenames import MANIFEST_NAME
from nst_batch.report.entries import walk
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import read_note

MARK = "sheet.json"
FORMAT = 1


def note_of(files: FileSystem, outbox: Path, folder: str) -> dict[str, Any]:
    """What the sheet in ``folder`` notes, if this program's own user wrote it; {} for nothing."""
    return read_note(files, outbox / folder / MARK, of_any_user=False)


def left_alone(outbox: Path, files: FileSystem, leaving: Collection[str] = ()) -> Iterator[tuple[str, float]]:
    """Each sheet none of whose jobs is in the outbox any more, ``leaving`` (their folders) counting as gone.

    Its folder, and when the last of its jobs had ended, in seconds since 1970.
    """
    gone = frozenset(leaving)
    for folder, _ in walk(str(outbox), {}, MARK):
        note = note_of(files, outbox, folder)
        if note.get("format") != FORMAT:
            continue  # only begun, or of another version
        tiles = [*note["places"], *note["shown"]]
        jobs = {os.fsdecode(unquote_to_bytes(tile["base"])).rstrip("/") for tile in tiles} - gone
        if not any(files.kind(outbox / job / MANIFEST_NAME) == "file" for job in jobs):
            yield folder, max(tile["at"] for tile in tiles)
