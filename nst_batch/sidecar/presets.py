"""The recipes: what each preset sets. A new one is one entry of :data:`PRESETS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from nst_batch.transfer.objectives.families import FAMILIES, FamilyFacts, FamilyName
from nst_batch.transfer.spec import VGG19_LAYERS

CONTENT_LAYERS: Mapping[str, float] = MappingProxyType({"block5_conv2": 1.0})
STYLE_LAYERS: Mapping[str, float] = MappingProxyType({f"block{block}_conv1": 1.0 for block in range(1, 6)})
_PRESET_ONLY = frozenset(("beta_1", "beta_2", "epsilon", "final_rate", "levels", "family", "framed", "loss_scale"))
LEARNING_RATES = {"adam": 0.02, "lbfgs": 1.0}  # where the optimiser is not the preset's own


@dataclass(frozen=True)
class Preset:
    """One recipe: what it sets of the keys a person may write, and what only a preset sets."""

    epochs: int | tuple[int, ...]  # over all scales, or of each, coarse to fine
    steps_per_epoch: int
    content_weight: float
    style_weight: float
    tv_weight: float
    optimizer: Literal["adam", "lbfgs"] = "adam"
    learning_rate: float = LEARNING_RATES["adam"]
    scales: int = 1
    content_layers: Mapping[str, float] = field(default_factory=lambda: CONTENT_LAYERS)
    style_layers: Mapping[str, float] = field(default_factory=lambda: STYLE_LAYERS)
    beta_1: float = 0.99
    beta_2: float = 0.999
    epsilon: float = 0.1
    final_rate: float = 1.0  # of Adam's rate, what is left of it at the end of each scale
    levels: int = 1  # of a Laplacian pyramid that Adam moves in place of pixels
    family: FamilyName = "gram"  # of objectives (transfer/objectives/)
    framed: bool = False  # shown in a margin, at another place on the pooling grid each step (transfer/frame.py)
    # Multiplies all three weights. Adam's ε of 0.1 is an absolute number, so the size of the loss matters to it; a
    # person's weights stay small numbers that mean the same in every preset.
    loss_scale: float = 1.0

    def keys(self) -> dict[str, Any]:
        """The values this preset gives to keys that a person may write as well."""
        return {name: value for name, value in vars(self).items() if name not in _PRESET_ONLY}

    def epochs_for(self, scales: int) -> int | tuple[int, ...]:
        """Its ``epochs`` where a person asks for so many scales.

        Numbers a scale are counted from the finest: those of scales that are not there go to the coarsest one, and
        coarser ones than it has get as many as its coarsest.
        """
        if isinstance(self.epochs, int):
            return self.epochs
        folded = len(self.epochs) - scales
        if folded < 0:
            return (*self.epochs[:1] * -folded, *self.epochs)
        return (sum(self.epochs[: folded + 1]), *self.epochs[folded + 1 :])


# The paper's recipe with the numbers of TensorFlow's style-transfer tutorial where it gives none. All weights multiply
# relative losses (transfer/objectives/statistics.py) and were chosen by looking; docs/decisions.md says at what.
CLASSIC = Preset(
    epochs=10, steps_per_epoch=100, content_weight=0.01, style_weight=1.0, tv_weight=0.01, loss_scale=10_000.0
)
# The look of a style is in its fine layers, and the deep ones bend the content: weights that fall with depth.
FALLING = MappingProxyType({f"block{block}_conv1": 2.0 ** (5 - block) for block in range(1, 6)})
# Its features at block4_conv2 hold the scene, those at block5_conv2, which are far smaller, faces and arches.
HOLDING = MappingProxyType({"block4_conv2": 1.0, "block5_conv2": 30.0})
# The best we can do: coarse to fine, means and covariances of every style layer by their relative error, an Adam that
# hurries and comes to rest, no pooling grid to lean on.
FINE = Preset(
    epochs=4,
    steps_per_epoch=40,
    content_weight=0.05,
    style_weight=1.0,
    tv_weight=0.04,
    learning_rate=0.04,
    scales=4,
    content_layers=HOLDING,
    style_layers=FALLING,
    beta_1=0.9,
    beta_2=0.99,
    epsilon=1e-8,
    final_rate=0.1,
    levels=2,
    family="moments",
    framed=True,
)
# A quick look at what fine would make: the same way with a third of its time, in a greater hurry, and with most steps
# where they cost least. So few would lose more of the content, which its weight makes up for (decisions.md).
DRAFT = replace(FINE, epochs=(3, 3, 3, 2), steps_per_epoch=5, learning_rate=0.06, content_weight=0.07)
# Nearest neighbours in place of statistics (transfer/objectives/neighbours.py).
NNST = Preset(
    epochs=5,
    steps_per_epoch=50,
    content_weight=0.1,
    style_weight=1.0,
    tv_weight=0.0,
    learning_rate=0.004,
    scales=5,
    content_layers=MappingProxyType({"block4_conv2": 1.0}),
    style_layers=MappingProxyType({layer: 1.0 for layer in VGG19_LAYERS if layer < "block5"}),
    beta_1=0.9,
    epsilon=1e-8,
    final_rate=0.1,
    levels=6,
    family="neighbours",
)
PRESETS: Mapping[str, Preset] = MappingProxyType({"classic": CLASSIC, "draft": DRAFT, "fine": FINE, "nnst": NNST})
DEFAULT_PRESET = "fine"


def family_of(name: str) -> FamilyFacts:
    """What has to be known of the family of objectives of the preset of this name."""
    return FAMILIES[PRESETS[name].family]
