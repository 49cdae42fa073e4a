"""One picture's peak memory on the device, beside what the plan expects; one JSON line. A process a picture.

python -m benchmarks.gpu.memory --size 2048 --precision bfloat16 [--strips 2] [--optimizer adam]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.lines import complaint, emit
from benchmarks.memory import LAYERS, OPTIMIZERS, resident_peak_mb
from nst_batch.transfer.device import Device, choose_device, prepare_tensorflow
from nst_batch.transfer.memory_plan import PROCESS_MB, VIEW, MemoryPlan
from nst_batch.transfer.spec import TransferSpec
from nst_batch.transfer.strips import StripPlan

MB = 1 << 20


def peak_now_mb(device: Device) -> tuple[float, float]:
    """The most that the device's memory has held of tensors, and what the whole process takes of it now."""
    if device.kind == "cpu":
        return resident_peak_mb(), resident_peak_mb()
    import tensorflow as tf  # noqa: PLC0415

    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    used = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / MB, float(used[0])


def limit_memory(left_mb: float) -> None:
    """Let this process have so much more than it has now."""
    found = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this kernel does not tell what a process has")
    most = int(found[1]) * 1024 + int(left_mb * MB)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def measure(asked: argparse.Namespace) -> None:
    """Three steps at one size."""
    prepare_tensorflow()
    import numpy as np  # noqa: PLC0415 - after TensorFlow was told to be quiet
    import tensorflow as tf  # noqa: PLC0415

    from benchmarks.step_rate import random_weights  # noqa: PLC0415
    from nst_batch.transfer import Network, NeuralStyleModel, OutOfMemoryError  # noqa: PLC0415

    device = choose_device(asked.device)
    rule = OPTIMIZERS[asked.optimizer]
    height, width = asked.size * 3 // 4, asked.size
    cut = StripPlan(asked.strips, VIEW * asked.view) if asked.strips else None
    planned = StripPlan(asked.strips, VIEW) if asked.strips else None
    expected = MemoryPlan(asked.precision, rule).peak_mb(height * width, planned)
    expected -= 0.0 if device.kind == "cpu" else PROCESS_MB
    what: dict[str, Any] = {
        "size": asked.size, "megapixels": height * width / 1e6, "precision": asked.precision,
        "optimizer": asked.optimizer, "strips": asked.strips, "view": asked.view, "expected_mb": expected,
    }  # fmt: skip
    content, style = (np.random.default_rng(seed).random((side * 3 // 4, side, 3), np.float32)
                      for seed, side in ((0, width), (1, 512)))  # fmt: skip
    spec = TransferSpec(
        height, width, {"block4_conv2": 1.0}, LAYERS["moments"], 0.07, 1.0, 0.04,
        optimizer=rule, epochs=1, steps_per_epoch=3, family="moments",
    )  # fmt: skip
    if asked.left_mb:
        limit_memory(asked.left_mb)
    try:
        network = Network(random_weights(), device, asked.precision)
        begin = time.perf_counter()
        model = NeuralStyleModel(
            content, [(style, 1.0)], spec, network, strip_plan=lambda n: cut if n > 512 * 384 else None
        )
        moments = [time.perf_counter() for _ in model.steps()]
        total = float(np.mean(model.image()))
    except (tf.errors.OpError, OutOfMemoryError, ValueError) as error:
        emit("memory", **what, failed=complaint(error))
        return
    peak, process = peak_now_mb(device)
    emit(
        "memory", **what, peak_mb=peak, process_mb=process, ratio=peak / expected, start_seconds=moments[0] - begin,
        seconds_a_step=(moments[-1] - moments[0]) / 2, finite=total == total,
    )  # fmt: skip


def main() -> int:
    """Entry point of the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), default="adam")
    parser.add_argument("--strips", type=int, default=0, help="blocks in strips")
    parser.add_argument("--view", type=int, default=1, help="strips so many times as high as on a CPU")
    parser.add_argument("--left-mb", type=float, default=0.0, help="on a CPU: no more than that besides TensorFlow")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    measure(asked)
    sys.stdout.flush()
    os._exit(0)  # a GPU's own clean-up can hang


if __name__ == "__main__":
    sys.exit(main())
