"""The whole path with real parts: a daemon process, files dropped, the outbox read.

Loading TensorFlow is what takes time here, so that tests which can share a daemon do: ``studio`` is one at work in an
inbox of its own, ``interrupted`` what lies in the outbox after a night with an interruption.
"""

from __future__ import annotations

import html
import json
import math
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from house import PATIENCE_SECONDS, House, draw
from PIL import Image

LONG = {"epochs": 10_000, "steps_per_epoch": 5}


def finished(house: House, *titles: str) -> Callable[[], bool]:
    return lambda: all((house.outbox / title / "job.json").exists() for title in titles)


def check_log(loss: dict[str, Any], steps: int) -> None:
    """Every step once, in order, and every total the weighted sum of its losses."""
    assert [entry["step"] for entry in loss["log"]] == list(range(1, steps + 1))
    for entry in loss["log"]:
        total = sum(entry["weights"][name] * entry[name] for name in ("content", "style", "tv"))
        assert math.isclose(entry["total"], total, rel_tol=1e-9)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon at work, with the untrained network."""
    house = House(tmp_path_factory.mktemp("studio"), Path("untrained"))
    house.start()
    yield house
    house.end()


class Night(NamedTuple):
    """What became of an interrupted daemon, and of the one that emptied the inbox after it."""

    house: House
    interrupted: int  # the exit code
    seen_at_interruption: set[str]
    emptied: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, weights_file: Path) -> Iterator[Night]:
    """Pairs dropped in every order, before, while and after a daemon that is told to end in mid-job."""
    house = House(tmp_path_factory.mktemp("night"), weights_file)
    house.pair("one")
    house.pair("two", folder="deep/er", title="two")
    process = house.start()
    house.sidecar("three", content="three.png", style="shared.png")
    house.sidecar("four", content="four.png", style="shared.png")
    draw(house.inbox / "three.png", hue=10)
    house.wait_for(finished(house, "one", "two"), "the first jobs")
    house.pair("long", epochs=30, steps_per_epoch=10)
    house.wait_for((house.outbox / "running/long/loss.json").exists, "the first epoch of the long job")
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=120)
    seen = {path.name for path in house.outbox.iterdir()}
    draw(house.inbox / "four.png", hue=20)
    draw(house.inbox / "shared.png", hue=30)
    yield Night(house, code, seen, house.once())
    house.end()


def test_a_dropped_pair_becomes_a_finished_folder(studio: House) -> None:
    """A pair dropped into a running daemon's inbox comes out whole, with all that docs/results.md names."""
    studio.pair("harbour", title="harbour at dusk", save_epoch=True)
    studio.wait_for(finished(studio, "harbour at dusk"), "a finished job")
    folder = studio.outbox / "harbour at dusk"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "harbour at dusk.png",
        "epochs/harbour at dusk_epoch_0001.png",
        "epochs/harbour at dusk_epoch_0002.png",
        "loss.json",
        "loss.svg",
        "index.html",
        "job.json",
        "input/again.yaml",
        "input/harbour.yaml",
        "input/harbour-content.png",
        "input/harbour-style.png",
    }
    loss = studio.loss("harbour at dusk")
    assert (loss["title"], loss["epochs"], loss["steps_per_epoch"]) == ("harbour at dusk", 2, 2)
    check_log(loss, 4)
    job = studio.job("harbour at dusk")
    assert job["state"] == "done"
    assert job["steps_done"] == 4
    assert job["attempts"] == 1
    assert job["weights"]["source"] == "untrained"
    assert job["final"] == "harbour at dusk.png"
    assert [each["role"] for each in job["inputs"]] == ["content", "style"]
    assert all(len(each["sha256"]) == 64 for each in job["inputs"])
    with Image.open(folder / "harbour at dusk.png") as picture:
        assert picture.size == (48, 36)
    studio.wait_for(lambda: not [p for p in studio.inbox.iterdir() if p.name != ".nst_batch"], "an empty inbox")
    assert not [path for path in (studio.outbox / "running").iterdir() if not path.name.startswith(".")]


