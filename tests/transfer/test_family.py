"""The interface of objectives: what each family says of itself fits, and a new one paints by that interface alone."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import waves

from nst_batch.sidecar.presets import PRESETS
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives import families
from nst_batch.transfer.objectives.families import FAMILIES, FamilyFacts
from nst_batch.transfer.objectives.family import Family, ScaleObjective, Targets, make_family
from nst_batch.transfer.objectives.report import Balance
from nst_batch.transfer.spec import TransferSpec

LAYERS = {"block1_conv1": 1.0, "block2_conv2": 2.0}
SPEC = TransferSpec(64, 80, {"block2_conv1": 1.0}, LAYERS, 0.1, 1.0, 0.01, epochs=2, steps_per_epoch=2)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_reports_what_it_says(network, name):
    """In every scale; equal specs make equal families, which share their traces."""
    spec = replace(SPEC, family=name)
    assert make_family(spec) == make_family(replace(spec, seed=3))
    assert hash(make_family(spec)) == hash(make_family(replace(spec, seed=3)))
    model = NeuralStyleModel(waves(64, 80, 0.0), [(waves(70, 60, 1.0), 1.0)], spec, network)
    assert model.scales[-1].closing == FAMILIES[name].closing
    steps = list(model.steps())
    assert len(steps) == 4
    for step in steps:
        assert set(step.content_layers) == set(spec.content_layers)
        assert step.style_layers
        assert all(loss > 0.0 for loss in (*step.content_layers.values(), *step.style_layers.values()))
    assert ("anchor" in model.state()) == FAMILIES[name].follows


def test_every_preset_names_a_family():
    """And each family that there is can be asked for."""
    assert {preset.family for preset in PRESETS.values()} == set(FAMILIES)


@dataclass(frozen=True)
class MeanColour(Family):
    """The picture's mean colour shall be the styles': as little as a family can be."""

    name: str

    @classmethod
    def of(cls, spec):
        return cls(next(iter(spec.style_layers)))

    @property
    def layers(self):
        return (self.name,)

    @property
    def reported(self):
        return (), ("colour",)

    def at_scale(self, sources, anchor, number):
        colours = [tf.reduce_mean(style.picture, axis=[0, 1, 2]) for style in sources.styles]
        balance = Balance({}, {"colour": 1.0}, 0.0, 1e4 * sources.spec.style_weight, 0.0)
        return ScaleObjective(sources.network, self, (Targets((), tf.add_n(colours) / len(colours)),), balance)

    def target_specs(self, filters, precision):
        return (), tf.TensorSpec([3], tf.float32)

    def losses(self, features: Any, shown: Any, content: Any, style: Any) -> Any:
        mean = tf.reduce_mean(shown, axis=[0, 1, 2])
        return tf.zeros([0]), tf.reduce_sum(tf.square(mean - style))[tf.newaxis]


def test_a_new_family_is_a_class_and_an_entry(network, monkeypatch):
    """No other file knows it, and it paints: scales, steps, the log."""
    module = types.ModuleType("nst_batch.transfer.objectives.mean_colour")
    module.MeanColour = MeanColour
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with_it = {**FAMILIES, "mean_colour": FamilyFacts("mean_colour.MeanColour")}
    for each in (families, sys.modules["nst_batch.transfer.neural_style"], sys.modules[Family.__module__]):
        monkeypatch.setattr(each, "FAMILIES", with_it)
    style = np.full((40, 40, 3), 0.25, np.float32)
    spec = replace(SPEC, family="mean_colour", content_layers={}, scales=2, epochs=2, steps_per_epoch=20, height=128)
    model = NeuralStyleModel(waves(128, 80, 0.0), [(style, 1.0)], spec, network)
    losses = [step.style for step in model.steps()]
    assert losses[-1] < losses[0] / 4
