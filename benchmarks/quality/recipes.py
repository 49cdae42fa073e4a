"""Recipes to be compared: presets with some of their numbers changed, read from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nst_batch.sidecar.presets import PRESETS, Preset
from nst_batch.sidecar.setting_values import WORDS
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.transfer.frame import MARGIN
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives.family import make_family
from nst_batch.transfer.spec import VGG19_LAYERS, TransferSpec
from nst_batch.transfer.weights import layer_shape
from nst_batch.worker.session import transfer_spec

_KEYS = frozenset(field.name for field in fields(Preset))
FORWARD_AND_BACKWARD = 2  # a step's gradient by the picture costs what its features cost
MULTIPLY_AND_ADD = 2


@dataclass(frozen=True)
class Recipe:
    """One way to paint: a preset of the program, changed, under a name of its own."""

    name: str
    base: str  # the preset that it changes
    preset: Preset
    init: str = "content"

    @classmethod
    def of(cls, name: str, said: Mapping[str, Any]) -> Recipe:
        """From what a file says: ``preset``, the fields of it that are other, and ``init``, a word of the sidecar's.

        SystemExit where there is no such preset, no such field of it or no such word.
        """
        changed = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
        base, init = str(changed.pop("preset", "fine")), str(changed.pop("init", cls.init))
        if base not in PRESETS:
            raise SystemExit(f"recipe {name}: no preset {base}")
        if init not in WORDS["init"]:
            raise SystemExit(f"recipe {name}: no start {init}")
        if not set(changed) <= _KEYS:
            raise SystemExit(f"recipe {name}: a preset has no {', '.join(sorted(set(changed) - _KEYS))}")
        return cls(name, base, replace(PRESETS[base], **changed), init)

    def spec(self, height: int, width: int) -> TransferSpec:
        """What the engine is asked to paint of a result of that size."""
        asked = {"preset": self.base, "size": max(height, width), "init": self.init}
        settings = resolve(Patch.model_validate(asked))
        return transfer_spec(settings.model_copy(update=self.preset.keys()), height, width, self.preset)

    @property
    def digest(self) -> str:
        """Equal only for recipes that paint the same."""
        # Of the usual start there is no word: what was painted before others could be asked for stays known.
        start = {} if self.init == "content" else {"init": self.init}
        text = json.dumps(vars(self.preset) | start, default=dict, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def read_recipes(path: Path) -> list[Recipe]:
    """Those of a JSON file, ``{name: {"preset": "fine", "learning_rate": 0.05, "epochs": [2, 1, 1]}}``, in order."""
    return [Recipe.of(name, said) for name, said in json.loads(path.read_bytes()).items()]


def teraflops(model: NeuralStyleModel) -> float:
    """Of the convolutions of all steps, forward and backward: what a run costs, whatever computes it."""
    spec = model.spec
    family = make_family(spec)
    margin = MARGIN if spec.framed or spec.family == "neighbours" else 0
    last = max(VGG19_LAYERS.index(layer) for layer in family.layers)
    total = 0
    for scale in model.scales:
        for layer in VGG19_LAYERS[: last + 1]:
            halvings = int(layer[5]) - 1
            _, _, channels, filters = layer_shape(layer)
            positions = ((scale.height + margin) >> halvings) * ((scale.width + margin) >> halvings)
            total += scale.epochs * spec.steps_per_epoch * 9 * channels * filters * positions
    return total * FORWARD_AND_BACKWARD * MULTIPLY_AND_ADD / 1e12
