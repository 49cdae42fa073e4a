"""The levels of a picture's pyramid: enlarged and summed they are it, and gradients come down by transposes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nst_batch.transfer.laplacian import joined, spread
from nst_batch.transfer.optimizers.adam import Adam
from nst_batch.transfer.spec import AdamSpec


def drawn(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).standard_normal(shape), tf.float32)


def test_joined_by_hand():
    """A coarse level of one pixel adds its value everywhere."""
    fine, coarse = drawn(1, 2, 2, 3), drawn(1, 1, 1, 3)
    np.testing.assert_allclose(joined([fine, coarse]), fine + coarse, rtol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 7), (1, 5)])
def test_spread_is_the_transpose_of_joined(height, width):
    """a · joined(b) = spread(a) · b, also where a size is odd."""
    gradient = drawn(1, height, width, 3)
    down = spread(gradient, 4)
    levels = [drawn(*level.shape) for level in down]
    across = float(tf.reduce_sum(gradient * joined(levels)))
    assert sum(float(tf.reduce_sum(a * b)) for a, b in zip(down, levels, strict=True)) == pytest.approx(
        across, rel=1e-3
    )


def test_adam_on_levels_is_adam_on_the_pyramids_coefficients():
    """Where the box does not bind: the picture that Adam on the coefficients themselves would give."""
    spec = AdamSpec(0.01, 0.9, 0.99, 1e-8, levels=3)
    target, image = drawn(1, 10, 12, 3) * 0.02 + 0.5, tf.fill([1, 10, 12, 3], 0.5)
    optimizer = Adam(spec)
    state, levels = optimizer.init(image), spread(image * 0.0, 3)
    single = Adam(AdamSpec(0.01, 0.9, 0.99, 1e-8))
    box = (tf.constant(-9.0), tf.constant(9.0))
    states = [single.init(level, box) for level in levels]
    for _ in range(5):
        _, image, state = optimizer.step(state, image, tf.constant(0.0), image - target)
        slopes = spread(0.5 + joined(levels) - target, 3)
        moved = [single.step(s, level, 0.0, g) for s, level, g in zip(states, levels, slopes, strict=True)]
        levels, states = [each[1] for each in moved], [each[2] for each in moved]
    np.testing.assert_allclose(image, 0.5 + joined(levels), atol=1e-6)
