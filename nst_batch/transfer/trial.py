"""A small step on a GPU before any job is given to it, beside the same step on the processor.

A GPU that TensorFlow lists may still be taken by another program, broken, or one that it has no code for: all that
shows only when something runs there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nst_batch.errors import SetupError
from nst_batch.reasons import DEVICE_FAILED
from nst_batch.transfer.convolution import Convolution
from nst_batch.transfer.device import Device
from nst_batch.transfer.gpu_words import find_trouble, is_out_of_memory
from nst_batch.transfer.objectives.gram import gram_matrix
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.vgg19 import pool

SIDE = 48
RATE_SIDES = {"cpu": (1536, 5), "gpu": (4096, 5)}  # of the matrices, and how many products: a fraction of a second
# A product errs by 3e-4 in TF32 and by 3e-3 in bfloat16; where it decides a maximum, the gradient goes another way.
TOLERANCE: dict[Precision, float] = {"float32": 0.05, "bfloat16": 0.15}

Step = Callable[[str, Precision], Any]  # where and in which precision -> loss and gradient, as one vector


def try_out(device: Device, step: Step | None = None) -> None:
    """Raises SetupError where the GPU does not compute, or computes something else than the processor."""
    if device.kind == "cpu":
        return
    step = step or small_step
    precisions: list[Precision] = ["float32", "bfloat16"] if device.has_bfloat16 else ["float32"]
    try:
        expected = step("/CPU:0", "float32")
        errors = {precision: _difference(step("/GPU:0", precision), expected) for precision in precisions}
    except (tf.errors.OpError, RuntimeError) as error:
        raise failed(device, str(error)) from error
    for precision, by in errors.items():
        if not by <= TOLERANCE[precision]:  # a NaN is no number at all
            what = f"a small step in {precision} differs from the processor's by {by:.1g} of its size"
            raise SetupError(DEVICE_FAILED, f"{device.name}: {what}", "look for Xid in dmesg; the GPU may be broken")


def matrix_rate(device: Device, precision: Precision) -> float:
    """Operations a second of a matrix product there, the best of a few: what the steps to come are guessed by.

    Raises SetupError where it cannot be computed, mostly for want of memory.
    """
    side, times = RATE_SIDES[device.kind]
    seconds = []
    try:
        with tf.device("/CPU:0" if device.kind == "cpu" else "/GPU:0"):
            matrix = tf.ones((side, side), precision)
            for _ in range(times + 1):  # the first one finds its kernel
                begun = time.perf_counter()
                tf.linalg.matmul(matrix, matrix)[0, 0].numpy()
                seconds.append(time.perf_counter() - begun)
    except tf.errors.OpError as error:
        raise failed(device, str(error)) from error
    return float(2.0 * side**3 / min(seconds[1:]))


def failed(device: Device, words: str) -> SetupError:
    """The error of a GPU on which nothing runs, from TensorFlow's words."""
    first = (words.strip().splitlines() or ["no reason was given"])[0][:300]
    found = find_trouble(words)
    if found is None and is_out_of_memory(words):
        found = "it has no memory left", "end the programs that hold it (nvidia-smi lists them)"
    what, advice = found or ("a small step failed", "run nst-batch doctor")
    return SetupError(DEVICE_FAILED, f"{device.name}: {what} ({first})", advice)


def small_step(where: str, precision: Precision) -> Any:
    """Two convolutions, a pooling and a Gram matrix, forward and back."""
    draw = np.random.default_rng(0).standard_normal
    with tf.device(where):
        first, second = (
            Convolution(draw(shape, np.float32) / 8, np.zeros(shape[-1], np.float32), precision)
            for shape in ((3, 3, 3, 64), (3, 3, 64, 64))
        )
        image = tf.constant(draw((1, SIDE, SIDE, 3), np.float32))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            features = second(pool(first(tf.cast(image, precision)), "max"))
            loss = tf.reduce_mean(tf.square(gram_matrix(features) / SIDE**2))
        gradient = tape.gradient(loss, image)
        return np.concatenate([[float(loss)], np.asarray(gradient, np.float64).ravel()])


def _difference(found: Any, expected: Any) -> float:
    """The larger of the relative errors of loss and gradient."""
    of_loss = abs(found[0] - expected[0]) / abs(expected[0])
    of_gradient = np.linalg.norm(found[1:] - expected[1:]) / np.linalg.norm(expected[1:])
    return float(np.maximum(of_loss, of_gradient))  # unlike max(), a NaN stays one
