"""The boxes of ISO media files (AVIF, HEIC, JPEG 2000, JPEG XL), and what stands in front of a JPEG XL's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

JXL_SIGNATURE = b"\xff\x0a"
_MOST = 4096  # boxes looked at in one place
_FULL_BOXES = {b"meta": 4}  # version and flags stand before what they hold
_RATIOS = (0, Fraction(1), Fraction(12, 10), Fraction(4, 3), Fraction(3, 2), Fraction(16, 9), Fraction(5, 4), 2)


class Box(NamedTuple):
    """One box: its kind, and where its content begins and ends; ``end`` may lie beyond the data."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between ``start`` and ``end``, one after the other; the last may be cut off."""
    stop = len(data) if end is None else min(end, len(data))
    for _ in range(_MOST):
        if start + 8 > stop:
            return
        length, kind, head = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if length == 0:
            length = stop - start
        if length < head:
            return
        yield Box(kind, start + head, start + length)
        start += length


def content(data: bytes, *path: bytes) -> Iterator[bytes]:
    """What stands in each box at ``path``, outermost kind first."""
    places = [Box(b"", 0, len(data))]
    for kind in path:
        places = [
            Box(kind, box.start + _FULL_BOXES.get(kind, 0), box.end)
            for place in places
            for box in boxes(data, place.start, place.end)
            if box.kind == kind
        ]
    yield from (data[box.start : box.end] for box in places)


def jxl_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL as it is shown (ISO/IEC 18181-1, annex D). ValueError where it is none."""
    stream = data if data.startswith(JXL_SIGNATURE) else next(content(data, b"jxlc"), b"")
    stream = stream or next(content(data, b"jxlp"), b"")[4:]
    if not stream.startswith(JXL_SIGNATURE):
        raise ValueError("no JPEG XL code stream in it")
    bits = _Bits(stream[2:66])
    width, height = _jxl_size(bits)
    # Not all as usual, extra fields, and of these the orientation less 1, whose last four lie on their sides.
    sideways = not bits.take(1) and bits.take(1) and bits.take(3) >= 4
    return (height, width) if sideways else (width, height)


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    eighths = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if eighths else bits.take((9, 13, 18, 30)[bits.take(2)]) + 1

    height = side()
    ratio = bits.take(3)
    return (int(height * _RATIOS[ratio]) if ratio else side()), height


class _Bits:
    """Bits of a JPEG XL code stream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next ``count`` bits."""
        if count > self._left:
            raise ValueError("truncated")
        value, self._value = self._value & ((1 << count) - 1), self._value >> count
        self._left -= count
        return value
