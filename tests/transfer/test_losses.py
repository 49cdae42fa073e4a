"""The losses against numbers worked out by hand, plain NumPy, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nst_batch.transfer.losses import content_loss, positions, total_variation
from nst_batch.transfer.objectives.gram import gram_layer_loss, gram_matrix
from nst_batch.transfer.objectives.moments import moment_sums, moments, moments_layer_loss


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_content_loss_by_hand():
    """½ ((1−0)² + (2−4)²) = 2.5."""
    features = tf.constant([[[[1.0, 2.0]]]])
    target = tf.constant([[[[0.0, 4.0]]]])
    assert float(content_loss(features, target)) == 2.5


def test_gram_matrix_by_hand():
    """Two positions, two filters: rows (1, 2) and (3, −1) give [[10, −1], [−1, 5]]."""
    features = tf.constant([[[[1.0, 2.0], [3.0, -1.0]]]])
    np.testing.assert_array_equal(gram_matrix(features), [[10.0, -1.0], [-1.0, 5.0]])


def test_gram_layer_loss_is_the_papers_for_equal_sizes():
    """With M = M_A the loss is 1 / (4 N² M²) Σ (G − A)²."""
    gram = tf.constant([[10.0, -1.0], [-1.0, 5.0]])
    target = tf.constant([[8.0, 1.0], [1.0, 4.0]])
    # Σ (G − A)² = 4 + 4 + 4 + 1 = 13; N = 2, M = 2
    assert float(gram_layer_loss(gram / 2.0, target / 2.0)) == pytest.approx(13 / (4 * 4 * 4))


def test_gram_layer_loss_divides_each_gram_matrix_by_its_own_positions():
    """A picture tiled twice has twice the Gram matrix and no style loss against itself."""
    once = tf.constant(random(1, 3, 4, 5))
    twice = tf.concat([once, once], axis=1)
    loss = gram_layer_loss(gram_matrix(twice) / positions(twice), gram_matrix(once) / positions(once))
    assert float(loss) == pytest.approx(0.0, abs=1e-10)
    unequal = gram_layer_loss(gram_matrix(twice), gram_matrix(once))
    assert float(unequal) > 1.0


def test_moments_by_hand():
    """Positions (1, 2) and (3, −2): means (2, 0), covariances [[1, −2], [−2, 4]]."""
    features = tf.constant([[[[1.0, 2.0], [3.0, -2.0]]]])
    sums = moment_sums(features)
    np.testing.assert_array_equal(sums, [[10.0, -4.0], [-4.0, 8.0], [4.0, 0.0]])
    np.testing.assert_array_equal(moments(sums, 2.0), [[1.0, -2.0], [-2.0, 4.0], [2.0, 0.0]])


def test_moment_sums_of_parts_add_up():
    """Sums over two halves are those of the whole."""
    whole = tf.constant(random(1, 6, 5, 4))
    parts = moment_sums(whole[:, :2]) + moment_sums(whole[:, 2:])
    np.testing.assert_allclose(parts, moment_sums(whole), rtol=1e-5, atol=1e-5)


def test_moments_layer_loss_by_hand():
    """‖C_A‖² = 25, ‖μ_A‖² = 4: a covariance off by 5 and means off by 2 count alike, 1 / (8 · 4) · (25 + 25/4 · 4)."""
    target = tf.constant([[3.0, 0.0], [0.0, 4.0], [2.0, 0.0]])
    assert float(moments_layer_loss(target, target)) == 0.0
    found = target + tf.constant([[5.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    assert float(moments_layer_loss(found, target)) == pytest.approx((25 + 25) / 32)
    assert float(moments_layer_loss(tf.zeros_like(target), target)) == pytest.approx((25 + 25) / 32)


def test_total_variation_by_hand():
    """|0.5−0| + |1−0.25| across and |0.25−0| + |1−0.5| down, in each of three channels."""
    plane = np.array([[0.0, 0.5], [0.25, 1.0]], np.float32)
    image = tf.constant(np.repeat(plane[None, :, :, None], 3, axis=3))
    assert float(total_variation(image)) == pytest.approx(3 * (0.5 + 0.75 + 0.25 + 0.5))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6), st.integers(0, 1000))
def test_gram_matrix_equals_numpy_for_every_shape(height, width, filters, seed):
    """Σ over positions, whatever the shape."""
    features = random(1, height, width, filters, seed=seed)
    rows = features.reshape(-1, filters).astype(np.float64)
    np.testing.assert_allclose(gram_matrix(tf.constant(features)), rows.T @ rows, rtol=1e-4, atol=1e-4)


def test_gram_matrix_of_bfloat16_is_summed_in_float32():
    """The sum of 4,096 products is right to a thousandth, which a bfloat16 result could not be."""
    features = tf.cast(tf.constant(np.abs(random(1, 64, 64, 8))), tf.bfloat16)
    rows = tf.cast(features, tf.float64).numpy().reshape(-1, 8)
    gram = gram_matrix(features)
    assert gram.dtype == tf.float32
    np.testing.assert_allclose(gram, rows.T @ rows, rtol=1e-3)


def losses_of(values):
    """One number from all the losses, of a (1, 4, 5, 3) tensor in float64's stead."""
    other = tf.constant(random(1, 3, 3, 3, seed=5))
    style = gram_layer_loss(gram_matrix(values) / positions(values), gram_matrix(other) / positions(other))
    content = content_loss(values, random(1, 4, 5, 3, seed=6))
    return {"style": style, "content": content, "tv": total_variation(values)}


@pytest.mark.parametrize("name", ["style", "content", "tv"])
def test_gradients_equal_finite_differences(name):
    """The slope along random directions is the difference quotient's."""
    at = tf.constant(random(1, 4, 5, 3, seed=4))
    with tf.GradientTape() as tape:
        tape.watch(at)
        loss = losses_of(at)[name]
    gradient = tape.gradient(loss, at)
    for seed in range(5):
        direction = random(1, 4, 5, 3, seed=20 + seed)
        step = 1e-2 if name != "tv" else 1e-3  # tv has corners
        ahead, behind = (float(losses_of(at + sign * step * direction)[name]) for sign in (1, -1))
        assert (ahead - behind) / (2 * step) == pytest.approx(
            float(tf.reduce_sum(gradient * direction)), rel=2e-2, abs=1e-2
        )
