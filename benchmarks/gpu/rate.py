"""The rates of one precision in one process: matrix products, then a step in each way at each size; a JSON line each.

python -m benchmarks.gpu.rate --precision float32|tf32|bfloat16 --sizes 512 --seconds 120
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.gpu.lines import complaint, emit
from nst_batch.transfer.device import choose_device, prepare_tensorflow

PRECISIONS = ("bfloat16", "tf32", "float32")
BLOCKS = 5
BLOCK_SECONDS = 0.3


def timed(launch: Callable[[], Any], wait: Callable[[Any], Any]) -> tuple[float, float]:
    """Seconds a call, with one under way while the one before is read, and with each read before the next."""
    return (_median(lambda count: _ahead(launch, wait, count)), _median(lambda count: _each(launch, wait, count)))


def _median(run: Callable[[int], float]) -> float:
    once = run(1)
    count = max(1, min(200, round(BLOCK_SECONDS / max(once, 1e-6))))
    blocks = BLOCKS if once < BLOCK_SECONDS else 1  # slow work needs no more than one look
    return statistics.median(run(count) / count for _ in range(blocks))


def _ahead(launch: Callable[[], Any], wait: Callable[[Any], Any], count: int) -> float:
    begin, before = time.perf_counter(), launch()
    for _ in range(count - 1):
        following = launch()
        wait(before)
        before = following
    wait(before)
    return time.perf_counter() - begin


def _each(launch: Callable[[], Any], wait: Callable[[Any], Any], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        wait(launch())
    return time.perf_counter() - begin


def product_rate(precision: str, in_a_row: int) -> float:
    """GFLOP/s of a product of two SIDE × SIDE matrices; several in a row, so that no launch is counted."""
    import tensorflow as tf  # noqa: PLC0415

    from benchmarks.step_rate import SIDE  # noqa: PLC0415

    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    a = tf.cast(tf.random.stateless_normal([SIDE, SIDE], (1, 2)), dtype)

    def launch() -> Any:
        found = a
        for _ in range(in_a_row):
            found = tf.matmul(a, a)
        return found[0, 0]

    launch()
    seconds = _median(lambda count: _ahead(launch, float, count))
    return in_a_row * 2 * SIDE**3 / seconds / 1e9


def measure(asked: argparse.Namespace) -> None:
    """Emit what can be measured within the time."""
    begin = time.perf_counter()
    prepare_tensorflow()
    import tensorflow as tf  # noqa: PLC0415

    from benchmarks.gpu.ways import WAYS, Bench, waited  # noqa: PLC0415
    from benchmarks.step_rate import convolution_flops, random_weights  # noqa: PLC0415
    from nst_batch.transfer.network import Network  # noqa: PLC0415

    tf.config.experimental.enable_tensor_float_32_execution(asked.precision != "float32")
    if asked.no_layout:
        tf.config.optimizer.set_experimental_options({"layout_optimizer": False})
    device = choose_device(asked.device)
    if asked.formulation:
        device = replace(device, convolution=asked.formulation)
    network = Network(random_weights(), device, "bfloat16" if asked.precision == "bfloat16" else "float32")

    def limit() -> float:
        return product_rate(asked.precision, 10 if device.kind == "gpu" else 1)

    common = {"precision": asked.precision, "note": asked.note}
    emit("product", **common, gflops=limit(), start_seconds=time.perf_counter() - begin, device=device.name)
    kinds = [[way for way in WAYS if way.xla is xla and _wanted(way.name, asked.ways)] for xla in (False, True)]
    for size, way in [(size, way) for ways in kinds for size in asked.sizes for way in ways]:
        if time.perf_counter() - begin > asked.seconds:
            emit("rate", **common, size=size, way=way.name, failed="no time left")
            continue
        height, width = size * 3 // 4, size
        try:
            bench = Bench(network, height, width)
            launch, steps = bench.launcher(way)
            first = _each(launch, waited, 1)
            second = _each(launch, waited, 1)
            before = limit()  # of this very moment: others may use the machine, and clocks fall
            ahead, each = timed(launch, waited)
        except tf.errors.OpError as error:
            emit("rate", **common, size=size, way=way.name, failed=complaint(error))
            continue
        gflops = convolution_flops(height, width) * steps / ahead / 1e9
        emit(
            "rate", **common, size=size, way=way.name, steps=steps, first_seconds=first, second_seconds=second,
            ms=1e3 * ahead / steps, ms_read=1e3 * each / steps, gflops=gflops, share=gflops / max(before, limit()),
        )  # fmt: skip


def _wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def main() -> int:
    """Entry point of the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=PRECISIONS, default="bfloat16")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--ways", nargs="*", default=[], help="only ways with one of these words in their name")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--formulation", choices=["plain", "forward", "transposed"])
    parser.add_argument("--no-layout", action="store_true", help="without TensorFlow's layout optimiser")
    parser.add_argument("--note", default="", help="said with each figure")
    asked = parser.parse_args()
    measure(asked)
    sys.stdout.flush()
    os._exit(0)  # a GPU's own clean-up can hang


if __name__ == "__main__":
    sys.exit(main())
