"""Gram matrices: the style of Gatys, Ecker and Bethge (2015), as pure functions, and as a family."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nst_batch.transfer.objectives.statistics import StatisticsFamily
from nst_batch.transfer.tensors import Feature, Plane, Scalar, Statistic


def gram_matrix(features: Feature, weights: Plane | None = None) -> Statistic:
    """G_ij = Σ_k F_ik F_jk over the positions k, eq. 3 of the paper: (1, h, w, N) -> (N, N) float32.

    Products of bfloat16 features are summed in float32, and so is the result; the gradient for such features
    is computed in their own precision, as the rest of their backward pass is. It takes what comes down to it as
    symmetric, as the derivative of any loss between symmetric matrices is. With weights, 0 or more, each position is
    counted by its own.
    """
    filters = features.shape[-1]
    if weights is not None:
        features = tf.cast(features, tf.float32) * tf.sqrt(weights)

    def forward(matrix: Any) -> tuple[Any, Any]:
        wide = tf.cast(matrix, tf.float32)

        def backward(d_gram: Any) -> Any:
            return tf.matmul(matrix, tf.cast(2.0 * d_gram, matrix.dtype))

        return tf.matmul(wide, wide, transpose_a=True), backward

    return tf.custom_gradient(forward)(tf.reshape(features, [-1, filters]))


def gram_layer_loss(found: Statistic, target: Statistic) -> Scalar:
    """E = 1 / (4 N²) Σ (G/M − A/M_A)²; a scalar.

    Where both have M positions this is the paper's eq. 4, 1 / (4 N² M²) Σ (G − A)². The style image may have
    another number of them, so each Gram matrix (N, N) is given divided by its own.
    """
    filters = tf.cast(tf.shape(found)[0], tf.float32)
    return tf.nn.l2_loss(found - target) / (2.0 * tf.square(filters))


class Gram(StatisticsFamily):
    """The paper's style loss, by Gram matrices of one position."""

    layer_sums = staticmethod(gram_matrix)
    layer_statistic = staticmethod(lambda sums, count: sums / count)
    layer_raw = staticmethod(lambda statistic: statistic)
    layer_loss = staticmethod(gram_layer_loss)
