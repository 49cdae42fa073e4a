"""Each place of the picture shall look like the most alike place of the style: the losses of NNST, as pure functions.

Kolkin, Kucera, Paris, Sýkora, Shechtman and Shakhnarovich, *Neural Neighbor Style Transfer* (2022, arXiv 2203.13215).
Features are (1, h, w, N_l) in float32 or bfloat16; rows are (positions, N_l) float32; distances are float32 scalars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

COARSER = 4  # times the grid of hypercolumns is coarser than the picture
_NOTHING = 1e-12


def hypercolumns(features: Mapping[str, Any], weights: Mapping[str, float], size: Any) -> list[Any]:
    """The features of all layers at one grid of ``size`` (2,): per layer, rows of F_l · w_l / N_l."""
    rows = []
    for layer, weight in weights.items():
        filters = features[layer].shape[-1]
        here = tf.image.resize(features[layer], size, method="bilinear") * (weight / filters)
        rows.append(tf.reshape(here, [-1, filters]))
    return rows


def grid_rows(features: Mapping[str, Any], layers: Sequence[str], steps: Any, offsets: Any) -> list[Any]:
    """Per layer its features at every ``steps[l]``-th row and column from ``offsets[l]``, as rows."""
    rows = []
    for number, layer in enumerate(layers):
        every, (down, across) = steps[number], tf.unstack(offsets[number])
        here = features[layer][:, down::every, across::every]
        rows.append(tf.reshape(tf.cast(here, tf.float32), [-1, features[layer].shape[-1]]))
    return rows


def cosine_distance(rows: Sequence[Any], targets: Sequence[Any]) -> Any:
    """mean_i (1 − cos(F_i, T_i)), F_i and T_i the i-th row of all layers, one behind the other; a scalar."""
    along = tf.add_n([tf.reduce_sum(f * t, axis=1) for f, t in zip(rows, targets, strict=True)])
    mine, theirs = (tf.add_n([tf.reduce_sum(tf.square(x), axis=1) for x in of]) for of in (rows, targets))
    return 1.0 - tf.reduce_mean(along * tf.math.rsqrt(mine * theirs + _NOTHING))


def centred_distance(rows: Any, targets: Any) -> Any:
    """mean_i (1 − cos(F_i − F̄, T_i)) of one layer, its targets centred already (:func:`centred`); a scalar."""
    return cosine_distance([rows - tf.reduce_mean(rows, axis=0)], [targets])


def centred(rows: Sequence[Any]) -> Any:
    """Rows of all layers, one behind the other, less their mean and of length 1: (positions, Σ N_l)."""
    whole = tf.concat([each - tf.reduce_mean(each, axis=0) for each in rows], axis=1)
    return tf.math.l2_normalize(whole, axis=1, epsilon=_NOTHING)


def nearest(queries: Any, keys: Any, piece: int) -> Any:
    """Of each query (q, C) the number of the key (k, C) with the largest product, ``piece`` queries at a time."""
    found = [
        tf.argmax(tf.matmul(queries[begin : begin + piece], keys, transpose_b=True), axis=1, output_type=tf.int32)
        for begin in range(0, queries.shape[0], piece)
    ]
    return tf.concat(found, axis=0)