def test_a_grid_is_a_product_and_one_bad_image_fails_only_its_own_job(studio: House) -> None:
    """Two contents by two styles, one content broken: two pictures, two failures that say why."""
    draw(studio.inbox / "a1.png")
    (studio.inbox / "a2.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    draw(studio.inbox / "s1.png", hue=40)
    draw(studio.inbox / "s2.png", hue=80)
    studio.sidecar("grid", content="a*.png", style=["s1.png", "s2.png"])
    studio.wait_for(finished(studio, "a1-s1", "a1-s2", "failed/a2-s1", "failed/a2-s2"), "all four jobs")
    assert not (studio.outbox / "a2-s1").exists()
    job = studio.job("failed/a2-s1")
    assert job["reason"].startswith("image_")
    assert job["advice"]
    assert (studio.outbox / "failed/a2-s1/error.txt").read_text().strip()
    assert (studio.outbox / "failed/a2-s1/input/a2.png").exists()


def test_a_failed_job_is_mended_and_put_back(studio: House) -> None:
    """`retry` puts the inputs into the inbox; while the queue is paused there is time to mend them."""
    studio.pair("again")
    whole = (studio.inbox / "again-style.png").read_bytes()
    (studio.inbox / "again-style.png").write_bytes(whole[:100])
    studio.wait_for(finished(studio, "failed/again"), "a failed job")
    assert studio.job("failed/again")["reason"] == "image_truncated"
    assert studio.command("pause").returncode == 0
    assert studio.command("retry", "again").returncode == 0
    assert not (studio.outbox / "failed/again").exists()
    (studio.inbox / "retry-again/again-style.png").write_bytes(whole)
    assert studio.command("resume").returncode == 0
    studio.wait_for(finished(studio, "again"), "the mended job")
    assert studio.job("again")["state"] == "done"
    studio.wait_for(lambda: not (studio.inbox / "retry-again").exists(), "an empty inbox")


def test_a_mask_goes_the_way_of_its_pair(studio: House) -> None:
    """One of another shape fails its job and lies beside the pair; mended and put back, it says what is painted."""
    Image.new("L", (64, 64), 255).save(studio.inbox / "sky.png")
    studio.pair("masked", mask="sky.png", size=64)
    studio.wait_for(finished(studio, "failed/masked"), "a failed job")
    failed = studio.job("failed/masked")
    assert failed["reason"] == "mask_shape"
    assert [item["role"] for item in failed["inputs"]] == ["content", "style", "mask"]
    assert studio.command("pause").returncode == 0
    assert studio.command("retry", "masked").returncode == 0
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (32, 0, 64, 48))
    mask.save(studio.inbox / "retry-masked/sky.png")
    assert studio.command("resume").returncode == 0
    studio.wait_for(finished(studio, "masked"), "the mended job")
    folder = studio.outbox / "masked"
    assert studio.job("masked")["settings"]["mask"] == "sky.png"
    assert {path.name for path in (folder / "input").iterdir()} == {
        "again.yaml",
        "masked.yaml",
        "masked-content.png",
        "masked-style.png",
        "sky.png",
    }
    with Image.open(folder / "masked.png") as result, Image.open(folder / "input/masked-content.png") as content:
        kept = (0, 0, 32, 48)
        assert result.crop(kept).tobytes() == content.crop(kept).tobytes()
        assert result.tobytes() != content.tobytes()
    studio.wait_for(lambda: not (studio.inbox / "retry-masked").exists(), "an empty inbox")


def test_stop_ends_with_the_picture_as_it_stands(studio: House) -> None:
    """JOB.stop publishes what there is; JOB.cancel puts the inputs into failed/."""
    studio.pair("long", **LONG)
    studio.wait_for((studio.outbox / "running/long/loss.json").exists, "the first epoch")
    studio.pair("dropped")
    studio.wait_for(lambda: "dropped: ready" in studio.command("status").stdout, "the second job in the queue")
    (studio.inbox / "dropped.cancel").touch()
    studio.wait_for(finished(studio, "failed/dropped"), "a cancelled job")
    assert studio.job("failed/dropped")["state"] == "cancelled"
    (studio.inbox / "long.stop").touch()
    studio.wait_for(finished(studio, "long"), "a stopped job")
    job = studio.job("long")
    assert job["state"] == "stopped"
    check_log(studio.loss("long"), job["steps_done"])
    studio.wait_for(
        lambda: not list(studio.inbox.glob("*.stop")) + list(studio.inbox.glob("*.cancel")), "no control files"
    )


