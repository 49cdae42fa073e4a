"""Adam, on a picture's pixels or on the levels of its Laplacian pyramid."""

from __future__ import annotations

import tensorflow as tf

from nst_batch.transfer.box import Box
from nst_batch.transfer.laplacian import joined, spread
from nst_batch.transfer.optimizers.optimizer import Proposal, State, bounds, clipped
from nst_batch.transfer.spec import AdamSpec
from nst_batch.transfer.tensors import Image, Scalar, Vector


class Adam:
    """Adam (Kingma and Ba 2015, as in Keras: ε added to the root of the uncorrected v), clipped to the box.

    Its rate falls evenly over the steps of each scale, to a part of what it was (1: it does not). It moves the
    picture's pixels, or the levels of its Laplacian pyramid.
    """

    always_accepts = True

    def __init__(self, spec: AdamSpec) -> None:
        self._levels = spec.levels
        self._hyper = (spec.learning_rate, spec.beta_1, spec.beta_2, spec.epsilon, spec.final)

    @property
    def key(self) -> tuple[object, ...]:
        return ("adam", self._levels)

    def init(self, image: Image, box: Box | None = None, steps: int = 1) -> State:
        zeros = spread(tf.zeros_like(image), self._levels)
        return {
            **bounds(box),
            "hyper": tf.constant(self._hyper, tf.float32),
            "course": _course(0, steps),
            "count": tf.zeros([], tf.float32),
            **{f"mean{level}": value for level, value in enumerate(zeros)},
            **{f"square{level}": value for level, value in enumerate(zeros)},
        }

    def step(self, state: State, image: Image, loss: Scalar, gradient: Image) -> Proposal:  # noqa: ARG002 - Adam looks at the gradient alone
        rate, beta_1, beta_2, epsilon, final = tf.unstack(state["hyper"])
        begin, steps = tf.unstack(state["course"])
        rate *= 1.0 - (1.0 - final) * tf.minimum((state["count"] - begin) / steps, 1.0)
        count = state["count"] + 1.0
        rate *= tf.sqrt(1.0 - tf.pow(beta_2, count)) / (1.0 - tf.pow(beta_1, count))
        moments: State = {}
        moves = []
        for level, slope in enumerate(spread(gradient, self._levels)):
            mean, square = state[f"mean{level}"], state[f"square{level}"]
            mean += (slope - mean) * (1.0 - beta_1)
            square += (tf.square(slope) - square) * (1.0 - beta_2)
            moments |= {f"mean{level}": mean, f"square{level}": square}
            moves.append(rate * mean / (tf.sqrt(square) + epsilon))
        return Proposal(None, clipped(image - joined(moves), state), {**state, "count": count, **moments})

    def resize(self, state: State, image: Image, box: Box | None = None, steps: int = 1) -> State:
        carried = {}
        for level, like in enumerate(spread(tf.zeros_like(image), self._levels)):
            for name in (f"mean{level}", f"square{level}"):
                carried[name] = tf.image.resize(state[name], tf.shape(like)[1:3])
        return {**state, **carried, **bounds(box), "course": _course(state["count"], steps)}


def _course(begin: Scalar, steps: int) -> Vector:
    """The count at which a scale begins, and the number of its steps."""
    return tf.stack([tf.cast(begin, tf.float32), tf.constant(steps, tf.float32)])
