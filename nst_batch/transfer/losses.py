"""The losses of Gatys, Ecker and Bethge (2015) and total variation, as pure functions on tensors.

Features are (1, h, w, N) on the scale of Keras's ``preprocess_input``, float32 or bfloat16; every result is
float32.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def content_loss(features: Any, target: Any) -> Any:
    """L = ½ Σ (F − P)², eq. 1 of the paper; a scalar."""
    difference = tf.cast(features, tf.float32) - tf.cast(target, tf.float32)
    return 0.5 * tf.reduce_sum(tf.square(difference))


def gram_matrix(features: Any) -> Any:
    """G_ij = Σ_k F_ik F_jk over the positions k, eq. 3 of the paper: (1, h, w, N) -> (N, N) float32.

    Products of bfloat16 features are summed in float32, and so is the result; the gradient for such features
    is computed in their own precision, as the rest of their backward pass is.
    """
    filters = features.shape[-1]

    def forward(matrix: Any) -> tuple[Any, Any]:
        wide = tf.cast(matrix, tf.float32)

        def backward(d_gram: Any) -> Any:
            return tf.matmul(matrix, tf.cast(d_gram + tf.transpose(d_gram), matrix.dtype))

        return tf.matmul(wide, wide, transpose_a=True), backward

    return tf.custom_gradient(forward)(tf.reshape(features, [-1, filters]))


def moment_sums(features: Any) -> Any:
    """The Gram matrix with one more row below it, Σ_k F_ik: (1, h, w, N) -> (N + 1, N) float32.

    Like the Gram matrix it is a sum over positions: that of a picture is the sum of those of its parts.
    """
    total = tf.reduce_sum(tf.cast(features, tf.float32), axis=[0, 1, 2])
    return tf.concat([gram_matrix(features), total[tf.newaxis]], axis=0)


def weighted_sums(features: Any, weights: Any, *, with_means: bool) -> Any:
    """The Gram matrix, or :func:`moment_sums`, with each position counted by its weight (1, h, w, 1), 0 or more."""
    wide = tf.cast(features, tf.float32)
    gram = gram_matrix(wide * tf.sqrt(weights))
    if not with_means:
        return gram
    return tf.concat([gram, tf.reduce_sum(wide * weights, axis=[0, 1, 2])[tf.newaxis]], axis=0)


def moments(sums: Any, sum_positions: Any) -> Any:
    """Covariance matrix of the filters and, as the last row, their means: (N + 1, N) sums -> (N + 1, N)."""
    mean = sums[-1] / sum_positions
    covariance = sums[:-1] / sum_positions - mean[:, tf.newaxis] * mean[tf.newaxis]
    return tf.concat([covariance, mean[tf.newaxis]], axis=0)


def raw_moments(central: Any) -> Any:
    """:func:`moment_sums` of one position, from its :func:`moments`: (N + 1, N) -> (N + 1, N)."""
    mean = central[-1]
    return tf.concat([central[:-1] + mean[:, tf.newaxis] * mean[tf.newaxis], mean[tf.newaxis]], axis=0)


def positions(features: Any) -> Any:
    """M: the number of positions h·w of (1, h, w, N) features, as a float32 scalar."""
    shape = tf.shape(features)
    return tf.cast(shape[1] * shape[2], tf.float32)


def style_layer_loss(gram: Any, gram_positions: Any, target: Any, target_positions: Any) -> Any:
    """E = 1 / (4 N²) Σ (G/M − A/M_A)²; a scalar.

    Where both have M positions this is the paper's eq. 4, 1 / (4 N² M²) Σ (G − A)². The style image may have
    another number of them, so each Gram matrix (N, N) is divided by its own.
    """
    filters = tf.cast(tf.shape(gram)[0], tf.float32)
    difference = gram / gram_positions - target / target_positions
    return tf.reduce_sum(tf.square(difference)) / (4.0 * tf.square(filters))


def moments_layer_loss(found: Any, target: Any) -> Any:
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


def total_variation(image: Any) -> Any:
    """Σ |differences between neighbours|, across and down, of a (1, H, W, 3) picture in [0, 1]; a scalar.

    The gradient is written out: that of the four slices costs eight times as much.
    """

    def forward(image: Any) -> tuple[Any, Any]:
        down = image[:, 1:] - image[:, :-1]
        across = image[:, :, 1:] - image[:, :, :-1]

        def backward(upstream: Any) -> Any:
            signs = ((tf.sign(down), 1), (tf.sign(across), 2))
            return upstream * tf.add_n([_shifted(sign, axis, 1) - _shifted(sign, axis, 0) for sign, axis in signs])

        return tf.reduce_sum(tf.abs(down)) + tf.reduce_sum(tf.abs(across)), backward

    return tf.custom_gradient(forward)(image)


def _shifted(signs: Any, axis: int, before: int) -> Any:
    """The signs of differences along ``axis``, given the pictures' size by one row of zeros on one side."""
    return tf.pad(signs, [[before, 1 - before] if each == axis else [0, 0] for each in range(4)])
