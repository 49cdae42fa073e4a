"""The pairs that are judged: drawn by this project, or pictures named on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.portrait import draw_portrait
from benchmarks.quality.poster import draw_poster
from nst_batch import images
from nst_batch.sample import draw_landscape, draw_painting
from nst_batch.sizing import working_size

DRAWN_SIDE = 1024


@dataclass(frozen=True)
class Pair:
    """A content and a style, decoded when they are asked for."""

    name: str
    content: Callable[[], NDArray[np.float32]]  # (H, W, 3) RGB in [0, 1]
    style: Callable[[], NDArray[np.float32]]
    focus: tuple[float, float] = (0.5, 0.5)  # what the eye goes to first, in shares of width and height


def drawn_pairs() -> tuple[Pair, ...]:
    """Unlike in motif and palette; the last a figure with a face, and a flat style with outlines."""
    return (
        Pair("valley-swirls", _valley, _swirls),
        Pair("church-embers", _church, _embers),
        Pair("portrait-poster", partial(draw_portrait, DRAWN_SIDE), partial(draw_poster, DRAWN_SIDE), (0.5, 0.48)),
    )


def pairs_in(folder: Path, contents: Sequence[str], styles: Sequence[str]) -> tuple[Pair, ...]:
    """Every content with every style, by their file names in a folder."""
    return tuple(
        Pair(
            f"{Path(content).stem}-{Path(style).stem}", partial(_read, folder / content), partial(_read, folder / style)
        )
        for content in contents
        for style in styles
    )


def at_size(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The picture with its long side made ``side`` pixels."""
    return images.resize_array(picture, working_size(picture.shape[1], picture.shape[0], side))


def _read(path: Path) -> NDArray[np.float32]:
    return images.decode(path).rgb


def _valley() -> NDArray[np.float32]:
    return _unit(draw_landscape(DRAWN_SIDE, DRAWN_SIDE * 3 // 4))


def _church() -> NDArray[np.float32]:
    """The church and the peak above it: a part of a larger landscape."""
    whole = _unit(draw_landscape(2 * DRAWN_SIDE, 2 * DRAWN_SIDE * 3 // 4, seed=3))
    height, width = DRAWN_SIDE * 3 // 4, DRAWN_SIDE
    return whole[height // 4 :, width * 3 // 4 :][:height, :width]


def _swirls() -> NDArray[np.float32]:
    return _unit(draw_painting(DRAWN_SIDE, DRAWN_SIDE * 3 // 4))


def _embers() -> NDArray[np.float32]:
    """Another painting of the kind, red where it was blue."""
    return _unit(draw_painting(DRAWN_SIDE, DRAWN_SIDE * 3 // 4, seed=5))[..., ::-1].copy()


def _unit(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture.astype(np.float32) / np.float32(255)
