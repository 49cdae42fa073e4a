"""What one generation is asked to do, as plain numbers. No paths, no files: those are the worker's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nst_batch.transfer.objectives.families import FamilyName

VGG19_LAYERS = tuple(
    f"block{block}_conv{conv}" for block, convs in enumerate((2, 2, 4, 4, 4), start=1) for conv in range(1, convs + 1)
)
Precision = Literal["float32", "bfloat16"]


def block_of(layer: str) -> int:
    """The number of a layer's block."""
    return int(layer[5])


@dataclass(frozen=True)
class AdamSpec:
    """Adam (Kingma and Ba 2015). The TensorFlow tutorial's numbers are lr 0.02, β1 0.99, ε 0.1.

    The rate falls evenly over each scale, from ``learning_rate`` to ``final`` times that. With ``levels`` above 1 it
    moves the levels of the picture's Laplacian pyramid (laplacian.py).
    """

    learning_rate: float = 0.02
    beta_1: float = 0.99
    beta_2: float = 0.999
    epsilon: float = 0.1
    final: float = 1.0
    levels: int = 1


@dataclass(frozen=True)
class LbfgsSpec:
    """L-BFGS projected on [0, 1]; ``learning_rate`` is the length of the first trial step after a restart."""

    learning_rate: float = 1.0
    history: int = 20


@dataclass(frozen=True)
class TransferSpec:
    """One generation: sizes, layers, weights, optimiser, start.

    ``height`` and ``width`` are those of the result, the last scale. ``epochs`` are over all scales; a scale
    gets whole epochs. Layer weights are normalised to a sum of 1 by the engine.
    """

    height: int
    width: int
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content_weight: float
    style_weight: float
    tv_weight: float
    optimizer: AdamSpec | LbfgsSpec = field(default_factory=AdamSpec)
    epochs: int | tuple[int, ...] = 10  # or of each scale, coarse to fine
    steps_per_epoch: int = 100
    scales: int = 1
    init: Literal["content", "noise", "style", "patches", "image"] = "content"
    seed: int = 0
    stop_when_flat: float = 0.0
    family: FamilyName = "gram"  # of objectives: what of a style is compared
    framed: bool = False  # shown in a reflected margin, at another place on the pooling grid each step (frame.py)

    @property
    def total_epochs(self) -> int:
        """Those of all scales."""
        return self.epochs if isinstance(self.epochs, int) else sum(self.epochs)
