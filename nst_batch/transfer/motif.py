"""What a generation looks at: its pictures at each scale, and what the picture in the making is compared with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.box import Box, painted_box
from nst_batch.transfer.frame import BARE, FRAMES, framed
from nst_batch.transfer.mask import position_weights, style_beside
from nst_batch.transfer.network import Network
from nst_batch.transfer.objective import Balance, Layers, Targets, balance, blend
from nst_batch.transfer.pyramid import Scale, resize
from nst_batch.transfer.spec import TransferSpec
from nst_batch.transfer.staged import StagedNetwork
from nst_batch.transfer.strips import Cut

Picture = NDArray[np.float32]

MIN_STYLE = 32  # a style picture with a shorter side leaves the last block nothing to look at


@dataclass(frozen=True)
class Sight:
    """What a scale's pictures are compared with, and the network that looks at them."""

    network: Network | StagedNetwork
    targets: tuple[Targets, ...]  # one a frame
    balance: Balance
    weights: Any  # Balance.tensors()


class Motif:
    """The pictures of one generation, as :class:`NeuralStyleModel` is given them."""

    def __init__(
        self,
        content: Picture,
        styles: Sequence[tuple[Picture, float]],
        spec: TransferSpec,
        network: Network,
        *,
        init_image: Picture | None,
        mask: Picture | None,
        style_keys: Sequence[Hashable | None] | None,
        cut: Callable[[int], Cut | None],
    ) -> None:
        self.layers = Layers.of(spec)
        self.frames = FRAMES if spec.framed else (BARE,)
        self._spec = spec
        self._network = network
        self._cut = cut
        self._content = _tensor(content)
        self._styles = [(_tensor(picture), weight) for picture, weight in styles]
        self._style_keys = tuple(style_keys or [None] * len(self._styles))
        self._init_image = None if init_image is None else _tensor(init_image)
        self._mask = None if mask is None else _tensor(mask)[..., tf.newaxis]

    def look(self, scale: Scale) -> Sight:
        """The targets and balance of one scale."""
        content = resize(self._content, scale.height, scale.width)
        factor = max(scale.height, scale.width) / max(self._spec.height, self._spec.width)
        statistics = []
        for (picture, _), key in zip(self._styles, self._style_keys, strict=True):
            height, width = (max(MIN_STYLE, round(side * factor)) for side in picture.shape[1:3])
            at_scale = resize(picture, height, width)
            view = self._view(height * width)
            statistics.append(view.style_statistics(at_scale, self.layers, key, self.frames))
        blended = blend(statistics, [weight for _, weight in self._styles])
        network = self._view(scale.height * scale.width)
        targets = tuple(
            Targets(network.content_features(framed(content, frame), self.layers), blended, frame)
            for frame in self.frames
        )
        joined = balance(self._spec, targets[0], scale.height * scale.width)
        if self._mask is not None:
            targets, joined = self._beside_what_stays(scale, content, network, targets, joined)
        return Sight(network, targets, joined, joined.tensors())

    def box(self, scale: Scale) -> Box | None:
        """Where each pixel of a scale may go; None where that is [0, 1] for all."""
        if self._mask is None:
            return None
        height, width = scale.height, scale.width
        return painted_box(resize(self._content, height, width), resize(self._mask, height, width))

    def is_cut(self, scale: Scale) -> bool:
        """Whether the pictures of a scale are looked at in strips."""
        return self._cut(scale.height * scale.width) is not None

    def start(self, scale: Scale) -> Any:
        """The picture before the first step, which is at ``scale``; not yet brought into its box."""
        if self._spec.init == "noise":
            noise = np.random.default_rng(self._spec.seed).random((1, scale.height, scale.width, 3), np.float32)
            return tf.constant(noise)
        source = {"content": self._content, "style": self._styles[0][0], "image": self._init_image}
        picture = source[self._spec.init]
        if picture is None:
            raise ValueError("init: image, and no init_image given")
        return resize(picture, scale.height, scale.width)

    def _beside_what_stays(
        self,
        scale: Scale,
        content: Any,
        network: Network | StagedNetwork,
        targets: tuple[Targets, ...],
        joined: Balance,
    ) -> tuple[tuple[Targets, ...], Balance]:
        """The targets when the mask's part alone takes on the style, which is as strong there as without a mask."""
        stays = 1.0 - resize(self._mask, scale.height, scale.width)
        styles = []
        for each in targets:
            plane = framed(stays, each.frame)
            sums = network.weighted_sums(framed(content, each.frame), self.layers, plane)
            styles.append(style_beside(each.style, sums, position_weights(plane, self.layers), self.layers))
        style = blend(styles, [1.0] * len(styles))
        share = 1.0 - float(tf.reduce_mean(stays)) or 1.0  # where all stays nothing moves, however strong it is
        return tuple(replace(each, style=style) for each in targets), replace(joined, style=joined.style / share)

    def _view(self, pixels: int) -> Network | StagedNetwork:
        """How the network looks at a picture of so many pixels: in one piece, or its first blocks in strips."""
        cut = self._cut(pixels)
        return self._network if cut is None else StagedNetwork(self._network, cut)


def _tensor(picture: Picture) -> Any:
    return tf.constant(np.asarray(picture, np.float32)[np.newaxis])
