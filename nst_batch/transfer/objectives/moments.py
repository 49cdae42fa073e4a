"""Means and covariances of the filters in place of Gram matrices, as pure functions, and as a family."""

from __future__ import annotations

import tensorflow as tf

from nst_batch.transfer.objectives.gram import gram_matrix
from nst_batch.transfer.objectives.statistics import StatisticsFamily
from nst_batch.transfer.tensors import Feature, Plane, Scalar, Statistic


def moment_sums(features: Feature, weights: Plane | None = None) -> Statistic:
    """The Gram matrix with one more row below it, Σ_k F_ik: (1, h, w, N) -> (N + 1, N) float32.

    Like the Gram matrix it is a sum over positions: that of a picture is the sum of those of its parts. With weights,
    0 or more, each position is counted by its own.
    """
    wide = tf.cast(features, tf.float32)
    total = tf.reduce_sum(wide if weights is None else wide * weights, axis=[0, 1, 2])
    return tf.concat([gram_matrix(features, weights), total[tf.newaxis]], axis=0)


def moments(sums: Statistic, count: Scalar) -> Statistic:
    """Covariance matrix of the filters and, as the last row, their means: (N + 1, N) sums -> (N + 1, N)."""
    mean = sums[-1] / count
    covariance = sums[:-1] / count - mean[:, tf.newaxis] * mean[tf.newaxis]
    return tf.concat([covariance, mean[tf.newaxis]], axis=0)


def raw_moments(statistic: Statistic) -> Statistic:
    """:func:`moment_sums` of one position, from its :func:`moments`: (N + 1, N) -> (N + 1, N)."""
    mean = statistic[-1]
    return tf.concat([statistic[:-1] + mean[:, tf.newaxis] * mean[tf.newaxis], mean[tf.newaxis]], axis=0)


def moments_layer_loss(found: Statistic, target: Statistic) -> Scalar:
    """E = 1 / (8 N²) (Σ (C − C_A)² + λ Σ (μ − μ_A)²), λ = ‖C_A‖² / ‖μ_A‖²; a scalar.

    ``found`` and ``target`` are :func:`moments`. A Gram matrix is C + μ μᵀ, and after a ReLU the means outweigh the
    covariances in it by far; here either counts by its relative error. (Means and covariances as a style: Li et
    al., *Demystifying Neural Style Transfer*, 2017, and Lu et al., *A Closed-form Solution to Universal Style
    Transfer*, 2019; λ is ours.)
    """
    filters = tf.cast(tf.shape(target)[1], tf.float32)
    squares = tf.reduce_sum(tf.square(found - target), axis=1)
    sizes = tf.reduce_sum(tf.square(target), axis=1)
    means = tf.math.divide_no_nan(tf.reduce_sum(sizes[:-1]), sizes[-1])
    return (tf.reduce_sum(squares[:-1]) + means * squares[-1]) / (8.0 * tf.square(filters))


class Moments(StatisticsFamily):
    """Means and covariances, every style layer by its relative error."""

    rows = 1
    relative = True

    layer_sums = staticmethod(moment_sums)
    layer_statistic = staticmethod(moments)
    layer_raw = staticmethod(raw_moments)
    layer_loss = staticmethod(moments_layer_loss)
