"""Where a picture is cut into tiles, so that each shows the network just what its own part of the picture needs.

A feature of VGG19 depends on the pixels of its receptive field alone. A tile is a core, for whose features it answers,
and around it a margin as wide as their receptive fields; at the picture's own border there is none, and the network's
padding is the same as without tiles. Sums over the cores are then sums over the picture, and the gradients of all
tiles add up to the picture's, within rounding and without seams. (Two passes over tiles, the first for the
statistics: Galerne et al., *Scaling Painting Style Transfer*, 2024.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from nst_batch.settings import VGG19_LAYERS

GRID = 16  # pixels: four poolings, whose windows must fall in a tile as they do in the picture
MIN_CORE = 64  # pixels; narrower cores would be all margin


class Span(NamedTuple):
    """Pixels from ``start`` to before ``stop`` along one side."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in its pixels: the core, and the core with its margin."""

    core_rows: Span
    core_columns: Span
    rows: Span
    columns: Span

    @property
    def pixels(self) -> int:
        """Of the core with its margin: what the network is shown."""
        return self.rows.length * self.columns.length

    @property
    def core(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of the core within the tile."""
        top, left = self.rows.start, self.columns.start
        return (
            self.core_rows.start - top,
            self.core_columns.start - left,
            self.core_rows.stop - top,
            self.core_columns.stop - left,
        )


def margin(layers: Iterable[str]) -> int:
    """How far beyond its own pixels a feature of any of the layers looks, in whole steps of GRID."""
    deepest = max(VGG19_LAYERS.index(layer) for layer in layers)
    reach = 0  # the same on all four sides
    for layer in VGG19_LAYERS[deepest::-1]:
        reach += 1  # a 3 × 3 convolution
        if layer.endswith("_conv1") and layer != VGG19_LAYERS[0]:
            reach *= 2  # the pooling before it
    return -(-reach // GRID) * GRID


def plan_tiles(height: int, width: int, most_pixels: int, margin: int) -> tuple[Tile, ...]:
    """The cheapest tiles of a picture that show the network no more than ``most_pixels`` at a time.

    Row by row, from the top left. Raises ValueError where not even the smallest tile is that small.
    """
    best: tuple[Tile, ...] = ()
    for rows in range(1, max(1, height // MIN_CORE) + 1):
        for columns in range(1, max(1, width // MIN_CORE) + 1):
            tiles = _cut(height, width, rows, columns, margin)
            if max(tile.pixels for tile in tiles) <= most_pixels:
                if not best or _cost(tiles) < _cost(best):
                    best = tiles
                break  # more columns only cost more
    if not best:
        raise ValueError(f"no tile of {height} × {width} pixels has at most {most_pixels} pixels")
    return best


def _cut(height: int, width: int, rows: int, columns: int, margin: int) -> tuple[Tile, ...]:
    return tuple(
        Tile(down, across, _widened(down, height, margin), _widened(across, width, margin))
        for down in _spans(height, rows)
        for across in _spans(width, columns)
    )


def _spans(length: int, count: int) -> list[Span]:
    """``count`` parts of about the same length, on the grid."""
    edges = [round(length * part / count / GRID) * GRID for part in range(count)]
    return [Span(*pair) for pair in pairwise([*edges, length])]


def _widened(span: Span, length: int, margin: int) -> Span:
    return Span(max(0, span.start - margin), min(length, span.stop + margin))


def _cost(tiles: tuple[Tile, ...]) -> int:
    return sum(tile.pixels for tile in tiles)
