"""Convolutions by Winograd's points against TensorFlow's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.transfer import winograd
from nst_batch.transfer.convolution import Convolution, plain
from nst_batch.transfer.device import Formulation
from nst_batch.transfer.network import Network
from nst_batch.transfer.weights import Weights
from nst_batch.transfer.winograd import Halved
from tests.transfer.conftest import CPU

WAYS: tuple[Formulation, ...] = ("plain", "forward", "transposed")


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def error(found: Any, expected: Any) -> float:
    """Relative to the expected one's size."""
    return float(tf.norm(tf.cast(found, tf.float32) - expected) / tf.norm(expected))


@given(st.integers(1, 45), st.integers(1, 45), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_it_is_the_convolution_at_every_size(height: int, width: int, channels: int, filters: int, seed: int) -> None:
    """Within rounding, whichever number of tiles shares a matrix, and however many rows are beyond the end."""
    value, kernel = drawn(1, height, width, channels, seed=seed), drawn(3, 3, channels, filters, seed=seed + 1)
    found = winograd.convolved(tf.constant(value), winograd.evaluated(kernel, "float32"))
    expected = plain(value, kernel)
    np.testing.assert_allclose(found, expected, atol=2e-5 * float(np.abs(expected).max()) + 1e-6)


def test_its_matrices_are_exact_in_bfloat16() -> None:
    """Only values and kernels are rounded there, never the numbers that take them apart."""
    for matrix in (winograd.BEFORE, winograd.AFTER):
        rounded = tf.cast(tf.cast(tf.constant(matrix), tf.bfloat16), tf.float32)
        np.testing.assert_array_equal(rounded, matrix)


def test_in_bfloat16_it_errs_by_less_than_a_hundredth() -> None:
    """Of a convolution's result, after photographs' non-negative features."""
    kernel = drawn(3, 3, 128, 32) / 24.0
    points = winograd.evaluated(kernel, "bfloat16")
    for size in ((24, 16), (40, 32)):
        value = np.maximum(drawn(1, *size, 128), 0.0)
        found = winograd.convolved(tf.cast(value, tf.bfloat16), points)
        assert found.dtype == tf.bfloat16
        assert error(found, plain(value, kernel)) < 0.01


@pytest.mark.parametrize("formulation", WAYS)
@pytest.mark.parametrize("size", [(37, 35), (6, 7)], ids=["many positions", "few"])
def test_a_layer_and_its_gradient_are_those_of_the_plain_way(formulation: Formulation, size: tuple[int, int]) -> None:
    """Bias, ReLU and the way back, for pictures on both sides of the least number of positions."""
    kernel, bias, value = drawn(3, 3, 24, 40) / 15.0, drawn(40), tf.constant(drawn(1, *size, 24))
    upstream = drawn(1, *size, 40)

    def both(layer: Convolution) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(value)
            found = layer(value)
        return found, tape.gradient(found, value, upstream)

    expected = both(Convolution(kernel, bias, "float32"))
    layer = Halved(kernel, bias, "float32", formulation)
    for found in (both(layer), tf.function(both, autograph=False)(layer)):
        assert error(found[0], expected[0]) < 1e-5
        assert error(found[1], expected[1]) < 0.01  # where a feature is nearly 0 the ReLU may decide otherwise


def test_layers_of_one_shape_share_a_program() -> None:
    """A job's first step is not held up by tracing the same thing once a layer."""
    value = tf.constant(drawn(1, 20, 20, 16))
    layers = [Halved(drawn(3, 3, 16, 24, seed=n), drawn(24), "float32") for n in range(3)]
    layers[0](value)
    held = winograd.program.cache_info().currsize
    found = [layer(value) for layer in layers]
    assert winograd.program.cache_info().currsize == held
    assert error(found[1], found[0]) > 0.1


def test_only_a_processor_computes_so(weights: Weights) -> None:
    """On a GPU its libraries choose; and narrow layers would lose by it."""

    def halved(kind: Literal["cpu", "gpu"]) -> list[str]:
        network = Network(weights, replace(CPU, kind=kind), "float32")
        return [layer for layer in weights.kernels if isinstance(network.convolution(layer), Halved)]

    assert halved("gpu") == []
    assert halved("cpu") == list(weights.kernels)[4:]
    assert halved("cpu")[0] == "block3_conv1"
