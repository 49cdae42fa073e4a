"""How a picture came to be, as a short film: a frame whenever it has changed enough to be seen.

The frames lie small in the job's own folder, beside its checkpoint, so that a job that goes on has those of before.
There are never more than :data:`MOST`: with one more, every other one goes, and from then on a frame takes twice the
change.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nst_batch import images
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.film import animated_webp, difference, dissolved, has_mp4, mp4
from nst_batch.worker.job_images import JobImages
from nst_batch.worker.result_files import Saver

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = "frames"
MOST = 180  # frames, besides the result
SIDE = 512  # pixels, a frame's long one
CHANGE = 0.004  # root mean square of [0, 1] between two frames; about one of 255
_LOOK_SIDE = 64  # pixels, at which pictures are compared: noise of single pixels is no change
_LONGEST_WAIT = 20  # steps between two looks
_QUALITY = 95
_CHANGE_NAME = "change"
_SHORTEST, _LONGEST = 42, 125  # milliseconds a frame: 24 and 8 in a second
_WHOLE = 6000  # milliseconds that a film of few frames should take
_HELD_FIRST, _HELD_LAST = 1000, 2500


class Timelapse:
    """The frames of one job; they are encoded and written by ``saver``, in the order of the steps.

    ``from_content``: the job starts from the content, which is the first frame then: as it was given, where the first
    picture is one of a coarse scale, or has the style's colours already.
    """

    def __init__(
        self, files: FileSystem, folder: Path, job_images: JobImages, saver: Saver, *, from_content: bool
    ) -> None:
        self._files = files
        self._folder = folder / FOLDER
        self._images = job_images
        self._saver = saver
        self._from_content = from_content
        self._size = _within(job_images.size, SIDE)
        # Of the result's shape: a coarse scale's own, rounded to whole pixels, can be another.
        self._look_size = _within(job_images.size, _LOOK_SIDE)
        self._steps: list[int] = []  # of the frames that there are or will be
        self._last: NDArray[np.float32] | None = None  # what the last of them looks like
        self._looked = self._next = 0  # steps of the last look and of the next one
        self._change = CHANGE

    def resume(self, step: int) -> None:
        """Go on after ``step``, or begin anew after 0: what an interrupted run kept beyond it is painted again."""
        self._files.make_one_folder(self._folder)
        there = self._files.names(self._folder)
        number = {name: int(name.partition(".")[0]) for name in there if name[0].isdecimal()}
        for name in there:
            if not step or number.get(name, 0) > step:
                self._files.remove(self._folder / name)
        kept = {each for name, each in number.items() if each <= step and name.endswith(".jpg")}
        self._steps = sorted(kept) if step else []
        self._looked = self._next = step
        self._last, self._change = None, CHANGE
        with contextlib.suppress(OSError, ValueError, IndexError):  # without it the next picture is a frame
            look = np.load(BytesIO(self._files.read(self._folder / f"{self._steps[-1]:08d}.npy")), allow_pickle=False)
            if look.shape == (*self._look_size, 3):
                self._last = look.astype(np.float32) / np.float32(255)
        with contextlib.suppress(OSError, ValueError):
            self._change = max(CHANGE, float(self._files.read(self._folder / _CHANGE_NAME)))

    def shoot(self, step: int, picture: Callable[[], NDArray[np.float32]]) -> None:
        """Keep a frame of the picture after ``step``, if that has changed enough since the last one.

        It is looked at when, by how fast it has changed, half of what is left to a frame may have come; after twice the
        steps since the last frame at the latest.
        """
        if step < self._next or (self._steps and step <= self._steps[-1]):
            return
        now = picture()
        look = images.quantize(images.resize_array(now, self._look_size))
        seen = look.astype(np.float32) / np.float32(255)
        changed = math.inf if self._last is None else difference(seen, self._last)
        if changed < self._change:
            since = step - self._looked
            left = since * (self._change - changed) / max(changed, 1e-9) / 2
            self._next = step + max(1, min(_LONGEST_WAIT, since, int(left)))
            return
        if not self._steps and self._from_content:
            now = self._images.content
        self._last, self._looked, self._next = seen, step, step + 1
        self._steps.append(step)
        self._saver.submit(lambda: self._keep(step, now, look), now.nbytes)
        if len(self._steps) > MOST:
            gone = self._steps[1:-1:2]
            self._steps = sorted(set(self._steps) - set(gone))
            self._change *= 2
            change = self._change
            self._saver.submit(lambda: self._thin(gone, change), 0)

    def _keep(self, step: int, picture: NDArray[np.float32], look: NDArray[np.uint8]) -> None:
        held = BytesIO()
        np.save(held, look)
        self._files.replace(self._folder / f"{step:08d}.npy", held.getvalue())
        self._files.replace(self._folder / f"{step:08d}.jpg", self._frame(picture))

    def _frame(self, picture: NDArray[np.float32]) -> bytes:
        return images.encode(images.resize_array(self._images.shown(picture), self._size), None, "jpg", _QUALITY)

    def _thin(self, gone: Sequence[int], change: float) -> None:
        self._files.replace(self._folder / _CHANGE_NAME, f"{change!r}\n".encode())
        for step in gone:
            for kind in ("jpg", "npy"):
                self._files.remove(self._folder / f"{step:08d}.{kind}")

    def films(self, picture: NDArray[np.float32]) -> dict[str, bytes]:
        """The film by its suffix, which ends with ``picture``: always as webp, as mp4 where PyAV is there."""
        self._saver.wait()
        last = self._folder / "result.jpg"
        self._files.replace(last, self._frame(picture))
        names = (f"{step:08d}.jpg" for step in self._steps)
        whole = [*(self._folder / name for name in names if self._is_whole(name)), last]
        frames = dissolved(whole, self._files.reader)
        each = max(_SHORTEST, min(_LONGEST, _WHOLE // len(frames)))
        durations = [_HELD_FIRST, *(each for _ in frames[1:-1]), _HELD_LAST][-len(frames) :]
        found = {"webp": animated_webp(frames, durations)}
        if has_mp4():
            found["mp4"] = mp4(frames, durations)
        return found

    def _is_whole(self, name: str) -> bool:
        """A power cut may have torn a frame: it was not waited for."""
        try:
            return self._files.read(self._folder / name).endswith(b"\xff\xd9")
        except OSError:
            return False


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width made smaller, where they are larger, so that the long side has ``side`` pixels."""
    scale = min(1.0, side / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))
