"""What a job spends outside its step loop between its first step and its last: epochs' pictures, checkpoints, words.

    python -m benchmarks.epoch_ends [--size 512] [--epochs 10] [--steps 10] [--checkpoint-seconds 60] [--weights auto]

One job with save_epoch, its steps the real engine's on the device that is there. The step loop's own time is what
loss.json calls ``seconds``; the rest of the time from the first step to the last is spent outside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import cv2

from nst_batch.cli.terminal import muted_libraries
from nst_batch.filenames import LOSS_NAME, SPEC_NAME
from nst_batch.images import ImageLimits
from nst_batch.job import JobInput, JobSpec, now_iso
from nst_batch.sample import draw_landscape, draw_painting
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.worker.job_run import JobRun
from nst_batch.worker.run_listener import Instruction, Progress
from nst_batch.worker.session import DeviceSession


class Watch:
    """Wants the job to go on, and notes when its steps were told."""

    wants_pictures = False

    def __init__(self) -> None:
        self.told: list[float] = []
        self.checkpoints = 0

    def instruction(self) -> Instruction:
        """On to the end."""
        return "go"

    def say(self, what: str, **_: object) -> None:
        """Counts the checkpoints."""
        self.checkpoints += what == "checkpoint"

    def step(self, progress: Progress, *, epoch_end: bool) -> None:  # noqa: ARG002 - when alone matters
        """Notes the moment."""
        self.told.append(time.perf_counter())

    def picture(self, rgb: object) -> None:
        """Never asked for."""


def prepare(folder: Path, size: int, epochs: int, steps: int) -> None:
    """A job's folder, as the daemon makes it."""
    (folder / "running").mkdir()
    for name, picture in (("content", draw_landscape(1024, 768)), ("style", draw_painting(512, 512))):
        cv2.imwrite(str(folder / f"{name}.png"), picture[..., ::-1])
    settings = resolve(Patch(size=size, preset="classic", epochs=epochs, steps_per_epoch=steps, save_epoch=True))
    inputs = tuple(JobInput(role=role, name=f"{role}.png", path=f"{role}.png") for role in ("content", "style"))
    spec = JobSpec(
        id="20260101-000000-000000-0000.0001", name="bench", title="bench", output="", settings=settings, sidecar={},
        inputs=inputs, received_at=now_iso(),
    )  # fmt: skip
    (folder / SPEC_NAME).write_text(spec.model_dump_json())


def main() -> int:
    """Paint, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("size", 512), ("epochs", 10), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    with muted_libraries(unless=False):
        session = DeviceSession.open(asked.weights, asked.device, ImageLimits(), asked.checkpoint_seconds)
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="epoch-ends-") as name:
        folder = Path(name)
        prepare(folder, asked.size, asked.epochs, asked.steps)
        end = JobRun(session, folder, folder, folder / "running", watch, watch).run()
        log = json.loads((folder / "running" / LOSS_NAME).read_bytes())["log"]
    whole = watch.told[-1] - watch.told[0]
    inside = log[-1]["seconds"] - log[0]["seconds"]
    print(
        f"{session.device}: {end}, {asked.epochs} epochs of {asked.steps} steps at {asked.size} px,"
        f" {watch.checkpoints} checkpoints: {whole:.2f} s from the first step to the last,"
        f" {100 * (1 - inside / whole):.2f} % of it outside the step loop"
    )
    return 0 if end == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
