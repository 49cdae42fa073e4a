"""The small step that a GPU has to make before any job is given to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nst_batch.errors import SetupError
from nst_batch.transfer.device import Device
from nst_batch.transfer.trial import matrix_rate, small_step, try_out

GPU = Device("gpu", "NVIDIA A (GPU 0)", has_bfloat16=True, steps_per_call=5)


def on_the_cpu(_where: str, precision: Any) -> Any:
    """A GPU that computes, played by the processor."""
    return small_step("/CPU:0", precision)


def test_a_gpu_that_computes_passes_in_both_precisions() -> None:
    """bfloat16 rounds, and is still the same step."""
    asked: list[tuple[str, str]] = []

    def step(where: str, precision: Any) -> Any:
        asked.append((where, precision))
        return on_the_cpu(where, precision)

    try_out(GPU, step)
    assert asked == [("/CPU:0", "float32"), ("/GPU:0", "float32"), ("/GPU:0", "bfloat16")]


def test_the_processor_is_not_compared_with_itself() -> None:
    """Nothing is computed where there is no GPU."""
    try_out(Device("cpu", "CPU", has_bfloat16=True, steps_per_call=1), lambda *_: pytest.fail("asked"))


@pytest.mark.parametrize("spoil", [lambda v: v * 1.5, lambda v: v * np.nan, np.zeros_like])
def test_a_gpu_that_computes_something_else_is_refused(spoil: Any) -> None:
    """A broken card can give numbers all the same; NaN is no small difference."""

    def step(where: str, precision: Any) -> Any:
        found = on_the_cpu(where, precision)
        return found if where == "/CPU:0" else spoil(found)

    with pytest.raises(SetupError, match="differs from the processor") as caught:
        try_out(GPU, step)
    assert caught.value.code == "device_failed"


@pytest.mark.parametrize(
    ("error", "what", "advice"),
    [
        (tf.errors.InternalError(None, None, "CUDA_ERROR_DEVICE_UNAVAILABLE: busy"), "for itself", "nvidia-smi -c"),
        (tf.errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access"), "fault of its", "Xid"),
        (tf.errors.InternalError(None, None, "failed with 'CUDA_ERROR_INVALID_PTX'"), "architecture", "capability"),
        (tf.errors.InternalError(None, None, "CUDA driver version is insufficient"), "too old", "525.60"),
        (RuntimeError("libcudnn.so.9: cannot open shared object file"), "libcudnn.so.9 is missing", "gpu.txt"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM: failed to allocate"), "no memory left", "end the programs"),
        (RuntimeError("something new"), "something new", "doctor"),
    ],
)
def test_why_nothing_runs_is_told_in_tensorflows_words(error: Exception, what: str, advice: str) -> None:
    """With a remedy where the words are known."""

    def step(where: str, precision: Any) -> Any:
        if where == "/GPU:0":
            raise error
        return on_the_cpu(where, precision)

    with pytest.raises(SetupError) as caught:
        try_out(GPU, step)
    assert caught.value.code == "device_failed"
    assert what in caught.value.message
    assert advice in caught.value.advice


def test_a_gpu_without_the_memory_for_a_product_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate is asked before the worker is ready: it does not die of it without a word."""

    def full(*_: Any, **__: Any) -> Any:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4096,4096]")

    monkeypatch.setattr(tf.linalg, "matmul", full)
    with pytest.raises(SetupError, match="no memory left") as caught:
        matrix_rate(Device("cpu", "CPU", has_bfloat16=False, steps_per_call=1), "float32")
    assert caught.value.code == "device_failed"
