"""A whole generation on small pictures: its steps, its log's identities, its resume, its ends."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import through_bytes

from nst_batch.transfer.device import Device
from nst_batch.transfer.errors import LossNotFiniteError, OutOfMemoryError
from nst_batch.transfer.losses import content_loss, positions, total_variation
from nst_batch.transfer.network import Bounded, Network
from nst_batch.transfer.neural_style import NeuralStyleModel
from nst_batch.transfer.objectives.family import Targets
from nst_batch.transfer.objectives.gram import gram_layer_loss, gram_matrix
from nst_batch.transfer.objectives.moments import Moments
from nst_batch.transfer.spec import VGG19_LAYERS, AdamSpec, LbfgsSpec, TransferSpec
from nst_batch.transfer.vgg19 import StyleContentModel
from nst_batch.transfer.weights import Weights, layer_shape

LAYERS = {"block1_conv1": 1.0, "block2_conv1": 3.0}
SPEC = TransferSpec(
    height=48,
    width=64,
    content_layers={"block3_conv1": 2.0, "block2_conv2": 2.0},
    style_layers=LAYERS,
    content_weight=50.0,
    style_weight=1e4,
    tv_weight=1.0,
    optimizer=AdamSpec(epsilon=1e-7),
    epochs=3,
    steps_per_epoch=2,
)


def make(network, content, style, spec=SPEC, **more):
    return NeuralStyleModel(content, [(style, 1.0)], spec, network, **more)


def test_steps_are_numbered_and_epochs_end_in_time(network, content, style):
    """Steps from 1 to epochs × steps_per_epoch, an epoch's end every steps_per_epoch."""
    model = make(network, content, style)
    steps = list(model.steps())
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6] == list(range(1, model.total_steps + 1))
    assert [step.epoch for step in steps] == [1, 1, 2, 2, 3, 3]
    assert [step.epoch_end for step in steps] == [False, True] * 3
    assert all(before.seconds < after.seconds for before, after in pairwise(steps))
    assert steps[-1].total < steps[0].total


def test_losses_add_up_exactly(network, content, style):
    """total = Σ weight · loss, content = Σ w_l L_l and style = Σ w_l E_l with w_l summing to 1."""
    for step in make(network, content, style).steps():
        parts = {"content": step.content, "style": step.style, "tv": step.tv}
        assert step.total == sum(step.weights[name] * parts[name] for name in ("content", "style", "tv"))
        assert step.content == pytest.approx(sum(0.5 * loss for loss in step.content_layers.values()), rel=1e-12)
        layers = step.style_layers
        assert step.style == pytest.approx(0.25 * layers["block1_conv1"] + 0.75 * layers["block2_conv1"], rel=1e-12)


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, optimizer=LbfgsSpec(), steps_per_epoch=1, epochs=2)])
def test_losses_are_those_of_the_picture_after_the_step(kernels, network, content, style, spec):
    """Every step's losses, worked out anew from image() with the loss functions."""
    asked = [*spec.content_layers, *spec.style_layers]
    extract = StyleContentModel(kernels, asked)
    wanted, painted = extract(tf.constant(content[None])), extract(tf.constant(style[None]))
    model = make(network, content, style, spec)
    for step in model.steps():
        image = tf.constant(model.image()[None])
        features = extract(image)
        assert step.tv == pytest.approx(float(total_variation(image)), rel=1e-5)
        for layer, loss in step.content_layers.items():
            assert loss == pytest.approx(float(content_loss(features[layer], wanted[layer])), rel=1e-4)
        for layer, loss in step.style_layers.items():
            grams = [gram_matrix(each[layer]) for each in (features, painted)]
            m, m_style = (positions(each[layer]) for each in (features, painted))
            expected = float(gram_layer_loss(grams[0] / m, grams[1] / m_style))
            assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimizer", [AdamSpec(epsilon=1e-7), LbfgsSpec(history=3)])
