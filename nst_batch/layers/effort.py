"""What each step of a study takes of its time: one of the last layer takes ten times as long as one of the first.

By what the network multiplies, and what every step costs beside that, in multiplications. What is foretold by it after
three seconds, and from then on, is within a quarter of what two cores with bfloat16 took in the end; by the number of
steps alone it is a fifth of that after the first layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from nst_batch.layers import study
from nst_batch.transfer.spec import VGG19_LAYERS, block_of

STEP = 2e9  # multiplications that would take as long as all else in a step
TRACING = 1e11  # and as the first step of a layer's program, before which it is put together


def efforts(shapes: Sequence[tuple[int, int]]) -> Iterator[float]:
    """Of each step of :func:`nst_batch.layers.study.study`, in its order; ``shapes`` are the images' (H, W)."""
    from nst_batch.transfer import frame  # noqa: PLC0415 - loads TensorFlow
    from nst_batch.transfer.visualization import patterns, rebuilt  # noqa: PLC0415

    for layer in study.LAYERS:
        each = _multiplications(layer)
        sides = [(round(side * max(patterns.WINDOW)), steps) for side, steps in patterns.COURSES[block_of(layer)]]
        yield from _course([(study.FILTERS * side**2 * each, steps) for side, steps in sides])
        for height, width in shapes:
            for margin in (0, 2 * rebuilt.MARGIN):  # from its content, from its style
                wider = frame.MARGIN + margin
                yield from _course(
                    [((height * share + wider) * (width * share + wider) * each, n) for share, n in rebuilt.COURSE]
                )


def _course(parts: Sequence[tuple[float, int]]) -> Iterator[float]:
    """Steps of one program, in parts of so many multiplications a step and so many steps."""
    before = TRACING
    for multiplications, steps in parts:
        for _ in range(steps):
            yield before + STEP + 2.0 * multiplications  # forward, and backward to the picture
            before = 0.0


def _multiplications(layer: str) -> float:
    """Of the network as far as a layer, a pixel of the picture."""
    from nst_batch.transfer.weights import layer_shape  # noqa: PLC0415 - loads NumPy

    below = VGG19_LAYERS[: VGG19_LAYERS.index(layer) + 1]
    return math.fsum(math.prod(layer_shape(name)) / 4 ** (block_of(name) - 1) for name in below)
