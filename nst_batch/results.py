"""What a job at work leaves in its folders: pictures, the losses' log, and checkpoints.

Encoding and writing run on a thread of their own, so that the device does not wait for a PNG; at most one
epoch is behind. The log is kept as one JSON line a step in the job's own folder (appended, cut back to the
checkpoint on resume) and put together as ``loss.json`` at each epoch, replaced whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_batch import images
from nst_batch.job import LOSS_NAME, PLOT_NAME, PREVIEW_NAME, JobSpec
from nst_batch.material import Material
from nst_batch.report.loss_plot import loss_svg
from nst_batch.sizing import working_size
from nst_batch.spool.fs import FileSystem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nst_batch.transfer.neural_style import Step

STEPS_NAME = "steps.jsonl"
PREVIEW_SIDE = 768


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
    """The losses of every step of a job, over all its sittings."""

    def __init__(self, path: Path, spec: JobSpec, statistic: str) -> None:
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
        """Take over the first ``steps`` entries of an earlier sitting; False where they are not all there."""
        try:
            lines = self._path.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        if len(lines) < steps or any(_step_in(line) != n for n, line in enumerate(lines[:steps], 1)):
            return False
        self._lines = lines[:steps]
        # Replaced whole: killed meanwhile, the checkpoint still has the log that it counts on.
        FileSystem().write_durable(self._path, "".join(line + "\n" for line in self._lines).encode())
        self._written = steps
        return True

    def clear(self) -> None:
        """Begin anew."""
        self._lines = []
        self._written = 0
        self._path.unlink(missing_ok=True)

    def add(self, step: Step) -> None:
        """Add one step."""
        self._lines.append(json.dumps(log_entry(step)))

    def flush(self) -> None:
        """Append what is new to the file; called before a checkpoint, which counts on it."""
        with self._path.open("a") as file:
            file.writelines(line + "\n" for line in self._lines[self._written :])
            file.flush()
            os.fsync(file.fileno())
        self._written = len(self._lines)

    def text(self) -> str:
        """The text of loss.json, one entry a line."""
        head = json.dumps(self._head, ensure_ascii=False)[:-1]
        return f'{head}, "log": [\n' + ",\n".join(self._lines) + "\n]}\n"

    def __len__(self) -> int:
        return len(self._lines)


class Saver:
    """Runs what is to be saved one after another on a thread; an error comes up at the next call."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="save")
        self._pending: Future[None] | None = None

    def submit(self, work: Callable[[], None]) -> None:
        """Save in the background, once the one before is done."""
        self.wait()
        self._pending = self._pool.submit(work)

    def wait(self) -> None:
        """Wait for what is under way; raises what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """End the thread; what is under way is finished first, its error dropped with the job's own."""
        self._pool.shutdown(wait=True)


class Results:
    """The pictures and reports of one job in its running folder."""

    def __init__(
        self,
        files: FileSystem,
        running: Path,
        spec: JobSpec,
        material: Material,
    ) -> None:
        self.running = running
        self._files = files
        self._spec = spec
        self._material = material
        self._extension = spec.settings.format

    def epoch(self, number: int, picture: NDArray[np.float32], loss_text: str) -> None:
        """Save what an epoch leaves: its picture where asked, the preview, the losses so far."""
        full = self._material.shown(picture)
        if self._spec.settings.save_epoch:
            name = f"{self._spec.title}_epoch_{number:04d}.{self._extension}"
            folder = self.running / "epochs"
            # Not those above it: an outbox that is unmounted by now must not be built anew on the bare disk.
            self._files.make_one_folder(folder)
            self._write(folder / name, self._encode(full, {"epoch": str(number)}))
        height, width = self._material.size
        small = images.resize_array(full, working_size(width, height, min(PREVIEW_SIDE, max(height, width))))
        self._write(self.running / PREVIEW_NAME, images.encode(small))
        self.losses(loss_text)

    def losses(self, loss_text: str) -> None:
        """Save the losses alone."""
        self._write(self.running / LOSS_NAME, loss_text.encode())

    def final(self, picture: NDArray[np.float32], loss_text: str, facts: dict[str, str]) -> str:
        """Save the finished picture, its losses and their plot; returns the picture's name."""
        name = f"{self._spec.title}.{self._extension}"
        self._write(self.running / name, self._encode(self._material.shown(picture), facts))
        self.losses(loss_text)
        self._write(self.running / PLOT_NAME, loss_svg(json.loads(loss_text)).encode())
        self._files.remove(self.running / PREVIEW_NAME)
        return name

    def forget_epochs_after(self, last: int) -> None:
        """Remove the pictures of epochs that an interrupted sitting made after its last checkpoint."""
        folder = self.running / "epochs"
        for name in self._files.names(folder) if self._files.kind(folder) == "folder" else ():
            number = name.rpartition(".")[0].rpartition("_epoch_")[2]
            if number.isdecimal() and int(number) > last:
                self._files.remove(folder / name)

    def outputs(self) -> tuple[str, ...]:
        """Every file made so far, relative to the folder, in order; inputs are not outputs."""
        return tuple(sorted(_relative(self.running, skip="input")))

    def _encode(self, picture: NDArray[np.float32], facts: dict[str, str]) -> bytes:
        settings = self._spec.settings
        text = {
            "Title": self._spec.title,
            "Software": "nst_batch",
            "nst_batch": json.dumps(
                {"id": self._spec.id, "settings": settings.model_dump(mode="json"), **facts},
                ensure_ascii=False,
            ),
        }
        return images.encode(picture, self._material.alpha, settings.format, settings.quality, text)

    def _write(self, path: Path, data: bytes) -> None:
        self._files.write_durable(path, data)


def _step_in(line: str) -> int | None:
    """The number of a logged step; None for a line that a power cut or a full disk has torn."""
    try:
        number = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return None
    return number if isinstance(number, int) else None


def _relative(root: Path, skip: str) -> Iterable[str]:
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        # A leading dot: the spool's own mark in a running folder, or a file being written.
        if path.is_file() and relative.parts[0] != skip and not path.name.startswith("."):
            yield relative.as_posix()
