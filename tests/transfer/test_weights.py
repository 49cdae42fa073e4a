"""Reading Keras's notop file, and refusing what only looks like it."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from nst_batch.errors import SetupError
from nst_batch.transfer.spec import VGG19_LAYERS
from nst_batch.transfer.weights import find_weights, kernels_digest, layer_shape, read_notop


def write_notop(path, *, leave_out=(), shape_of=layer_shape, number=0.5, root=""):
    """A file in Keras's layout whose kernels hold one number each, compressed to almost nothing."""
    with h5py.File(path, "w") as file:
        for layer in VGG19_LAYERS:
            if layer in leave_out:
                continue
            group = file.create_group(f"{root}{layer}/{layer}")
            shape = shape_of(layer)
            group.create_dataset("kernel:0", shape, np.float32, fillvalue=number, chunks=shape)
            group.create_dataset("bias:0", shape[-1:], np.float32, fillvalue=0.25)
    return path


@pytest.mark.parametrize("root", ["", "model_weights/"])
def test_all_sixteen_convolutions_are_read(tmp_path, root):
    """Kernels and biases, as float32, from a weights file and from a whole saved model's."""
    kernels = read_notop(write_notop(tmp_path / "w.h5", root=root))
    assert list(kernels) == list(VGG19_LAYERS)
    kernel, bias = kernels["block4_conv1"]
    assert (kernel.shape, bias.shape, kernel.dtype) == ((3, 3, 256, 512), (512,), np.float32)
    assert (kernel[0, 0, 0, 0], bias[0]) == (0.5, 0.25)


def other_shape(layer):
    return (3, 3, 8, 8) if layer == "block2_conv1" else layer_shape(layer)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"leave_out": ["block5_conv4"]}, "block5_conv4"),
        ({"shape_of": other_shape}, "block2_conv1"),
        ({"number": np.nan}, "not finite"),
    ],
)
def test_another_networks_file_is_refused(tmp_path, changes, named):
    """A missing layer, a wrong shape, numbers that are not finite: each is named."""
    with pytest.raises(SetupError, match=named) as caught:
        read_notop(write_notop(tmp_path / "w.h5", **changes))
    assert caught.value.code == "weights_damaged"


def test_a_damaged_file_is_refused(tmp_path):
    """Zeros in the middle of the file, where its tables are."""
    path = write_notop(tmp_path / "w.h5")
    data = bytearray(path.read_bytes())
    data[200:2000] = bytes(1800)
    path.write_bytes(data)
    with pytest.raises(SetupError) as caught:
        read_notop(path)
    assert caught.value.code == "weights_damaged"


def test_digest_depends_on_every_number(kernels):
    """One changed bias gives another digest."""
    changed = dict(kernels)
    kernel, bias = changed["block5_conv4"]
    changed["block5_conv4"] = (kernel, bias + np.float32(1e-3))
    assert kernels_digest(changed) != kernels_digest(kernels)
    assert kernels_digest(dict(reversed(kernels.items()))) == kernels_digest(kernels)


@pytest.mark.skipif("NST_BATCH_WEIGHTS" not in os.environ, reason="NST_BATCH_WEIGHTS names no real weights")
def test_real_weights_are_found_and_read():
    """The trained network's first kernels are the well-known small edge filters, its source is named."""
    weights = find_weights("auto")
    assert weights.source == "NST_BATCH_WEIGHTS"
    assert len(weights.sha256) == 64
    assert 0.05 < float(np.abs(weights.kernels["block1_conv1"][0]).mean()) < 0.5
