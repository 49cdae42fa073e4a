"""film: frames become an animation, in order and with their times."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.film import Mix, animated_webp, dissolved, has_mp4, mixed, mp4

SHADES = (30, 90, 150, 210)
TIMES = (500, 42, 42, 2500)


@pytest.fixture
def frames(tmp_path: Path) -> list[Mix]:
    """Four greys, with an odd number of rows and columns."""
    for shade in SHADES:
        Image.new("RGB", (65, 49), (shade, shade, shade)).save(tmp_path / f"{shade:03d}.jpg")
    return [Mix({path: 1.0}, FileSystem().reader) for path in sorted(tmp_path.iterdir())]


def test_an_animated_webp(frames: list[Mix]) -> None:
    """Every frame, each for its time, again and again."""
    with Image.open(io.BytesIO(animated_webp(frames, TIMES))) as film:
        assert (film.size, film.n_frames, film.info["loop"]) == ((65, 49), 4, 0)
        for index, (shade, time) in enumerate(zip(SHADES, TIMES, strict=True)):
            film.seek(index)
            film.load()
            assert film.info["duration"] == time
            assert abs(np.asarray(film.convert("L")).mean() - shade) < 4


def test_one_frame_alone(frames: list[Mix]) -> None:
    """A job that changed nothing leaves a film that stands still."""
    with Image.open(io.BytesIO(animated_webp(frames[:1], [100]))) as film:
        assert film.size == (65, 49)


@pytest.mark.skipif(not has_mp4(), reason="needs PyAV (the extra video)")
def test_an_mp4(frames: list[Mix]) -> None:
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


def test_a_frame_is_mixed_of_others(frames: list[Mix]) -> None:
    """By their shares, to the nearest level."""
    dark, light = (next(iter(frame.shares)) for frame in (frames[0], frames[2]))
    mix = Mix({dark: 0.25, light: 0.75}, FileSystem().reader)
    assert np.asarray(mix.image()).mean() == pytest.approx(0.25 * 30 + 0.75 * 150, abs=1)


def test_what_changes_evenly_is_only_evened_out() -> None:
    """As many frames as before; the first and the last as they are."""
    shots = mixed([1.0, 1.2, 0.8, 1.9])
    assert len(shots) == 5
    assert (shots[0], shots[-1]) == ({0: 1.0}, {4: 1.0})
    assert shots[2] == {1: 0.25, 2: 0.5, 3: 0.25}


@pytest.mark.parametrize(("jump", "frames"), [(2.0, 0), (5.0, 3), (100.0, 12)])
def test_a_jump_is_a_dissolve(jump: float, frames: int) -> None:
    """Over more frames the larger it is, up to a bound; its steps are even, and all shares make one."""
    shots = mixed([1.0, 1.0, jump, 1.0, 1.0])
    assert len(shots) == 6 + frames
    assert all(sum(shot.values()) == pytest.approx(1.0) for shot in shots)
    places = [sum(index * share for index, share in shot.items()) for shot in shots]
    assert all(0 <= after - before <= 1.01 for before, after in pairwise(places))


@pytest.mark.parametrize("changes", [[], [0.0, 0.0], [3.0]])
def test_films_of_little(changes: list[float]) -> None:
    """One picture, or nothing that changes."""
    assert [round(sum(shot.values()), 6) for shot in mixed(changes)] == [1.0] * (len(changes) + 1)


def test_what_shimmers_is_a_third_of_it(tmp_path: Path) -> None:
    """Noise from frame to frame, as an optimiser leaves it; a result that is not touched."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number:03d}.png" for number in range(12)]
    for path in paths:
        Image.fromarray(rng.integers(90, 160, (48, 64, 3), np.uint8)).save(path)

    def shimmer(pictures: list[NDArray[np.float64]]) -> float:
        return float(np.mean([np.abs(after - before).mean() for before, after in pairwise(pictures)]))

    film = [np.asarray(mix.image()).astype(float) for mix in dissolved(paths, FileSystem().reader)]
    given = [np.asarray(Image.open(path)).astype(float) for path in paths]
    assert shimmer(film[2:-2]) < 0.4 * shimmer(given)
    assert np.array_equal(film[-1], given[-1])
    assert np.array_equal(film[0], given[0])


def test_what_changes_little_by_little_does_so_in_every_frame(tmp_path: Path) -> None:
    """Nothing stands still until it jumps: a sky that darkens by two levels a frame, over a sea that is never still."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number:03d}.png" for number in range(24)]
    for number, path in enumerate(paths):
        picture = rng.integers(60, 200, (48, 64, 3), np.uint8)
        picture[:24] = 200 - 2 * number
        Image.fromarray(picture).save(path)
    skies = []
    with Image.open(io.BytesIO(animated_webp(dissolved(paths, FileSystem().reader), [50] * len(paths)))) as film:
        for number in range(film.n_frames):
            film.seek(number)
            skies.append(np.asarray(film.convert("L")).astype(float)[:20].mean())
    assert len(skies) == len(paths)
    steps = -np.diff(skies)
    assert 0.5 < steps.min() <= steps.max() < 4
