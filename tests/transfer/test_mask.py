"""A part of a picture is painted, the rest stays; the part alone takes on the style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from conftest import TWO_SCALES, through_bytes, waves

from nst_batch.transfer.box import painted_box
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.network import Network
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives.gram import Gram
from nst_batch.transfer.objectives.moments import Moments
from nst_batch.transfer.spec import LbfgsSpec
from nst_batch.transfer.strip_network import StripNetwork
from nst_batch.transfer.strips import StripPlan

LAYERS = (("block2_conv2",), ("block1_conv1", "block3_conv2", "block4_conv1"))
ADAM, LBFGS = TWO_SCALES.optimizer, LbfgsSpec(history=3)
SPEC = TWO_SCALES


@pytest.fixture(scope="module")
def mask():
    """Left not painted, right painted, a slope between them."""
    return np.tile(np.clip((np.arange(160) - 70) / 20, 0, 1).astype(np.float32), (128, 1))


def make(network, mask, **changes):
    content, style = waves(128, 160, 0.0), waves(100, 90, 1.3)
    return NeuralStyleModel(content, [(style, 1.0)], replace(SPEC, **changes), network, mask=mask), content


def test_box_by_hand():
    """content + mask · (p − content) at p = 0 and p = 1."""
    low, high = painted_box(tf.constant([[[[0.2, 0.5, 1.0]]]]), tf.constant([[[[0.25]]]]))
    np.testing.assert_allclose(low[0, 0, 0], [0.15, 0.375, 0.75], rtol=1e-6)
    np.testing.assert_allclose(high[0, 0, 0], [0.4, 0.625, 1.0], rtol=1e-6)


@pytest.mark.parametrize("kind", [Gram, Moments])
def test_weighted_sums_count_positions(kind):
    """A weight of 0 leaves a position out, one of 2 counts it twice."""
    features = np.random.default_rng(2).random((1, 1, 3, 4), np.float32)
    weights = np.array([0, 1, 2], np.float32).reshape(1, 1, 3, 1)
    repeated = features[:, :, [1, 2, 2]]
    np.testing.assert_allclose(kind.layer_sums(features, weights), kind.layer_sums(repeated), rtol=1e-5)


@pytest.mark.parametrize("kind", [Gram, Moments])
def test_target_is_that_of_a_picture_whose_painted_part_has_the_style(kind):
    """Kept and painted positions put side by side have exactly the statistic that is aimed at."""
    family = kind((), ("block1_conv1",))
    generator = np.random.default_rng(4)
    kept, painted = (generator.random((1, 5, width, 6), np.float32) for width in (3, 7))

    def statistic(features):
        found = {"block1_conv1": tf.constant(features)}
        return family.statistics(family.sums(found), family.positions(found))

    stays = {"block1_conv1": tf.constant(np.repeat([1.0, 0.0], (3, 7)).reshape(1, 1, 10, 1).repeat(5, 1), tf.float32)}
    # What is painted over does not matter.
    whole = np.concatenate([kept, generator.random((1, 5, 7, 6), np.float32)], axis=2)
    sums = family.sums({"block1_conv1": tf.constant(whole)}, stays)
    found = family.beside(statistic(painted), sums, stays)["block1_conv1"]
    expected = statistic(np.concatenate([kept, painted], axis=2))["block1_conv1"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [Gram, Moments])
@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_sums_are_the_same_in_strips(network, blocks, kind):
    """Also where pooling leaves a last odd row or column out."""
    family = kind(*LAYERS)
    image = tf.constant(waves(107, 75, 0.3)[np.newaxis])
    plane = tf.constant(np.random.default_rng(1).random((1, 107, 75, 1), np.float32))
    whole = network.weighted_sums(image, family, plane)
    in_strips = StripNetwork(network, StripPlan(blocks, 75 * 64 * 34)).weighted_sums(image, family, plane)
    for layer in family.style:
        scale = float(tf.reduce_max(tf.abs(whole[layer])))
        np.testing.assert_allclose(in_strips[layer] / scale, whole[layer] / scale, atol=1e-4)
    positions = family.positions(network.extractor(family.style)(image))
    for layer, weights in position_weights(plane, family.style).items():
        assert int(tf.size(weights)) == int(positions[layer])


@pytest.mark.parametrize("optimizer", [ADAM, LBFGS])
@pytest.mark.parametrize("init", ["content", "noise", "style"])
def test_what_is_not_painted_stays_to_the_bit(network, mask, optimizer, init):
    """At every step; what is painted changes, and a pixel between the two stays within its mixture."""
    model, content = make(network, mask, optimizer=optimizer, init=init)
    for step in model.steps():
        if step.height == 128:
            np.testing.assert_array_equal(model.image()[:, :71], content[:, :71])
    low, high = painted_box(content, mask[..., np.newaxis])
    image = model.image()
    assert (image >= low).all()
    assert (image <= high).all()
    assert np.abs(image - content)[:, 100:].mean() > 0.004


def test_style_as_strong_as_without_a_mask(network, mask):
    """A painted pixel, far from what stays, feels the style with the weight it has where all is painted."""
    whole, _ = make(network, None, scales=1, epochs=1, steps_per_epoch=1)
    part, _ = make(network, mask, scales=1, epochs=1, steps_per_epoch=1)
    (every,), (some,) = whole.steps(), part.steps()
    share = float(mask.mean())
    assert some.weights["style"] == pytest.approx(every.weights["style"] / share, rel=1e-4)
    assert some.weights["content"] == every.weights["content"]


@pytest.mark.parametrize("optimizer", [ADAM, LBFGS])
def test_a_white_mask_paints_as_none_does(network, optimizer):
    """The same losses at every step, within rounding."""
    runs = [make(network, mask, optimizer=optimizer)[0] for mask in (None, np.ones((128, 160), np.float32))]
    totals = [[step.total for step in model.steps()] for model in runs]
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)


@pytest.mark.parametrize("optimizer", [ADAM, LBFGS])
def test_a_resumed_one_is_bit_equal(network, mask, optimizer):
    """Through a checkpoint's bytes, in the coarse scale and in the fine one."""
    whole, first = (make(network, mask, optimizer=optimizer)[0] for _ in range(2))
    list(whole.steps())
    for step in first.steps():
        if step.step in (3, 6):
            second, _ = make(network, mask, optimizer=optimizer)
            second.restore(through_bytes(first.state()))
            list(second.steps())
            np.testing.assert_array_equal(second.image(), whole.image())


def test_traces_do_not_grow_with_masks(weights, network):
    """Masks of many shapes share their programs, and so do pictures without one, also after a checkpoint."""
    fresh = Network(weights, network.device, "float32")
    found = []
    for size in range(64, 70):
        picture, mask = waves(size, size + 5, 0.0), np.eye(size, size + 5, dtype=np.float32)
        for each in (None, mask):
            spec = replace(SPEC, height=size, width=size + 5, scales=1, epochs=1)
            model = NeuralStyleModel(picture, [(picture, 1.0)], spec, fresh, mask=each)
            next(model.steps())
            model.restore(through_bytes(model.state()))
            list(model.steps())
        found.append(fresh.traces())
    assert found == [found[0]] * 6


def test_a_black_mask_moves_nothing(network):
    """Given from a notebook, say: every step leaves the content as it is, and no loss is infinite."""
    model, content = make(network, np.zeros((128, 160), np.float32), scales=1, epochs=1)
    assert all(np.isfinite(step.total) for step in model.steps())
    np.testing.assert_array_equal(model.image(), content)
