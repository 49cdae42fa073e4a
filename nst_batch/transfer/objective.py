"""What is minimised: targets, layer weights and factors of one scale, and the losses of a picture.

The factors make the user's weights mean the same at every size and for every choice of layers. With n the
number of pixels, P_l the content's features and A_l the style's Gram matrices:

- content: content_weight · n / Σ w_l ½ ‖P_l‖²: the share of the content's features that is lost;
- style: style_weight · n / Σ w_l ‖A_l / M_l‖² / (4 N_l²): the style loss relative to that of no style at all;
- tv: tv_weight, since tv is itself a sum over pixels.

Each term, and so the gradient at one pixel, is then the same at every size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.losses import (
    content_loss,
    gram_matrix,
    positions,
    style_layer_loss,
    total_variation,
)
from nst_batch.transfer.spec import TransferSpec

_NOTHING = 1e-12  # a content or style without any features (relative to one pixel) does not divide by nought


@dataclass(frozen=True)
class Layers:
    """The layers of one objective, in order; equal ones share a trace."""

    content: tuple[str, ...]
    style: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.content + self.style))


@dataclass(frozen=True)
class Targets:
    """What a picture of one scale is compared with, as tensors.

    ``content``: features per layer; ``grams``: Gram matrices divided by their positions, per layer, blended
    over the style images.
    """

    content: Mapping[str, Any]
    grams: Mapping[str, Any]


@dataclass(frozen=True)
class Balance:
    """The numbers that join the losses of one scale: Σ of each mapping is 1."""

    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content: float
    style: float
    tv: float

    @property
    def factors(self) -> dict[str, float]:
        """What multiplies the losses, as it stands in the log."""
        return {"content": self.content, "style": self.style, "tv": self.tv}

    def losses(self, report: NDArray[Any]) -> tuple[float, float, float]:
        """content, style and tv of a loss report, joined in double precision as a reader of the log would."""
        values = [float(value) for value in report]
        split = len(self.content_layers)
        content = zip(self.content_layers.values(), values[:split], strict=True)
        style = zip(self.style_layers.values(), values[split:-2], strict=True)
        return sum(w * loss for w, loss in content), sum(w * loss for w, loss in style), values[-2]

    def total(self, report: NDArray[Any]) -> float:
        """Σ factor · loss of :meth:`losses`."""
        losses = self.losses(report)
        return sum(factor * loss for factor, loss in zip(self.factors.values(), losses, strict=True))

    def tensors(self) -> tuple[Any, Any, Any]:
        """Content layers, style layers, factors: each a float32 vector."""
        rows = (self.content_layers.values(), self.style_layers.values(), self.factors.values())
        return tuple(tf.constant(list(row), tf.float32) for row in rows)


def balance(spec: TransferSpec, targets: Targets, pixels: int) -> Balance:
    """The layer weights and factors of ``spec`` for the ``targets`` of a scale of so many pixels."""
    content = _normalised(spec.content_layers)
    energies = {layer: float(content_loss(targets.content[layer], 0.0)) for layer in content}
    norms = {layer: _norm(targets.grams[layer]) for layer in spec.style_layers}
    style = dict(spec.style_layers)
    if spec.statistic == "gram_relative":
        style = {layer: weight / max(norms[layer], _NOTHING) for layer, weight in style.items()}
    style = _normalised(style)
    content_scale = sum(weight * energies[layer] for layer, weight in content.items())
    style_scale = sum(weight * norms[layer] for layer, weight in style.items())
    return Balance(
        content,
        style,
        spec.content_weight * pixels / max(content_scale, _NOTHING * pixels),
        spec.style_weight * pixels / max(style_scale, _NOTHING),
        spec.tv_weight,
    )


def content_targets(features: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    """The features to keep, per content layer."""
    return {layer: features[layer] for layer in layers.content}


def style_statistics(features: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    """The Gram matrix per style layer, divided by its positions."""
    return {layer: gram_matrix(features[layer]) / positions(features[layer]) for layer in layers.style}


def blend(statistics: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """The weighted mean of the statistics of several style images."""
    shares = [weight / sum(weights) for weight in weights]
    first = statistics[0]
    return {
        layer: tf.add_n([share * one[layer] for share, one in zip(shares, statistics, strict=True)]) for layer in first
    }


def loss_report(features: Mapping[str, Any], image: Any, layers: Layers, targets: Targets, weights: Any) -> Any:
    """All losses of a picture as one vector: L per content layer, E per style layer, tv, and the total.

    ``weights`` are :meth:`Balance.tensors`. The total, the last entry, is what the optimiser descends on.
    """
    content_weights, style_weights, factors = weights
    content = tf.stack([content_loss(features[layer], targets.content[layer]) for layer in layers.content])
    style = tf.stack(
        [
            style_layer_loss(gram_matrix(features[layer]), positions(features[layer]), targets.grams[layer], 1.0)
            for layer in layers.style
        ]
    )
    tv = total_variation(image)
    joined = tf.stack([tf.reduce_sum(content_weights * content), tf.reduce_sum(style_weights * style), tv])
    return tf.concat([content, style, [tv, tf.reduce_sum(factors * joined)]], axis=0)


def _norm(gram: Any) -> float:
    return float(style_layer_loss(gram, 1.0, tf.zeros_like(gram), 1.0))


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {layer: weight / total for layer, weight in weights.items()}
