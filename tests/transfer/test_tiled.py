"""Tile by tile the engine computes what it computes in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import waves

from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objective import Layers, Targets, balance
from nst_batch.transfer.optimizers import make_optimizer
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, TransferSpec
from nst_batch.transfer.tiled import TiledNetwork
from nst_batch.transfer.tiling import margin, plan_tiles

HEIGHT, WIDTH = 170, 231  # neither is a multiple of anything that pooling likes
MOST = 24_000
CONTENT = {"block4_conv2": 1.0, "block2_conv2": 0.5}
STYLE = {"block1_conv1": 1.0, "block3_conv1": 0.5, "block4_conv1": 1.0}


def spec(**changes):
    keys = {"content_weight": 1.0, "style_weight": 1.0, "tv_weight": 0.01, "epochs": 2, "steps_per_epoch": 2}
    return TransferSpec(HEIGHT, WIDTH, CONTENT, STYLE, **{**keys, **changes})


@pytest.fixture(scope="module")
def pictures():
    return waves(HEIGHT, WIDTH, 0.0), waves(150, 200, 1.3)


def both(network):
    return network, TiledNetwork(network, MOST)


def close(found, expected, tolerance=1e-4):
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(np.asarray(found) / scale, np.asarray(expected) / scale, atol=tolerance)


@pytest.mark.parametrize("statistic", ["gram", "moments"])
def test_losses_and_gradient_are_those_of_one_piece(network, pictures, statistic):
    """Within rounding, everywhere: no seam where tiles meet, and the picture's border as it was."""
    task = spec(statistic=statistic)
    layers = Layers.of(task)
    content, style = (tf.constant(picture[np.newaxis]) for picture in pictures)
    assert len(plan_tiles(HEIGHT, WIDTH, MOST, margin(layers.all))) >= 4
    image = tf.constant(waves(HEIGHT, WIDTH, 0.4)[np.newaxis])
    optimizer = make_optimizer(AdamSpec(learning_rate=1.0, beta_1=0.0, epsilon=1e6))  # moves by the gradient
    found = []
    for view in both(network):
        targets = Targets(view.content_features(content, layers), view.style_statistics(style, layers))
        weights = balance(task, targets, HEIGHT * WIDTH).tensors()
        ((report, _, _, state),) = view.advance(
            image, optimizer.init(image), layers, targets, weights, optimizer=optimizer
        )
        close(view.losses(image, layers, targets, weights), report, 1e-6)
        found.append((targets, report, state["mean"]))
    (whole, report, gradient), (tiled, tiled_report, tiled_gradient) = found
    for layer in layers.content:
        close(tiled.content[layer], whole.content[layer])
    for layer in layers.style:
        close(tiled.style[layer], whole.style[layer])
    np.testing.assert_allclose(tiled_report, report, rtol=1e-4)
    close(tiled_gradient, gradient)


@pytest.mark.parametrize("optimizer", [AdamSpec(0.02, 0.9, 0.99, 1e-8), LbfgsSpec(history=3)])
def test_the_picture_is_that_of_one_piece(network, pictures, optimizer):
    """Over several steps and two scales, the coarse one of which fits in one piece."""
    content, style = pictures
    task = spec(optimizer=optimizer, scales=2)
    whole, tiled = (NeuralStyleModel(content, [(style, 1.0)], task, network, most_pixels=most) for most in (None, MOST))
    steps = [list(model.steps()) for model in (whole, tiled)]
    assert [step.total for step in steps[1]] == pytest.approx([step.total for step in steps[0]], rel=1e-3)
    assert float(np.abs(tiled.image() - whole.image()).mean()) < 1e-3


def test_nothing_is_cut_that_fits(network, pictures):
    """Not a bit differs where the picture has few enough pixels."""
    content, style = pictures
    models = [
        NeuralStyleModel(content, [(style, 1.0)], spec(epochs=1), network, most_pixels=most)
        for most in (None, HEIGHT * WIDTH)
    ]
    first, second = ([step.total for step in model.steps()] for model in models)
    assert first == second


def test_going_on_in_tiles_is_bit_equal(network, pictures):
    """A resumed job that is cut as it was gives the undisturbed picture."""
    content, style = pictures

    def model():
        return NeuralStyleModel(content, [(style, 1.0)], spec(), network, most_pixels=MOST)

    undisturbed = model()
    for step in undisturbed.steps():
        if step.step == 2:
            state = undisturbed.state()
    resumed = model()
    resumed.restore(state)
    assert len(list(resumed.steps())) == 2
    np.testing.assert_array_equal(resumed.image(), undisturbed.image())
