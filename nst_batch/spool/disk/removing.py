"""Removing a folder with all that is in it, however deep it goes.

Whoever may write to the outbox or the inbox may nest thousands of folders in one. So neither a call nor a descriptor is
kept for each level: what lies very deep is renamed up to the top, and is removed from there.

Several may be at one folder, two commands or a command and the daemon: what another has removed is gone.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

DEEPEST = 50  # levels that are gone down
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(above: int, name: str) -> None:
    """Remove the folder ``name`` in the open folder ``above``; no link is followed. OSError where one refuses."""
    top = os.open(name, FOLDER, dir_fd=above)
    try:
        while _emptied(top, top, DEEPEST):
            pass
    finally:
        os.close(top)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=above)


def _emptied(folder: int, top: int, levels: int) -> bool:
    """Remove what lies in an open folder; whether something was moved up to ``top``, where it lies now."""
    moved = False
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        with suppress(FileNotFoundError):
            if not is_folder:
                os.unlink(name, dir_fd=folder)
            elif not levels:
                os.rename(name, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)
                moved = True
            else:
                inner = os.open(name, FOLDER, dir_fd=folder)
                try:
                    moved = _emptied(inner, top, levels - 1) or moved
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=folder)
    return moved
