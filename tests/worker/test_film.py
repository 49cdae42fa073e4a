"""film: frames become an animation, in order and with their times."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst_batch.worker.film import animated_webp, has_mp4, mp4

SHADES = (30, 90, 150, 210)
TIMES = (500, 42, 42, 2500)


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Four greys, with an odd number of rows and columns."""
    for shade in SHADES:
        Image.new("RGB", (65, 49), (shade, shade, shade)).save(tmp_path / f"{shade:03d}.jpg")
    return sorted(tmp_path.iterdir())


def test_an_animated_webp(frames: list[Path]) -> None:
    """Every frame, each for its time, again and again."""
    with Image.open(io.BytesIO(animated_webp(frames, TIMES))) as film:
        assert (film.size, film.n_frames, film.info["loop"]) == ((65, 49), 4, 0)
        for index, (shade, time) in enumerate(zip(SHADES, TIMES, strict=True)):
            film.seek(index)
            film.load()
            assert film.info["duration"] == time
            assert abs(np.asarray(film.convert("L")).mean() - shade) < 4


def test_one_frame_alone(frames: list[Path]) -> None:
    """A job that changed nothing leaves a film that stands still."""
    with Image.open(io.BytesIO(animated_webp(frames[:1], [100]))) as film:
        assert film.size == (65, 49)


@pytest.mark.skipif(not has_mp4(), reason="needs PyAV (the extra video)")
def test_an_mp4(frames: list[Path]) -> None:
    """As players want it: H.264 where that can be made, even sizes, every frame at its time, the index in front."""
    import av

    data = mp4(frames, TIMES)
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt) == (64, 48, "yuv420p")
        decoded = list(container.decode(stream))
        assert container.duration == pytest.approx(sum(TIMES) * 1000, rel=0.05)
    shades = np.array([frame.to_ndarray(format="gray").mean() for frame in decoded])
    shown = [sum(abs(shades - shade) < 6) for shade in SHADES]
    assert shown == [round(time / 42) for time in TIMES]
    assert sorted(shades) == pytest.approx(list(shades), abs=2)
