"""timelapse: a frame whenever the picture has changed enough, never too many, and none twice after a kill."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker import timelapse
from nst_batch.worker.job_images import JobImages
from nst_batch.worker.result_files import Saver
from nst_batch.worker.timelapse import Timelapse

MOST = 180  # frames, as docs/sidecar.md has it
SEEN = 1 / 255  # a step of one of 255 levels, the least that a screen shows


def grey(value: float, size: tuple[int, int] = (48, 64)) -> NDArray[np.float32]:
    return np.full((*size, 3), value, np.float32)


@pytest.fixture
def saver() -> Iterator[Saver]:
    saver = Saver()
    yield saver
    saver.close()


def begun(folder: Path, saver: Saver, step: int = 0, size: tuple[int, int] = (48, 64)) -> Timelapse:
    """The time-lapse of a run that goes on after ``step``."""
    folder.mkdir(exist_ok=True)
    given = JobImages(content=grey(0.5, size), styles=(), init=None, alpha=None, size=size, notes=())
    film = Timelapse(FileSystem(), folder, given, saver, from_content=False)
    film.resume(step)
    return film


def kept(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "frames").glob("0*.jpg"))


def lengths(film: bytes) -> int:
    with Image.open(io.BytesIO(film)) as image:
        return int(image.n_frames)


def test_a_frame_goes_by_change_and_not_by_step(tmp_path: Path, saver: Saver) -> None:
    """Fast at first, slow later: frames stand close at first, and about as far apart in what is seen."""
    film = begun(tmp_path, saver)
    values = {step: 0.8 * (1 - 0.97**step) for step in range(300)}
    for step, value in values.items():
        film.shoot(step, lambda value=value: grey(value))  # type: ignore[misc]
    saver.wait()
    steps = kept(tmp_path)
    assert steps[0] == 0
    assert steps[1:4] == [1, 2, 3]
    between = np.diff([values[step] for step in steps])
    assert between.min() >= SEEN
    late = [step for step in steps if step > 60]
    assert np.diff(late).min() >= 1
    assert np.diff(late).max() > np.diff(steps[:20]).max()
    assert between[-5:].max() < 3 * SEEN


def test_what_does_not_change_is_hardly_looked_at(tmp_path: Path, saver: Saver) -> None:
    """A thousand steps that change nothing leave one frame, and are looked at some fifty times."""
    film, looks = begun(tmp_path, saver), []
    for step in range(1000):
        film.shoot(step, lambda step=step: looks.append(step) or grey(0.3))  # type: ignore[misc,func-returns-value]
    saver.wait()
    assert kept(tmp_path) == [0]
    assert len(looks) < 60


def test_there_are_never_too_many(tmp_path: Path, saver: Saver) -> None:
    """A picture that never rests: the frames thin out evenly, the first stays, the film ends with the result."""
    film = begun(tmp_path, saver)
    rng = np.random.default_rng(0)
    for step in range(1500):
        picture = rng.random((48, 64, 3), np.float32)
        film.shoot(step, lambda picture=picture: picture)  # type: ignore[misc]
    saver.wait()
    steps = kept(tmp_path)
    assert MOST / 2 - 1 <= len(steps) <= MOST
    assert steps[0] == 0
    assert len(list((tmp_path / "frames").iterdir())) <= 2 * MOST + 1
    assert lengths(film.films(grey(0.9))["webp"]) <= MOST + 1


def test_after_a_kill_nothing_is_doubled(tmp_path: Path, saver: Saver) -> None:
    """What was kept beyond the checkpoint goes; the same steps give the same frames as without it."""
    values = {step: 0.8 * (1 - 0.95**step) for step in range(100)}

    def paint(film: Timelapse, first: int, last: int) -> None:
        for step in range(first, last):
            film.shoot(step, lambda step=step: grey(values[step]))  # type: ignore[misc]
        saver.wait()

    paint(begun(tmp_path / "whole", saver), 0, 100)
    paint(begun(tmp_path / "killed", saver), 0, 40)
    again = begun(tmp_path / "killed", saver, step=25)
    assert max(kept(tmp_path / "killed")) <= 25
    paint(again, 25, 100)
    assert kept(tmp_path / "killed")[:20] == kept(tmp_path / "whole")[:20]
    assert abs(len(kept(tmp_path / "killed")) - len(kept(tmp_path / "whole"))) <= 2
    begun(tmp_path / "killed", saver, step=0)
    assert kept(tmp_path / "killed") == []


def test_a_run_that_goes_on_keeps_its_pace(tmp_path: Path, saver: Saver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once frames have been thinned out, they stay as far apart."""
    monkeypatch.setattr(timelapse, "MOST", 10)
    values = [step / 100 for step in range(80)]
    film = begun(tmp_path, saver)
    for step in range(40):
        film.shoot(step, lambda step=step: grey(values[step]))  # type: ignore[misc]
    saver.wait()
    film = begun(tmp_path, saver, step=39)
    for step in range(39, 80):
        film.shoot(step, lambda step=step: grey(values[step]))  # type: ignore[misc]
    saver.wait()
    assert len(kept(tmp_path)) <= 10
    apart = np.diff(kept(tmp_path))
    assert apart.max() <= 2.5 * apart.min()


