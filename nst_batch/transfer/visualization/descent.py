"""Adam over spectra, traced once for a loss and good for any number and size of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from nst_batch.transfer.visualization.fourier import pictures

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
FALL = 0.7  # of the rate, over a run
SPECTRA = tf.TensorSpec([None, 3, None, None, 2], tf.float32)
NUMBER = tf.TensorSpec([], tf.float32)
WIDTH = tf.TensorSpec([], tf.int32)

Tick = Callable[[], object]  # called after each step


class Descent:
    """``loss(pictures, *given)`` is a scalar of RGB pictures (N, H, W, 3) in [0, 1]; ``given`` is of ``specs``.

    ``most`` bounds the pictures' contrast (fourier.py).
    """

    def __init__(self, loss: Callable[..., Any], specs: Sequence[Any] = (), most: float | None = None) -> None:
        def step(spectra: Any, mean: Any, square: Any, count: Any, rate: Any, width: Any, *given: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(spectra)
                value = loss(pictures(spectra, width, most), *given)
            slope = tape.gradient(value, spectra)
            mean += (slope - mean) * (1.0 - BETA_1)
            square += (tf.square(slope) - square) * (1.0 - BETA_2)
            rate *= tf.sqrt(1.0 - tf.pow(BETA_2, count)) / (1.0 - tf.pow(BETA_1, count))
            return spectra - rate * mean / (tf.sqrt(square) + EPSILON), mean, square

        signature = [SPECTRA, SPECTRA, SPECTRA, NUMBER, NUMBER, WIDTH, *specs]
        self._step = tf.function(step, autograph=False, input_signature=signature)

    def run(
        self, spectra: Any, width: int, steps: int, rate: float, given: Callable[[int], Sequence[Any]], tick: Tick
    ) -> Any:
        """The spectra after ``steps``; ``given(number)`` is what the loss of a step is given besides."""
        mean = square = tf.zeros_like(spectra)
        for number in range(steps):
            falling = rate * (1.0 - FALL * number / steps)
            spectra, mean, square = self._step(spectra, mean, square, float(number + 1), falling, width, *given(number))
            tick()
        return spectra
