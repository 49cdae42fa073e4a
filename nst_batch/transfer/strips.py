"""Where a block's input is cut into strips of whole rows, so that each yields its own rows of the block's features.

A block of VGG19 is two or four convolutions: a row of its last features depends on as many rows of the block's input
above and below. A strip is a core, for whose features it answers, and such a margin; at the picture's own border there
is none, and the padding there is what it is without strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

STEP = 2  # rows: the pooling after a block takes them in pairs
MIN_CORE = 16  # rows; halved by an even cut, still no thinner than the margins of both neighbours


@dataclass(frozen=True)
class StripPlan:
    """How a picture is cut up: in the first ``blocks`` blocks of the network, ``view`` numbers of a layer at a time.

    With 0 blocks it goes in one piece. ``winograd``: with the faster convolutions, which take more memory.
    """

    blocks: int
    view: int
    winograd: bool = True


@dataclass(frozen=True)
class Strip:
    """Rows of a block's input: the core from ``core_start`` to before ``core_stop``, with its margin."""

    core_start: int
    core_stop: int
    start: int
    stop: int

    @property
    def core(self) -> tuple[int, int]:
        """The core's first row and the one after its last, counted from the strip's first."""
        return self.core_start - self.start, self.core_stop - self.start


def plan_strips(height: int, most_rows: int, margin: int) -> tuple[Strip, ...]:
    """The strips of an input of ``height`` rows, from the top, with ``most_rows`` or fewer each.

    Where fewer than a margin and a core of MIN_CORE rows are allowed, they have as many as that.
    """
    margin += margin % STEP
    room = max(MIN_CORE, (most_rows - 2 * margin) // STEP * STEP)
    count = 1 if height <= most_rows else -(-height // room)
    edges = [height * part // count // STEP * STEP for part in range(count)]
    return tuple(
        Strip(start, stop, max(0, start - margin), min(height, stop + margin))
        for start, stop in pairwise([*edges, height])
    )
