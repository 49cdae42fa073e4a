"""Adam against Keras's own, and projected L-BFGS on functions whose minimum is known."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_batch.transfer.optimizers.adam import Adam
from nst_batch.transfer.optimizers.choose import make_optimizer
from nst_batch.transfer.optimizers.lbfgs import OPPONENT, WEIGHTS, Lbfgs, coarse_metric
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec

SHAPE = (1, 3, 4, 3)


def picture(seed=0):
    return tf.constant(np.random.default_rng(seed).random(SHAPE, np.float32))


def iterates(optimizer, function, start, evaluations):
    """The accepted pictures and their losses over so many evaluations."""
    image, state = start, optimizer.init(start)
    accepted = []
    for _ in range(evaluations):
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = function(image)
        gradient = tape.gradient(loss, image)
        taken, following, state = optimizer.step(state, image, loss, gradient)
        if taken is None or bool(taken):
            accepted.append((image, float(loss)))
        image = following
    return accepted


def quadratic(target, stiffness):
    """½ Σ stiffness (x − target)²; its minimum over the box is the clipped target."""
    return lambda image: 0.5 * tf.reduce_sum(stiffness * tf.square(image - target))


def test_adam_is_keras_adam():
    """Ten steps give Keras's iterates where the box does not bind."""
    start, target = picture() * 0.2 + 0.4, picture(1) * 0.2 + 0.4
    spec = AdamSpec(learning_rate=0.01, beta_1=0.9, beta_2=0.98, epsilon=1e-3)
    ours = iterates(Adam(spec), quadratic(target, 3.0), start, 11)[-1][0]
    theirs = tf.Variable(start)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.98, epsilon=1e-3)
    for _ in range(10):
        optimizer.apply_gradients([(3.0 * (theirs - target), theirs)])
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_adams_rate_falls_evenly_over_a_scale():
    """Of a gradient that never changes each step is the rate long: from all of it to a tenth, anew at each scale."""
    optimizer, flat = Adam(AdamSpec(0.01, epsilon=0.0, final=0.1)), tf.zeros(SHAPE)
    state, gradient = optimizer.init(flat, steps=3), -tf.ones(SHAPE)
    lengths = []
    for step in range(8):
        if step == 4:
            state = optimizer.resize(state, flat, steps=2)
        _, moved, state = optimizer.step(state, flat, tf.constant(1.0), gradient)
        lengths.append(float(moved[0, 0, 0, 0]))
    np.testing.assert_allclose(lengths, [0.01, 0.007, 0.004, 0.001, 0.01, 0.0055, 0.001, 0.001], rtol=1e-4)


def test_adam_stays_in_the_box():
    """A gradient that always points outward ends at the bound."""
    accepted = iterates(Adam(AdamSpec(learning_rate=0.3)), quadratic(5.0, 1.0), picture(), 20)
    np.testing.assert_array_equal(accepted[-1][0], np.ones(SHAPE, np.float32))


@pytest.mark.parametrize(("height", "width"), [(64, 32), (37, 21), (3, 5), (1, 1)])
def test_metric_weighs_the_means_of_blocks_by_colour(height, width):
    """As written: of each opponent colour the pixel and the means of its blocks, weighed; zeros beyond the edge."""
    picture = np.random.default_rng(1).random((1, height, width, 3), np.float32).astype(np.float64)
    expected = np.zeros_like(picture)
    for axis, (own, *weights) in zip(OPPONENT.astype(np.float64), WEIGHTS.astype(np.float64), strict=True):
        colour = picture @ axis
        part = own * colour
        for level, weight in enumerate(weights, 1):
            block = 2**level
            for top in range(0, height, block):
                for left in range(0, width, block):
                    here = colour[:, top : top + block, left : left + block]
                    part[:, top : top + block, left : left + block] += weight * here.sum() / block**2
        expected += part[..., np.newaxis] * axis
    np.testing.assert_allclose(coarse_metric(tf.constant(picture, tf.float32)), expected, rtol=1e-4, atol=1e-5)


def test_metric_is_symmetric_and_shortens_nothing():
    """a · Mb = Ma · b, and a · Ma ≥ a · a: what an inverse Hessian needs."""
    generator = np.random.default_rng(3)
    a, b = (tf.constant(generator.normal(size=(1, 19, 30, 3)).astype(np.float32)) for _ in range(2))
    across = float(tf.reduce_sum(coarse_metric(a) * b))
    assert float(tf.reduce_sum(a * coarse_metric(b))) == pytest.approx(across, rel=1e-3)
    assert float(tf.reduce_sum(a * coarse_metric(a))) >= float(tf.reduce_sum(a * a))


