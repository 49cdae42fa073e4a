"""A disk that refuses for as long as a file says so, without a mount: for processes other than the test's own.

The environment's ``DISK_SAYS`` names the file; what it holds is an errno's name. A full disk (ENOSPC) refuses what
needs room, a read-only one (EROFS) and one without permission (EACCES) refuse every change.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from nst_batch.spool.disk.fs import FileSystem

VARIABLE = "DISK_SAYS"
NEEDS_ROOM = ("write_new", "copy_new", "mkdir", "symlink")
CHANGES = (*NEEDS_ROOM, "rename", "rename_noreplace", "remove", "rmdir", "rmtree")


def refusal() -> int | None:
    """The errno that is in force; None while the disk does what it is told."""
    switch = os.environ.get(VARIABLE)
    if not switch:
        return None
    try:
        return int(getattr(errno, Path(switch).read_text().strip()))
    except FileNotFoundError:
        return None


class MoodyDisk(FileSystem):
    """Refuses while it is told to."""


def _moody(name: str) -> Any:
    def method(self: MoodyDisk, *args: Any, **kwargs: Any) -> Any:
        code = refusal()
        if code is not None and (code != errno.ENOSPC or name in NEEDS_ROOM):
            raise OSError(code, os.strerror(code), str(args[1] if name in ("copy_new", "symlink") else args[0]))
        return getattr(FileSystem, name)(self, *args, **kwargs)

    return method


for _name in CHANGES:
    setattr(MoodyDisk, _name, _moody(_name))
