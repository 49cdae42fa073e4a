"""L-BFGS in a box, with a metric that makes broad changes early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_batch.transfer.box import Box
from nst_batch.transfer.optimizers.optimizer import Proposal, State, bounds, clipped
from nst_batch.transfer.spec import LbfgsSpec
from nst_batch.transfer.tensors import Image, Scalar

# Luminance, red against blue, green against purple: orthonormal rows.
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], np.float32)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)
# Of each colour: the pixel itself, then the means over blocks of 2, 4, 8, 16 and 32. Fitted to where pictures went, by
# bands of frequency: fine changes go further in colour, the broadest in luminance.
WEIGHTS = np.array(
    [
        [1.0, 0.1, 1.5, 6.0, 12.0, 40.0],
        [3.0, 1.0, 1.0, 1.0, 3.0, 20.0],
        [1.5, 0.1, 0.1, 0.1, 0.2, 1.0],
    ],
    np.float32,
)


class Lbfgs:
    """L-BFGS (Nocedal 1980; Liu and Nocedal 1989) projected on the box, with Armijo backtracking.

    The first guess of the inverse Hessian is a multiple of :func:`coarse_metric` rather than of the identity, so that
    broad changes of tone and colour, of which a gradient pixel by pixel says little, are made early.
    Pixels that stand at a bound with the gradient pushing outward are held for the direction; the trial
    picture is clipped, and shortened along the straight line to it (which stays in the box) while the loss
    does not fall enough. After ``RESTART_AFTER`` refusals the history is dropped and the gradient's own
    direction tried; after ``STAY_AFTER`` the picture stays as it is for one step, so that a line search that
    fails for rounding never ends a job. The history is 2 ``history`` pictures.
    """

    always_accepts = False

    SUFFICIENT = 1e-4  # Armijo's constant
    ROUNDING = 1e-4  # a rise of this fraction of the loss is within bfloat16's rounding
    CURVATURE = 1e-8  # pairs with a smaller cosine between s and y would spoil the inverse Hessian
    FIRST_MOVE = 0.02  # mean change of a pixel in the first trial, at a learning rate of 1
    RESTART_AFTER = 4
    STAY_AFTER = 7

    def __init__(self, spec: LbfgsSpec) -> None:
        self._spec = spec
        self._rows = range(spec.history)

    @property
    def key(self) -> tuple[object, ...]:
        return ("lbfgs", self._spec.history)

    def init(self, image: Image, box: Box | None = None, steps: int = 1) -> State:  # noqa: ARG002 - it needs no plan
        zeros = tf.zeros_like(image)
        state = {
            **bounds(box),
            "first_move": tf.constant(self._spec.learning_rate * self.FIRST_MOVE, tf.float32),
            "begun": tf.constant(False),
            "refusals": tf.constant(0, tf.int32),
            "loss": tf.constant(0.0, tf.float32),
            "image": image,
            "gradient": zeros,
            "rho": tf.zeros([self._spec.history], tf.float32),  # 1 / s·y; 0 where there is no pair yet
        }
        state |= {f"s{row:02d}": zeros for row in self._rows}
        return state | {f"y{row:02d}": zeros for row in self._rows}

    def resize(self, state: State, image: Image, box: Box | None = None, steps: int = 1) -> State:  # noqa: ARG002 - see below
        return self.init(image, box)  # curvature does not carry over to other targets

    def step(self, state: State, image: Image, loss: Scalar, gradient: Image) -> Proposal:
        slope = _dot(state["gradient"], image - state["image"])
        bound = state["loss"] + self.SUFFICIENT * slope + self.ROUNDING * tf.abs(state["loss"])
        stays = state["refusals"] >= self.STAY_AFTER
        finite = tf.math.is_finite(loss) & tf.math.is_finite(_dot(gradient, gradient))
        accepted = ~state["begun"] | stays | (finite & (loss <= bound))
        following, later = tf.cond(
            accepted,
            lambda: self._accept(state, image, loss, gradient),
            lambda: self._refuse(state, image, loss, slope),
        )
        return Proposal(accepted, following, later)

    def _accept(self, state: State, image: Image, loss: Scalar, gradient: Image) -> tuple[Image, State]:
        """``image`` is the new iterate; the next trial is a full quasi-Newton step from it."""
        stays = state["refusals"] >= self.STAY_AFTER
        state = self._remember(state, image - state["image"], gradient - state["gradient"], stays)
        free = _free(image, gradient, state)
        newton = free * self._inverse_hessian(state, free * gradient)
        slope = _dot(newton, gradient)
        usable = tf.reduce_any(state["rho"] > 0.0) & (slope > 0.0) & tf.math.is_finite(slope)
        move = tf.cond(usable, lambda: newton, lambda: self._first_move(state, coarse_metric(free * gradient)))
        later = {
            **state,
            "begun": tf.constant(True),
            "refusals": tf.constant(0, tf.int32),
            "loss": loss,
            "image": image,
            "gradient": gradient,
        }
        return clipped(image - move, state), later

    def _refuse(self, state: State, image: Image, loss: Scalar, slope: Scalar) -> tuple[Image, State]:
        """The trial was no good: a shorter one, then the gradient's direction, then none at all."""
        refusals = state["refusals"] + 1
        base, gradient = state["image"], state["gradient"]
        # The minimum of the parabola through the loss and slope at the base and the loss at the trial.
        share = -0.5 * slope / (loss - state["loss"] - slope)
        share = tf.where(tf.math.is_finite(share), tf.clip_by_value(share, 0.1, 0.5), 0.1)
        shorter = base + tf.where(refusals >= self.STAY_AFTER, 0.0, share) * (image - base)
        # Without the metric: however many pixels the box cuts short, each that moves lowers the loss.
        move = self._first_move(state, _free(base, gradient, state) * gradient)
        restart = tf.equal(refusals, self.RESTART_AFTER)
        rho = tf.where(restart, 0.0, state["rho"])
        following = tf.where(restart, clipped(base - 0.1 * move, state), shorter)
        return following, {**state, "rho": rho, "refusals": refusals}

    def _inverse_hessian(self, state: State, vector: Image) -> Image:
        """H · vector by the two-loop recursion, newest pair last in the state."""
        rho = tf.unstack(state["rho"])
        alphas: dict[int, Any] = {}
        for row in reversed(self._rows):
            alphas[row] = rho[row] * _dot(state[f"s{row:02d}"], vector)
            vector -= alphas[row] * state[f"y{row:02d}"]
        newest = state[f"y{self._rows[-1]:02d}"]
        # γ M with γ = s·y / y·My, which is the usual s·y / y·y where M is the identity.
        vector = coarse_metric(vector) * tf.math.divide_no_nan(1.0, rho[-1] * _dot(newest, coarse_metric(newest)))
        for row in self._rows:
            beta = rho[row] * _dot(state[f"y{row:02d}"], vector)
            vector += (alphas[row] - beta) * state[f"s{row:02d}"]
        return vector

    def _remember(self, state: State, move: Image, change: Image, stays: Any) -> State:
        """The history with one more pair, the oldest forgotten; as it was where the curvature is no good.

        None of it is left where the picture ``stays``.
        """
        product = _dot(move, change)
        enough = self.CURVATURE * tf.sqrt(_dot(move, move) * _dot(change, change))
        state = {**state, "rho": tf.where(stays, 0.0, state["rho"])}
        return dict(
            tf.cond(
                state["begun"] & (product > enough) & ~stays,
                lambda: self._shifted(state, move, change, 1.0 / product),
                lambda: state,
            )
        )

    def _shifted(self, state: State, move: Image, change: Image, rho: Scalar) -> State:
        shifted = {**state, "rho": tf.concat([state["rho"][1:], [rho]], axis=0)}
        for name, newest in (("s", move), ("y", change)):
            rows = [*[state[f"{name}{row:02d}"] for row in self._rows][1:], newest]
            shifted |= {f"{name}{row:02d}": value for row, value in zip(self._rows, rows, strict=True)}
        return shifted

    def _first_move(self, state: State, move: Image) -> Image:
        """``move``, scaled to the length of a first one."""
        return move * tf.math.divide_no_nan(state["first_move"], tf.reduce_mean(tf.abs(move)))