def test_lbfgs_finds_a_minimum_inside_and_at_the_bounds():
    """An ill-conditioned quadratic, a third of whose minimum lies outside the box."""
    generator = np.random.default_rng(5)
    target = tf.constant(generator.uniform(-0.5, 1.5, SHAPE).astype(np.float32))
    stiffness = tf.constant(np.geomspace(1.0, 100.0, 36).reshape(SHAPE).astype(np.float32))
    accepted = iterates(Lbfgs(LbfgsSpec(history=10)), quadratic(target, stiffness), picture(), 60)
    np.testing.assert_allclose(accepted[-1][0], np.clip(target, 0, 1), atol=1e-3)


def test_lbfgs_goes_where_its_pairs_point():
    """Each trial is the box's nearest to x − free · H (free · g), H by the two-loop recursion over the last pairs."""
    generator = np.random.default_rng(7)
    target = tf.constant(generator.uniform(-0.3, 1.3, SHAPE).astype(np.float32))
    stiffness = tf.constant(np.geomspace(1.0, 30.0, 36).reshape(SHAPE).astype(np.float32))
    optimizer, image = Lbfgs(LbfgsSpec(history=3)), picture()
    state, seen = optimizer.init(image), []
    for _ in range(16):
        gradient = stiffness * (image - target)
        accepted, following, state = optimizer.step(state, image, quadratic(target, stiffness)(image), gradient)
        if bool(accepted):
            seen.append((image.numpy().astype(np.float64), gradient.numpy().astype(np.float64)))
            pairs = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(seen[-4:])]
            if pairs:
                expected = two_loop_trial(*seen[-1], pairs, float(state["boldness"]))
                np.testing.assert_allclose(following, expected, atol=2e-5)
        image = following
    assert len(seen) > 10
    assert np.any(image == 0.0)
    assert np.any(image == 1.0)


def two_loop_trial(image, gradient, pairs, boldness):
    """Nocedal and Wright, Numerical Optimization, algorithm 7.4, from γ M, over the pixels that no bound holds."""
    free = ~(((image <= 0) & (gradient > 0)) | ((image >= 1) & (gradient < 0)))
    vector, shares = free * gradient, []
    for move, change in reversed(pairs):
        shares.append(np.sum(move * vector) / np.sum(move * change))
        vector = vector - shares[-1] * change
    ratios = [np.sum(move * change) / np.sum(change * metric(change)) for move, change in pairs]
    vector = metric(vector) * boldness * np.exp(np.mean(np.log(ratios)))
    for (move, change), share in zip(pairs, reversed(shares), strict=True):
        vector = vector + move * (share - np.sum(change * vector) / np.sum(move * change))
    return np.clip(image - free * vector, 0, 1)


@pytest.fixture
def underway():
    """L-BFGS with two pairs: its state, and the trial that is to be evaluated next."""
    stiffness = tf.constant(np.geomspace(1.0, 30.0, 36).reshape(SHAPE).astype(np.float32))
    image, target = picture() * 0.5 + 0.25, picture(3) * 0.5 + 0.25
    state = Lbfgs(LbfgsSpec(history=5)).init(image)
    for _ in range(3):
        loss, gradient = quadratic(target, stiffness)(image), stiffness * (image - target)
        _, image, state = Lbfgs(LbfgsSpec(history=5)).step(state, image, loss, gradient)
    return state, image


@pytest.mark.parametrize(("left", "counts"), [(0.5, 0.5), (0.0, 0.0), (-0.5, -0.5), (-3.0, -1.0), (np.nan, -1.0)])
def test_lbfgs_is_bolder_where_its_steps_are_too_short(underway, left, counts):
    """By the slope that is left at a trial, as a share of the one that led there."""
    state, trial = underway
    _, _, after = Lbfgs(LbfgsSpec(history=5)).step(state, trial, 0.9 * state["loss"], left * state["gradient"])
    assert float(after["boldness"] / state["boldness"]) == pytest.approx(np.exp(Lbfgs.FOLLOWS * counts))


def test_lbfgs_shortened_steps_tell_nothing_of_its_boldness(underway):
    """That slope is left on half the way is no sign of a step too short."""
    state, trial = underway
    optimizer = Lbfgs(LbfgsSpec(history=5))
    accepted, trial, refused = optimizer.step(state, trial, 2.0 * state["loss"], -state["gradient"])
    assert not bool(accepted)
    accepted, _, after = optimizer.step(refused, trial, 0.9 * state["loss"], 0.9 * state["gradient"])
    assert bool(accepted)
    assert float(after["boldness"]) == float(refused["boldness"]) < float(state["boldness"])


def metric(picture):
    return coarse_metric(tf.constant(picture, tf.float32)).numpy().astype(np.float64)


def test_lbfgs_does_better_than_steepest_descent_on_a_curved_valley():
    """Rosenbrock's valley, moved into the box, is descended to its floor in 80 evaluations."""

    def valley(image):
        x, y = image[..., 0] * 2, image[..., 1] * 2
        return tf.reduce_sum(100 * tf.square(y - x * x) + tf.square(1 - x))

    accepted = iterates(Lbfgs(LbfgsSpec()), valley, picture(2), 120)
    assert accepted[-1][1] < 1e-3 * accepted[0][1]


