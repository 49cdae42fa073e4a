"""A network of VGG19's shape that nobody trained: smooth, oriented filters from a seed.

White-noise weights see noise, and paint it. Filters like those of the first layers of any trained network,
Gaussians and their derivatives, see light, colour, edges and lines, and a network of them paints in hatches:

- the first layer holds them on luminance and two opponent colours, at several angles, in both signs (a
  trained network's first layer looks much the same);
- every other layer is a sum over the six separable ones of weight · filter ⊗ random orthogonal matrix, so
  that all channels are mixed, none is favoured and none is lost;
- biases are zero, and each output channel is scaled once to unit variance over the two sample pictures, so
  that every layer speaks as loudly as the next and the network is one fixed network for a seed.

Average pooling suits it: maxima of such sums are mostly noise.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.sample import draw_landscape, draw_painting
from nst_batch.transfer.spec import VGG19_LAYERS

Floats = NDArray[np.float32]

PICTURE = (256, 176)  # width and height of the pictures that the scaling looks at
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)  # Keras's preprocess_input

_SMOOTH, _SLOPE, _LINE = (np.array(taps, np.float32) for taps in ((1, 2, 1), (-1, 0, 1), (-1, 2, -1)))
_FILTERS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}
_WEIGHTS = (1.0, 1.0, 1.0, 0.5, 0.5, 0.5)  # of the six filters, in the order of six_filters()
_FIRST_SEED = 2  # of the five looked at, the one whose hatches slant and cross; others draw level ones
_QUIET = 1e-6  # a channel that says nothing on the pictures is left as it is


@cache
def untrained_kernels(seed: int = 0) -> dict[str, tuple[Floats, Floats]]:
    """Kernels and biases of all 16 convolutions of VGG19: layer name -> (3, 3, in, out) and (out,), float32.

    They take BGR in 0..255 less Keras's means. The same seed gives the same network.
    """
    rng = np.random.default_rng(_FIRST_SEED + seed)
    pictures = (draw_landscape(*PICTURE), draw_painting(*PICTURE))
    value = tf.constant(np.stack([picture[..., ::-1] - MEAN_BGR for picture in pictures]), tf.float32)
    kernels: dict[str, tuple[Floats, Floats]] = {}
    for layer in VGG19_LAYERS:
        width = _FILTERS[int(layer[5])]
        if not kernels:
            kernel = first_layer()
        else:
            if layer.endswith("_conv1"):
                value = tf.nn.avg_pool2d(value, 2, 2, "VALID")
            kernel = mixing_layer(int(value.shape[-1]), width, rng)
        said = tf.nn.conv2d(value, kernel, 1, "SAME")
        deviation = np.asarray(tf.math.reduce_std(said, axis=(0, 1, 2)), np.float32)
        scale = 1 / np.where(deviation > _QUIET, deviation, 1)
        value = tf.nn.relu(said * scale)
        kernels[layer] = np.asarray(kernel * scale, np.float32), np.zeros(width, np.float32)
    return kernels


def six_filters() -> Floats:
    """(6, 3, 3): the Gaussian, its two slopes, its two lines and its saddle, each of unit absolute sum."""
    pairs = (
        (_SMOOTH, _SMOOTH),
        (_SMOOTH, _SLOPE),
        (_SLOPE, _SMOOTH),
        (_SMOOTH, _LINE),
        (_LINE, _SMOOTH),
        (_SLOPE, _SLOPE),
    )
    return _unit_sums(np.stack([np.outer(down, across) for down, across in pairs]))


def first_layer() -> Floats:
    """(3, 3, 3, 64): ten filters on each of luminance and two opponent colours, and two more, in both signs."""
    six = six_filters()
    rising, falling = six[1] + six[2], six[1] - six[2]
    # Second derivatives along the diagonals: half the sum of the two lines, plus or minus the saddle.
    ridges = (six[3] + six[4]) / 2 - six[5], (six[3] + six[4]) / 2 + six[5]
    ten = _unit_sums(np.stack([*six, rising, falling, *ridges]))
    luminance = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red (ITU-R BT.601)
    blue_yellow = np.array([1.0, -0.5, -0.5], np.float32)
    red_green = np.array([0.0, -1.0, 1.0], np.float32)
    colours = np.stack([luminance, blue_yellow, red_green])
    bank = np.einsum("fyx,ci->yxicf", ten, colours).reshape(3, 3, 3, 30)
    warm = np.einsum("yx,i->yxi", six[0], red_green - blue_yellow)
    dots = np.einsum("yx,i->yxi", _unit_sums(np.outer(_LINE, _LINE)[None])[0], luminance)
    half = np.concatenate([bank, warm[..., None], dots[..., None]], axis=-1)
    return np.asarray(np.concatenate([half, -half], axis=-1), np.float32)


def mixing_layer(channels: int, width: int, rng: np.random.Generator) -> Floats:
    """(3, 3, channels, width): each filter with a random orthogonal mixture of the channels of its own."""
    kernel = np.zeros((3, 3, channels, width), np.float32)
    for weight, taps in zip(_WEIGHTS, six_filters(), strict=True):
        kernel += np.float32(weight) * taps[:, :, None, None] * orthogonal(channels, width, rng)
    return kernel


def orthogonal(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """(rows, columns) with orthonormal columns, or rows where they are fewer; the larger is a power of two.

    Two Hadamard matrices between random signs and a random order. Against the orthogonal factor of a Gaussian
    matrix it takes no time, and its entries, sums of whole numbers, are the same on every machine. The signs
    on either side matter: without them light, which all channels share, would be spread evenly.
    """
    size = max(rows, columns)
    hadamard = np.ones((1, 1), np.float32)
    while len(hadamard) < size:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    signs = rng.choice(np.array([-1, 1], np.float32), size=(3, size))
    order = rng.permutation(size)
    mixed = (signs[0][:, None] * hadamard * signs[1])[:, order] @ (hadamard * signs[2]) / np.float32(size)
    return np.asarray(mixed[:rows, :columns], np.float32)


def _unit_sums(filters: Floats) -> Floats:
    return np.asarray(filters / np.abs(filters).sum(axis=(1, 2), keepdims=True), np.float32)
