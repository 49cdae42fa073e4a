"""A contact sheet as data: the jobs of one sidecar in rows and columns, by what tells one from another.

What differs among them are the axes: the content, the style, each key that is varied. Of several, the first ones run
down and the others across, so that the sheet comes nearest to a square; one alone flows over as many rows as it needs.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nst_batch.names import stem
from nst_batch.report.markup import parts_of
from nst_batch.report.tiles import STATE_NAMES, Tile

LONG_WORD = 20  # letters


class Label(NamedTuple):
    """One value of one axis: what it is, what is said of it at the edge, its small picture (file, width, height)."""

    axis: str
    text: str
    shown: str
    thumb: tuple[str, int, int] | None

    @property
    def is_image(self) -> bool:
        """Whether the text is an image's name."""
        return self.axis in ("content", "style")


Head = tuple[Label, ...]


@dataclass(frozen=True)
class Sheet:
    """``cells`` has a row for each of ``rows``, in it a tile or None for each of ``columns``.

    Where ``flows``, there is no head but a cell's own: ``rows`` is empty, and ``columns`` has one for each cell.
    """

    name: str
    rows: tuple[Head, ...]
    columns: tuple[Head, ...]
    cells: tuple[tuple[Tile | None, ...], ...]
    across: int  # cells in a row
    flows: bool
    same: Head  # what all of them have in common

    @property
    def has_long_words(self) -> bool:
        """Whether a column's head has words for which it is too narrow on a phone."""
        words = (word for head in self.columns for label in head for word in label.shown.split())
        return any(len(part) > LONG_WORD and not _breaks_anywhere(part) for word in words for part in parts_of(word))

    @property
    def tiles(self) -> list[Tile]:
        """Every tile there is."""
        return [tile for row in self.cells for tile in row if tile is not None]

    def told(self) -> str:
        """``6 pictures, 1 not done``."""
        made = sum(is_made(tile) for tile in self.tiles)
        undone = len(self.tiles) - made
        return f"{made:,} picture{'' if made == 1 else 's'}" + (f", {undone:,} not done" if undone else "")


def is_made(tile: Tile) -> bool:
    """Whether there is a picture."""
    return tile["state"] in ("done", "stopped")


def why_not(tile: Tile) -> str:
    """What stands in the place of a picture."""
    return str(tile["reason"] or STATE_NAMES[tile["state"]])


def sheet_of(name: str, tiles: Iterable[tuple[Tile, Tile]]) -> Sheet:
    """The sheet of jobs, each with the tile that has its place and the one that is shown there, in order."""
    places = _told_apart(_with_thumbs([(_labels(place), shown) for place, shown in tiles]))
    count = len(places[0][0])
    axes = [list(dict.fromkeys(labels[axis] for labels, _ in places if len(labels) == count)) for axis in range(count)]
    same = tuple(values[0] for values in axes if len(values) == 1)
    varied = [axis for axis, values in enumerate(axes) if len(values) > 1]
    if len(varied) < 2:
        return _flowing(name, [(tuple(labels[axis] for axis in varied), tile) for labels, tile in places], same)
    down = _split([len(axes[axis]) for axis in varied])
    rows, columns = (_heads([axes[axis] for axis in part]) for part in (varied[:down], varied[down:]))
    at = {
        (tuple(labels[axis] for axis in varied[:down]), tuple(labels[axis] for axis in varied[down:])): tile
        for labels, tile in places
        if len(labels) == count
    }
    cells = tuple(tuple(at.get((row, column)) for column in columns) for row in rows)
    return Sheet(name, rows, columns, cells, len(columns), flows=False, same=same)


def _with_thumbs(places: list[tuple[Head, Tile]]) -> list[tuple[Head, Tile]]:
    """The same image has the same label everywhere, also in a job that could not read it or has another small one."""
    known: dict[tuple[str, ...], Label] = {}
    for head, _ in sorted(places, key=lambda place: not is_made(place[1])):
        for label in head:
            if label.thumb:
                known.setdefault((label.axis, label.text), label)
    return [(tuple(known.get((label.axis, label.text), label) for label in head), tile) for head, tile in places]


def _told_apart(places: list[tuple[Head, Tile]]) -> list[tuple[Head, Tile]]:
    """Images of one axis that would be called the same, ``a.jpg`` and ``a.png``, have their suffixes."""
    texts: dict[tuple[str, str], set[str]] = {}
    for head, _ in places:
        for label in head:
            texts.setdefault((label.axis, label.shown), set()).add(label.text)

    def told(label: Label) -> Label:
        return label if len(texts[label.axis, label.shown]) == 1 else label._replace(shown=label.text)

    return [(tuple(map(told, head)), tile) for head, tile in places]


def _flowing(name: str, places: Sequence[tuple[Head, Tile]], same: Head) -> Sheet:
    across = len(places) if len(places) <= 6 else math.ceil(math.sqrt(1.5 * len(places)))
    rows = [places[start : start + across] for start in range(0, len(places), across)]
    heads = tuple(head for head, _ in places)
    return Sheet(name, (), heads, tuple(tuple(tile for _, tile in row) for row in rows), across, flows=True, same=same)


def _labels(tile: Tile) -> Head:
    """What tells a job from the others of its sidecar."""
    found = []
    for role in ("content", "style"):
        inputs = [item for item in tile["inputs"] if item["role"] == role]
        thumb = inputs[0]["thumb"] if len(inputs) == 1 else None
        text = " + ".join(item["name"] for item in inputs)
        shown = " + ".join(stem(item["name"]) for item in inputs)
        found.append(Label(role, text, shown, None if thumb is None else (thumb[0], thumb[1], thumb[2])))
    return (*found, *(Label(key, text, text, None) for key, text in tile["of"]["varied"]))


def _breaks_anywhere(text: str) -> bool:
    """Whether it is of a script whose lines may end behind most signs."""
    return any(unicodedata.east_asian_width(char) in "WF" for char in text)


def _split(sizes: Sequence[int]) -> int:
    """How many of the axes run down: rows and columns as equal as they can be, rather more columns."""

    def longer(down: int) -> tuple[int, int]:
        rows, columns = math.prod(sizes[:down]), math.prod(sizes[down:])
        return max(rows, columns), rows

    return min(range(1, len(sizes)), key=longer)


def _heads(axes: Sequence[Sequence[Label]]) -> tuple[Head, ...]:
    heads: list[Head] = [()]
    for values in axes:
        heads = [(*head, value) for head in heads for value in values]
    return tuple(heads)
