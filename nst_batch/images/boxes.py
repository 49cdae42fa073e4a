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


def boxes(data: bytes) -> Iterator[Box]:
    """The boxes that ``data`` begins with, one after the other; the last may be cut off."""
    start = 0
    for _ in range(_MOST):
        if start + 8 > len(data):
            return
        length, kind, head = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if length == 0:
            length = len(data) - start
        if length < head:
            return
        yield Box(kind, start + head, start + length)
        start += length


def content(data: bytes, *path: bytes) -> Iterator[bytes]:
    """What stands in each box at ``path``, outermost kind first."""
    if not path:
        yield data
        return
    for box in boxes(data):
        if box.kind == path[0]:
            yield from content(data[box.start + _FULL_BOXES.get(box.kind, 0) : box.end], *path[1:])
