"""What a generation looks at: its pictures at each scale, and what the picture in the making is compared with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import tensorflow as tf

from nst_batch.transfer import patchwork
from nst_batch.transfer.box import Box, painted_box
from nst_batch.transfer.frame import BARE, FRAMES
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.family import (
    Picture,
    ScaleObjective,
    ScaleSources,
    StatisticsView,
    StyleSource,
    make_family,
)
from nst_batch.transfer.objectives.gram import Gram
from nst_batch.transfer.pyramid import Scale, resize
from nst_batch.transfer.spec import TransferSpec
from nst_batch.transfer.strip_network import StripNetwork
from nst_batch.transfer.strips import StripPlan
from nst_batch.transfer.tensors import Image

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
        self._spec = spec
        self._family = make_family(spec)
        self._network = network
        self._strip_plan = strip_plan
        self._content = _tensor(content)
        seen = self._family.content_seen(content, styles)
        self._content_seen = self._content if seen is content else _tensor(seen)
        keys = style_keys or [None] * len(styles)
        self._styles = [
            StyleSource(_tensor(picture), weight, key) for (picture, weight), key in zip(styles, keys, strict=True)
        ]
        self._init_image = None if init_image is None else _tensor(init_image)
        self._mask = None if mask is None else _tensor(mask)[..., tf.newaxis]

    def objective(self, scale: Scale, anchor: Image, number: int) -> ScaleObjective:
        """The objective of one scale; where it follows the picture, as of ``anchor``, evaluated at ``number``."""
        sources = ScaleSources(
            self._spec,
            scale,
            resize(self._content_seen, scale.height, scale.width),
            [style._replace(picture=self._style_at(scale, style.picture)) for style in self._styles],
            None if self._mask is None else resize(self._mask, scale.height, scale.width),
            FRAMES if self._spec.framed else (BARE,),
            self._network,
            self._view,
        )
        return self._family.at_scale(sources, anchor, number)

    def _style_at(self, scale: Scale, picture: Image) -> Image:
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
        strip_plan = self._strip_plan(scale.height * scale.width)
        return strip_plan is not None and strip_plan.blocks > 0

    def start(self, scale: Scale) -> Image:
        """The picture before the first step, which is at ``scale``; not yet brought into its box."""
        if self._spec.init == "noise":
            noise = np.random.default_rng(self._spec.seed).random((1, scale.height, scale.width, 3), np.float32)
            return tf.constant(noise)
        if self._spec.init == "patches":
            return self._patchwork(scale)
        source = {"content": self._content_seen, "style": self._styles[0].picture, "image": self._init_image}
        picture = source[self._spec.init]
        if picture is None:
            raise ValueError("init: image, and no init_image given")
        return resize(picture, scale.height, scale.width)

    def _patchwork(self, scale: Scale) -> Image:
        factor = patchwork.matched_at(scale.height, scale.width)
        family = Gram((patchwork.LAYER,), ())

        def seen(picture: Image) -> patchwork.Seen:
            smaller = resize(picture, *(max(MIN_STYLE, round(side * factor)) for side in picture.shape[1:3]))
            view = self._view(smaller.shape[1] * smaller.shape[2])
            (features,) = view.content_features(smaller, family).values()
            return patchwork.Seen(np.asarray(picture[0]), np.asarray(tf.cast(features[0], tf.float32)))

        content = seen(resize(self._content_seen, scale.height, scale.width))
        styles = [(seen(self._style_at(scale, style.picture)), style.weight) for style in self._styles]
        return tf.constant(patchwork.patchwork(content, styles)[np.newaxis])

    def _view(self, pixels: int) -> StatisticsView:
        """How the network looks at a picture of so many pixels: in one piece, or its first blocks in strips."""
        strip_plan = self._strip_plan(pixels)
        if strip_plan is None:
            return self._network
        network = self._network if strip_plan.winograd else self._network.plain
        return StripNetwork(network, strip_plan) if strip_plan.blocks else network


def _tensor(picture: Picture) -> Image:
    return tf.constant(np.asarray(picture, np.float32)[np.newaxis])
