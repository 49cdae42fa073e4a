"""The picture is shown in a reflected margin, at another place on the pooling grid each step; all else stays true."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf
from conftest import TWO_SCALES, through_bytes, waves

from nst_batch.daemon.forecast import STYLE_LOOKS
from nst_batch.transfer.frame import BARE, FRAMES, frame_number, framed
from nst_batch.transfer.losses import content_loss
from nst_batch.transfer.network import Network
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec
from nst_batch.transfer.strips import StripPlan
from nst_batch.transfer.vgg19 import StyleContentModel

ADAM = AdamSpec(0.02, 0.9, 0.99, 1e-8)
SPEC = replace(
    TWO_SCALES,
    content_layers={"block2_conv2": 1.0},
    style_layers={"block1_conv1": 1.0, "block2_conv1": 2.0},
    steps_per_epoch=3,
    family="moments",
    framed=True,
)


@pytest.fixture(scope="module")
def pictures():
    return waves(128, 160, 0.0), waves(100, 90, 1.3)


def make(network, pictures, **more):
    content, style = pictures
    changes = {name: more.pop(name) for name in list(more) if name in vars(SPEC)}
    return NeuralStyleModel(content, [(style, 1.0)], replace(SPEC, **changes), network, **more)


def test_framed_by_hand():
    """Reflected without the border's own pixel twice, above, below, left, right."""
    image = tf.reshape(tf.range(6.0), [1, 2, 3, 1])
    shown = framed(image, (1, 0, 0, 2))[0, ..., 0]
    np.testing.assert_array_equal(shown, [[3, 4, 5, 4, 3], [0, 1, 2, 1, 0], [3, 4, 5, 4, 3]])
    np.testing.assert_array_equal(framed(image, BARE), image)


def test_frames_take_every_place_on_the_grid():
    """Of two pixels each of the four places, of four each row and column, once; all equally large."""
    for above, below, left, right in FRAMES:
        assert (above + below) == (left + right) == 16  # a step of the grid after four poolings
        assert min(above, below, left, right) >= 4
    places = [(above, left) for above, _, left, _ in FRAMES]
    assert Counter((above % 2, left % 2) for above, left in places) == dict.fromkeys(
        [(0, 0), (0, 1), (1, 0), (1, 1)], 1
    )
    for axis in (0, 1):
        assert Counter(place[axis] % 4 for place in places) == dict.fromkeys(range(4), 1)


def test_the_forecast_counts_a_look_at_a_style_for_each_frame():
    """The daemon, which loads no TensorFlow, has the number for itself."""
    assert len(FRAMES) == STYLE_LOOKS


def test_frames_are_drawn_by_seed_scale_and_step():
    """The same at any time, all of them used, the first where epochs meet."""
    numbers = [frame_number(7, 1, step, 10) for step in range(200)]
    assert numbers == [frame_number(7, 1, step, 10) for step in range(200)]
    assert set(numbers[::10]) == {0}
    assert set(numbers) == set(range(len(FRAMES)))
    assert numbers != [frame_number(8, 1, step, 10) for step in range(200)]
    assert numbers != [frame_number(7, 2, step, 10) for step in range(200)]


@pytest.mark.parametrize("optimizer", [ADAM, LbfgsSpec(history=3)])
def test_losses_are_those_of_the_picture_in_its_frame(kernels, network, pictures, optimizer):
    """Content against the content in the same frame; a search along a line stays with the first."""
    extract = StyleContentModel(kernels, ["block2_conv2"])
    for step in (model := make(network, pictures, scales=1, epochs=2, optimizer=optimizer)).steps():
        number = frame_number(SPEC.seed, 1, step.step, SPEC.steps_per_epoch) if optimizer is ADAM else 0
        shown, kept = (
            extract(framed(tf.constant(each[None]), FRAMES[number])) for each in (model.image(), pictures[0])
        )
        expected = float(content_loss(shown["block2_conv2"], kept["block2_conv2"]))
        assert step.content_layers["block2_conv2"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("optimizer", [ADAM, LbfgsSpec(history=3)])
def test_a_resumed_one_is_bit_equal(network, pictures, optimizer, masked):
    """In the middle of an epoch and at a scale's end, with a mask and without."""
    mask = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (128, 1)) if masked else None
    whole, first = (make(network, pictures, optimizer=optimizer, mask=mask) for _ in range(2))
    expected = [asdict(step) for step in whole.steps()]
    for step in first.steps():
        if step.step in (2, 6, 7):
            second = make(network, pictures, optimizer=optimizer, mask=mask)
            second.restore(through_bytes(first.state()))
            rest = [asdict(each) for each in second.steps()]
            assert [each["total"] for each in rest] == [each["total"] for each in expected[step.step :]]
            np.testing.assert_array_equal(second.image(), whole.image())


@pytest.mark.parametrize("masked", [False, True])
def test_strips_give_what_one_piece_gives(network, pictures, masked):
    """The frame lies around the whole picture, not around each strip."""
    mask = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (128, 1)) if masked else None
    totals = [
        [step.total for step in make(network, pictures, mask=mask, strip_plan=cut).steps()]
        for cut in (lambda _: None, lambda _: StripPlan(2, 160 * 64 * 40))
    ]
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)


def test_several_steps_a_call_give_the_same_losses(weights, network, pictures):
    """Each of them in its own frame."""
    several = Network(weights, replace(network.device, steps_per_call=2), "float32")
    models = [make(one, pictures, steps_per_epoch=5) for one in (network, several)]
    logs = [[step.total for step in model.steps()] for model in models]
    assert logs[0] == pytest.approx(logs[1], rel=1e-3)
