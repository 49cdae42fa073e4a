"""A picture as the sum of the levels of its Laplacian pyramid, for an optimiser that moves those levels.

picture = c₀ + U(c₁ + U(c₂ + …)), U the bilinear enlargement from half the size (Burt and Adelson, *The Laplacian
Pyramid as a Compact Image Code*, 1983). All of it is linear: the gradient by the levels is the picture's, brought down
by the transposes of U, and moving the levels moves the picture by their moves, enlarged and summed. So the picture
stays what everybody else knows, and only the optimiser's moments are those of levels.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def spread(gradient: Any, levels: int) -> list[Any]:
    """The gradient at a picture (1, H, W, 3) -> those at its levels, finest first, each half as large as the last."""
    found = [gradient]
    for _ in range(levels - 1):
        found.append(_narrowed(found[-1]))
    return found


def joined(levels: list[Any]) -> Any:
    """Levels, finest first -> the picture (1, H, W, 3) that they make."""
    whole = levels[-1]
    for level in reversed(levels[:-1]):
        whole = level + _enlarged(whole, tf.shape(level)[1:3])
    return whole


def _enlarged(level: Any, size: Any) -> Any:
    return tf.image.resize(level, size, method="bilinear")


def _narrowed(gradient: Any) -> Any:
    """The transpose of :func:`_enlarged`: (1, h, w, 3) -> (1, ⌈h/2⌉, ⌈w/2⌉, 3)."""
    height, width = tf.unstack((tf.shape(gradient)[1:3] + 1) // 2)
    below = tf.zeros(tf.stack([1, height, width, 3]))
    narrow = tf.raw_ops.ResizeBilinearGrad(grads=gradient, original_image=below, half_pixel_centers=True)
    return tf.ensure_shape(narrow, [1, None, None, 3])