@pytest.mark.parametrize("at", [1, 4, 6, 7])
def test_resume_is_bit_equal(network, content, style, optimizer, at):
    """Cut after any step, also at a scale's end, put through a checkpoint's bytes: the same picture and log."""
    spec = replace(SPEC, height=128, width=160, scales=2, epochs=3, optimizer=optimizer, steps_per_epoch=3)
    content, style = (np.tile(picture, (3, 3, 1))[:128, :160] for picture in (content, style))
    whole = make(network, content, style, spec)
    expected = [asdict(step) for step in whole.steps()]
    first = make(network, content, style, spec)
    steps = first.steps()
    log = [asdict(next(steps)) for _ in range(at)]
    second = make(network, content, style, spec)
    second.restore(through_bytes(first.state()))
    np.testing.assert_array_equal(second.image(), first.image())
    log += [asdict(step) for step in second.steps()]
    for entry in log + expected:
        del entry["seconds"]
    assert log == expected
    np.testing.assert_array_equal(second.image(), whole.image())


def test_scales_rise_to_the_results_size(network, content, style):
    """Coarse pictures first, whole epochs each, the last at the result's size; steps go on counting."""
    spec = replace(SPEC, height=160, width=192, scales=2, epochs=3, steps_per_epoch=1)
    content = np.tile(content, (4, 3, 1))
    model = make(network, content, style, spec)
    seen = []
    for step in model.steps():
        assert model.image().shape == (step.height, step.width, 3)
        seen.append((step.step, step.scale, step.height, step.width))
    assert seen == [(1, 1, 80, 96), (2, 1, 80, 96), (3, 2, 160, 192)]


def test_stop_when_flat_ends_a_scale_after_an_epoch(network, content, style):
    """An epoch that gains less than asked is the last, with whole epochs only."""
    spec = replace(SPEC, stop_when_flat=0.9999)
    model = make(network, content, style, spec)
    steps = list(model.steps())
    assert [step.step for step in steps] == [1, 2]
    assert steps[-1].epoch_end
    assert list(model.steps()) == []


def test_stopping_early_leaves_the_picture_as_it_stands(network, content, style):
    """Whoever stops after a step has that step's picture, and it is in [0, 1]."""
    model = make(network, content, style)
    assert np.array_equal(model.image(), content)
    assert math.isnan(model.seconds_left())
    for step in model.steps():
        if step.step == 3:
            break
    image = model.image()
    assert image.dtype == np.float32
    assert image.min() >= 0.0
    assert image.max() <= 1.0
    assert not np.array_equal(image, content)
    assert model.seconds_left() > 0.0


@pytest.mark.parametrize("init", ["content", "noise", "style", "image"])
def test_inits(network, content, style, init):
    """Each start has the result's size; noise depends on the seed alone."""
    spec = replace(SPEC, init=init, seed=5)
    start = make(network, content, style, spec, init_image=1.0 - content).image()
    assert start.shape == (48, 64, 3)
    expected = {"content": content, "image": 1.0 - content}
    if init in expected:
        np.testing.assert_array_equal(start, expected[init])
    if init == "noise":
        np.testing.assert_array_equal(start, make(network, style[:48], style, spec).image())
        assert not np.array_equal(start, make(network, content, style, replace(spec, seed=6)).image())
        assert 0.2 < float(start.std()) < 0.4


def test_blend_lies_between_its_styles(network, content, style):
    """A blend's targets are the weighted mean of its styles' Gram matrices."""
    other = 1.0 - style

    def first_style_loss(styles):
        return next(NeuralStyleModel(content, styles, SPEC, network).steps()).style_layers["block2_conv1"]

    alone = first_style_loss([(style, 1.0)])
    assert first_style_loss([(style, 0.25), (style, 0.75)]) == pytest.approx(alone, rel=1e-4)
    assert first_style_loss([(style, 0.5), (other, 0.5)]) != pytest.approx(alone, rel=1e-3)


