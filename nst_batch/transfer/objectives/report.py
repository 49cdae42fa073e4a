"""The losses of one picture as one vector, and the numbers that join them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.tensors import Report, Scalar, Vector


@dataclass(frozen=True)
class Balance:
    """The numbers that join the losses of one scale: Σ of each mapping is 1, or it is empty."""

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

    def tensors(self) -> tuple[Vector, Vector, Vector]:
        """Content layers, style layers, factors."""
        rows = (self.content_layers.values(), self.style_layers.values(), self.factors.values())
        return tuple(tf.constant(list(row), tf.float32) for row in rows)


def joined_report(content: Vector, style: Vector, tv: Scalar, weights: tuple[Vector, Vector, Vector]) -> Report:
    """L per content layer, E per style layer, tv and, last, the total, which is what the optimiser descends on.

    ``weights`` are :meth:`Balance.tensors`.
    """
    content_weights, style_weights, factors = weights
    joined = tf.stack([tf.reduce_sum(content_weights * content), tf.reduce_sum(style_weights * style), tv])
    return tf.concat([content, style, [tv, tf.reduce_sum(factors * joined)]], axis=0)


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights over their sum."""
    total = sum(weights.values())
    return {layer: weight / total for layer, weight in weights.items()}
