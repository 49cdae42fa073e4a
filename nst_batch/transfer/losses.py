"""The content loss of Gatys, Ecker and Bethge (2015) and total variation, as pure functions on tensors.

Features are (1, h, w, N) on the scale of Keras's ``preprocess_input``, float32 or bfloat16; every result is
float32.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nst_batch.transfer.tensors import Feature, Image, Scalar


def content_loss(features: Feature, target: Feature) -> Scalar:
    """L = ½ Σ (F − P)², eq. 1 of the paper; a scalar."""
    return tf.nn.l2_loss(tf.cast(features, tf.float32) - tf.cast(target, tf.float32))


def positions(features: Feature) -> Scalar:
    """M: the number of positions h·w of (1, h, w, N) features, as a float32 scalar."""
    shape = tf.shape(features)
    return tf.cast(shape[1] * shape[2], tf.float32)


def total_variation(image: Image) -> Scalar:
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
