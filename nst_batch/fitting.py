"""How large a picture would have fitted, for a job for which the memory has run out twice.

On a GPU the device refuses in words and the process lives on: smaller sizes are tried until one fits. On the CPU the
kernel ends the process without a word, so what a size takes is measured beforehand at two small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

SHRINK = 0.84  # of the long side: seven tenths of the pixels
GRID = 16
SMALLEST = 64
RESERVE = 0.9  # of the memory that is free; other programs want some too
SCOUTED = (1 / 8, 1 / 4)  # of the long side: what is measured before a last run on the CPU
SMALLEST_SCOUTED = 128


class Need(NamedTuple):
    """A size that was tried, and the most memory that the process had held by then."""

    side: int
    peak_mb: float


def advice(side: int | None) -> str:
    """What to do about a job that does not fit, where ``side`` would have; None where that is not known."""
    if side is None:
        return "ask for a smaller size, or run it on a machine with more memory"
    return f"size {side} would have fitted: ask for that or less, or run it on a machine with more memory"


def next_smaller(side: float) -> int:
    """The size to try below ``side``."""
    return int(side * SHRINK) // GRID * GRID


def largest_that_fits(side: int, fits: Callable[[int], bool]) -> int | None:
    """The first of ever smaller sizes that fits; None where none does."""
    side = next_smaller(side)
    while side >= SMALLEST:
        if fits(side):
            return side
        side = next_smaller(side)
    return None


def scouted_sides(side: int) -> tuple[int, int]:
    """The two sizes to measure, the smaller first."""
    small, large = (int(side * share) // GRID * GRID for share in SCOUTED)
    small = max(small, SMALLEST_SCOUTED)
    return small, max(large, 2 * small)


def estimate(side: int, small: Need, large: Need, room_mb: float) -> int | None:
    """The size below ``side`` that fits where a process can hold ``room_mb``; memory grows with the pixels.

    None where the two measurements do not tell.
    """
    per_pixel = (large.peak_mb - small.peak_mb) / (large.side**2 - small.side**2)
    if per_pixel <= 0:
        return None
    pixels = large.side**2 + (RESERVE * room_mb - large.peak_mb) / per_pixel
    found = int(max(0.0, pixels) ** 0.5) // GRID * GRID
    return max(SMALLEST, min(found, next_smaller(side)))
