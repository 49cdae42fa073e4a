"""L-BFGS in a box, with a metric that makes broad changes early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_batch.transfer.box import Box
from nst_batch.transfer.optimizers.curvature import Curvature
from nst_batch.transfer.optimizers.optimizer import Proposal, State, bounds, clipped
from nst_batch.transfer.spec import LbfgsSpec
from nst_batch.transfer.tensors import Image, Matrix, Scalar, Vector

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
    γ counts only where no pair has been. The usual one is timid there at first, and a bolder one too bold in the end,
    where bfloat16's rounding makes up much of a gradient. So each whole step tells: the slope left at its end, as a
    share of the slope at its start, is 0 at the minimum along it, and γ follows that.
    Pixels that stand at a bound with the gradient pushing outward are held for the direction; the trial
    picture is clipped, and shortened along the straight line to it (which stays in the box) while the loss
    does not fall enough. After ``RESTART_AFTER`` refusals the history is dropped and the gradient's own
    direction tried; after ``STAY_AFTER`` the picture stays as it is for one step, so that a line search that
    fails for rounding never ends a job. The history is 2 ``history`` pictures.
    """

    always_accepts = False

    SUFFICIENT = 1e-4  # Armijo's constant
    ROUNDING = 3e-4  # a rise of this fraction of the loss is within bfloat16's rounding
    BOLDNESS = 1.5  # of γ, at first; see curvature.py
    LEAST_BOLDNESS, MOST_BOLDNESS = 0.25, 4.0
    FOLLOWS = 0.3  # how much of the share of the slope that is left goes into the logarithm of the boldness
    CURVATURE = 1e-8  # pairs with a smaller cosine between s and y would spoil the inverse Hessian
    FIRST_MOVE = 0.02  # mean change of a pixel in the first trial, at a learning rate of 1
    RESTART_AFTER = 4
    STAY_AFTER = 7

    def __init__(self, spec: LbfgsSpec) -> None:
        self._spec = spec

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
            "boldness": tf.constant(self.BOLDNESS, tf.float32),
            "loss": tf.constant(0.0, tf.float32),
            "image": image,
            "gradient": zeros,
        }
        remembered = self._spec.history - 1
        none = tf.zeros([remembered, remembered], tf.float32)
        return state | _history(remembered * [zeros], remembered * [zeros], Curvature(none, none))

    def resize(self, state: State, image: Image, box: Box | None = None, steps: int = 1) -> State:  # noqa: ARG002 - see below
        return self.init(image, box)  # curvature does not carry over to other targets

    def step(self, state: State, image: Image, loss: Scalar, gradient: Image) -> Proposal:
        slope, left = (_dot(each, image - state["image"]) for each in (state["gradient"], gradient))
        state = {**state, "boldness": self._boldness(state, slope, left)}
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

    def _boldness(self, state: State, slope: Scalar, left: Scalar) -> Scalar:
        """After a trial from ``slope`` to the slope ``left``: as it was, unless that was a whole quasi-Newton step."""
        told = tf.equal(state["refusals"], 0) & tf.reduce_any(tf.linalg.diag_part(state["sy"]) > 0.0) & (slope < 0.0)
        share = tf.math.divide_no_nan(left, slope)
        share = tf.where(tf.math.is_finite(share), tf.clip_by_value(share, -1.0, 1.0), -1.0)
        bolder = state["boldness"] * tf.exp(tf.where(told, self.FOLLOWS * share, 0.0))
        return tf.clip_by_value(bolder, self.LEAST_BOLDNESS, self.MOST_BOLDNESS)

    def _accept(self, state: State, image: Image, loss: Scalar, gradient: Image) -> tuple[Image, State]:
        """``image`` is the new iterate; the next trial is a full quasi-Newton step from it."""
        move, change = image - state["image"], gradient - state["gradient"]
        free = _free(image, gradient, state)
        coarse_change, coarse_gradient = tf.split(coarse_metric(tf.concat([change, free * gradient], axis=0)), 2)
        moves, coarse_changes = self._with_newest(state, "s", move), self._with_newest(state, "my", coarse_change)
        pairs = tf.reshape(tf.concat([*moves, *coarse_changes], axis=0), [2 * self._spec.history, -1])
        of_move, of_change, of_gradient = _products(pairs, move, change, free * gradient)
        good = state["begun"] & (of_change[0][-1] > self.CURVATURE * tf.sqrt(of_move[0][-1] * of_change[1][-1]))
        curvature = Curvature(state["sy"], state["ymy"]).grown(*of_change, good)
        scale, weights = curvature.inverse(*of_gradient, state["boldness"])
        newton = free * (scale * coarse_gradient + tf.reshape(weights[tf.newaxis] @ pairs, tf.shape(image)))
        slope = _dot(newton, gradient)
        usable = (slope > 0.0) & tf.math.is_finite(slope)
        descent = tf.cond(usable, lambda: newton, lambda: self._first_move(state, coarse_gradient))
        later = {
            **state,
            **_history(moves[1:], coarse_changes[1:], curvature.without_oldest()),
            "begun": tf.constant(True),
            "refusals": tf.constant(0, tf.int32),
            "loss": loss,
            "image": image,
            "gradient": gradient,
        }
        return clipped(image - descent, state), later

    def _with_newest(self, state: State, name: str, newest: Image) -> list[Image]:
        return [*(state[f"{name}{row:02d}"] for row in range(self._spec.history - 1)), newest]

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
        following = tf.where(restart, clipped(base - 0.1 * move, state), shorter)
        return following, {**state, "sy": tf.where(restart, 0.0, state["sy"]), "refusals": refusals}

    def _first_move(self, state: State, move: Image) -> Image:
        """``move``, scaled to the length of a first one."""
        return move * tf.math.divide_no_nan(state["first_move"], tf.reduce_mean(tf.abs(move)))


