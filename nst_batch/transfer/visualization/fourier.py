"""Pictures as spectra in decorrelated colours, in which gradient steps make patterns rather than noise.

A step of a pixel says nothing of its neighbours; one of a coefficient of the spectrum moves the whole picture. Each is
weighted by 1 / frequency, as natural pictures have them, and the three planes are brightness and two pairs of opponent
colours, so that all of them are of one size to the optimiser. (Olah, Mordvintsev and Schubert, *Feature Visualization*,
2017, "Preconditioning and Parameterization".)

Spectra are (N, 3, H, W // 2 + 1, 2) float32: planes, rows and columns of a real transform, real and imaginary part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

START = 0.01  # standard deviation of a coefficient: an almost even grey
# Brightness, red against blue, green against both, each a row; as long as the colours of photographs spread along it.
COLORS = ((0.58, 0.58, 0.58), (0.20, 0.0, -0.20), (-0.06, 0.12, -0.06))


def drawn(count: int, height: int, width: int, seed: int) -> Any:
    """Spectra of ``count`` almost grey pictures."""
    generator = np.random.default_rng(seed)
    shape = (count, 3, height, width // 2 + 1, 2)
    return tf.constant(generator.standard_normal(shape, np.float32) * np.float32(START))


def pictures(spectra: Any, width: Any, most: float | None = None) -> Any:
    """Spectra -> RGB (N, H, ``width``, 3) in [0, 1].

    ``most`` bounds the contrast: each picture's root mean square about grey, before the sigmoid.
    """
    height = tf.shape(spectra)[2]
    coefficients = tf.complex(spectra[..., 0], spectra[..., 1]) * tf.cast(_weights(height, width), tf.complex64)
    planes = tf.signal.irfft2d(coefficients, tf.stack([height, width]))
    values = tf.einsum("nphw,pc->nhwc", planes, tf.constant(COLORS, tf.float32))
    values = tf.ensure_shape(values, [None, None, None, 3])
    if most is not None:
        contrast = tf.sqrt(tf.reduce_mean(tf.square(values), axis=[1, 2, 3], keepdims=True))
        values *= tf.minimum(1.0, most / contrast)
    return tf.sigmoid(values)


def enlarged(spectra: Any, height: int, width: int) -> Any:
    """The same pictures at a larger size: new rows and columns of the spectrum are nought."""
    rows, columns = spectra.shape[2:4]
    more = [[0, 0], [0, 0], [0, height - rows], [0, 0], [0, 0]]
    below = (rows + 1) // 2
    padded = tf.concat([tf.pad(spectra[:, :, :below], more), spectra[:, :, below:]], axis=2)
    return tf.pad(padded, [[0, 0], [0, 0], [0, 0], [0, width // 2 + 1 - columns], [0, 0]])


def _weights(height: Any, width: Any) -> Any:
    """(H, W // 2 + 1): √(H W) / frequency, so that a spectrum means the same pattern at every size."""
    rows, columns = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    down = tf.range(rows)
    down = tf.minimum(down, rows - down) / rows
    across = tf.range(tf.floor(columns / 2) + 1.0) / columns
    frequency = tf.sqrt(tf.square(down)[:, tf.newaxis] + tf.square(across)[tf.newaxis])
    return tf.sqrt(rows * columns) / tf.maximum(frequency, 1.0 / tf.maximum(rows, columns))
