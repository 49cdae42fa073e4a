"""``demo``: the sample pair through a real daemon, at a size that this machine paints in time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from house import House
from PIL import Image

from nst_batch.cli import demo, main
from nst_batch.config.load import parse_config
from nst_batch.sidecar.expand import parse_sidecar


def test_it_takes_less_than_two_minutes_whatever_the_machine() -> None:
    """The faster the machine, the larger the picture; the slowest gets the smallest there is."""
    painted = {rate: demo.recipe(trained=True, rate=rate * 1e9) for rate in (1, 50, 80, 160, 320, math.inf)}
    sizes = [keys["size"] for keys in painted.values()]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (256, 512)
    for rate, keys in painted.items():
        seconds = demo.painting_seconds(keys["size"], keys["steps_per_epoch"], rate * 1e9)
        assert seconds <= demo.PAINTING_SECONDS or rate == 1


@pytest.mark.parametrize("trained", [True, False])
def test_its_recipes_are_sidecars(trained: bool) -> None:
    """Every choice is one that the strict reader takes; the untrained network's hatches are never too fine."""
    for rate in (1e9, 1e11, math.inf):
        keys = demo.recipe(trained=trained, rate=rate)
        request = parse_sidecar(yaml.safe_dump({"content": "a.png", "style": "b.png", **keys}), "a.yaml")
        assert request.settings.preset == ("fine" if trained else "draft")
        assert request.settings.size <= (512 if trained else 384)


def test_weights_of_the_config_that_are_not_there_are_no_reason_for_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only `auto` may end with the untrained network; a path that was named is missed."""
    (tmp_path / "config.yaml").write_text("weights: /nowhere/vgg19.h5\n")
    words = ["demo", "--folder", str(tmp_path / "d"), "--config", str(tmp_path / "config.yaml")]
    assert main(words) == 78
    assert "/nowhere/vgg19.h5" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_without_weights_it_goes_on_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`auto` with nothing to be had is the untrained network, and a word on where to get the real thing."""
    monkeypatch.setenv("NST_BATCH_WEIGHTS", str(tmp_path / "none.h5"))
    weights, missing = demo.choose_weights(parse_config("", tmp_path / "config.yaml"))
    assert weights == "untrained"
    assert missing is not None
    assert "none.h5" in capsys.readouterr().err


# The daemon silences it for itself (spool/inbox/watch.py), but pytest asks for every warning anew.
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_the_sample_pair_becomes_a_picture(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where the picture is, and that is where it is, with its epochs and the gallery."""
    monkeypatch.setattr(demo, "CHOICES", ((48, 2),))
    monkeypatch.setattr(demo, "SAMPLE_SIDE", 96)
    folder = house.root / "demo"
    assert main(["demo", "--folder", str(folder), "--config", str(house.config)]) == 0
    told = capsys.readouterr()
    (said,) = [line for line in told.out.splitlines() if line.startswith("The picture: ")]
    picture = Path(said.removeprefix("The picture: "))
    with Image.open(picture) as image:
        assert image.size == (48, 32)
    assert len(list((picture.parent / "epochs").iterdir())) == 4
    assert (folder / "outbox/index.html").exists()
    assert "untrained" not in told.out
    assert [path.name for path in (folder / "inbox").iterdir()] == [".nst_batch"]
