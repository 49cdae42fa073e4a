"""A point in time, passed in by whoever has a clock, and how long something takes, in words."""

from __future__ import annotations

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """A point in time, passed in by whoever has a clock."""

    mono: float  # seconds on a clock that never jumps
    wall: float  # seconds since the epoch

    @classmethod
    def now(cls) -> Moment:
        """The present, for whoever runs the loop."""
        return cls(time.monotonic(), time.time())


def duration(seconds: float) -> str:
    """``4.2 s``, ``42 s``, ``3 min 20 s``, ``1 h 05 min``: as all of the program tells how long something takes."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
