"""What a job at work leaves in its running folder: pictures, and the losses so far, replaced whole at epochs' ends.

Encoding and writing run on a thread of their own, in order, so that the device waits neither for a PNG nor for the
disk.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from nst_batch import images
from nst_batch.beneath import folders_below
from nst_batch.filenames import EPOCHS_FOLDER, INPUT_FOLDER, LOSS_NAME, PLOT_NAME, PREVIEW_NAME, TIMELAPSE
from nst_batch.job import JobSpec
from nst_batch.report.loss_plot import loss_svg
from nst_batch.sizing import scaled_size
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.job_images import JobImages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PREVIEW_SIDE = 768
MOST_BEHIND = 256 << 20  # bytes of pictures that wait to be saved; what is larger than that is waited for


class Saver:
    """Runs what is to be saved one after another on a thread; an error comes up at a later call."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="save")
        self._pending: deque[tuple[Future[None], int]] = deque()
        self._glance: Future[None] | None = None

    def submit(self, work: Callable[[], None], size: int) -> None:
        """Save in the background; ``work`` holds on to so many bytes."""
        self._wait_behind(self._pool.submit(work), size)

    def glance(self, work: Callable[[], None]) -> None:
        """Save what the next glance replaces: one that has not begun by then never does."""
        if self._glance is not None and not self._glance.cancel():
            self._wait_behind(self._glance, 0)
        self._glance = self._pool.submit(work)

    def wait(self) -> None:
        """Wait for all that is under way; raises what it raised."""
        pending, self._pending = [future for future, _ in self._pending], deque()
        glance, self._glance = self._glance, None
        for future in (*pending, *([glance] if glance else [])):
            future.result()

    def _wait_behind(self, future: Future[None], size: int) -> None:
        self._pending.append((future, size))
        while self._pending and (self._pending[0][0].done() or sum(held for _, held in self._pending) > MOST_BEHIND):
            self._pending.popleft()[0].result()

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
        job_images: JobImages,
    ) -> None:
        self.running = running
        self._files = files
        self._spec = spec
        self._images = job_images
        self._extension = spec.settings.format

    def epoch(self, number: int, picture: NDArray[np.float32]) -> None:
        """Save the picture of an epoch."""
        name = f"{self._spec.title}_epoch_{number:04d}.{self._extension}"
        folder = self.running / EPOCHS_FOLDER
        # Not those above it: an outbox that is unmounted by now must not be built anew on the bare disk.
        self._files.make_one_folder(folder)
        self._files.write_durable(folder / name, self._encode(self._images.shown(picture), {"epoch": str(number)}))

    def glance(self, picture: NDArray[np.float32], loss_text: str) -> None:
        """Save what people look at meanwhile: the preview, the losses so far."""
        height, width = self._images.size
        small = scaled_size(width, height, min(PREVIEW_SIDE, max(height, width)))
        size = max(1, small[0]), max(1, small[1])
        self._files.write_durable(
            self.running / PREVIEW_NAME, images.encode(images.resize_array(self._images.shown(picture), size))
        )
        self.losses(loss_text)

    def losses(self, loss_text: str) -> None:
        """Save the losses alone."""
        self._files.write_durable(self.running / LOSS_NAME, loss_text.encode())

    def final(self, picture: NDArray[np.float32], loss_text: str, facts: dict[str, str]) -> str:
        """Save the finished picture, its losses and their plot; returns the picture's name."""
        name = f"{self._spec.title}.{self._extension}"
        self._files.write_durable(self.running / name, self._encode(self._images.shown(picture), facts))
        self.losses(loss_text)
        self._files.write_durable(self.running / PLOT_NAME, loss_svg(json.loads(loss_text)).encode())
        self._files.remove(self.running / PREVIEW_NAME)
        return name

    def films(self, films: Mapping[str, bytes]) -> None:
        """Save the film of how it came to be, by its suffix."""
        for suffix, data in films.items():
            self._files.write_durable(self.running / f"{self._spec.title}{TIMELAPSE}.{suffix}", data)

    def forget_epochs_after(self, last: int) -> None:
        """Remove the pictures of epochs that an interrupted run made after its last checkpoint."""
        folder = self.running / EPOCHS_FOLDER
        for name in self._files.names_in(folder):
            number = name.rpartition(".")[0].rpartition("_epoch_")[2]
            if number.isdecimal() and int(number) > last:
                self._files.remove(folder / name)

    def outputs(self) -> tuple[str, ...]:
        """Every file made so far, relative to the folder, in order; inputs are not outputs."""
        return tuple(sorted(_relative(self.running, skip=INPUT_FOLDER)))

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
        return images.encode(picture, self._images.alpha, settings.format, settings.quality, text)


def _relative(root: Path, skip: str) -> Iterable[str]:
    for folder, folders, names in folders_below(root):
        if folder == str(root) and skip in folders:
            folders.remove(skip)
        for path in (Path(folder, name) for name in names):
            # A leading dot: the spool's own mark in a running folder, or a file being written.
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(root).as_posix()
