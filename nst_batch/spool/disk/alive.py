"""Which process a number means: numbers are given again, and other machines and containers have their own."""

from __future__ import annotations

import contextlib
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DEAD = ("Z", "X")  # it has ended, and nobody has asked how yet
_STATE, _STARTED = 0, 19  # of what /proc/PID/stat says behind the name


def born(pid: object) -> str | None:
    """What a living process of this machine shares with no other: the boot and its start; None for none alive."""
    if not isinstance(pid, int):
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    facts = text.rpartition(")")[2].split()
    if len(facts) <= _STARTED or facts[_STATE] in _DEAD:
        return None
    boot = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text().strip()
    return f"{boot} {facts[_STARTED]}"
