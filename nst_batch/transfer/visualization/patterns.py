"""The patterns that filters answer to most, by gradient ascent from grey.

What a filter answers to in a single pixel's place is noise to the eye. So the picture is a spectrum (fourier.py) that
grows from coarse to fine, and the network sees it through a window of another place and size at each step: what remains
is what the filter answers to wherever it stands. (Olah, Mordvintsev and Schubert, *Feature Visualization*, 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.network import Network
from nst_batch.transfer.spec import VGG19_LAYERS
from nst_batch.transfer.vgg19 import pool, preprocess
from nst_batch.transfer.visualization.descent import Descent, Tick
from nst_batch.transfer.visualization.fourier import drawn, enlarged, pictures

# Of each block: sides in pixels and steps at each, coarse to fine. A filter of the first block sees 3 or 5 pixels, one
# of the last up to 252.
COURSES = {
    1: ((32, 60),),
    2: ((40, 80),),
    3: ((48, 50), (80, 50)),
    4: ((64, 60), (112, 60)),
    5: ((64, 60), (96, 50), (128, 50)),
}
RATE = 0.05
LEAK = 0.05  # of an answer below nought: a filter that is silent at a picture would have no gradient
WINDOW = (0.75, 0.9)  # the part of the picture's side that the network sees at a step
CONTRAST = 1.2  # before the sigmoid: a filter answers most to what is loudest, and would drown all detail in it
MARGIN = 0.125  # of the side, all round: seldom within the window, and not shown


def seen_pixels(layer: str) -> int:
    """How many pixels across and down a filter of the layer sees: 3 for the first, 252 for the last."""
    seen, apart = 1, 1
    for name in VGG19_LAYERS[: VGG19_LAYERS.index(layer) + 1]:
        if name.endswith("_conv1") and name != VGG19_LAYERS[0]:
            seen, apart = seen + apart, 2 * apart
        seen += 2 * apart
    return seen


def patterns(network: Network, layer: str, filters: Sequence[int], tick: Tick, seed: int = 0) -> NDArray[np.float32]:
    """For each of ``filters`` (N of them) the picture that it answers to most: (N, side, side, 3) in [0, 1].

    ``tick`` is called after each step.
    """
    answer = _answers(network, layer, filters)

    def loss(shown: Any, window: Any, side: Any) -> Any:
        return -tf.reduce_sum(answer(_through(shown, window, side)))

    window = tf.TensorSpec([1, 4], tf.float32)
    descent = Descent(loss, [window, tf.TensorSpec([], tf.int32)], CONTRAST)
    generator = np.random.default_rng(seed)
    course = COURSES[int(layer[5])]
    spectra = drawn(len(filters), course[0][0], course[0][0], seed)
    for side, steps in course:
        spectra = enlarged(spectra, side, side)

        def given(_number: int, side: int = side) -> Sequence[Any]:
            span = generator.uniform(*WINDOW)
            top, left = generator.uniform(0.0, 1.0 - span, 2)
            box = tf.constant([[top, left, top + span, left + span]], tf.float32)
            return box, tf.constant(round(side * max(WINDOW)), tf.int32)

        spectra = descent.run(spectra, side, steps, RATE, given, tick)
    cut = round(side * MARGIN)
    return np.asarray(pictures(spectra, side, CONTRAST))[:, cut : side - cut, cut : side - cut]


def _through(shown: Any, window: Any, side: Any) -> Any:
    """(N, H, W, 3) -> (N, side, side, 3): what the window (top, left, bottom, right; of 1) shows of each.

    Always of one size: oneDNN prepares each size of a convolution anew.
    """
    count = tf.shape(shown)[0]
    seen = tf.image.crop_and_resize(shown, tf.repeat(window, count, axis=0), tf.range(count), tf.stack([side, side]))
    return tf.ensure_shape(seen, [None, None, None, 3])


def _answers(network: Network, layer: str, filters: Sequence[int]) -> Any:
    """Pictures (N, H, W, 3) -> (N,): the mean answer of each one's own filter.

    The network is cut at the layer, and of that layer computes no more than these filters.
    """
    at = VGG19_LAYERS.index(layer)
    convolution = network.convolution(layer)
    kernel = tf.gather(convolution.kernel, list(filters), axis=3)
    bias = tf.gather(convolution.bias, list(filters))
    below = network.extractor(VGG19_LAYERS[at - 1 : at]) if at else None

    def answers(shown: Any) -> Any:
        value = tf.cast(preprocess(shown), network.precision) if below is None else below(shown)[VGG19_LAYERS[at - 1]]
        if at and layer.endswith("_conv1"):
            value = pool(value, network.pooling)
        value = tf.nn.bias_add(tf.nn.conv2d(value, kernel, strides=1, padding="SAME"), bias)
        answer = tf.nn.leaky_relu(tf.cast(value, tf.float32), LEAK)
        return tf.linalg.diag_part(tf.reduce_mean(answer, axis=[1, 2]))

    return answers
