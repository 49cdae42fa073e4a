"""What a trial is, and how the figures of its slices are put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Figures = dict[str, float]
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Trial:
    """One row of the proof. ``run(folder, first, size)`` does one slice or raises; ``in_memory`` needs no disk."""

    name: str
    what: str
    unit: str
    count: int
    slice: int
    run: Callable[[Path, int, int], Figures]
    in_memory: bool = False

    def place(self) -> Path | None:
        """Where its folders are made."""
        return MEMORY if self.in_memory and os.access(MEMORY, os.W_OK) else None


def merge(total: Figures, more: Mapping[str, float]) -> None:
    """Counts add up; of figures that begin with ``most`` the greatest stays."""
    for name, value in more.items():
        total[name] = max(total.get(name, value), value) if name.startswith("most") else total.get(name, 0) + value
