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


def jxl_facts(data: bytes) -> tuple[int, int, int, bool]:
    """A JPEG XL's width and height as shown, bits, whether it moves (ISO/IEC 18181-1, annex D). Or ValueError."""
    stream = data if data.startswith(JXL_SIGNATURE) else next(content(data, b"jxlc"), b"")
    stream = stream or next(content(data, b"jxlp"), b"")[4:]
    if not stream.startswith(JXL_SIGNATURE):
        raise ValueError("no JPEG XL code stream in it")
    bits = _Bits(stream[2:66])
    width, height = _jxl_size(bits)
    if bits.take(1):  # all as usual
        return width, height, 8, False
    sideways = moves = False
    if bits.take(1):  # extra fields, the first of them the orientation less 1, whose last four lie on their sides
        sideways = bits.take(3) >= 4
        if bits.take(1):  # the size that it is meant to be shown at
            _jxl_size(bits)
        if bits.take(1):
            raise ValueError("a preview in it")  # no encoder writes one
        moves = bool(bits.take(1))
        if moves:  # ticks a second, as numerator and denominator; rounds; time codes
            for widths in ((0, 0, 10, 30), (0, 0, 8, 10), (0, 3, 16, 32)):
                bits.take(widths[bits.take(2)])
            bits.take(1)
    depths = ((32, 0), (16, 0), (24, 0), (1, 6)) if bits.take(1) else ((8, 0), (10, 0), (12, 0), (1, 6))
    return (height, width, bits.choice(*depths), moves) if sideways else (width, height, bits.choice(*depths), moves)


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    eighths = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if eighths else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    return (int(height * _RATIOS[ratio]) if ratio else side()), height


class _Bits:
    """Bits of a JPEG XL code stream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def choice(self, *ways: tuple[int, int]) -> int:
        """One of four ways to write a number: the least that it can be, and how many bits to add."""
        least, count = ways[self.take(2)]
        return least + self.take(count)

    def take(self, count: int) -> int:
        """The next ``count`` bits."""
        if count > self._left:
            raise ValueError("truncated")
        value, self._value = self._value & ((1 << count) - 1), self._value >> count
        self._left -= count
        return value
