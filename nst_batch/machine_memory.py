"""The machine's memory as its kernel tells of it: what there is, what is free, who was ended for want of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
MB = 1 << 20


def oom_kills(proc: Path = PROC) -> int:
    """How many processes the kernel has ended for want of memory, the machine's or a control group's; 0 if unknown."""
    return _fields(proc / "vmstat").get("oom_kill", 0)


def free_mb(proc: Path = PROC, cgroups: Path = CGROUPS) -> float:
    """What this process can still get: of the machine's memory, and of its control groups' limits (v1 and v2)."""
    free = _fields(proc / "meminfo").get("MemAvailable:", 0) / 1024
    return min([free, *(max(0.0, limit - used) for limit, used in _groups(proc, cgroups))])


def total_mb(proc: Path = PROC, cgroups: Path = CGROUPS) -> float:
    """What this process could get of an idle machine: its memory, or its control groups' least limit; 0 if unknown."""
    total = _fields(proc / "meminfo").get("MemTotal:", 0) / 1024
    return min([total, *(limit for limit, _ in _groups(proc, cgroups))])


def resident_mb(proc: Path = PROC) -> float:
    """What this process holds now."""
    return _fields(proc / "self/status").get("VmRSS:", 0) / 1024


def _groups(proc: Path, cgroups: Path) -> Iterator[tuple[float, float]]:
    """Limit and use, in MB, of every control group above this process that has a limit."""
    for line in _text(proc / "self/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, used = cgroups, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, used = cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        while group.is_relative_to(root):
            most, taken = _number_in(group / limit), _number_in(group / used)
            if not math.isnan(most - taken):
                yield most / MB, taken / MB
            group = group.parent


def _number_in(path: Path) -> float:
    text = _text(path).strip()
    return float(text) if text.isdigit() else math.nan


def _fields(path: Path) -> dict[str, int]:
    """Lines of a name and a whole number; others are passed over."""
    lines = (line.split() for line in _text(path).splitlines())
    return {parts[0]: int(parts[1]) for parts in lines if len(parts) > 1 and parts[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # another kernel, or a container that hides it
        return ""
