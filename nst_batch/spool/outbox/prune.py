"""Removing ended jobs and sheets from the outbox: each is seen whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from nst_batch import names
from nst_batch.filenames import FAILED_FOLDER
from nst_batch.spool.disk.blocked import one_place_only
from nst_batch.spool.disk.fs import FileSystem

LEAVING_PREFIX = ".nst_batch-pruned-"


def remove_ended(fs: FileSystem, outbox: Path, folder: str) -> bool:
    """Remove an ended job or a sheet, by its folder below the outbox; whether it was there.

    It is renamed to a hidden name beside its own first. What a prune that was killed left under such a name there is
    removed with it, and so are the folders above it that nothing lies in any more.
    """
    parts = folder.split("/")
    if names.fold(parts[0]) == "running" or fs.kind(outbox / folder) != "folder":
        return False
    place = outbox / folder
    leaving = place.with_name(LEAVING_PREFIX + secrets.token_hex(6))
    try:
        fs.rename_noreplace(place, leaving)
    except FileNotFoundError:
        return False
    fs.rmtree(leaving)
    for name in fs.names_in(place.parent):
        if name.startswith(LEAVING_PREFIX):
            with one_place_only():  # another user's
                fs.rmtree(place.parent / name)
    _remove_empty(fs, outbox, parts[:-1])
    return True


def _remove_empty(fs: FileSystem, outbox: Path, parts: list[str]) -> None:
    """Remove a folder below the outbox and those above it, as far as they are empty; ``failed`` stays."""
    while parts and parts != [FAILED_FOLDER]:
        with one_place_only():
            if not fs.rmdir(outbox.joinpath(*parts)):
                return
        parts = parts[:-1]