def test_moments_count_each_layer_by_its_relative_error(network, content, style):
    """The log's identities hold, and a layer's weight is over the loss of a picture without any style."""
    spec = replace(SPEC, family="moments")
    step = next(make(network, content, style, spec).steps())
    assert step.total == sum(step.weights[name] * getattr(step, name) for name in step.weights)
    family = Moments.of(spec)
    image = tf.constant(content[np.newaxis])
    targets = Targets(network.content_features(image, family), network.style_statistics(image, family))
    weights = family.balance(spec, targets, 1).style_layers
    nothing = {layer: tf.zeros_like(statistic) for layer, statistic in targets.style.items()}
    losses = dict(zip(family.style, family.style_losses(nothing, targets.style).numpy(), strict=True))
    shares = [weights[layer] * losses[layer] / spec.style_layers[layer] for layer in family.style]
    assert shares == pytest.approx([shares[0]] * len(shares), rel=1e-5)


def test_same_balance_at_every_size(network, content, style):
    """A picture and style twice as large have the same weighted losses a pixel, within what edges change."""
    shares = []
    for times in (1, 2):
        big = [np.tile(picture, (times, times, 1)) for picture in (content, style)]
        spec = replace(SPEC, height=48 * times, width=64 * times, init="noise")
        step = next(make(network, *big, spec).steps())
        parts = {name: step.weights[name] * getattr(step, name) for name in step.weights}
        shares.append([part / (step.height * step.width) for part in parts.values()])
    np.testing.assert_allclose(shares[1], shares[0], rtol=0.1)


def test_infinite_loss_raises_with_its_step(network, content, style):
    """A typed error that names step and precision; in float32 another try is of no use."""
    model = make(network, content, style, replace(SPEC, style_weight=float("inf")))
    with pytest.raises(LossNotFiniteError) as caught:
        list(model.steps())
    assert (caught.value.step, caught.value.precision, caught.value.retry) == (1, "float32", False)


def test_memory_that_runs_out_has_a_name(network, content, style, monkeypatch):
    """TensorFlow's exhaustion becomes an error that names the size."""

    def exhausted(*_arguments, **_more):
        raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate")

    monkeypatch.setattr(Network, "advance", exhausted)
    with pytest.raises(OutOfMemoryError, match="64×48"):
        list(make(network, content, style).steps())


@pytest.mark.parametrize(
    ("where", "size"), [("SourceImages", "192×160"), ("tf.constant", "96×80"), ("resize", "192×160")]
)
def test_memory_that_runs_out_beside_the_steps_has_a_name_too(network, content, style, monkeypatch, where, size):
    """When the model is made, when it is restored, when it goes up to a larger scale."""
    spec = replace(SPEC, height=160, width=192, scales=2, epochs=2, steps_per_epoch=1)
    content = np.tile(content, (4, 3, 1))
    model = make(network, content, style, spec)
    state = model.state()
    steps = model.steps()
    next(steps)

    def exhausted(*_arguments, **_more):
        raise tf.errors.InternalError(None, None, "Dst tensor is not initialized.")

    monkeypatch.setattr(f"nst_batch.transfer.neural_style.{where}", exhausted)
    with pytest.raises(OutOfMemoryError, match=size):
        {
            "SourceImages": lambda: make(network, content, style, spec),
            "tf.constant": lambda: model.restore(state),
            "resize": lambda: next(steps),
        }[where]()


@pytest.mark.parametrize("optimizer", [AdamSpec(), LbfgsSpec(history=3)])
def test_several_steps_a_call_give_the_same_log(weights, network, content, style, optimizer):
    """A device that runs several steps a call emits the same steps, pictures and states, one by one."""
    several = Network(weights, replace(network.device, steps_per_call=2), "float32")
    spec = replace(SPEC, steps_per_epoch=5, epochs=2, optimizer=optimizer)
    first, second = (make(one, content, style, spec) for one in (network, several))
    for one, other in zip(first.steps(), second.steps(), strict=True):
        assert (one.step, one.total, one.epoch_end) == (other.step, other.total, other.epoch_end)
        np.testing.assert_array_equal(first.image(), second.image())
        state, same = ({**model.state(), "seconds": 0} for model in (first, second))
        assert state.keys() == same.keys()
        for name in state:
            np.testing.assert_array_equal(state[name], same[name])


