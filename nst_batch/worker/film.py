"""Frames -> an animated WebP and, where PyAV is there (the extra ``video``), an MP4. Few frames are held at a time."""

from __future__ import annotations

import functools
import importlib.util
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUALITY = 80  # of the WebP; what is lost of each frame shimmers
_METHOD = 2
_CRF = "21"  # of the MP4: 18 cannot be told from the source, 23 is x264's own
_MILLISECONDS = 1000
_LOOK_SIDE = 64  # pixels, at which frames are compared
_STEP = 1.25  # of the usual change: a larger one is parted into steps of about that
_MOST_BETWEEN = 12
_CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that this build of PyAV has


Reader: TypeAlias = Callable[[Path], BinaryIO]  # opens a file


@dataclass(frozen=True)
class Mix:
    """One frame of a film: what it is mixed of, files, and the share of each; all shares make 1."""

    shares: Mapping[Path, float]
    reader: Reader

    def image(self) -> Image.Image:
        """The frame in RGB. OSError."""
        whole = sum(share * _decoded(self.reader, path).astype(np.float32) for path, share in self.shares.items())
        return Image.fromarray(np.rint(whole).astype(np.uint8))


def dissolved(paths: Sequence[Path], reader: Reader) -> list[Mix]:
    """A film of these frames that neither jumps nor shimmers; its first and last one are as they are. OSError.

    A change much larger than the others, at a new scale or when patches are matched anew, is a dissolve over some
    frames more. What the optimiser puts here and there from step to step is evened out between neighbours.
    """
    _decoded.cache_clear()  # a job that is done again has files of the same names
    pictures = (Image.fromarray(_decoded(reader, path)) for path in paths)
    looks = (picture.resize((_LOOK_SIDE, _LOOK_SIDE), Image.Resampling.BOX) for picture in pictures)
    seen = [np.asarray(look, np.float32) for look in looks]
    changes = [difference(before, after) for before, after in pairwise(seen)]
    return [Mix({paths[index]: share for index, share in mix.items()}, reader) for mix in mixed(changes)]


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The root mean square of the difference of two pictures of one shape, on their own scale."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def mixed(changes: Sequence[float]) -> list[dict[int, float]]:
    """The shares of each frame of a film, by the frames' indices; ``changes`` are those from each to the next."""
    usual = statistics.median(changes) if changes else 0.0
    shots: list[dict[int, float]] = [{0: 1.0}]
    for index, change in enumerate(changes):
        between = min(_MOST_BETWEEN, max(0, int(change / (_STEP * usual)) - 1)) if usual > 0 else 0
        parts = between + 1
        shots += [{index: 1 - part / parts, index + 1: part / parts} for part in range(1, parts)]
        shots.append({index + 1: 1.0})
    return [shots[0], *map(_evened, zip(shots, shots[1:], shots[2:], strict=False)), *shots[1:][-1:]]


def _evened(shots: tuple[dict[int, float], ...]) -> dict[int, float]:
    """A quarter of the one before, a half, a quarter of the one after: what differs at random is a third of it then."""
    found: dict[int, float] = {}
    for shot, weight in zip(shots, (0.25, 0.5, 0.25), strict=True):
        for index, share in shot.items():
            found[index] = found.get(index, 0.0) + weight * share
    return found


@functools.lru_cache(maxsize=6)
def _decoded(reader: Reader, path: Path) -> NDArray[np.uint8]:
    with reader(path) as file, Image.open(file) as opened:
        return np.asarray(opened.convert("RGB"))


def animated_webp(frames: Sequence[Mix], durations: Sequence[int]) -> bytes:
    """An animation that repeats for ever; ``durations`` are each frame's, in milliseconds. OSError, ValueError."""
    held = BytesIO()
    # Every frame in full (kmax 1): of the others libwebp leaves out what has changed a little, which stands still in
    # dots, and jumps at the next full one. That costs a tenth of the size.
    how = {"quality": _QUALITY, "method": _METHOD, "kmin": 0, "kmax": 1}
    _Reel(frames).save(held, "WEBP", save_all=True, duration=list(durations), loop=0, **how)
    return held.getvalue()


def has_mp4() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def mp4(frames: Sequence[Mix], durations: Sequence[int]) -> bytes:
    """The same as a film for players and phones, an odd last row or column left out. OSError, ValueError.

    It is put together in a file in memory: its index comes in front at the end, for which it is opened a second time.
    """
    made = os.memfd_create("film.mp4")
    try:
        _write_mp4(frames, durations, f"/proc/self/fd/{made}")
        with open(made, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(made)


def _write_mp4(frames: Sequence[Mix], durations: Sequence[int], made: str) -> None:
    import av  # noqa: PLC0415 - not installed everywhere, and 35 MB

    with av.open(made, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        codec = next((name for name in _CODECS if name in av.codecs_available), None)
        if codec is None:
            raise ValueError("this PyAV has no encoder for MP4")
        first = frames[0].image()
        width, height = first.width // 2 * 2, first.height // 2 * 2
        stream: Any = container.add_stream(codec, rate=Fraction(_MILLISECONDS, min(durations)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": _CRF, "preset": "fast", "tune": "film"}
        for mix, duration in zip(frames, durations, strict=True):
            shown = mix.image().crop((0, 0, width, height))
            # An even rate, as every player keeps it; what is repeated takes next to no room.
            for _ in range(max(1, round(duration / min(durations)))):
                frame: Any = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class _Reel(Image.Image):
    """A picture of several frames as Pillow knows them, each read when it is sought."""

    def __init__(self, frames: Sequence[Mix]) -> None:
        super().__init__()
        self._frames = frames
        self.n_frames = len(frames)
        self.is_animated = True
        self._at = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame != self._at:
            read = self._frames[frame].image()
            self.im, self._mode, self._size, self._at = read.im, read.mode, read.size, frame

    def tell(self) -> int:
        return self._at
