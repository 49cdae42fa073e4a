"""The losses of every step: one JSON line a step in the job's own folder, put together as loss.json.

The lines are appended before a checkpoint that counts on them, and cut back to it when a job goes on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_batch.job import JobSpec
from nst_batch.spool.disk.copying import write_all
from nst_batch.spool.disk.fs import FileSystem

if TYPE_CHECKING:
    from nst_batch.transfer.neural_style import Step


def log_entry(step: Step) -> dict[str, Any]:
    """One entry of loss.json's ``log``; ``total`` is summed from what is written, so that it adds up."""
    weights = {name: float(weight) for name, weight in step.weights.items()}
    losses = {"content": float(step.content), "style": float(step.style), "tv": float(step.tv)}
    return {
        "step": step.step,
        "epoch": step.epoch,
        "scale": step.scale,
        "height": step.height,
        "width": step.width,
        "total": sum(weights[name] * losses[name] for name in losses),
        **losses,
        "weights": weights,
        "content_layers": {layer: float(loss) for layer, loss in step.content_layers.items()},
        "style_layers": {layer: float(loss) for layer, loss in step.style_layers.items()},
        "seconds": round(step.seconds, 4),
    }


class LossLog:
    """The losses of every step of a job, over all its runs."""

    def __init__(self, files: FileSystem, path: Path, spec: JobSpec, statistic: str) -> None:
        self._files = files
        self._path = path
        self._head = {
            "title": spec.title,
            "epochs": spec.settings.total_epochs,
            "steps_per_epoch": spec.settings.steps_per_epoch,
            "statistic": statistic,
        }
        self._lines: list[str] = []
        self._written = 0

    def resume(self, steps: int) -> bool:
        """Take over the first ``steps`` entries of an earlier run; False where they are not all there."""
        try:
            lines = self._files.read(self._path).decode(errors="replace").splitlines()
        except OSError:
            lines = []
        if len(lines) < steps or any(_step_in(line) != n for n, line in enumerate(lines[:steps], 1)):
            return False
        self._lines = lines[:steps]
        # Replaced whole: killed meanwhile, the checkpoint still has the log that it counts on.
        self._files.write_durable(self._path, "".join(line + "\n" for line in self._lines).encode())
        self._written = steps
        return True

    def clear(self) -> None:
        """Begin anew."""
        self._lines = []
        self._written = 0
        self._files.remove(self._path)

    def add(self, step: Step) -> None:
        """Add one step."""
        self._lines.append(json.dumps(log_entry(step)))

    def flush(self, steps: int) -> None:
        """Append what is new of the first ``steps`` to the file; called before a checkpoint, which counts on it."""
        fd = self._files.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_all(fd, "".join(line + "\n" for line in self._lines[self._written : steps]).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        self._written = steps

    def text(self, steps: int | None = None) -> str:
        """The text of loss.json, one entry a line, of the first ``steps`` or all."""
        head = json.dumps(self._head, ensure_ascii=False)[:-1]
        return f'{head}, "log": [\n' + ",\n".join(self._lines[:steps]) + "\n]}\n"


def _step_in(line: str) -> int | None:
    """The number of a logged step; None for a line that a power cut or a full disk has torn."""
    try:
        number = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return None
    return number if isinstance(number, int) else None