def test_a_torn_frame_is_left_out(tmp_path: Path, saver: Saver) -> None:
    """A power cut may have cut one short; the film has the others."""
    film = begun(tmp_path, saver)
    for step in range(5):
        film.shoot(step, lambda step=step: grey(step / 5))  # type: ignore[misc]
    saver.wait()
    torn = tmp_path / "frames/00000002.jpg"
    torn.write_bytes(torn.read_bytes()[:200])
    assert lengths(film.films(grey(1.0))["webp"]) == 5


def test_frames_are_small_and_of_one_size(tmp_path: Path, saver: Saver) -> None:
    """Coarse scales are enlarged to the film's size, of a large result too; long and narrow ones have a film."""
    film = begun(tmp_path, saver, size=(1200, 1600))
    film.shoot(0, lambda: grey(0.2, (75, 100)))
    film.shoot(1, lambda: grey(0.6, (1200, 1600)))
    saver.wait()
    for path in (tmp_path / "frames").glob("*.jpg"):
        with Image.open(path) as image:
            assert image.size == (512, 384)
    assert kept(tmp_path) == [0, 1]
    narrow = begun(tmp_path / "narrow", saver, size=(32, 1600))
    narrow.shoot(0, lambda: grey(0.2, (32, 1600)))
    with Image.open(io.BytesIO(narrow.films(grey(0.5, (32, 1600)))["webp"])) as image:
        assert image.size == (512, 10)


@pytest.mark.parametrize("start", ["content", "recoloured content", "noise"])
def test_it_begins_with_the_photograph_as_it_is(tmp_path: Path, saver: Saver, start: str) -> None:
    """In full and its own colours, not as the first, coarse scale has it; a start from noise is shown as it is."""
    content = np.zeros((384, 512, 3), np.float32)
    content[::2] = 1.0  # lines that a coarse scale turns to grey
    given = JobImages(content=content, styles=(), init=None, alpha=None, size=(384, 512), notes=())
    film = Timelapse(FileSystem(), tmp_path, given, saver, from_content=start != "noise")
    film.resume(0)
    noise = np.random.default_rng(0).random((96, 128, 3), np.float32) ** 3
    coarse = {"content": grey(0.5, (96, 128)), "recoloured content": grey(0.8, (96, 128)), "noise": noise}[start]
    film.shoot(0, lambda: coarse)
    saver.wait()
    with Image.open(tmp_path / "frames/00000000.jpg") as image:
        shown = np.asarray(image.convert("L")).astype(float)
    assert (np.abs(np.diff(shown, axis=0)).mean() > 200) == (start != "noise")


def test_a_coarse_scale_may_have_another_shape(tmp_path: Path, saver: Saver) -> None:
    """Its sides are rounded to whole pixels; frames of all scales are compared, also with one that was kept before."""
    film = begun(tmp_path, saver, size=(171, 256))
    for step, size in enumerate(((43, 64), (48, 64), (86, 128), (171, 256)), start=1):
        film.shoot(step, lambda size=size, step=step: grey(0.2 * step, size))  # type: ignore[misc]
    saver.wait()
    assert kept(tmp_path) == [1, 2, 3, 4]
    later = begun(tmp_path, saver, step=4, size=(171, 256))
    later.shoot(5, lambda: grey(0.8, (171, 256)))
    saver.wait()
    assert kept(tmp_path) == [1, 2, 3, 4]


def test_a_look_of_another_shape_is_not_compared(tmp_path: Path, saver: Saver) -> None:
    """One that a version before has left behind."""
    film = begun(tmp_path, saver, size=(171, 256))
    film.shoot(1, lambda: grey(0.5, (43, 64)))
    saver.wait()
    np.save(tmp_path / "frames" / "00000001.npy", np.zeros((48, 64, 3), np.uint8))
    later = begun(tmp_path, saver, step=1, size=(171, 256))
    later.shoot(2, lambda: grey(0.5, (171, 256)))
    saver.wait()
    assert kept(tmp_path) == [1, 2]