def test_lbfgs_restart_descends_where_the_metric_does_not():
    """Steep pixels just above black pull the others down in the metric, and are cut short: the gradient has to do."""
    steep = np.tile([[[1.0], [0.0]], [[0.0], [1.0]]], (1, 8, 8, 3)).astype(np.float32)

    def function(image):
        return tf.reduce_sum(steep * 10.0 * image + (1.0 - steep) * 0.5 * tf.square(image - 1.0))

    start = tf.constant(np.where(steep, 1e-5, 0.5).astype(np.float32))
    accepted = iterates(Lbfgs(LbfgsSpec()), function, start, 2 + Lbfgs.RESTART_AFTER)
    assert len(accepted) == 2
    assert accepted[1][1] < accepted[0][1]
    np.testing.assert_array_less(0.5, accepted[1][0].numpy()[steep == 0])


def test_lbfgs_goes_on_where_losses_are_rounded():
    """A loss that comes out 2 in 10,000 too low once does not have the steps from there refused."""
    stiffness = tf.constant(np.geomspace(1.0, 30.0, 36).reshape(SHAPE).astype(np.float32))
    lucky = iter([0.0] * 15 + [2e-4] + [0.0] * 100)

    def rounded(image):
        return (1000.0 + quadratic(picture(3), stiffness)(image)) * (1.0 - next(lucky))

    assert len(iterates(Lbfgs(LbfgsSpec()), rounded, picture(), 30)) == 30


def test_lbfgs_iterates_do_not_rise():
    """Every accepted loss is below the one before it, but for rounding."""
    target = picture(3)
    losses = [loss for _, loss in iterates(Lbfgs(LbfgsSpec()), quadratic(target, 7.0), picture(), 30)]
    assert all(after <= before * (1 + 2 * Lbfgs.ROUNDING) for before, after in pairwise(losses))


def test_lbfgs_survives_a_wall_of_nan():
    """Trials beyond a wall, where the loss is NaN, are refused; it goes on from a restart."""

    def walled(image):
        loss = tf.reduce_sum(tf.square(image - 0.9))
        return tf.where(tf.reduce_any(image > 0.6), np.float32(np.nan), 1.0) * loss

    start = picture() * 0.1
    accepted = iterates(Lbfgs(LbfgsSpec(learning_rate=50.0)), walled, start, 60)
    assert np.isfinite([loss for _, loss in accepted]).all()
    assert accepted[-1][1] < accepted[0][1]


def test_lbfgs_stays_where_every_trial_fails_and_goes_on():
    """A loss that rises in every direction gives steps at the same place rather than no end."""
    start = picture()
    calls = iter(range(10_000))

    class Stubborn(Lbfgs):
        pass

    optimizer = Stubborn(LbfgsSpec())
    image, state, taken = start, optimizer.init(start), []
    for _ in range(40):
        at_start = bool(tf.reduce_all(tf.equal(image, start)))
        loss = tf.constant(1.0 if at_start else 2.0 + next(calls))
        accepted, following, state = optimizer.step(state, image, loss, tf.ones(SHAPE))
        if bool(accepted):
            taken.append(at_start)
        image = following
    assert len(taken) >= 4
    assert all(taken)


@pytest.mark.parametrize("spec", [AdamSpec(), LbfgsSpec(history=3)])
def test_state_can_go_through_arrays_and_back(spec):
    """A state turned into arrays and back gives the same iterates bit by bit."""
    optimizer, function, image = make_optimizer(spec), quadratic(picture(8), 4.0), picture()
    state = optimizer.init(image)
    paths = []
    for through_arrays in (False, True):
        at, now, path = image, dict(state), []
        for _ in range(6):
            with tf.GradientTape() as tape:
                tape.watch(at)
                loss = function(at)
            _, at, now = optimizer.step(now, at, loss, tape.gradient(loss, at))
            if through_arrays:
                now = {name: tf.constant(value.numpy()) for name, value in now.items()}
            path.append(at.numpy())
        paths.append(np.stack(path))
    np.testing.assert_array_equal(paths[0], paths[1])


@pytest.mark.parametrize("spec", [AdamSpec(), LbfgsSpec(history=2), LbfgsSpec(history=1)])
def test_resized_state_fits_the_larger_picture(spec):
    """The state carried up a scale steps at the new size."""
    optimizer, small = make_optimizer(spec), picture()
    _, _, state = optimizer.step(optimizer.init(small), small, tf.constant(1.0), tf.ones(SHAPE))
    large = tf.constant(np.full((1, 6, 8, 3), 0.5, np.float32))
    _, following, _ = optimizer.step(optimizer.resize(state, large), large, tf.constant(1.0), tf.ones_like(large))
    assert following.shape == large.shape
    assert float(tf.reduce_mean(following)) < 0.5
