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


UNKNOWN = Mount("", "", "", "")


def mount_at(path: Path, mountinfo: str) -> Mount:
    """The mount that ``path`` lies on by the text of /proc/self/mountinfo; UNKNOWN where that does not tell."""
    best = UNKNOWN
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if len(fields) < 5 or not types[0]:
            continue
        root, point = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
        inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best.point):
            best = Mount(fields[2], root, point, types[0])
    return best


def mounts_now() -> str:
    """The text of /proc/self/mountinfo; "" where it cannot be read."""
    try:
        return Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return ""


def mount_now(path: Path) -> Mount:
    """:func:`mount_at` on this machine, links followed."""
    return mount_at(Path(os.path.realpath(path)), mounts_now())
