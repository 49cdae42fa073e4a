"""How many jobs a night takes, by size.

    python -m benchmarks.night [--sizes 256 512 1024] [--preset fine] [--hours 8] [--jobs 2] [--weights untrained]

The real daemon paints so many jobs of each size, after a small one that starts the worker. A job's time is that from
the end of the job before it to its own (``finished_at`` in job.json), so everything is in it: reading, painting,
saving, handing over. On one worker; several GPUs share the queue.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import cv2
import yaml

from nst_batch.sample import draw_landscape, draw_painting

WARM_SIZE = 128


def drop(inbox: Path, sizes: list[int], jobs: int, preset: str) -> None:
    """A pair for all jobs, and sidecars whose order is that of the sizes."""
    cv2.imwrite(str(inbox / "content.png"), draw_landscape(1536, 1024)[..., ::-1])
    cv2.imwrite(str(inbox / "style.png"), draw_painting(1024, 768)[..., ::-1])
    for place, size in enumerate([WARM_SIZE, *sizes]):
        for number in range(jobs if place else 1):
            body = {"content": "content.png", "style": "style.png", "size": size, "preset": preset}
            (inbox / f"{size}-{number}.yaml").write_text(yaml.safe_dump({**body, "priority": -place}))


def ends(outbox: Path) -> list[tuple[float, int]]:
    """When each job ended, and its size, in order."""
    found = []
    for manifest in outbox.glob("*/job.json"):
        body = json.loads(manifest.read_bytes())
        found.append((datetime.fromisoformat(body["finished_at"]).timestamp(), body["settings"]["size"]))
    return sorted(found)


def main() -> int:
    """Drop, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--preset", default="fine")
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--weights", default="untrained")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="night-") as folder:
        root = Path(folder)
        inbox, config = root / "inbox", root / "config.yaml"
        inbox.mkdir()
        body = {"weights": asked.weights, "device": asked.device, "watch": {"settle_seconds": 1}}
        config.write_text(yaml.safe_dump(body))
        drop(inbox, asked.sizes, asked.jobs, asked.preset)
        command = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(config)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        found = ends(root / "outbox")
    print(f"preset {asked.preset}, one worker, photographs of 3:2")
    print(f"{'size':>6} {'a job':>9} {f'in {asked.hours:g} hours':>12}")
    for size in asked.sizes:
        took = [after - before for (before, _), (after, its) in pairwise(found) if its == size]
        mean = sum(took) / len(took)
        print(f"{size:6} {mean:7.1f} s {asked.hours * 3600 / mean:12.0f}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
