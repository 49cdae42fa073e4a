"""A point in time, passed in by whoever has a clock."""

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
