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
CELL = 8  # pixels of a position of that layer, down and across
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


def patchwork(content: Seen, styles: Sequence[tuple[Seen, float]]) -> Floats:
    """The start for ``content``, (H, W, 3), of ``styles`` of its scale and their weights."""
    if not content.features.size or not all(style.features.size for style, _ in styles):
        return content.picture  # too small for a single place
    height, width = content.features.shape[:2]
    matches = matched(_rows(content.features), [(_rows(style.features), weight) for style, weight in styles])
    canvas = _Canvas(content.picture.shape, content.picture.shape[0] / height, [style.picture for style, _ in styles])
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
    """Patches of some pictures that overlap, each fading out to its border; ``cell`` is a cell's side in pixels."""

    def __init__(self, shape: tuple[int, ...], cell: float, pictures: Sequence[Floats]) -> None:
        self._cell = cell
        self._side = max(2, round(_WINDOW * cell))
        self._margin = 2 * self._side
        around = [(self._margin, self._margin)] * 2 + [(0, 0)]
        self._pictures = [np.pad(picture, around, mode="reflect") for picture in pictures]
        bell = np.sin(np.pi * (np.arange(self._side) + 0.5) / self._side) ** 2
        self._bell = np.asarray(np.outer(bell, bell)[..., np.newaxis], np.float32)
        self._sum = np.zeros((shape[0] + 2 * self._margin, shape[1] + 2 * self._margin, 3), np.float32)
        self._weight = np.zeros((*self._sum.shape[:2], 1), np.float32)

    def paste(self, picture: int, taken: Cell, put: Cell) -> None:
        """The patch around one cell of a picture, around another cell here."""
        patch = self._pictures[picture][self._around(taken, self._pictures[picture])]
        to = self._around(put, self._sum)
        self._sum[to] += self._bell * patch
        self._weight[to] += self._bell

    def _around(self, cell: Cell, picture: Floats) -> tuple[slice, slice]:
        corner = np.round((np.asarray(cell) + 0.5) * self._cell - self._side / 2).astype(int) + self._margin
        top, left = np.clip(corner, 0, np.array(picture.shape[:2]) - self._side)
        return slice(top, top + self._side), slice(left, left + self._side)

    def picture(self) -> Floats:
        """(H, W, 3)."""
        inside = slice(self._margin, -self._margin), slice(self._margin, -self._margin)
        return np.asarray(self._sum[inside] / self._weight[inside])


def matched_at(height: int, width: int) -> float:
    """By how much pictures of that scale are made smaller to be matched, at most 1."""
    return min(1.0, SIDE / max(height, width))
