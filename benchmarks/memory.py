"""How much memory does a picture take at its peak? Each size in a process of its own, beside what the plan expects.

    python -m benchmarks.memory [--sizes 512 1024 2048] [--optimizer adam] [--family moments] [--room-mb 4096]
    python -m benchmarks.memory --sizes 256 --style 2048    a style much larger than the picture

4:3 pictures of noise, two steps each; the resident memory's peak is what the kernel tells (VmHWM). The pictures are cut
up as the planner decides for ``--room-mb``; 0 asks for the least memory there can be. The numbers of
nst_batch/transfer/memory_plan.py come from here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from nst_batch.transfer.device import prepare_tensorflow
from nst_batch.transfer.memory_plan import MemoryPlan
from nst_batch.transfer.objectives.families import FamilyName
from nst_batch.transfer.spec import VGG19_LAYERS, AdamSpec, LbfgsSpec, TransferSpec

OPTIMIZERS = {"adam": AdamSpec(), "lbfgs": LbfgsSpec()}
LAYERS = {
    "moments": {f"block{block}_conv1": 1.0 for block in range(1, 6)},
    "neighbours": {layer: 1.0 for layer in VGG19_LAYERS if layer < "block5"},
}


def resident_peak_mb() -> float:
    """The most memory that this process has held, in MB of 2²⁰ bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this kernel does not tell a process's peak")
    return int(found[1]) / 1024


def measure(size: int, style_side: int, optimizer: str, room_mb: float, weights: str, family: FamilyName) -> None:
    """Two steps at one size, in this process; prints a row."""
    prepare_tensorflow()
    import numpy as np  # noqa: PLC0415 - after TensorFlow was told to be quiet

    from nst_batch.transfer import NeuralStyleModel, find_weights, load_network  # noqa: PLC0415
    from nst_batch.transfer.device import choose_device  # noqa: PLC0415

    network = load_network(find_weights(weights), device=choose_device("cpu"), precision="float32")
    height, width, rule = size * 3 // 4, size, OPTIMIZERS[optimizer]
    content, style = (
        np.random.default_rng(seed).random((side * 3 // 4, side, 3), np.float32)
        for seed, side in enumerate((size, style_side))
    )
    plan = MemoryPlan("float32", rule, family)
    strip_plan = plan.strip_plan(height * width, room_mb)
    spec = TransferSpec(
        height, width, {"block4_conv2": 1.0, "block5_conv2": 30.0}, LAYERS[family], 0.07, 1.0, 0.04,
        optimizer=rule, epochs=2, steps_per_epoch=2, family=family, framed=True,
    )  # fmt: skip
    model = NeuralStyleModel(
        content,
        [(style, 1.0)],
        spec,
        network,
        strip_plan=lambda pixels: plan.strip_plan(pixels, room_mb),
    )
    moments = []
    for _step in model.steps():
        moments.append(time.perf_counter())
    seconds = moments[-1] - moments[0]
    how = f"{strip_plan.blocks} blocks in strips" if strip_plan and strip_plan.blocks else "in one piece"
    how += "" if strip_plan is None or strip_plan.winograd else ", plain convolutions"
    expected = plan.need_mb(height * width, style_side * (style_side * 3 // 4), room_mb)
    print(f"| {size} | {optimizer} | {how} | {resident_peak_mb():.0f} | {expected:.0f} | {seconds:.1f} |")


def main() -> int:
    """One process a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024, 2048], help="long sides in pixels")
    parser.add_argument("--style", type=int, metavar="SIDE", help="the style's long side; as the picture's")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), default="adam")
    parser.add_argument("--family", choices=("moments", "neighbours"), default="moments")
    parser.add_argument("--room-mb", type=float, default=4096.0)
    parser.add_argument("--weights", default="untrained")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        measure(
            asked.sizes[0], asked.style or asked.sizes[0], asked.optimizer, asked.room_mb, asked.weights, asked.family
        )
        return 0
    print(
        "| size | optimizer | how | peak MB | expected MB | seconds a step |\n|---:|---|---|---:|---:|---:|", flush=True
    )
    passed = ["--optimizer", asked.optimizer, "--room-mb", str(asked.room_mb), "--weights", asked.weights]
    passed += ["--family", asked.family] + (["--style", str(asked.style)] if asked.style else [])
    for size in asked.sizes:
        command = [sys.executable, "-m", "benchmarks.memory", "--one", "--sizes", str(size), *passed]
        subprocess.run(command, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
