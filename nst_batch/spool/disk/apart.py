"""Whether the inbox and the outbox are apart: results that land in the inbox would be taken for inputs, for ever.

Text tells only so much of a path: one of the folders may be a link, or a mount of a folder within the other. So the
folders above each are compared by device and inode, and where the kernel says which folder of which file system is
mounted where, by that.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from nst_batch.errors import SetupError
from nst_batch.spool.disk.mounts import UNKNOWN, mount_at, mounts_now


def refuse_nested(inbox: Path, outbox: Path, mountinfo: str | None = None) -> None:
    """SetupError where one of the two folders is or holds the other; both have to be there.

    ``mountinfo`` is the text of /proc/self/mountinfo, by default as it is now.
    """
    mounts = mounts_now() if mountinfo is None else mountinfo
    if _holds(inbox, outbox, mounts):
        what, which = f"{outbox} is a folder inside the inbox {inbox}, by a link or a mount", "outbox"
    elif _holds(outbox, inbox, mounts):
        what, which = f"{inbox} is a folder inside the outbox {outbox}, by a link or a mount", "inbox"
    else:
        return
    raise SetupError(
        "folders_nested",
        f"{what}; results would be taken for inputs",
        f"name another folder as {which} in config.yaml, or mount another one there",
    )


def _holds(outer: Path, inner: Path, mounts: str) -> bool:
    """Whether ``inner`` is ``outer`` or lies in it."""
    status = outer.stat()
    real = Path(os.path.realpath(inner))
    if any(os.path.samestat(status, folder.stat()) for folder in (real, *real.parents)):
        return True
    where, around = _place(real, mounts), _place(Path(os.path.realpath(outer)), mounts)
    if where is None or around is None or where[0] != around[0]:
        return False
    return where[1].is_relative_to(around[1])


def _place(path: Path, mounts: str) -> tuple[str, PurePosixPath] | None:
    """The file system that a path lies on and its place there, however it is mounted; None where it is not known."""
    mount = mount_at(path, mounts)
    if mount is UNKNOWN:
        return None
    return mount.device, PurePosixPath(mount.root) / PurePosixPath(path).relative_to(mount.point)