def coarse_metric(picture: Image) -> Image:
    """M · picture, (1, H, W, 3), where M = K₀ + K₁ P₂ + K₂ P₄ + … + K₅ P₃₂.

    P_b puts in the place of each pixel the mean over its block of b × b, pixels beyond the edge counted as zeros. K_l
    is Σ ``WEIGHTS[c, l]`` c cᵀ over the opponent colours c. M is symmetric, and its eigenvalues are 1 or more.
    """
    own, *blocks = np.einsum("oc,ol,od->lcd", OPPONENT, WEIGHTS, OPPONENT)
    return _colors(picture, own) + _block_means(picture, blocks)


def _block_means(picture: Image, weights: Sequence[Any]) -> Image:
    """The sum of K₁ P₂, K₂ P₄ …, one matrix (3, 3) each, from the means of the level before."""
    height, width = tf.unstack(tf.shape(picture)[1:3])
    even = tf.pad(picture, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    means = tf.nn.avg_pool2d(even, 2, 2, "VALID")
    weight, *coarser = weights
    level = _colors(means, weight) + (_block_means(means, coarser) if coarser else 0.0)
    return tf.repeat(tf.repeat(level, 2, axis=1), 2, axis=2)[:, :height, :width]


def _colors(picture: Image, matrix: Any) -> Image:
    """Each pixel times a symmetric matrix (3, 3)."""
    return tf.reshape(tf.reshape(picture, [-1, 3]) @ tf.constant(matrix), tf.shape(picture))


def _dot(a: Image, b: Image) -> Scalar:
    return tf.reduce_sum(a * b)


def _free(image: Image, gradient: Image, state: State) -> Image:
    """1 where a pixel may move against the gradient, 0 where a bound holds it."""
    held = ((image <= state["low"]) & (gradient > 0.0)) | ((image >= state["high"]) & (gradient < 0.0))
    return tf.cast(~held, tf.float32)
