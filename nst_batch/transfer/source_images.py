"""What a generation looks at: its pictures at each scale, and what the picture in the making is compared with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.box import Box, painted_box
from nst_batch.transfer.color import match_color
from nst_batch.transfer.frame import BARE, FRAMES, frame_number, framed
from nst_batch.transfer.mask import position_weights, style_beside
from nst_batch.transfer.network import Network
from nst_batch.transfer.objective import Balance, Layers, Targets, balance, blend
from nst_batch.transfer.objectives.neighbour_objective import NeighbourObjective
from nst_batch.transfer.objectives.scale_objective import ScaleObjective
from nst_batch.transfer.objectives.statistics_objective import StatisticsObjective
from nst_batch.transfer.pyramid import Scale, resize
from nst_batch.transfer.spec import TransferSpec
from nst_batch.transfer.strip_network import StripNetwork
from nst_batch.transfer.strips import StripPlan

Picture = NDArray[np.float32]

MIN_STYLE = 32  # a style picture with a shorter side leaves the last block nothing to look at


class SourceImages:
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
        strip_plan: Callable[[int], StripPlan | None],
    ) -> None:
        self.layers = Layers.of(spec)
        self.frames = FRAMES if spec.framed else (BARE,)
        self._spec = spec
        self._network = network
        self._strip_plan = strip_plan
        self._content = _tensor(content)
        self._styles = [(_tensor(picture), weight) for picture, weight in styles]
        self._style_keys = tuple(style_keys or [None] * len(self._styles))
        self._init_image = None if init_image is None else _tensor(init_image)
        self._recoloured = self._content
        if spec.statistic == "neighbours":
            total = sum(weight for _, weight in styles)
            matched = [match_color(content, picture) * np.float32(weight / total) for picture, weight in styles]
            self._recoloured = _tensor(np.sum(matched, axis=0))
        self._mask = None if mask is None else _tensor(mask)[..., tf.newaxis]

    def objective(self, scale: Scale, anchor: Any, number: int) -> ScaleObjective:
        """The objective of one scale; where it follows the picture, as of ``anchor``, evaluated at ``number``."""
        if self._spec.statistic == "neighbours":
            content = resize(self._recoloured, scale.height, scale.width)
            styles = [(self._style_at(scale, picture), weight) for picture, weight in self._styles]
            return NeighbourObjective(self._network, self._spec, scale, content, styles, anchor, number)
        content = resize(self._content, scale.height, scale.width)
        statistics = []
        for (picture, _), key in zip(self._styles, self._style_keys, strict=True):
            at_scale = self._style_at(scale, picture)
            view = self._view(at_scale.shape[1] * at_scale.shape[2])
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
        draw = partial(frame_number, self._spec.seed, scale.number, steps_per_epoch=self._spec.steps_per_epoch)
        return StatisticsObjective(network, self.layers, targets, joined, joined.tensors(), draw)

    def _style_at(self, scale: Scale, picture: Any) -> Any:
        """A style picture as large as it is looked at in that scale."""
        factor = max(scale.height, scale.width) / max(self._spec.height, self._spec.width)
        height, width = (max(MIN_STYLE, round(side * factor)) for side in picture.shape[1:3])
        return resize(picture, height, width)

    def box(self, scale: Scale) -> Box | None:
        """Where each pixel of a scale may go; None where that is [0, 1] for all."""
        if self._mask is None:
            return None
        height, width = scale.height, scale.width
        return painted_box(resize(self._content, height, width), resize(self._mask, height, width))

    def in_strips(self, scale: Scale) -> bool:
        """Whether the pictures of a scale are looked at in strips."""
        return self._strip_plan(scale.height * scale.width) is not None

    def start(self, scale: Scale) -> Any:
        """The picture before the first step, which is at ``scale``; not yet brought into its box."""
        if self._spec.init == "noise":
            noise = np.random.default_rng(self._spec.seed).random((1, scale.height, scale.width, 3), np.float32)
            return tf.constant(noise)
        if self._spec.statistic == "neighbours" and self._spec.init == "content":
            return resize(self._recoloured, scale.height, scale.width)
        source = {"content": self._content, "style": self._styles[0][0], "image": self._init_image}
        picture = source[self._spec.init]
        if picture is None:
            raise ValueError("init: image, and no init_image given")
        return resize(picture, scale.height, scale.width)

    def _beside_what_stays(
        self,
        scale: Scale,
        content: Any,
        network: Network | StripNetwork,
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

    def _view(self, pixels: int) -> Network | StripNetwork:
        """How the network looks at a picture of so many pixels: in one piece, or its first blocks in strips."""
        strip_plan = self._strip_plan(pixels)
        return self._network if strip_plan is None else StripNetwork(self._network, strip_plan)


def _tensor(picture: Picture) -> Any:
    return tf.constant(np.asarray(picture, np.float32)[np.newaxis])
