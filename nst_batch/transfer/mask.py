"""Painting a part of a picture: the style that the whole then has (box.py says where its pixels may go).

A mask (1, H, W, 1) in [0, 1] is 1 where the picture is painted, 0 where the content stays, and between the two where a
pixel is a mixture of both. What stays has its statistics, too, and the painted part is not to make up for them. So
the target is the statistic that the whole picture has when its painted part has the style's: share · style + kept,
with kept the content's own sums over the positions that stay. (The statistic of a region: Gatys et al., *Controlling
Perceptual Factors in Neural Style Transfer*, 2017, section 4.1. That the target takes in the rest of the picture is
ours, and leaves every step as it is.)
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from nst_batch.transfer.spec import block_of
from nst_batch.transfer.tensors import Plane


def position_weights(plane: Plane, layers: Sequence[str], first_block: int = 1) -> dict[str, Plane]:
    """Per layer, a plane of ``first_block``'s size brought to that of the layer's features."""
    planes = {first_block: plane}
    for block in range(first_block + 1, max(map(block_of, layers), default=first_block) + 1):
        planes[block] = halved(planes[block - 1])
    return {layer: planes[block_of(layer)] for layer in layers}


def halved(plane: Plane) -> Plane:
    """A plane (1, h, w, 1) as the network's pooling halves what it covers; a last odd row or column is left out."""
    return tf.nn.avg_pool2d(plane, 2, 2, "VALID")
