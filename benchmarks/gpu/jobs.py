"""Whole jobs through the real daemon, each preset twice: first cold, then with a warm worker; a JSON line each.

    python -m benchmarks.gpu.jobs [--presets draft fine classic] [--size 512] [--weights untrained] [--device auto]

Of each job: its time from taken to finished, of which optimisation, and what a step took. ``idle`` is the share of the
job's time outside its optimisation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import yaml

from benchmarks.gpu.lines import emit
from nst_batch.sample import draw_landscape, draw_painting


def drop(inbox: Path, presets: list[str], size: int) -> None:
    """One style, and two sidecars for each preset, in the order in which they are to run."""
    cv2.imwrite(str(inbox / "style.png"), draw_painting(512, 384)[..., ::-1])
    picture = draw_landscape(max(1024, size), max(1024, size) * 3 // 4)[..., ::-1]
    order = [(preset, turn) for preset in presets for turn in ("cold", "warm")]
    for number, (preset, turn) in enumerate(order):
        cv2.imwrite(str(inbox / f"{number}.png"), picture)
        body = {
            "content": f"{number}.png",
            "style": "style.png",
            "preset": preset,
            "size": size,
            "priority": len(order) - number,
        }
        (inbox / f"{number}-{preset}-{turn}.yaml").write_text(yaml.safe_dump(body))


def figures(manifest: Path) -> dict[str, Any]:
    """What a finished job's files say of its time."""
    job = json.loads(manifest.read_bytes())
    log = json.loads(manifest.with_name("loss.json").read_bytes())["log"]
    begin, end = (datetime.fromisoformat(job[key]).timestamp() for key in ("started_at", "finished_at"))
    optimised = log[-1]["seconds"]
    last = [entry["seconds"] for entry in log if entry["scale"] == log[-1]["scale"]]
    middle = len(last) // 2
    return {
        "job": manifest.parent.name,
        "began": begin,
        "seconds": end - begin,
        "optimised": optimised,
        "idle": 1.0 - optimised / (end - begin),
        "steps": job["steps_done"],
        "ms": 1e3 * (last[-1] - last[middle]) / max(1, len(last) - 1 - middle),
        "device": job["device"],
        "precision": job["precision"],
    }


def main() -> int:
    """Drop, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["draft", "fine", "classic"])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weights", default="untrained")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--note", default="")
    parser.add_argument("--set", nargs="*", default=[], help="further defaults, KEY=VALUE, such as epochs=1")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpu-jobs-") as folder:
        root = Path(folder)
        inbox, outbox, config = root / "inbox", root / "outbox", root / "config.yaml"
        inbox.mkdir()
        defaults = {key: yaml.safe_load(value) for key, _, value in (one.partition("=") for one in asked.set)}
        body = {
            "weights": asked.weights,
            "device": asked.device,
            "watch": {"settle_seconds": 0},
            "defaults": defaults,
        }
        config.write_text(yaml.safe_dump(body))
        drop(inbox, asked.presets, asked.size)
        begin = time.time()
        command = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(config)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        found = sorted((figures(path) for path in outbox.glob("*/job.json")), key=lambda one: one["began"])
        for one in found:
            emit("jobs", note=asked.note, after_start=one.pop("began") - begin, **one)
    if len(found) < 2 * len(asked.presets):
        print((said.stderr or said.stdout)[-2000:], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
