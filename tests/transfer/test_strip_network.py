"""Strip by strip the engine computes what it computes in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import waves

from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives.family import ScaleObjective, Targets, make_family
from nst_batch.transfer.optimizers.choose import make_optimizer
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, TransferSpec
from nst_batch.transfer.strip_network import StripNetwork
from nst_batch.transfer.strips import StripPlan

HEIGHT, WIDTH = 106, 75  # neither is a multiple of anything that pooling likes
VIEW = 75 * 64 * 34  # numbers in a layer: the first block goes in several strips
CONTENT = {"block4_conv2": 1.0, "block2_conv2": 0.5}
STYLE = {"block1_conv1": 1.0, "block3_conv1": 0.5, "block4_conv1": 1.0}
DEEP = {"block1_conv2": 1.0, "block5_conv1": 1.0}


def spec(**changes):
    keys = {"content_weight": 1.0, "style_weight": 1.0, "tv_weight": 0.01, "epochs": 2, "steps_per_epoch": 2}
    return TransferSpec(HEIGHT, WIDTH, **{"content_layers": CONTENT, "style_layers": STYLE, **keys, **changes})


@pytest.fixture(scope="module")
def pictures():
    return waves(HEIGHT, WIDTH, 0.0), waves(150, 90, 1.3)


def assert_close(found, expected, tolerance=1e-4):
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(np.asarray(found) / scale, np.asarray(expected) / scale, atol=tolerance)


@pytest.mark.parametrize(
    ("blocks", "changes"),
    [
        (1, {}),
        (2, {"family": "moments"}),
        (3, {"content_layers": {"block5_conv2": 1.0}, "style_layers": DEEP}),
        (4, {}),
        (5, {"style_layers": DEEP}),
    ],
)
def test_losses_and_gradient_are_those_of_one_piece(network, pictures, blocks, changes):
    """Within rounding, everywhere: no seam where strips meet, and the picture's border as it was."""
    task = spec(**changes)
    family = make_family(task)
    content, style = (tf.constant(picture[np.newaxis]) for picture in pictures)
    image = tf.constant(waves(HEIGHT, WIDTH, 0.4)[np.newaxis])
    optimizer = make_optimizer(AdamSpec(beta_1=0.0))  # its mean is the gradient
    found = []
    for view in (network, StripNetwork(network, StripPlan(blocks, VIEW))):
        targets = Targets(view.content_features(content, family), view.style_statistics(style, family))
        objective = ScaleObjective(view, family, (targets,), family.balance(task, targets, HEIGHT * WIDTH))
        (report,), _, _, (state,) = objective.advance(image, optimizer.init(image), [0], optimizer)
        assert_close(objective.losses(image, 0), report, 1e-5)
        found.append((targets, report, state["mean0"]))
    (whole, report, gradient), (strip_plan, cut_report, cut_gradient) = found
    for layer in family.content:
        assert_close(strip_plan.content[layer], whole.content[layer])
    for layer in family.style:
        assert_close(strip_plan.style[layer], whole.style[layer])
    np.testing.assert_allclose(cut_report, report, rtol=1e-4)
    assert_close(cut_gradient, gradient)


def cut_large(pixels):
    return StripPlan(3, VIEW) if pixels > HEIGHT * WIDTH / 2 else None


@pytest.mark.parametrize("optimizer", [AdamSpec(0.02, 0.9, 0.99, 1e-8), LbfgsSpec(history=3)])
def test_the_picture_is_that_of_one_piece_and_so_is_a_resumed_one(network, pictures, optimizer):
    """Over two scales, the coarse one of which is not cut; gone on with from a checkpoint it is so bit by bit."""
    content, style = pictures

    def model(strip_plan):
        task = spec(optimizer=optimizer, scales=2)
        return NeuralStyleModel(content, [(style, 1.0)], task, network, strip_plan=strip_plan)

    whole, strip_plan, resumed = model(lambda _: None), model(cut_large), model(cut_large)
    totals = [[step.total for step in whole.steps()], []]
    for step in strip_plan.steps():
        totals[1].append(step.total)
        if step.step == 3:
            state = strip_plan.state()
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)
    assert float(np.abs(strip_plan.image() - whole.image()).mean()) < 1e-3
    resumed.restore(state)
    assert len(list(resumed.steps())) == 1
    np.testing.assert_array_equal(resumed.image(), strip_plan.image())


def test_bfloat16_goes_in_strips_too(weights, pictures):
    """What blocks hand on stays in bfloat16; the losses are near those of one piece."""
    from nst_batch.transfer.device import Device
    from nst_batch.transfer.network import Network

    network = Network(weights, Device("cpu", "CPU", True, 1), "bfloat16")
    content, style = pictures
    losses = [
        [
            step.total
            for step in NeuralStyleModel(content, [(style, 1.0)], spec(), network, strip_plan=strip_plan).steps()
        ]
        for strip_plan in (lambda _: None, cut_large)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
