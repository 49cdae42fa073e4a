"""The kernels of VGG19's convolutions, read from Keras's ``notop`` file or drawn untrained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from nst_batch.transfer.locate import UNTRAINED, WeightsLocation, damaged_weights, locate_weights
from nst_batch.transfer.spec import VGG19_LAYERS

Kernels = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

_WIDTHS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}


@dataclass(frozen=True)
class Weights:
    """One fixed network: for each layer its kernel (3, 3, in, out) and bias (out,), float32.

    ``sha256`` is that of the file, or of the kernels' bytes for the untrained network.
    """

    source: str
    path: Path | None
    sha256: str
    kernels: Kernels


def find_weights(choice: str = "auto") -> Weights:
    """Locate and read what ``choice`` (``auto``, ``untrained`` or a path) stands for. Raises SetupError."""
    return load_weights(locate_weights(choice))


def load_weights(location: WeightsLocation, *, seed: int = 0) -> Weights:
    """The weights at ``location``. ``seed`` draws the untrained network; raises SetupError for a bad file."""
    if location.source == UNTRAINED or location.path is None:
        from nst_batch.transfer.untrained import untrained_kernels  # noqa: PLC0415 - only the untrained network needs it

        kernels: Kernels = untrained_kernels(seed)
        return Weights(UNTRAINED, None, kernels_digest(kernels), kernels)
    return Weights(location.source, location.path, location.sha256, read_notop(location.path))


def kernels_digest(kernels: Kernels) -> str:
    """SHA-256 over the kernels' names and bytes, in the network's order."""
    digest = hashlib.sha256()
    for layer in VGG19_LAYERS:
        if layer in kernels:
            digest.update(layer.encode())
            for array in kernels[layer]:
                digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()


def layer_shape(layer: str) -> tuple[int, int, int, int]:
    """The shape (3, 3, in, out) of a VGG19 layer's kernel."""
    block, conv = int(layer[5]), int(layer[-1])
    out = _WIDTHS[block]
    if conv > 1:
        return (3, 3, out, out)
    return (3, 3, 3 if block == 1 else _WIDTHS[block - 1], out)


def read_notop(path: Path) -> Kernels:
    """Kernels and biases of all 16 convolutions of a Keras ``notop`` file. Raises SetupError."""
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            return {layer: _read_layer(path, root, layer) for layer in VGG19_LAYERS}
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:  # all that h5py raises
        raise damaged_weights(path, str(error).strip("'\"")) from error


def _read_layer(path: Path, root: h5py.Group, layer: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if layer not in root:
        raise damaged_weights(path, f"it has no layer {layer}")
    arrays: list[NDArray[np.float32]] = []

    def collect(_name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            arrays.append(np.asarray(node, np.float32))

    root[layer].visititems(collect)
    by_rank = {array.ndim: array for array in arrays}
    if len(arrays) != 2 or set(by_rank) != {1, 4}:
        raise damaged_weights(path, f"layer {layer} does not hold one kernel and one bias")
    kernel, bias = by_rank[4], by_rank[1]
    if kernel.shape != layer_shape(layer) or bias.shape != kernel.shape[-1:]:
        raise damaged_weights(path, f"layer {layer} has a kernel of shape {kernel.shape}, not {layer_shape(layer)}")
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise damaged_weights(path, f"layer {layer} holds numbers that are not finite")
    return kernel, bias
