"""``layers``: a sheet and a page, or one plain error and nothing left."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House, draw
from PIL import Image
from tqdm import tqdm

from nst_batch.cli import layers, main
from nst_batch.layers import study
from nst_batch.layers.effort import efforts
from nst_batch.transfer.visualization import patterns, rebuilt


@pytest.fixture
def place(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose folder is the working one, with two images; two layers, looked at shortly."""
    monkeypatch.chdir(house.root)
    monkeypatch.setenv("NST_BATCH_CONFIG", str(house.config))
    monkeypatch.setattr(study, "LAYERS", ("block1_conv1", "block2_conv1"))
    monkeypatch.setattr(patterns, "COURSES", {1: ((24, 2),), 2: ((24, 2),)})
    monkeypatch.setattr(rebuilt, "COURSE", ((1.0, 2),))
    draw(house.root / "c.png")
    draw(house.root / "s.png", hue=80)
    before = signal.getsignal(signal.SIGTERM)
    yield house
    signal.signal(signal.SIGTERM, before)


def test_two_images_through_the_layers(place: House, capfd: pytest.CaptureFixture[str]) -> None:
    """The folder is there whole, with page, sheet and pictures; nothing else is left."""
    (place.root / "deep/out").mkdir(parents=True)  # empty: it may be used
    assert main(["layers", "c.png", "s.png", "--out", "deep/out"]) == 0
    told = capfd.readouterr()
    assert told.out == "deep/out/index.html\n"
    assert [line for line in told.err.splitlines() if ": done" in line] == [
        "block1_conv1: done, 1 of 2",
        "block2_conv1: done, 2 of 2",
    ]
    folder = place.root / "deep/out"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "pictures", "sheet.png"]
    assert len(list((folder / "pictures").iterdir())) == 2 * (1 + 2 * 4)
    assert "c.png" in (folder / "index.html").read_text()
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width > 1500


def test_the_bar_ends_with_the_last_step(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each step takes is known beforehand, of every step and of no more."""
    bars: list[Counted] = []

    class Counted(tqdm):  # type: ignore[type-arg]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.seen: list[float] = []
            bars.append(self)

        def update(self, n: float | None = 1) -> bool | None:
            self.seen.append(n or 0.0)
            return super().update(n)

    monkeypatch.setattr(layers, "tqdm", Counted)
    assert main(["layers", "c.png", "s.png", "--out", "out"]) == 0
    (bar,) = bars
    assert len(bar.seen) == 2 * (2 + 2 * 2 * 2)
    assert sum(bar.seen) == pytest.approx(bar.total)


def test_a_deep_layer_is_known_to_take_longer() -> None:
    """Or the first estimate, made of the quick layers, would be far too low."""
    ahead = list(efforts([(160, 120)]))
    first, last = ahead[: len(ahead) // 16], ahead[-len(ahead) // 16 :]
    assert 4.0 < sum(last) / sum(first) < 40.0


def test_without_an_image_it_shows_the_patterns(place: House) -> None:
    """And nothing else."""
    assert main(["layers", "--out", "out"]) == 0
    names = {path.name for path in (place.root / "out/pictures").iterdir()}
    assert names == {"block1_conv1-patterns.png", "block2_conv1-patterns.png"}


def test_an_interruption_leaves_nothing(
    place: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C or SIGTERM in the midst of a layer: no half sheet, no work folder."""

    def interrupted(_network: object, _layer: str, _filters: object, _tick: Callable[[], object]) -> Any:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(patterns, "patterns", interrupted)
    before = set(place.root.iterdir())
    assert main(["layers", "--out", "out"]) == 130
    assert set(place.root.iterdir()) == before
    assert "interrupted" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothere.png", "--out", "out"], 2, "nothere.png: there is no such image"),
        ([".", "--out", "out"], 2, ".: is not a file"),
        (["config.yaml", "--out", "out"], 1, "config.yaml: is a text"),
        (["ribbon.png", "--out", "out"], 1, "ribbon.png: 640 × 40 becomes 160 × 10"),
        (["c.png", "--out", "full"], 2, "full: there is something in it already"),
        (["c.png", "--out", "c.png"], 2, "c.png: Not a directory"),
        (["c.png", "--out", "c.png/out"], 2, "c.png/out: Not a directory"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    place: House, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    """In two plain lines, before anything is loaded, and with nothing left behind."""
    draw(place.root / "ribbon.png", size=(640, 40))
    (place.root / "full").mkdir()
    Path(place.root, "full/mine.txt").touch()
    assert main(["layers", *words]) == code
    told = capsys.readouterr().err
    assert said in told
    assert "loading" not in told
    assert len(told.splitlines()) == 2
    assert not (place.root / "out").exists()


def test_weights_that_are_not_there_are_missed_at_once(place: House, capsys: pytest.CaptureFixture[str]) -> None:
    """As in other commands."""
    place.configure(weights="/nowhere/vgg19.h5")
    assert main(["layers", "c.png", "--out", "out"]) == 78
    assert "/nowhere/vgg19.h5" in capsys.readouterr().err
    assert not (place.root / "out").exists()
