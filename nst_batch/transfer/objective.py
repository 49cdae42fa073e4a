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

from nst_batch.transfer.frame import BARE, Frame
from nst_batch.transfer.losses import (
    content_loss,
    gram_matrix,
    moment_sums,
    moments,
    moments_layer_loss,
    positions,
    style_layer_loss,
    total_variation,
    weighted_sums,
)
from nst_batch.transfer.spec import TransferSpec

_NOTHING = 1e-12  # a content or style without any features (relative to one pixel) does not divide by nought


@dataclass(frozen=True)
class Layers:
    """The layers of one objective, in order; equal ones share a trace."""

    content: tuple[str, ...]
    style: tuple[str, ...]
    moments: bool = False  # what is compared of a style layer: means and covariances, or the Gram matrix

    @classmethod
    def of(cls, spec: TransferSpec) -> Layers:
        """The layers that ``spec`` names."""
        return cls(tuple(spec.content_layers), tuple(spec.style_layers), spec.statistic == "moments")

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.content + self.style))


@dataclass(frozen=True)
class Targets:
    """What a picture of one scale is compared with, as tensors.

    ``content``: features per layer; ``style``: the statistic per layer (:func:`style_statistics`), blended over the
    style images; ``frame``: in which the picture is shown, as the content was.
    """

    content: Mapping[str, Any]
    style: Mapping[str, Any]
    frame: Frame = BARE


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
        return sum((w * loss for w, loss in content), 0.0), sum(w * loss for w, loss in style), values[-2]

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
    nothing = {layer: tf.zeros_like(statistic) for layer, statistic in targets.style.items()}
    norms = dict(zip(targets.style, style_losses(nothing, Layers.of(spec), targets).numpy().tolist(), strict=True))
    style = dict(spec.style_layers)
    if spec.statistic != "gram":
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


def block_of(layer: str) -> int:
    """The number of a layer's block."""
    return int(layer[5])


def style_sums(features: Mapping[str, Any], layers: Layers, weights: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Per style layer, a sum over positions that holds its statistic: those of a picture's parts add up to its own.

    ``weights`` (1, h, w, 1 per style layer) count positions; None counts each once.
    """
    if weights is not None:
        return {n: weighted_sums(features[n], weights[n], with_means=layers.moments) for n in layers.style}
    sums = moment_sums if layers.moments else gram_matrix
    return {layer: sums(features[layer]) for layer in layers.style}


def style_statistics(sums: Mapping[str, Any], counts: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    """Per style layer, :func:`style_sums` over so many positions as a Gram matrix of one position, or as moments."""
    if layers.moments:
        return {layer: moments(sums[layer], counts[layer]) for layer in layers.style}
    return {layer: sums[layer] / counts[layer] for layer in layers.style}


def style_positions(features: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    """The number of positions per style layer."""
    return {layer: positions(features[layer]) for layer in layers.style}


def blend(statistics: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """The weighted mean of the statistics of several style images."""
    shares = [weight / sum(weights) for weight in weights]
    first = statistics[0]
    return {
        layer: tf.add_n([share * one[layer] for share, one in zip(shares, statistics, strict=True)]) for layer in first
    }


def style_losses(statistics: Mapping[str, Any], layers: Layers, targets: Targets) -> Any:
    """E per style layer, as one vector."""
    if layers.moments:
        return tf.stack([moments_layer_loss(statistics[layer], targets.style[layer]) for layer in layers.style])
    return tf.stack([style_layer_loss(statistics[layer], 1.0, targets.style[layer], 1.0) for layer in layers.style])


def loss_report(features: Mapping[str, Any], image: Any, layers: Layers, targets: Targets, weights: Any) -> Any:
    """All losses of a picture as one vector: L per content layer, E per style layer, tv, and the total.

    ``weights`` are :meth:`Balance.tensors`. The total, the last entry, is what the optimiser descends on.
    """
    content = tf.stack([content_loss(features[layer], targets.content[layer]) for layer in layers.content])
    statistics = style_statistics(style_sums(features, layers), style_positions(features, layers), layers)
    return joined_report(content, style_losses(statistics, layers, targets), total_variation(image), weights)


def joined_report(content: Any, style: Any, tv: Any, weights: Any) -> Any:
    """The report of :func:`loss_report` from L per content layer, E per style layer and tv."""
    content_weights, style_weights, factors = weights
    joined = tf.stack([tf.reduce_sum(content_weights * content), tf.reduce_sum(style_weights * style), tv])
    return tf.concat([content, style, [tv, tf.reduce_sum(factors * joined)]], axis=0)


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {layer: weight / total for layer, weight in weights.items()}