def test_every_job_can_be_made_again(make_house: Callable[..., House]) -> None:
    """A pair, one job of a grid and of what is varied, a blend and a mask: the sidecar in its folder is right where it
    lies, and with its images in another inbox it makes the same picture to the last bit.
    """
    first, second = make_house("first"), make_house("second", defaults={"epochs": 1, "size": 64})
    first.pair("pair", init="noise", seed=3)
    for name, hue in (("c.png", 0), ("s.png", 90), ("t.png", 160), ("m.png", 20)):
        draw(first.inbox / name, hue=hue)
    first.sidecar("grid", content="c.png", style=["s.png", "t.png"], style_weight=2.5)
    first.sidecar("blend", content="c.png", style={"s.png": 0.7, "t.png": 0.3}, title="blend {{1}}")
    first.sidecar("mask", content="c.png", style="t.png", mask="m.png", scales=1)
    first.sidecar("vary", content="c.png", style="s.png", vary={"color": ["style", "content"], "seed": [1]})
    assert first.once().returncode == 0
    titles = ("pair", "c-t", "blend {1}", "mask", "vary color=content seed=1")
    for title in titles:
        given = first.outbox / title / "input"
        checked = first.command("check", str(given / "again.yaml"))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        page = (first.outbox / title / "index.html").read_text()
        command = re.search(r'data-part="command">cp (.*?) INBOX/<', page)
        assert command is not None
        target = second.inbox / title
        target.mkdir()
        for name in shlex.split(html.unescape(command[1])):
            shutil.copy(first.outbox / title / name, target)
    assert second.once().returncode == 0
    for title in titles:
        pictures = [Image.open(house.outbox / title / f"{title}.png").tobytes() for house in (first, second)]
        assert pictures[0] == pictures[1], title


def test_the_outbox_shows_no_partial_result(studio: House) -> None:
    """Whatever is visible in the outbox's own folders is whole at the moment it is first seen."""
    folder = studio.outbox / "seen"
    studio.pair("seen", save_epoch=True)
    end = time.monotonic() + PATIENCE_SECONDS
    while not folder.exists():
        assert time.monotonic() < end, studio.logs()
    seen = {path.name for path in folder.iterdir()}
    assert seen == {"seen.png", "epochs", "loss.json", "loss.svg", "job.json", "input", "index.html"}


def test_a_second_daemon_ends_with_75(studio: House) -> None:
    """One daemon an inbox: the second says who holds it."""
    studio.wait_for((studio.inbox / ".nst_batch/state.json").exists, "the daemon at work")
    pid = json.loads((studio.inbox / ".nst_batch/state.json").read_bytes())["pid"]
    second = studio.once()
    assert second.returncode == 75
    assert f"process {pid} " in second.stderr


def test_pairs_in_any_order_come_out_once_each(night: Night) -> None:
    """Sidecars first, images first, sub-folders, a shared style, some while no daemon runs."""
    house = night.house
    assert night.emptied.returncode == 0, night.emptied.stderr
    for title in ("one", "two", "three", "four"):
        check_log(house.loss(title), 4)
    folders = {path.name for path in house.outbox.iterdir() if path.is_dir()} - {"running", "failed", ".gallery"}
    assert folders == {"one", "two", "three", "four", "long"}
    assert not list((house.outbox / "failed").iterdir())


def test_sigterm_puts_the_job_back_and_it_goes_on(night: Night) -> None:
    """SIGTERM in mid-job ends with 0, spends no attempt, and every step is logged once in the end."""
    assert night.interrupted == 0
    assert "long" not in night.seen_at_interruption
    check_log(night.house.loss("long"), 300)
    assert night.house.job("long")["attempts"] == 1


def test_what_the_night_took_is_kept_for_the_next_forecast(night: Night) -> None:
    """The device's rate, the steps and what jobs take beside them; others find a copy in the outbox."""
    kept = json.loads((night.house.inbox / ".nst_batch/pace.json").read_bytes())
    assert kept["rates"]["cpu"] > 1e8
    assert kept["rests"]["cpu"] > 0
    assert [kind.split()[0] for kind in kept["steps"]] == ["cpu"]
    assert (night.house.outbox / ".nst_batch_pace.json").exists()
    told = night.house.command("status")
    assert "empty" not in told.stdout  # nothing is left to be foretold


def test_missing_weights_end_run_with_78(house: House) -> None:
    """`run` says which file is missing, and never goes on with other weights."""
    house.configure(weights="/nowhere/vgg19.h5")
    house.pair("one")
    result = house.once()
    assert result.returncode == 78
    assert "/nowhere/vgg19.h5" in result.stderr
    assert (house.inbox / "one.yaml").exists()


def test_the_daemon_imports_neither_tensorflow_nor_opencv() -> None:
    """The daemon's modules load none of the worker's libraries."""
    script = (
        "import sys, nst_batch.cli.run, nst_batch.daemon.loop, nst_batch.report.gallery\n"
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'numpy', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
