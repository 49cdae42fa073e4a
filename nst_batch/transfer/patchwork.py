"""A start that has the style's strokes: half content, half patches of the style where they fit.

Each place of the content is matched with one of the styles by the features of one layer, each standardised over its
picture. The matching is the plan of an optimal transport (Cuturi 2013), so that every part of a style is used about
equally often: nearest neighbours alone would use two thirds as many, and their descent is longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Cell: TypeAlias = Annotated[Any, "row and column"]

LAYER = "block4_conv1"
SIDE = 192  # long side in pixels at which larger pictures are matched
SHARE = 0.5  # of the patches, in the start
_WINDOW = 3  # cells: side of a patch, which fades out to its border
_TEMPERATURE = 0.05  # of the transport, in cosines
_ROUNDS = 20  # of scaling the plan to its margins
_NOTHING = 1e-6


@dataclass(frozen=True)
class Seen:
    """A picture (H, W, 3), RGB in [0, 1], and the features (h, w, N) of its places.

    A position is at the same share of the picture's height and width, whatever the size at which it was looked at.
    """

    picture: Floats
    features: Floats

    @property
    def cell(self) -> NDArray[np.float64]:
        """Height and width in pixels of what one position stands for."""
        return np.array(self.picture.shape[:2]) / self.features.shape[:2]


def patchwork(content: Seen, styles: Sequence[tuple[Seen, float]]) -> Floats:
    """The start for ``content``, (H, W, 3), of ``styles`` of its scale and their weights."""
    if not content.features.size or not all(style.features.size for style, _ in styles):
        return content.picture  # too small for a single place
    height, width = content.features.shape[:2]
    matches = matched(_rows(content.features), [(_rows(style.features), weight) for style, weight in styles])
    canvas = _Canvas(content, [style for style, _ in styles])
    for row, column in np.ndindex(height + 2, width + 2):  # and a ring of cells beyond the border
        at = np.array([row - 1, column - 1])
        inside = np.clip(at, 0, [height - 1, width - 1])
        style, place = matches[inside[0] * width + inside[1]]
        canvas.paste(style, divmod(place, styles[style][0].features.shape[1]) + at - inside, at)
    return np.asarray((1.0 - SHARE) * content.picture + SHARE * canvas.picture(), np.float32)


def matched(rows: Floats, styles: Sequence[tuple[Floats, float]]) -> list[tuple[int, int]]:
    """For each of ``rows`` (n, N), of length 1, a style and one of its rows, by ``styles``' rows (m, N) and weights."""
    weights = np.array([weight for _, weight in styles], np.float32)
    weights /= weights.sum()
    masses = [
        np.full(len(each), weight / len(each), np.float32) for (each, _), weight in zip(styles, weights, strict=True)
    ]
    plan = transport(rows @ np.concatenate([each for each, _ in styles]).T, np.concatenate(masses))
    parts = np.split(plan, np.cumsum([len(each) for each, _ in styles])[:-1], axis=1)
    # The style first: of a plan's largest numbers the heavier styles have more than their share.
    shares = np.log(np.stack([part.sum(axis=1) for part in parts], axis=1) + _NOTHING)
    chosen = np.argmax(transport(shares, weights), axis=1)
    return [(int(style), int(np.argmax(parts[style][row]))) for row, style in enumerate(chosen)]


def transport(similarity: Floats, masses: Floats) -> Floats:
    """The plan (n, m) by which n rows, that all give the same, send what columns take: ``masses`` (m,), together 1.

    It is the one of most ``similarity``, blurred by ``_TEMPERATURE``; its rows add up to 1.
    """
    kernel = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / _TEMPERATURE)
    rows = np.ones(len(similarity), np.float32)
    for _ in range(_ROUNDS):
        columns = masses / np.maximum(rows @ kernel, 1e-30)
        rows = 1.0 / (len(similarity) * np.maximum(kernel @ columns, 1e-30))
    plan = rows[:, np.newaxis] * kernel * columns
    return np.asarray(plan / plan.sum(axis=1, keepdims=True), np.float32)


def _rows(features: Floats) -> Floats:
    """(h, w, N) -> (h w, N), each channel standardised over the picture and each row of length 1."""
    rows = features.reshape(-1, features.shape[-1]).astype(np.float32)
    rows = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-2 * rows.std() + _NOTHING)
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + _NOTHING), np.float32)


class _Canvas:
    """Overlapping patches, each fading out to its border, as large as a few of ``content``'s cells."""

    def __init__(self, content: Seen, pictures: Sequence[Seen]) -> None:
        self._cells = [each.cell for each in pictures]
        self._cell = content.cell
        self._sides = np.maximum(2, np.round(_WINDOW * self._cell)).astype(int)
        self._margin = 2 * self._sides
        around = [(int(margin), int(margin)) for margin in self._margin] + [(0, 0)]
        self._pictures = [np.pad(each.picture, around, mode="reflect") for each in pictures]
        bells = [np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in self._sides]
        self._bell = np.asarray(np.outer(*bells)[..., np.newaxis], np.float32)
        self._sum = np.zeros_like(np.pad(content.picture, around))
        self._weight = np.zeros_like(self._sum[..., :1])

    def paste(self, picture: int, taken: Cell, put: Cell) -> None:
        """The patch around one cell of a picture, around another cell here."""
        patch = self._pictures[picture][self._around(taken, self._cells[picture], self._pictures[picture])]
        to = self._around(put, self._cell, self._sum)
        self._sum[to] += self._bell * patch
        self._weight[to] += self._bell

    def _around(self, at: Cell, cell: NDArray[np.float64], picture: Floats) -> tuple[slice, slice]:
        corner = np.round((np.asarray(at) + 0.5) * cell - self._sides / 2).astype(int) + self._margin
        top, left = np.clip(corner, 0, np.array(picture.shape[:2]) - self._sides)
        return slice(top, top + self._sides[0]), slice(left, left + self._sides[1])

    def picture(self) -> Floats:
        """(H, W, 3)."""
        down, across = self._margin
        return np.asarray((self._sum / np.maximum(self._weight, _NOTHING))[down:-down, across:-across])


def matched_at(height: int, width: int) -> float:
    """By how much pictures of that scale are made smaller to be matched, at most 1."""
    return min(1.0, SIDE / max(height, width))
