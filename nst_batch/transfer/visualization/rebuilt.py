"""A picture rebuilt from one layer alone: from its content or from its style (Gatys et al. 2016, figure 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.frame import FRAMES, framed
from nst_batch.transfer.losses import content_loss, positions, total_variation
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.gram import gram_layer_loss, gram_matrix
from nst_batch.transfer.visualization.descent import Descent, Tick
from nst_batch.transfer.visualization.fourier import drawn, enlarged, pictures

# Shares of the whole size, and steps at each.
COURSE = ((0.5, 40), (1.0, 40))
RATE = 0.05
MARGIN = 8  # pixels beyond a style's picture: what stands at a border is seen in part only
LEAST = 20  # pixels of a side: a frame's margin reflects them
# Of total variation a pixel, beside a loss that is 1 for a picture that the layer does not answer to.
CONTENT_TV, STYLE_TV = 0.15, 0.02
CONTRAST = 1.1  # at the most, of the image's own


def from_content(network: Network, layer: str, image: NDArray[np.float32], tick: Tick) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] -> the same, as the layer's features tell it."""
    extract = network.extractor([layer])

    def loss(shown: Any, target: Any) -> Any:
        return content_loss(extract(shown)[layer], target) / content_loss(target, tf.zeros_like(target))

    def targets(seen: Any) -> list[Any]:
        return [extract(framed(seen, frame))[layer] for frame in FRAMES]

    spec = tf.TensorSpec([1, None, None, network.filters(layer)], network.precision)
    return _rebuilt(image, loss, targets, spec, CONTENT_TV, 0, tick)


def from_style(network: Network, layer: str, image: NDArray[np.float32], tick: Tick) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] -> a picture of that size with the same Gram matrix."""
    extract = network.extractor([layer])

    def targets(seen: Any) -> list[Any]:
        found = [extract(framed(seen, frame))[layer] for frame in FRAMES]
        mean = tf.add_n([gram_matrix(each) / positions(each) for each in found]) / len(FRAMES)
        return [mean] * len(FRAMES)

    def loss(shown: Any, gram: Any) -> Any:
        features = extract(shown)[layer]
        found = gram_matrix(features) / positions(features)
        return gram_layer_loss(found, gram) / gram_layer_loss(tf.zeros_like(gram), gram)

    width = network.filters(layer)
    return _rebuilt(image, loss, targets, tf.TensorSpec([width, width], tf.float32), STYLE_TV, MARGIN, tick)


def _rebuilt(image: Any, loss: Any, targets: Any, spec: Any, tv: float, margin: int, tick: Tick) -> NDArray[np.float32]:
    """Descent to what ``targets`` says of the image in each frame, over the sizes of COURSE.

    The picture is made with ``margin`` pixels more on every side, which are cut off.
    """

    def whole(shown: Any, wanted: Any, frame: Any) -> Any:
        pixels = tf.cast(tf.reduce_prod(tf.shape(shown)[1:3]), tf.float32)
        return loss(framed(shown, frame), wanted) + tv * total_variation(shown) / pixels

    clipped = np.clip(image, 0.02, 0.98)
    most = CONTRAST * float(np.sqrt(np.mean(np.square(np.log(clipped / (1.0 - clipped))))))
    descent = Descent(whole, [spec, tf.TensorSpec([4], tf.int32)], most)
    spectra: Any = None
    for share, steps in COURSE:
        height, width = (max(LEAST, round(side * share)) for side in image.shape[:2])
        wanted = targets(tf.image.resize(image[np.newaxis], (height, width), antialias=True))
        height, width = height + 2 * margin, width + 2 * margin
        spectra = drawn(1, height, width, seed=0) if spectra is None else enlarged(spectra, height, width)

        def given(number: int, wanted: Any = wanted) -> Any:
            at = number % len(FRAMES)
            return wanted[at], tf.constant(FRAMES[at], tf.int32)

        spectra = descent.run(spectra, width, steps, RATE, given, tick)
    return np.asarray(pictures(spectra, width, most))[0, margin : height - margin, margin : width - margin]
