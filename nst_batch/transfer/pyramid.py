"""The scales of one generation, coarse to fine: their sizes, the epochs each gets, and going between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SCALE_STEP = 2.0  # each scale is this much larger than the one before it
GRID = 16  # VGG19 halves its input four times before its last block: coarse sizes are multiples of 2⁴
MIN_SIDE = 64  # a coarse scale with a shorter side shows the network nothing; the result's own size may be smaller


@dataclass(frozen=True)
class Scale:
    """One scale: its place from 1 (the coarsest), its size in pixels, its epochs; whether it is a closing one."""

    number: int
    height: int
    width: int
    epochs: int
    closing: bool = False


def plan_scales(
    height: int, width: int, scales: int, epochs: int | Sequence[int], *, closing: bool = False
) -> tuple[Scale, ...]:
    """The scales of a result of ``height`` × ``width``, coarse to fine; the last has exactly that size.

    Sizes that would fall below ``MIN_SIDE`` or coincide are left out. A number of ``epochs`` is shared evenly, and what
    is left over goes to the coarse scales, where it costs least; there are never more scales than that. Several are
    those of each scale, and of a scale that is left out the coarsest one gets them. With ``closing`` one more scale of
    the result's size comes last, where there are epochs for it.
    """
    most = epochs if isinstance(epochs, int) else len(epochs)
    closing = closing and most > 1
    sizes = [(height, width)]
    for level in range(1, min(scales, most - closing)):
        factor = SCALE_STEP**-level
        size = (_on_grid(height * factor), _on_grid(width * factor))
        if min(size) < MIN_SIDE or size == sizes[0] or size[0] > height or size[1] > width:
            break
        sizes.insert(0, size)
    sizes += [(height, width)] * closing
    shares = _shares(epochs, len(sizes))
    return tuple(
        Scale(number, h, w, share, closing and number == len(sizes))
        for number, ((h, w), share) in enumerate(zip(sizes, shares, strict=True), start=1)
    )


def _shares(epochs: int | Sequence[int], scales: int) -> list[int]:
    """The epochs of each of so many scales."""
    if isinstance(epochs, int):
        share, left = divmod(epochs, scales)
        return [share + (number < left) for number in range(scales)]
    return [sum(epochs[: len(epochs) - scales + 1]), *epochs[len(epochs) - scales + 1 :]]


def _on_grid(length: float) -> int:
    return max(GRID, round(length / GRID) * GRID)


def resize(picture: Any, height: int, width: int) -> Any:
    """(1, H, W, 3), or (1, H, W, 1), brought to another size, anti-aliased, kept in [0, 1]."""
    import tensorflow as tf  # noqa: PLC0415 - who only plans scales, as the daemon's forecast does, needs none

    if tuple(picture.shape[1:3]) == (height, width):
        return picture
    resized = tf.image.resize(picture, (height, width), method="bicubic", antialias=True)
    return tf.clip_by_value(resized, 0.0, 1.0)
