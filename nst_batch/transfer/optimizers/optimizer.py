"""Optimisers of a picture in a box, as init / step / state.

A state is a flat dict of tensors, hyperparameters included: a checkpoint can hold it, and one traced step
serves every job. ``step`` is told the loss and gradient at the picture it last asked for, and answers
whether it accepts that picture as an iterate, and which to evaluate next. All arithmetic is in float32
TensorFlow operations, so it stays on the device.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from nst_batch.transfer.box import Box
from nst_batch.transfer.tensors import Image, Scalar

State = dict[str, Any]


class Proposal(NamedTuple):
    """Whether the picture just evaluated is an iterate, the next one to evaluate, and the state then."""

    accepted: Scalar | None  # bool; None where every picture is one
    image: Image
    state: State


class Optimizer(Protocol):
    """What the engine asks of an optimiser. Pictures are (1, H, W, 3) float32."""

    always_accepts: bool  # every evaluated picture is an iterate: nothing is lost by running ahead

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for optimisers whose steps can share one trace."""

    def init(self, image: Image, box: Box | None = None, steps: int = 1) -> State:
        """The state before the first evaluation, which is at ``image``, of ``steps``; no box: [0, 1]."""

    def step(self, state: State, image: Image, loss: Scalar, gradient: Image) -> Proposal:
        """Told loss and gradient at ``image``: accepted or not, the next picture, the state."""

    def resize(self, state: State, image: Image, box: Box | None = None, steps: int = 1) -> State:
        """The state carried to the next scale, which starts at ``image`` and has its own box and ``steps``."""


def bounds(box: Box | None) -> State:
    """The part of a state that keeps a picture in its box."""
    low, high = box or (tf.zeros([]), tf.ones([]))
    return {"low": low, "high": high}


def clipped(image: Image, state: State) -> Image:
    return tf.clip_by_value(image, state["low"], state["high"])
