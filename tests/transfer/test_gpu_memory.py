"""Memory that runs out on a GPU, whatever its libraries call it, and what the driver tells of it."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
import tensorflow as tf

from nst_batch.transfer.device import Device
from nst_batch.transfer.errors import OutOfMemoryError
from nst_batch.transfer.gpu_memory import card_memory_mb, memory_named

GPU = Device("gpu", "NVIDIA A (GPU 0)", has_bfloat16=True, steps_per_call=5)


class Cuda:
    """A driver with one GPU of 16 GB of which 6 are free; ``fails`` names the call that does."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.held = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._call(name, *arguments)

    def _call(self, name: str, *arguments: Any) -> int:
        if name == self.fails:
            return 999
        self.held += {"cuDevicePrimaryCtxRetain": 1, "cuDevicePrimaryCtxRelease_v2": -1}.get(name, 0)
        if name == "cuMemGetInfo_v2":
            for argument, mb in zip(arguments, (6_000, 16_000), strict=True):
                ctypes.cast(argument, ctypes.POINTER(ctypes.c_size_t))[0] = mb << 20
        return 0


@pytest.mark.parametrize(
    ("fails", "told"),
    [("", (6_000.0, 16_000.0)), *((call, None) for call in ("cuInit", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"))],
)
def test_the_driver_is_asked_what_is_free(
    monkeypatch: pytest.MonkeyPatch, fails: str, told: tuple[float, float] | None
) -> None:
    """Whatever it answers, its context is given back."""
    driver = Cuda(fails)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: driver)
    assert card_memory_mb() == told
    assert driver.held == 0


def test_without_a_driver_nothing_is_told() -> None:
    """No library is no crash."""
    assert card_memory_mb("libcuda-is-not-here.so") is None


@pytest.mark.parametrize(
    ("words", "free", "named"),
    [
        ("Graph execution error:\n\nDst tensor is not initialized.", None, True),
        ("No algorithm worked!", (900.0, 16_000.0), True),
        ("CUDNN_STATUS_NOT_INITIALIZED", (200.0, 16_000.0), True),
        ("CUBLAS_STATUS_NOT_INITIALIZED", (200.0, 16_000.0), True),
        ("CUBLAS_STATUS_NOT_INITIALIZED", (12_000.0, 16_000.0), False),
        ("CUDNN_STATUS_NOT_INITIALIZED", None, False),
        ("CUDA_ERROR_ILLEGAL_ADDRESS", (200.0, 16_000.0), False),
    ],
)
def test_memory_that_runs_out_is_known_in_its_words(
    monkeypatch: pytest.MonkeyPatch, words: str, free: tuple[float, float] | None, named: bool
) -> None:
    """A library that does not start lacks memory only where the card has little left; a fault stays a fault."""
    monkeypatch.setattr("nst_batch.transfer.gpu_memory.card_memory_mb", lambda: free)
    with pytest.raises(OutOfMemoryError if named else tf.errors.InternalError) as caught, memory_named(GPU, 48, 64):
        raise tf.errors.InternalError(None, None, words)
    if named:
        assert "64×48" in str(caught.value)
        assert "Graph execution" not in str(caught.value)
