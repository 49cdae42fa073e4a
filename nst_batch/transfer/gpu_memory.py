"""A GPU's memory: how much of it is left, as the driver tells it (instances included), and its end by its name."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

from nst_batch.transfer.device import Device
from nst_batch.transfer.errors import OutOfMemoryError
from nst_batch.transfer.gpu_words import is_out_of_memory, telling_line
from nst_batch.transfer.memory_plan import MB


def card_memory_mb(library: str = "libcuda.so.1") -> tuple[float, float] | None:
    """What is free and what there is of the first GPU that CUDA shows to this process; None where it does not tell.

    To be asked once TensorFlow has a context there, which is then made use of.
    """
    try:
        cuda = ctypes.CDLL(library)
        context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
        if cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0):
            return None
        try:
            if cuda.cuCtxPushCurrent_v2(context):
                return None
            said = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
            cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        finally:
            cuda.cuDevicePrimaryCtxRelease_v2(0)
    except (OSError, AttributeError):  # no driver, or an old one
        return None
    return None if said else (free.value / MB, total.value / MB)


@contextlib.contextmanager
def memory_named(device: Device, height: int = 0, width: int = 0) -> Iterator[None]:
    """Memory that runs out inside gets its name; a GPU's libraries often call it something else.

    ``height`` and ``width`` are of the scale at work; 0 for what all have in common.
    """
    import tensorflow as tf  # noqa: PLC0415 - asking a card how much it has costs nothing

    try:
        yield
    except tf.errors.OpError as error:
        text = str(error)
        free = card_memory_mb() if device.kind == "gpu" else None
        named = isinstance(error, tf.errors.ResourceExhaustedError)
        if not named and not is_out_of_memory(text, free[0] if free else None):
            raise
        raise OutOfMemoryError(height, width, telling_line(text)) from error
