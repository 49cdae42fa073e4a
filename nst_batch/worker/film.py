"""Frames -> an animated WebP and, where PyAV is there (the extra ``video``), an MP4. One frame is held at a time."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_QUALITY = 78  # of the WebP; a frame is seen for a moment
_METHOD = 2
_CRF = "21"  # of the MP4: 18 cannot be told from the source, 23 is x264's own
_MILLISECONDS = 1000
_CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that this build of PyAV has


def animated_webp(frames: Sequence[Path], durations: Sequence[int]) -> bytes:
    """An animation that repeats for ever; ``durations`` are each frame's, in milliseconds. OSError, ValueError."""
    held = BytesIO()
    _Reel(frames).save(
        held, "WEBP", save_all=True, duration=list(durations), loop=0, quality=_QUALITY, method=_METHOD, kmin=9, kmax=17
    )
    return held.getvalue()


def has_mp4() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def mp4(frames: Sequence[Path], durations: Sequence[int]) -> bytes:
    """The same as a film for players and phones, an odd last row or column left out. OSError, ValueError.

    It is put together in the folder of ``frames``: its index comes in front at the end, which takes a file.
    """
    import av  # noqa: PLC0415 - not installed everywhere, and 35 MB

    made = frames[0].with_name("film.mp4")
    with av.open(str(made), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        codec = next((name for name in _CODECS if name in av.codecs_available), None)
        if codec is None:
            raise ValueError("this PyAV has no encoder for MP4")
        with Image.open(frames[0]) as first:
            width, height = first.width // 2 * 2, first.height // 2 * 2
        stream: Any = container.add_stream(codec, rate=Fraction(_MILLISECONDS, min(durations)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": _CRF, "preset": "fast", "tune": "film"}
        for path, duration in zip(frames, durations, strict=True):
            with Image.open(path) as opened:
                shown = opened.convert("RGB").crop((0, 0, width, height))
            # An even rate, as every player keeps it; what is repeated takes next to no room.
            for _ in range(max(1, round(duration / min(durations)))):
                frame: Any = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = made.read_bytes()
    made.unlink()
    return data


class _Reel(Image.Image):
    """A picture of several frames as Pillow knows them, each read when it is sought."""

    def __init__(self, frames: Sequence[Path]) -> None:
        super().__init__()
        self._frames = frames
        self.n_frames = len(frames)
        self.is_animated = True
        self._at = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame != self._at:
            with Image.open(self._frames[frame]) as opened:
                read = opened.convert("RGB")
            self.im, self._mode, self._size, self._at = read.im, read.mode, read.size, frame

    def tell(self) -> int:
        return self._at
