"""The boxes of ISO media files: AVIF, HEIC, JPEG 2000, JPEG XL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_MOST = 4096  # boxes looked at in one place
_FULL_BOXES = {b"meta": 4}  # version and flags stand before what they hold


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
