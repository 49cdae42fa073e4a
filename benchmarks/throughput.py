"""What a job costs outside its optimisation, and whether a warm worker grows.

    python -m benchmarks.throughput [--jobs 50] [--shapes 1] [--size 128] [--steps 5] [--weights untrained]

Drops so many short jobs, of so many shapes, with one style, and empties the inbox with the real daemon (``run
--once``). A job's cost outside its optimisation is the time from the end of the job before it to its own
(``finished_at`` in job.json) less its seconds of optimisation (the last ``seconds`` of loss.json): taking it, decoding,
the style's statistics where they are new, tracing, encoding, saving and handing over. The first job, which starts the
worker, is left out. The worker's resident memory is told every twenty jobs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import cv2
import yaml

from nst_batch.sample import draw_landscape, draw_painting

EVERY = 20  # jobs between two looks at the worker's memory


def drop(inbox: Path, jobs: int, shapes: int, size: int) -> None:
    """One style, and a content and a sidecar for each job; shapes from 1:1 to 2:1."""
    cv2.imwrite(str(inbox / "style.png"), draw_painting(256, 192)[..., ::-1])
    landscape = draw_landscape(2 * size, 2 * size)[..., ::-1]
    for number in range(jobs):
        height = 2 * size - round(size * (number % shapes) / shapes)
        picture = landscape[:height].copy()
        picture[0, 0] = number % 256, number // 256, 0  # no two contents are alike
        cv2.imwrite(str(inbox / f"{number:04d}.png"), picture)
        (inbox / f"job{number:04d}.yaml").write_text(f"content: '{number:04d}.png'\nstyle: style.png\n")


def resident_mb(daemon: int) -> float:
    """What the daemon's worker holds, in MB of 2²⁰ bytes; 0 where it has none."""
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()
    pages = [int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in children]
    return max(pages, default=0) * 4096 / 2**20


def watch(process: subprocess.Popen[bytes], outbox: Path, jobs: int) -> Iterator[tuple[int, float]]:
    """Jobs done and the worker's memory, every EVERY jobs, until the daemon ends."""
    told = 0
    while process.poll() is None:
        done = len(list(outbox.glob("job*/job.json")))
        if done >= told + EVERY and done < jobs:
            told = done - done % EVERY
            yield done, resident_mb(process.pid)
        time.sleep(0.1)


def costs(outbox: Path) -> list[float]:
    """Seconds outside the optimisation, of every job but the first, in the order in which they ended."""
    ends = []
    for manifest in outbox.glob("job*/job.json"):
        finished = datetime.fromisoformat(json.loads(manifest.read_bytes())["finished_at"]).timestamp()
        log = json.loads(manifest.with_name("loss.json").read_bytes())["log"]
        ends.append((finished, log[-1]["seconds"]))
    ends.sort()
    return [after[0] - before[0] - after[1] for before, after in pairwise(ends)]


def main() -> int:
    """Drop, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("jobs", 50), ("shapes", 1), ("size", 128), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--weights", default="untrained")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        root = Path(folder)
        inbox, outbox, config = root / "inbox", root / "outbox", root / "config.yaml"
        inbox.mkdir()
        defaults = {"size": asked.size, "epochs": 1, "steps_per_epoch": asked.steps, "scales": 1}
        body = {"weights": asked.weights, "device": "cpu", "watch": {"settle_seconds": 1}, "defaults": defaults}
        config.write_text(yaml.safe_dump(body))
        drop(inbox, asked.jobs, asked.shapes, asked.size)
        command = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            for done, memory in watch(process, outbox, asked.jobs):
                print(f"{done} jobs done: the worker holds {memory:.0f} MB", flush=True)
        found = costs(outbox)
    print(
        f"{len(found) + 1} of {asked.jobs} jobs done; seconds a job outside the optimisation: "
        f"min {min(found):.2f}, median {statistics.median(found):.2f}, max {max(found):.2f}"
    )
    return 0 if len(found) + 1 == asked.jobs else 1


if __name__ == "__main__":
    sys.exit(main())
