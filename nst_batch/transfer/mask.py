"""Painting a part of a picture: the style that the whole then has (box.py says where its pixels may go).

A mask (1, H, W, 1) in [0, 1] is 1 where the picture is painted, 0 where the content stays, and between the two where a
pixel is a mixture of both. What stays has its statistics, too, and the painted part is not to make up for them. So
the target is the statistic that the whole picture has when its painted part has the style's: share · style + kept,
with kept the content's own sums over the positions that stay. (The statistic of a region: Gatys et al., *Controlling
Perceptual Factors in Neural Style Transfer*, 2017, section 4.1. That the target takes in the rest of the picture is
ours, and leaves every step as it is.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from nst_batch.transfer.losses import moments, raw_moments
from nst_batch.transfer.objective import Layers, block_of


def position_weights(plane: Any, layers: Layers, first_block: int = 1) -> dict[str, Any]:
    """Per style layer, a plane (1, h, w, 1) of ``first_block``'s size brought to that of the layer's features."""
    planes = {first_block: plane}
    for block in range(first_block + 1, max(map(block_of, layers.style), default=first_block) + 1):
        planes[block] = halved(planes[block - 1])
    return {layer: planes[block_of(layer)] for layer in layers.style}


def halved(plane: Any) -> Any:
    """A plane (1, h, w, 1) as the network's pooling halves what it covers; a last odd row or column is left out."""
    return tf.nn.avg_pool2d(plane, 2, 2, "VALID")


def style_beside(
    style: Mapping[str, Any], kept: Mapping[str, Any], weights: Mapping[str, Any], layers: Layers
) -> dict[str, Any]:
    """The target statistic of the whole picture, per style layer.

    ``style`` is the statistic of the style, ``kept`` the content's sums over the positions that stay, each counted by
    ``weights`` (the share of it that stays, (1, h, w, 1)).
    """
    found = {}
    for layer in layers.style:
        share = 1.0 - tf.reduce_mean(weights[layer])
        whole = share * (raw_moments(style[layer]) if layers.moments else style[layer])
        whole += kept[layer] / tf.cast(tf.size(weights[layer]), tf.float32)
        found[layer] = moments(whole, 1.0) if layers.moments else whole
    return found
