"""Where a path is mounted, and on what kind of file system, as the kernel tells."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo: which folder (``root``) of which file system stands at ``point``."""

    device: str  # major:minor
    root: str
    point: str
    kind: str


def mount_at(path: Path, mountinfo: str) -> Mount | None:
    """The mount that ``path`` lies on by the text of /proc/self/mountinfo; None if unknown."""
    best = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if len(fields) < 5 or not types[0]:
            continue
        root, point = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
        inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(fields[2], root, point, types[0])
    return best


def mounts_now() -> str:
    """The text of /proc/self/mountinfo; "" where it cannot be read."""
    try:
        return Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return ""


def mount_of(path: Path, mountinfo: str) -> tuple[str, str]:
    """Mount point and file system type of ``path`` by the text of /proc/self/mountinfo; ("", "") if unknown."""
    mount = mount_at(path, mountinfo)
    return ("", "") if mount is None else (mount.point, mount.kind)


def mount_now(path: Path) -> tuple[str, str]:
    """:func:`mount_of` on this machine."""
    return mount_of(Path(os.path.realpath(path)), mounts_now())
