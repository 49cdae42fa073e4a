"""A whole generation by nearest neighbours: its scales, its log, its resume; masks and blends as with statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import through_bytes, waves

from nst_batch.transfer.network import Network
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives import neighbours
from nst_batch.transfer.spec import AdamSpec, TransferSpec

LAYERS = {"block1_conv2": 1.0, "block2_conv1": 1.0, "block3_conv1": 2.0}
SPEC = TransferSpec(
    height=128,
    width=160,
    content_layers={"block3_conv1": 1.0, "block3_conv2": 3.0},
    style_layers=LAYERS,
    content_weight=0.25,
    style_weight=2.0,
    tv_weight=0.01,
    optimizer=AdamSpec(0.004, 0.9, 0.999, 1e-8, final=0.1, levels=4),
    scales=2,
    epochs=3,
    steps_per_epoch=3,
    family="neighbours",
)


@pytest.fixture(autouse=True)
def _renewed_soon(monkeypatch):
    """Matches of the closing scale hold for two steps, so that a short run sees new ones."""
    monkeypatch.setattr(neighbours, "RENEWED_EVERY", 2)


@pytest.fixture(scope="module")
def pictures():
    return waves(128, 160, 0.0), waves(100, 90, 1.3)


def make(network, pictures, *, styles=None, mask=None, **changes):
    content, style = pictures
    return NeuralStyleModel(content, styles or [(style, 1.0)], replace(SPEC, **changes), network, mask=mask)


def test_scales_and_what_the_log_says(network, pictures):
    """Hypercolumns from coarse to fine, then each layer for itself at the same size; the losses add up."""
    steps = list(make(network, pictures).steps())
    assert [(step.scale, step.height) for step in steps] == [(1, 64)] * 3 + [(2, 128)] * 3 + [(3, 128)] * 3
    for step in steps:
        assert list(step.style_layers) == [*(["hypercolumn"] if step.scale < 3 else LAYERS), "colors"]
        assert list(step.content_layers) == list(SPEC.content_layers)
        assert step.content == pytest.approx(
            (step.content_layers["block3_conv1"] + 3 * step.content_layers["block3_conv2"]) / 4
        )
        joined = {"content": step.content, "style": step.style, "tv": step.tv}
        assert step.total == sum(step.weights[name] * loss for name, loss in joined.items())
        assert step.weights["style"] == 2.0 * step.height * step.width
        assert step.weights["content"] == 0.25 * step.height * step.width
        assert all(0.0 < loss < 2.0 for loss in (*step.style_layers.values(), *step.content_layers.values()))
    last = steps[-1].style_layers
    assert steps[-1].style == pytest.approx(
        0.9 * (last["block1_conv2"] + last["block2_conv1"] + 2 * last["block3_conv1"]) / 4 + 0.1 * last["colors"]
    )


def test_each_part_gains_on_its_loss(network, pictures):
    """Ten steps against one set of matches come nearer to them."""
    steps = list(make(network, pictures, steps_per_epoch=10).steps())
    for scale in (1, 2):
        mine = [step.style for step in steps if step.scale == scale]
        assert mine[-1] < 0.9 * mine[0]


def test_a_content_weight_keeps_the_content(network, pictures):
    """With it the picture ends nearer to the content's features and farther from the style's; layers may be any."""
    free, kept = (
        list(make(network, pictures, content_weight=weight, steps_per_epoch=10).steps())[-1] for weight in (0.0, 5.0)
    )
    assert kept.content < 0.8 * free.content
    assert kept.style > free.style
    alone = make(network, pictures, content_layers={}, content_weight=0.0, steps_per_epoch=10)
    assert [step.style for step in alone.steps()][-1] == pytest.approx(free.style, rel=1e-4)


def test_a_picture_in_its_own_style_is_there_already(network, pictures, monkeypatch):
    """Shown in the same frame, each of its places is the one most like itself, its colours as they should be."""
    monkeypatch.setattr(neighbours, "FRAMES", neighbours.FRAMES[:1])
    still = AdamSpec(1e-6, levels=4)
    own, other = (
        next(make(network, pictures, styles=[(each, 1.0)], scales=1, tv_weight=0.0, optimizer=still).steps()).style
        for each in pictures
    )
    assert own < 1e-4
    assert other > 0.01


@pytest.mark.parametrize("masked", [False, True])
def test_a_resumed_one_is_bit_equal(network, pictures, masked):
    """Within a scale, at its end, and in the closing scale between two renewals and at one."""
    mask = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (128, 1)) if masked else None
    whole, first = (make(network, pictures, mask=mask) for _ in range(2))
    totals = [step.total for step in whole.steps()]
    for step in first.steps():
        if step.step in (2, 3, 7, 8):
            second = make(network, pictures, mask=mask)
            second.restore(through_bytes(first.state()))
            assert [each.total for each in second.steps()] == totals[step.step :]
            np.testing.assert_array_equal(second.image(), whole.image())


def test_what_is_not_painted_stays(network, pictures):
    """To the bit; the rest changes."""
    mask = np.zeros((128, 160), np.float32)
    mask[:, 80:] = 1.0
    model = make(network, pictures, mask=mask)
    list(model.steps())
    np.testing.assert_array_equal(model.image()[:, :78], pictures[0][:, :78])
    assert np.abs(model.image() - pictures[0])[:, 90:].mean() > 0.01


def test_a_blend_matches_in_each_style(network, pictures):
    """A style blended with itself is itself; with another one it is not."""
    style = pictures[1]

    def first(styles):
        return next(make(network, pictures, styles=styles, scales=1, seed=4).steps()).style

    alone = first([(style, 1.0)])
    assert first([(style, 0.25), (style, 0.75)]) == pytest.approx(alone, rel=1e-3)
    assert first([(style, 0.5), (1.0 - style, 0.5)]) != pytest.approx(alone, rel=1e-2)


def test_the_seed_decides_which_places_of_a_style_are_known(network, pictures):
    """The same seed gives the same picture, another one another."""
    images = []
    for seed in (1, 1, 2):
        model = make(network, pictures, seed=seed, scales=1, epochs=2)
        list(model.steps())
        images.append(model.image())
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_bfloat16_follows_float32(weights, network, pictures):
    """The first losses agree within a few percent."""
    rounded = Network(weights, network.device, "bfloat16")
    found = [next(make(one, pictures, scales=1).steps()).style for one in (network, rounded)]
    assert found[1] == pytest.approx(found[0], rel=0.1)


def test_traces_do_not_grow_with_shapes(weights, network):
    """Pictures of many shapes share the traced programs."""
    fresh, found = Network(weights, network.device, "float32"), []
    for size in (64, 69, 74):
        picture = waves(size, size + 5, 0.0)
        spec = replace(SPEC, height=size, width=size + 5, scales=1, epochs=2)
        list(NeuralStyleModel(picture, [(picture, 1.0)], spec, fresh).steps())
        found.append(fresh.traces())
    assert found == [found[0]] * 3
