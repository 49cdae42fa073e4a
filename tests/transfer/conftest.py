"""A small picture pair and a random network of VGG19's shape, for every test of the engine."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nst_batch.transfer.device import Device, prepare_tensorflow
from nst_batch.transfer.spec import VGG19_LAYERS, AdamSpec, TransferSpec

prepare_tensorflow()

from nst_batch.transfer.checkpoint import pack, unpack  # noqa: E402
from nst_batch.transfer.network import Network  # noqa: E402 - TensorFlow is told to be quiet first
from nst_batch.transfer.weights import Kernels, Weights, kernels_digest, layer_shape  # noqa: E402

CPU = Device("cpu", "CPU", has_bfloat16=False, steps_per_call=1)

TWO_SCALES = TransferSpec(
    height=128,
    width=160,
    content_layers={"block3_conv1": 1.0},
    style_layers={"block1_conv1": 1.0, "block2_conv1": 1.0},
    content_weight=0.1,
    style_weight=1.0,
    tv_weight=0.01,
    optimizer=AdamSpec(0.02, 0.9, 0.99, 1e-8),
    scales=2,
    epochs=4,
    steps_per_epoch=2,
)


@pytest.fixture(scope="session")
def kernels() -> Kernels:
    """He-normal kernels and small biases: not a network that paints, but one that computes."""
    generator = np.random.default_rng(7)
    drawn = {}
    for layer in VGG19_LAYERS:
        shape = layer_shape(layer)
        scale = np.sqrt(2.0 / (9 * shape[2]))
        kernel = generator.standard_normal(shape, np.float32) * np.float32(scale)
        drawn[layer] = (kernel, generator.standard_normal(shape[-1:], np.float32) * np.float32(0.1))
    return drawn


@pytest.fixture(scope="session")
def weights(kernels: Kernels) -> Weights:
    return Weights("path", None, kernels_digest(kernels), kernels)


@pytest.fixture(scope="session")
def network(weights: Weights) -> Network:
    return Network(weights, CPU, "float32")


def through_bytes(state: dict[str, Any]) -> dict[str, Any]:
    """A model's state as a checkpoint's file gives it back."""
    return unpack(io.BytesIO(b"".join(pack(state))))[0]


def waves(height: int, width: int, phase: float) -> NDArray[np.float32]:
    """A smooth colourful picture (height, width, 3) in [0, 1]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [np.sin(x / (3 + c) + phase) * np.cos(y / (5 - c) + phase * c) for c in range(3)]
    return (np.stack(planes, axis=-1) * 0.4 + 0.5).astype(np.float32)


@pytest.fixture(scope="session")
def content() -> NDArray[np.float32]:
    return waves(48, 64, 0.0)


@pytest.fixture(scope="session")
def style() -> NDArray[np.float32]:
    return waves(56, 40, 1.3)
