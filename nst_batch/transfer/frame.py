"""What the network is shown of a picture: a reflected margin around it, and at each step another place on the grid.

Max pooling passes the gradient to one pixel of each 2 × 2. Where the grid never moves, the optimiser learns to use it:
light dots and steps on a lattice of two pixels, and garbage along the border, where the network sees zeros. So the
picture is shown within a margin of its own reflection, which is wider on one side than on the other, by as much as the
picture is moved against the grid. All frames add the same number of rows and columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

MARGIN = 16  # rows, and columns, that a frame adds on both sides together; a whole step of the deepest grid
LEAST = 4  # of them on the narrower side, at least
# Down and across. Together they take each place on the grid of two pixels, and each row and column of that of four,
# once.
SHIFTS = ((0, 4), (5, 1), (2, 7), (7, 2))
BARE = (0, 0, 0, 0)  # no frame: the picture as it is

Frame = tuple[int, int, int, int]  # rows above and below, columns left and right
FRAMES: tuple[Frame, ...] = tuple(
    (LEAST + down, MARGIN - LEAST - down, LEAST + across, MARGIN - LEAST - across) for down, across in SHIFTS
)


def framed(image: Any, frame: Any) -> Any:
    """(1, H, W, C) -> (1, H + rows, W + columns, C), reflected outward; ``frame`` is a :data:`Frame` or its tensor."""
    paddings = tf.pad(tf.reshape(tf.cast(frame, tf.int32), [2, 2]), [[1, 1], [0, 0]])
    shown = tf.pad(image, paddings, mode="REFLECT")
    return tf.ensure_shape(shown, [1, None, None, image.shape[-1]])


def frame_number(seed: int, scale: int, number: int, steps_per_epoch: int) -> int:
    """Which of :data:`FRAMES` shows the picture after ``number`` steps of a scale: drawn, but the same at any time.

    The pictures that begin and end an epoch are all shown in the first, so that their losses can be compared.
    """
    if number % steps_per_epoch == 0:
        return 0
    return int(np.random.default_rng((seed, scale, number)).integers(len(FRAMES)))
