"""The losses of nearest neighbours, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nst_batch.transfer.objectives.moments import moments
from nst_batch.transfer.objectives.neighbours import (
    centred,
    centred_distance,
    color_distance,
    color_sums,
    cosine_distance,
    grid_rows,
    hypercolumns,
    nearest,
)


def rows(*numbers):
    return tf.constant(numbers, tf.float32)


def test_colors_by_hand():
    """0 for the same colours, 1 for none where there is one mean; what is not painted does not count."""
    picture = tf.constant([[[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]])
    found = moments(color_sums(picture), 1.0)
    np.testing.assert_allclose(found, [[0.25, 0, 0], [0, 0, 0], [0, 0, 0], [0.5, 0, 0]], atol=1e-6)
    flat = moments(color_sums(tf.fill([1, 3, 3, 3], 0.5) * [1.0, 0.0, 0.0]), 1.0)
    assert float(color_distance(found, found)) == 0.0
    assert float(color_distance(flat, found)) == pytest.approx(1.0, rel=1e-5)
    shifted = moments(color_sums(picture + 0.5), 1.0)
    assert float(color_distance(shifted, found)) == pytest.approx(3 * 0.25 / 0.25, rel=1e-5)
    painted = color_sums(tf.concat([picture, 9.0 * picture], axis=1), tf.constant([[[[1.0], [1.0]], [[0.0], [0.0]]]]))
    np.testing.assert_allclose(moments(painted, 1.0), found, atol=1e-6)


def test_hypercolumns_by_hand():
    """F · w / N at one grid, whatever a layer's own: 8 of four filters count as 2, with a weight of 3 as 6."""
    features = {"a": tf.fill([1, 8, 12, 4], 8.0), "b": tf.fill([1, 4, 6, 2], 8.0)}
    found = hypercolumns(features, {"a": 1.0, "b": 3.0}, [2, 3])
    np.testing.assert_allclose(found["a"], np.full((6, 4), 2.0))
    np.testing.assert_allclose(found["b"], np.full((6, 2), 12.0))


def test_cosine_distance_by_hand():
    """0 where the directions are the same, 1 at a right angle, 2 where they are opposite; the mean over positions."""
    a = rows([1, 0], [0, 2], [3, 0])
    assert float(cosine_distance([a], [5 * a])) == pytest.approx(0.0, abs=1e-6)
    assert float(cosine_distance([a], [rows([0, 1], [0, -1], [1, 0])])) == pytest.approx((1 + 2 + 0) / 3, abs=1e-6)


def test_layers_stand_one_behind_the_other():
    """The cosine of (3, 4) and (4, 3), in one layer of two filters or in two of one."""
    together = cosine_distance([rows([3, 4])], [rows([4, 3])])
    apart = cosine_distance([rows([3]), rows([4])], [rows([4]), rows([3])])
    assert float(together) == pytest.approx(1 - 24 / 25)
    assert float(apart) == pytest.approx(float(together))


def test_centred_rows_have_no_mean_and_length_one():
    """What all positions have in common does not count."""
    found = centred([rows([101.0], [99.0]), rows([7.0], [7.0])])
    np.testing.assert_allclose(found, [[1, 0], [-1, 0]], atol=1e-6)
    assert float(centred_distance(rows([1, 5], [3, 5]), found)) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("piece", [1, 3, 100])
def test_nearest_has_the_largest_product(piece):
    """However many queries are compared at a time."""
    queries, keys = rows([1, 0], [0, 1], [-1, 0], [0.6, 0.8]), rows([0, 1], [-1, 0], [1, 0])
    np.testing.assert_array_equal(nearest(queries, keys, piece), [2, 0, 1, 0])


def test_grid_rows_are_every_so_manieth_position():
    """Of 4 × 6 positions, from the second row and the third column on, every second."""
    features = {"a": tf.reshape(tf.range(24.0), [1, 4, 6, 1])}
    found = grid_rows(features, ["a"], tf.constant([2]), tf.constant([[1, 2]]))
    np.testing.assert_array_equal(found["a"][:, 0], [8, 10, 20, 22])