def _history(moves: Sequence[Image], coarse_changes: Sequence[Image], curvature: Curvature) -> State:
    """The part of a state that holds pairs, oldest first; of a change of the gradient it holds M times it."""
    state = {"sy": curvature.sy, "ymy": curvature.ymy}
    for row, (move, coarse_change) in enumerate(zip(moves, coarse_changes, strict=True)):
        state |= {f"s{row:02d}": move, f"my{row:02d}": coarse_change}
    return state


def _products(pairs: Matrix, *pictures: Image) -> list[tuple[Vector, Vector]]:
    """Of each picture: its products with the moves of all pairs, and with their coarse changes."""
    asked = tf.reshape(tf.concat(pictures, axis=0), [len(pictures), -1])
    found = tf.reshape(tf.matmul(asked, pairs, transpose_b=True), [len(pictures), 2, -1])
    return [(each[0], each[1]) for each in tf.unstack(found)]


def coarse_metric(pictures: Image) -> Image:
    """M · each picture, (n, H, W, 3), where M = K₀ + K₁ P₂ + K₂ P₄ + … + K₅ P₃₂.

    P_b puts in the place of each pixel the mean over its block of b × b, pixels beyond the edge counted as zeros. K_l
    is Σ ``WEIGHTS[c, l]`` c cᵀ over the opponent colours c. M is symmetric, and its eigenvalues are 1 or more.

    It is computed as products of blocks of 4 × 4 pixels, and of blocks of 8 × 8 of their means, with one matrix each.
    """
    height, width = tf.unstack(tf.shape(pictures)[1:3])
    padded = tf.pad(pictures, [[0, 0], [0, -height % 32], [0, -width % 32], [0, 0]])
    fine = _cut(padded, 4)
    coarse = _joined(_times(_cut(_times(fine, _MEAN), 8), _COARSE), 8)
    return _joined(_times(fine, _FINE) + tf.tile(coarse, [1, 1, 1, 16]), 4)[:, :height, :width]


def _block_matrix(side: int, kernels: Sequence[Any]) -> Any:
    """Σ K_l P_b, b = 1, 2, 4 …, on a block of side × side pixels: (3 side², 3 side²) float32."""
    at = np.arange(side)
    total = np.zeros((side, side, 3) * 2)
    for level, kernel in enumerate(kernels):
        together = (at[:, np.newaxis] >> level == at >> level) / 2.0**level
        total += np.einsum("ik,jl,cd->ijckld", together, together, kernel)
    return total.reshape(3 * side**2, -1).astype(np.float32)


_KERNELS = np.einsum("oc,ol,od->lcd", OPPONENT, WEIGHTS, OPPONENT)
_FINE = _block_matrix(4, _KERNELS[:3])
_COARSE = _block_matrix(8, [np.zeros((3, 3)), *_KERNELS[3:]])
_MEAN = np.tile(np.eye(3, dtype=np.float32), (16, 1)) / 16


def _cut(pictures: Image, side: int) -> Image:
    """(n, H, W, 3) -> (n, H / side, W / side, 3 side²): blocks, each a row of its pixels."""
    count, height, width, _ = tf.unstack(tf.shape(pictures))
    rows = tf.reshape(pictures, [count, height // side, side, width // side, 3 * side])
    return tf.reshape(tf.transpose(rows, [0, 1, 3, 2, 4]), [count, height // side, width // side, 3 * side**2])


def _joined(blocks: Image, side: int) -> Image:
    """The other way."""
    count, height, width, _ = tf.unstack(tf.shape(blocks))
    rows = tf.transpose(tf.reshape(blocks, [count, height, width, side, 3 * side]), [0, 1, 3, 2, 4])
    return tf.reshape(rows, [count, height * side, width * side, 3])


def _times(blocks: Image, matrix: Any) -> Image:
    """Each block times a matrix."""
    product = tf.reshape(blocks, [-1, matrix.shape[0]]) @ tf.constant(matrix)
    return tf.reshape(product, [*tf.unstack(tf.shape(blocks)[:3]), matrix.shape[1]])


def _dot(a: Image, b: Image) -> Scalar:
    return tf.reduce_sum(a * b)


def _free(image: Image, gradient: Image, state: State) -> Image:
    """1 where a pixel may move against the gradient, 0 where a bound holds it."""
    held = ((image <= state["low"]) & (gradient > 0.0)) | ((image >= state["high"]) & (gradient < 0.0))
    return tf.cast(~held, tf.float32)
