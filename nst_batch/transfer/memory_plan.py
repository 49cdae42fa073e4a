"""How much memory a generation takes at its peak, and how its pictures are cut up so that it does with less.

The numbers are what ``benchmarks/memory.py`` measures on a CPU in float32 with Adam; it prints the estimate beside.
A GPU's own libraries take workspace besides, which is not known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nst_batch.transfer.objectives.families import FamilyName
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, Precision
from nst_batch.transfer.strips import StripPlan

MB = 1 << 20
PROCESS_MB = 830.0  # TensorFlow, the network's kernels and OpenCV, before there is a picture
MOST = 1e12  # pixels: where the room is not known
GRID = 16  # pixels: sides are told in steps of this
VIEW = 16 << 20  # numbers of a layer at a time: larger ones are no faster
_ADAM_BYTES = 150.0  # a pixel: picture, gradient and moments in float32, and what resizing them needs
_PICTURE_BYTES = 12.0  # a pixel of a float32 RGB picture


@dataclass(frozen=True)
class _Rung:
    """One way of looking at a picture, and what it takes: a fixed part, and bytes of features for each pixel."""

    strip_plan: StripPlan | None
    fixed_mb: float
    feature_bytes: float  # in float32
    style_bytes: float  # a pixel of a style, which is looked at without a gradient; in either precision
    row_bytes: float = 0.0  # a pixel, in float32 whatever the network's precision
    kept_bytes: float = _PICTURE_BYTES  # a pixel of a style that is larger than the picture: what is kept of it


# In one piece, with the faster convolutions and without, then with ever more of the network's blocks in strips. More
# than three blocks save nothing more: the features that stand between the blocks are what is left, and after them what
# the faster convolutions take. At their end there may be the kernels of both, for a job's smaller scales.
LADDER = (
    _Rung(None, 250.0, 2840.0, 750.0),
    _Rung(StripPlan(0, VIEW, winograd=False), 60.0, 2780.0, 750.0),
    _Rung(StripPlan(2, VIEW), 260.0, 1240.0, 400.0),
    _Rung(StripPlan(3, VIEW), 480.0, 780.0, 340.0),
    _Rung(StripPlan(3, VIEW, winograd=False), 460.0, 550.0, 340.0),
)
# Of families that have one of their own. Neighbours are not matched in strips: there is one way, and beside the
# network's features the picture's rows, their matches and what their gradient needs.
_LADDERS: Mapping[FamilyName, tuple[_Rung, ...]] = {
    "neighbours": (_Rung(None, 650.0, 2400.0, 1700.0, row_bytes=1700.0, kept_bytes=1700.0),)
}


@dataclass(frozen=True)
class MemoryPlan:
    """What a generation of this kind takes, and how large its pictures can be."""

    precision: Precision
    optimizer: AdamSpec | LbfgsSpec = field(default_factory=AdamSpec)
    family: FamilyName = "moments"

    def peak_mb(self, pixels: int, strip_plan: StripPlan | None) -> float:
        """The most memory, in MB of 2²⁰ bytes, that a process holds while it paints a picture of so many pixels."""
        return self._peak(next(rung for rung in self._rungs if rung.strip_plan == strip_plan), pixels)

    def need_mb(self, pixels: int, style_pixels: int, room_mb: float) -> float:
        """The most memory of a picture of so many pixels and styles of so many, planned for ``room_mb``.

        ``style_pixels``: of the largest one; they are looked at one after the other.
        """
        style = self._rung(style_pixels, room_mb)
        looking = PROCESS_MB + style.fixed_mb + style_pixels * style.style_bytes / MB
        rung = self._rung(pixels, room_mb)
        kept = max(0, style_pixels - pixels) * rung.kept_bytes / MB
        return max(looking, self._peak(rung, pixels) + kept)

    def strip_plan(self, pixels: int, room_mb: float) -> StripPlan | None:
        """How a picture of so many pixels is looked at by a process that may hold ``room_mb``.

        In one piece where that fits, else with as few blocks in strips as do; where nothing fits, by what takes least.
        """
        return self._rung(pixels, room_mb).strip_plan

    def most_pixels(self, room_mb: float, *, whole: bool = False, style_share: float = 1.0) -> int:
        """How many pixels a process can paint that may hold ``room_mb``, in strips or ``whole``; 0 where none.

        ``style_share``: of the picture's pixels, how many the largest style has.
        """
        return max(self._most_pixels(rung, room_mb, style_share) for rung in self._rungs[: 1 if whole else None])

    def _most_pixels(self, rung: _Rung, room_mb: float, style_share: float) -> int:
        room = (room_mb - PROCESS_MB - rung.fixed_mb) * MB
        painting = self._bytes_per_pixel(rung) + max(0.0, style_share - 1.0) * rung.kept_bytes
        return max(0, int(min(room / max(painting, style_share * rung.style_bytes), MOST)))

    def largest_side(
        self, height: int, width: int, room_mb: float, *, whole: bool = False, style_share: float = 1.0
    ) -> int:
        """The long side up to which a picture of that shape fits into ``room_mb``, in strips or ``whole``."""
        long, short = max(height, width), min(height, width)
        most = self.most_pixels(room_mb, whole=whole, style_share=style_share)
        return int((most * long / short) ** 0.5) // GRID * GRID

    def _rung(self, pixels: int, room_mb: float) -> _Rung:
        fitting = (rung for rung in self._rungs if self._peak(rung, pixels) <= room_mb)
        return next(fitting, self._rungs[-1])

    @property
    def _rungs(self) -> tuple[_Rung, ...]:
        return _LADDERS.get(self.family, LADDER)

    def _peak(self, rung: _Rung, pixels: int) -> float:
        return PROCESS_MB + rung.fixed_mb + pixels * self._bytes_per_pixel(rung) / MB

    def _bytes_per_pixel(self, rung: _Rung) -> float:
        features = rung.feature_bytes / (2.0 if self.precision == "bfloat16" else 1.0) + rung.row_bytes
        if isinstance(self.optimizer, AdamSpec):
            return features + _ADAM_BYTES
        # Of each remembered iterate a step and a change of gradient; twice all of them while a direction is made.
        return features + _ADAM_BYTES + 2 * 2 * self.optimizer.history * _PICTURE_BYTES
