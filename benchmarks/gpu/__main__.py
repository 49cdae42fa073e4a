"""Everything worth knowing of a GPU in one command, as tables and, with --json, as figures.

    python -m benchmarks.gpu [--parts rate jobs memory oom] [--sizes 512 1024 2048] [--seconds 150] [--json FILE]

rate: a 4096³ matrix product in bfloat16, TF32 and float32 (IEEE), and in each the time of a step at each size, in
several ways of asking TensorFlow for it, XLA's among them, beside the product's rate. jobs: whole jobs through the
daemon, each preset cold and warm. memory: what pictures take at their peak beside the estimate, and the largest that
fits. oom: what a job says where memory runs out. Each measurement is a process of its own, so that what fails leaves
the others alone; a part ends after about ``--seconds``. It runs on a CPU as well (``--device cpu``), without TF32,
and smaller ``--sizes`` are wise there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.lines import run_child
from benchmarks.gpu.rate import PRECISIONS

PARTS = ("rate", "jobs", "memory", "oom")
# What each column says; the figures' own names are those of --json.
COLUMNS: dict[str, dict[str, str]] = {
    "product": {"precision": "precision", "gflops": "GFLOP/s", "start_seconds": "s to start", "device": "device"},
    "rate": {
        "precision": "precision", "size": "px", "way": "way", "ms": "ms a step", "ms_read": "… each call read first",
        "share": "of the product", "first_seconds": "s, first call", "second_seconds": "second",
    },
    "jobs": {
        "job": "job", "precision": "precision", "after_start": "taken s after the start", "seconds": "s in all",
        "optimised": "in steps", "idle": "outside", "steps": "steps", "ms": "ms a step at the end", "device": "device",
    },
    "memory": {
        "size": "px", "megapixels": "megapixels", "precision": "precision", "optimizer": "optimizer",
        "strips": "blocks in strips", "view": "strips so many times as high", "peak_mb": "MB at the peak",
        "expected_mb": "estimate", "ratio": "ratio", "process_mb": "MB of the process", "seconds_a_step": "s a step",
        "start_seconds": "s to the first",
    },
    "oom": {"case": "case", "said": "what is said"},
}  # fmt: skip
SHARES = ("share", "idle")


class Tables:
    """Prints a row a figure, its table's head before the first, and keeps all of them."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._open = ""
        self.figures: list[dict[str, Any]] = []

    def take(self, figure: dict[str, Any]) -> None:
        """One more figure."""
        self.figures.append(figure)
        if self._file:
            self._file.write_text(json.dumps(self.figures, indent=1))
        part = figure["part"]
        columns = COLUMNS[part]
        if part != self._open:
            self._open = part
            print(f"\n{part}\n\n| " + " | ".join(columns.values()) + " |\n|" + "---|" * len(columns), flush=True)
        if figure.get("strips") == 0:
            figure = {**figure, "strips": "in one piece", "view": ""}
        cells = [_cell(name, figure.get(name, "")) for name in columns]
        print("| " + " | ".join(cells) + " |" + (f" {figure['failed']}" if "failed" in figure else ""), flush=True)

    def say(self, text: str) -> None:
        """A line beside the tables."""
        self._open = ""
        print(f"\n{text}", flush=True)


def _cell(name: str, value: Any) -> str:
    """A figure for people: shares in percent, no more digits than tell something."""
    if name in SHARES and isinstance(value, float):
        return f"{100 * value:.0f} %"
    return f"{value:.0f}" if isinstance(value, float) and value >= 100 else str(value)


def rate(asked: argparse.Namespace, tables: Tables) -> None:
    """A process for each precision, with its share of the time; TF32 is a GPU's."""
    precisions = [each for each in asked.precisions if asked.device != "cpu" or each != "tf32"]
    share = asked.seconds / len(precisions)
    for precision in precisions:
        arguments = ["--precision", precision, "--device", asked.device, "--seconds", str(share)]
        arguments += ["--sizes", *map(str, asked.sizes), "--ways", *asked.ways]
        why = run_child("benchmarks.gpu.rate", arguments, share + 120.0, tables.take)
        if why:
            tables.say(f"rate in {precision}: {why}")


