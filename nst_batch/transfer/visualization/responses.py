"""What the layers answer to an image: feature maps, Gram matrices, and which filters have most to say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.losses import positions
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.gram import gram_matrix
from nst_batch.transfer.spec import VGG19_LAYERS

Floats = NDArray[np.float32]

MARGIN = 32  # pixels, whole places of every layer


def responses(network: Network, image: Floats, layers: Sequence[str] = VGG19_LAYERS) -> Mapping[str, Floats]:
    """(H, W, 3) in [0, 1] -> for each of ``layers`` its features (h, w, N), after the ReLU.

    The network is shown the image within its own reflection, which is cut off: at a border it would see zeros, and many
    filters of the deeper layers answer to that more than to anything in the picture.
    """
    margin = MARGIN if min(image.shape[:2]) > MARGIN else MARGIN // 2
    shown = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    features = network.extractor(layers)(tf.constant(shown[np.newaxis], tf.float32))
    return {
        layer: _within(np.asarray(tf.cast(value, tf.float32))[0], image, layer, margin)
        for layer, value in features.items()
    }


def _within(features: Floats, image: Floats, layer: str, margin: int) -> Floats:
    """The places of ``image`` among those of its reflection too."""
    apart = 1 << (int(layer[5]) - 1)
    first = margin // apart
    height, width = (max(1, side // apart) for side in image.shape[:2])
    return features[first : first + height, first : first + width]


def gram(features: Floats) -> Floats:
    """The Gram matrix (N, N) of features (h, w, N), divided by their positions."""
    value = tf.constant(features[np.newaxis])
    return np.asarray(gram_matrix(value) / positions(value), np.float32)


def telling_filters(features: Sequence[Floats], filters: int, count: int) -> tuple[int, ...]:
    """The ``count`` of the ``filters`` of a layer that together tell most of the images, in their order.

    ``features`` are those of each image, (h, w, N). The first is the filter whose answers differ most from place to
    place, each further one that whose answers are told least by those before it (a QR decomposition with pivots), so
    that six kinds of pattern are shown and not one six times. Of no image, filters evenly spread.
    """
    if not features:
        return tuple(int(number) for number in np.linspace(0, filters - 1, count))
    left = np.concatenate([_centred(each) for each in features]).astype(np.float64)
    chosen: list[int] = []
    for _ in range(count):
        lengths = np.sqrt(np.sum(np.square(left), axis=0))
        lengths[chosen] = -1.0
        best = int(np.argmax(lengths))
        chosen.append(best)
        if lengths[best] > 0.0:
            told = left[:, best] / lengths[best]
            left = left - np.outer(told, told @ left)
    return tuple(sorted(chosen))


def _centred(features: Floats) -> Floats:
    """(h, w, N) -> (places, N), each filter about its mean; images count alike, whatever their size and contrast."""
    places = features.reshape(-1, features.shape[-1])
    centred: Floats = places - places.mean(axis=0)
    return (centred / max(float(np.linalg.norm(centred)), 1e-12)).astype(np.float32)
