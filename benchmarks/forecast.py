"""Whether ``status`` foretells when the queue will be empty.

    python -m benchmarks.forecast [--jobs 20] [--weights untrained] [--seed 1] [--keep FOLDER]

Drops so many small jobs of mixed sizes, shapes, presets and steps, empties the inbox with the real daemon (``run
--once``) and notes what the daemon tells of the end meanwhile. Printed are the time that was left as it was told, and
as it was: at the first word, and after each job. ``--keep`` uses a folder of yours, in which a second run finds what
the first one has learned. With ``weights: auto`` the trained network paints.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import yaml

from nst_batch.sample import draw_landscape, draw_painting

RECIPES: tuple[dict[str, Any], ...] = (
    {"preset": "draft"},
    {"preset": "fine"},
    {"preset": "fine", "steps_per_epoch": 25},
    {"preset": "classic", "epochs": 2, "steps_per_epoch": 25},
    {"preset": "classic", "epochs": 3, "steps_per_epoch": 10, "optimizer": "lbfgs"},
)
SIZES = (128, 160, 192, 256, 320)
SHAPES = ((4, 3), (3, 4), (1, 1), (16, 9))


def drop(inbox: Path, jobs: int, seed: int) -> None:
    """Contents of a few shapes, one style, and a sidecar for each job."""
    draw = random.Random(seed)
    cv2.imwrite(str(inbox / "style.png"), draw_painting(320, 240)[..., ::-1])
    landscape = draw_landscape(480, 480)[..., ::-1]
    for wide, high in SHAPES:
        longest = max(wide, high)
        cv2.imwrite(str(inbox / f"c{wide}x{high}.png"), landscape[: 480 * high // longest, : 480 * wide // longest])
    for number in range(jobs):
        wide, high = draw.choice(SHAPES)
        body = {"content": f"c{wide}x{high}.png", "style": "style.png", "size": draw.choice(SIZES)}
        (inbox / f"job{number:03d}.yaml").write_text(yaml.safe_dump({**body, **draw.choice(RECIPES)}))


def told(root: Path, process: subprocess.Popen[bytes]) -> Iterator[tuple[float, int, float | None]]:
    """The time, the jobs done and what the daemon tells of the end, ten times a second until it ends."""
    path = root / "inbox/.nst_batch/state.json"
    before = set((root / "outbox").glob("job*"))
    while process.poll() is None:
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError):
            facts = {}
        done = len(set((root / "outbox").glob("job*")) - before)
        mine = facts.get("pid") == process.pid
        yield time.time(), done, facts.get("empty_at") if mine else None
        time.sleep(0.1)


def tell(seen: list[tuple[float, int, float | None]], jobs: int) -> None:
    """One line for the first word of the end and for each number of jobs done."""
    begin, end = seen[0][0], next((at for at, done, _ in seen if done >= jobs), seen[-1][0])
    shown = set()
    for at, done, empty_at in seen:
        if empty_at is None or done in shown or done >= jobs:
            continue
        # The first word after a job may be from before its end was seen.
        if done and not any(other == done and at - when > 1.5 for when, other, _ in seen):
            continue
        shown.add(done)
        was, foretold = end - at, empty_at - at
        print(
            f"{done:3} done, {at - begin:6.1f} s: foretold {foretold:6.1f} s, was {was:6.1f} s, {foretold / was:5.2f}"
        )


def main() -> int:
    """Drop, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--weights", default="untrained")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="forecast-") as folder:
        root = asked.keep or Path(folder)
        (root / "inbox").mkdir(parents=True, exist_ok=True)
        body = {"weights": asked.weights, "device": "cpu", "watch": {"settle_seconds": 1}}
        (root / "config.yaml").write_text(yaml.safe_dump(body))
        drop(root / "inbox", asked.jobs, asked.seed)
        command = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(root / "config.yaml")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            seen = list(told(root, process))
    tell(seen, asked.jobs)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