def test_bfloat16_follows_float32(weights, network, content, style):
    """The losses of a short run agree within a few percent."""
    rounded = Network(weights, network.device, "bfloat16")
    ends = [list(make(one, content, style).steps())[-1].total for one in (network, rounded)]
    assert ends[1] == pytest.approx(ends[0], rel=0.05)


def test_traces_do_not_grow_with_shapes(weights, network):
    """Pictures of many shapes share the traced programs."""
    fresh = Network(weights, network.device, "float32")
    generator = np.random.default_rng(0)
    for size in range(33, 39):
        picture = generator.random((size, size + 5, 3), np.float32)
        list(make(fresh, picture, picture, replace(SPEC, height=size, width=size + 5, epochs=1)).steps())
    assert fresh.traces() == 4


def test_style_statistics_are_remembered_by_key(network, content, style, monkeypatch):
    """A second job with the same style and key does not look at the picture again."""
    list(make(network, content, style, replace(SPEC, epochs=1), style_keys=["one"]).steps())
    calls = []
    real = network.program
    monkeypatch.setattr(network, "program", lambda key, *rest: calls.append(key[0]) or real(key, *rest))
    list(make(network, content, style, replace(SPEC, epochs=1), style_keys=["one"]).steps())
    assert "style" not in calls
    list(make(network, content, style, replace(SPEC, epochs=1), style_keys=["two"]).steps())
    assert "style" in calls


def test_bounded_forgets_what_was_used_longest_ago():
    """Two places: of three, the one not used since goes."""
    held = Bounded(2)
    for key in ("a", "b", "a", "c"):
        held.get(key, lambda key=key: key.upper())
    assert len(held) == 2
    assert held.get("a", lambda: "made anew") == "A"
    assert held.get("b", lambda: "made anew") == "made anew"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import waves
from test_neural_style import digest_of_a_run
print(digest_of_a_run(waves(48, 64, 0.0), waves(56, 40, 1.3)))
"""


def digest_of_a_run(content, style):
    """The hash of a short float32 run's picture, its network drawn from a seed."""
    generator = np.random.default_rng(3)
    kernels = {}
    for layer in VGG19_LAYERS[:5]:
        shape = layer_shape(layer)
        kernels[layer] = (generator.standard_normal(shape, np.float32) * 0.05, np.zeros(shape[-1], np.float32))
    network = Network(Weights("path", None, "", kernels), Device("cpu", "CPU", False, 1), "float32")
    model = make(network, content, style)
    assert len(list(model.steps())) == 6
    return hashlib.sha256(model.image().tobytes()).hexdigest()


def test_the_same_bytes_in_every_process(content, style):
    """Same seed, device and float32: another process gives the same picture, bit by bit."""
    arguments = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(Path(__file__).parent)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest_of_a_run(content, style)


@pytest.mark.skipif("NST_BATCH_WEIGHTS" not in os.environ, reason="NST_BATCH_WEIGHTS names no real weights")
def test_real_weights_lower_every_loss_but_content(content, style):
    """With the trained network, started at the content: style falls steeply, content rises from nought."""
    from nst_batch.transfer import find_weights, load_network
    from nst_batch.transfer.device import choose_device

    network = load_network(find_weights(), precision="float32", device=choose_device("cpu"))
    steps = list(make(network, content, style, replace(SPEC, steps_per_epoch=10)).steps())
    assert steps[-1].style < 0.5 * steps[0].style
    assert steps[-1].total < 0.7 * steps[0].total
