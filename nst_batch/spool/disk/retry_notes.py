"""Which failed jobs there are, and which of them are on their way back into the inbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nst_batch.filenames import MANIFEST_NAME
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import Component, Places
from nst_batch.spool.disk.own import DamagedError, read_model, read_note

RETRY_NOTE_SUFFIX = ".json"


class RetryNote(BaseModel):
    """A pair that lies put together in ``.nst_batch/retry/ASIDE``, and the failed folder that it stands for."""

    model_config = ConfigDict(frozen=True)

    failed: Component
    id: str  # of its job: another failed job may have the name by now
    home: str | None = None  # the inbox's folder that its sidecar goes back to; None: the pair has a folder of its own


def retry_notes(fs: FileSystem, places: Places) -> Iterator[tuple[Path, RetryNote]]:
    """The pairs on their way back, whether they lie aside still or not."""
    try:
        found = [name for name in fs.names(places.retries) if name.endswith(RETRY_NOTE_SUFFIX)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # from outside, who is not the daemon's user may not look
    for name in found:
        with contextlib.suppress(DamagedError):
            note = read_model(fs, RetryNote, places.retries / name)
            if note is not None:
                yield places.retries / name.removesuffix(RETRY_NOTE_SUFFIX), note


def failed_names(fs: FileSystem, places: Places) -> tuple[str, ...]:
    """The JOB names of failed jobs; one on its way back is none any more."""
    found = fs.names_in(places.failed)
    leaving = {note.failed for _aside, note in retry_notes(fs, places)} if found else ()
    return tuple(name for name in found if name not in leaving)


def stands(fs: FileSystem, places: Places, note: RetryNote) -> bool:
    """Whether the failed folder whose place a pair is to take is there still."""
    folder = places.failed / note.failed
    return fs.kind(folder) == "folder" and str(read_note(fs, folder / MANIFEST_NAME).get("id")) == note.id
