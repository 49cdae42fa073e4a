"""What a processor multiplies, as far as it can be told without TensorFlow."""

from __future__ import annotations

import time

from nst_batch.transfer.device import TensorFlowDevices
from nst_batch.transfer.precision import cpu_has_bfloat16

SIDE, TIMES = 1536, 5


def processor_rate() -> float:
    """Operations a second of a matrix product, in the precision that ``auto`` means: a quarter of a second's work."""
    return matrix_rate() * (2 if cpu_has_bfloat16(TensorFlowDevices().cpu_flags()) else 1)


def matrix_rate() -> float:
    """Those of one in float32, the median of a few."""
    import numpy as np  # noqa: PLC0415 - loaded when first needed

    matrix = np.full((SIDE, SIDE), 0.5, np.float32)
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        np.matmul(matrix, matrix)
        seconds.append(time.perf_counter() - begun)
    return float(2.0 * SIDE**3 / sorted(seconds)[TIMES // 2])