def jobs(asked: argparse.Namespace, tables: Tables) -> None:
    """One daemon, two jobs of each preset."""
    arguments = ["--device", asked.device, "--weights", asked.weights, "--size", str(asked.sizes[0])]
    arguments += ["--presets", *asked.presets, "--set", *asked.set]
    why = run_child("benchmarks.gpu.jobs", arguments, asked.seconds, tables.take)
    if why:
        tables.say(f"jobs: {why}")


def memory(asked: argparse.Namespace, tables: Tables) -> None:
    """Each size whole and in strips; then ever larger ones until one fails, whole and in strips."""
    end = time.monotonic() + asked.seconds

    def one(size: int, precision: str, *further: str) -> bool:
        left = end - time.monotonic()
        if left < 5.0:
            tables.say(f"memory: no time left for {size} px")
            return False
        fits: list[bool] = []

        def take(figure: dict[str, Any]) -> None:
            fits.append("failed" not in figure)
            tables.take(figure)

        arguments = ["--size", str(size), "--precision", precision, "--device", asked.device, *further]
        why = run_child("benchmarks.gpu.memory", arguments, left, take)
        if why:
            tables.say(f"memory at {size} px in {precision} {' '.join(further)}: {why}")
        return fits == [True]

    for size in asked.sizes:
        one(size, "float32")
        one(size, "bfloat16")
        one(size, "bfloat16", "--strips", "2")
    one(asked.sizes[0], "bfloat16", "--optimizer", "lbfgs")
    for further in ((), ("--strips", "2", "--view", "8")):
        for size in asked.grow:
            if not one(size, "bfloat16", *further):
                break


HOLD = """
import sys, time, tensorflow as tf
gpu = tf.config.list_physical_devices("GPU")[0]
tf.config.experimental.set_memory_growth(gpu, True)
held = []
for mib in (16384, 4096, 1024, 256, 64):
    while True:
        try:
            held.append(tf.fill([mib << 18], 1.0))
            float(held[-1][0])
        except tf.errors.OpError:
            break
while held and float(sys.argv[1]) > 0:
    sys.argv[1] = str(float(sys.argv[1]) - held[-1].shape[0] / (1 << 18))
    held.pop()
print("held", flush=True)
time.sleep(600)
"""


def oom(asked: argparse.Namespace, tables: Tables) -> None:
    """What a job of 1024 px says with ever less memory left: of a GPU by a second process, of a CPU by a limit."""
    for left_mb in asked.left_mb:
        if asked.device == "cpu":
            _tight(asked, tables, f"no more than {left_mb:.0f} MB to be had", "--left-mb", str(left_mb))
            continue
        holder = [sys.executable, "-c", HOLD, str(left_mb)]
        with subprocess.Popen(holder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            held = process.stdout.readline().strip() == "held"
            _tight(asked, tables, f"a second process leaves {left_mb:.0f} MB" + ("" if held else " (it could not)"))
            process.kill()


def _tight(asked: argparse.Namespace, tables: Tables, case: str, *further: str) -> None:
    """One such job."""

    def take(figure: dict[str, Any]) -> None:
        said = figure.get("failed", f"fits, peak {figure.get('peak_mb')} MB")
        tables.take({"part": "oom", "case": case, "said": said})

    arguments = ["--size", "1024", "--precision", "bfloat16", "--device", asked.device, *further]
    why = run_child("benchmarks.gpu.memory", arguments, asked.seconds, take)
    if why:
        tables.take({"part": "oom", "case": case, "said": why})


def main() -> int:
    """All parts that are asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="long sides in pixels, 4:3")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--ways", nargs="*", default=[], help="rate: only ways with one of these words in their name")
    parser.add_argument("--presets", nargs="+", default=["draft", "fine", "classic"])
    parser.add_argument("--set", nargs="*", default=[], help="jobs: further defaults, KEY=VALUE, such as epochs=1")
    parser.add_argument("--grow", type=int, nargs="*", default=[4096, 8192, 12288], help="memory: until one fails")
    parser.add_argument("--left-mb", type=float, nargs="*", default=[4000, 1000, 300], help="oom: what is left free")
    parser.add_argument("--seconds", type=float, default=150.0, help="a part ends after so long")
    parser.add_argument("--weights", default="untrained", help="of the jobs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    tables = Tables(asked.json)
    for part in asked.parts:
        begin = time.monotonic()
        {"rate": rate, "jobs": jobs, "memory": memory, "oom": oom}[part](asked, tables)
        tables.say(f"{part} took {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
