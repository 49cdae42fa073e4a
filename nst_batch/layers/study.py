"""Every layer looked at in turn: its filters' patterns, and what it has to say of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nst_batch.transfer.spec import VGG19_LAYERS

if TYPE_CHECKING:
    from nst_batch.transfer.network import Network

Floats = NDArray[np.float32]

LAYERS = VGG19_LAYERS
FILTERS = 6  # of a layer that are shown
SIDE = 160  # pixels, the long one of an image as the network is shown it


@dataclass(frozen=True)
class ImageView:
    """What a layer has of an image. ``maps`` are (h, w) in [0, 1], one a filter shown, each by its own maximum.

    ``gram`` is (N, N) in [0, 1]; ``content`` and ``style``, (H, W, 3) in [0, 1], are rebuilt from the layer alone.
    """

    maps: tuple[Floats, ...]
    gram: Floats
    content: Floats
    style: Floats


@dataclass(frozen=True)
class LayerView:
    """A layer: how many pixels its filters see, those shown, their patterns (N, side, side, 3), and the images."""

    layer: str
    seen: int
    filters: tuple[int, ...]
    patterns: Floats
    images: tuple[ImageView, ...]


def study(network: Network, images: Sequence[Floats], tick: Callable[[], object]) -> Iterator[LayerView]:
    """The 16 layers in order, of ``images`` (H, W, 3) in [0, 1]; ``tick`` is called after each step."""
    from nst_batch.transfer.visualization import patterns, rebuilt, responses  # noqa: PLC0415 - loads TensorFlow

    answers = [responses.responses(network, image, LAYERS) for image in images]
    for layer in LAYERS:
        found = [answer[layer] for answer in answers]
        filters = responses.telling_filters(found, network.filters(layer), FILTERS)
        yield LayerView(
            layer,
            patterns.seen_pixels(layer),
            filters,
            patterns.patterns(network, layer, filters, tick),
            tuple(
                ImageView(
                    tuple(_scaled(features[..., number]) for number in filters),
                    _lightened(responses.gram(features)),
                    rebuilt.from_content(network, layer, image, tick),
                    rebuilt.from_style(network, layer, image, tick),
                )
                for image, features in zip(images, found, strict=True)
            ),
        )


def _lightened(matrix: Floats) -> Floats:
    """The square root of ``matrix``, in which the weak are seen too, by what all but a hundredth keep below."""
    root = np.sqrt(np.maximum(matrix, 0.0))
    return np.clip(root / max(float(np.quantile(root, 0.99)), 1e-12), 0.0, 1.0).astype(np.float32)


def _scaled(plane: Floats) -> Floats:
    """``plane`` by its maximum; nought where it is nought everywhere."""
    return (plane / max(float(plane.max()), 1e-12)).astype(np.float32)
