"""The whole path with real parts: a daemon process, files dropped, the outbox read."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from house import House, draw
from PIL import Image


def finished(house: House, *titles: str) -> Callable[[], bool]:
    return lambda: all((house.outbox / title / "job.json").exists() for title in titles)


def check_log(loss: dict[str, Any], steps: int) -> None:
    """Every step once, in order, and every total the weighted sum of its losses."""
    assert [entry["step"] for entry in loss["log"]] == list(range(1, steps + 1))
    for entry in loss["log"]:
        total = sum(entry["weights"][name] * entry[name] for name in ("content", "style", "tv"))
        assert math.isclose(entry["total"], total, rel_tol=1e-9)


def test_a_dropped_pair_becomes_a_finished_folder(house: House) -> None:
    """A pair dropped into a running daemon's inbox comes out whole, with all that the contract names."""
    house.configure(weights="untrained")
    house.start()
    house.pair("harbour", title="harbour at dusk", save_epoch=True)
    house.wait_for(finished(house, "harbour at dusk"), "a finished job")
    folder = house.outbox / "harbour at dusk"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "harbour at dusk.png",
        "epochs/harbour at dusk_epoch_0001.png",
        "epochs/harbour at dusk_epoch_0002.png",
        "loss.json",
        "loss.svg",
        "job.json",
        "input/harbour.yaml",
        "input/harbour-content.png",
        "input/harbour-style.png",
    }
    loss = house.loss("harbour at dusk")
    assert (loss["title"], loss["epochs"], loss["steps_per_epoch"]) == ("harbour at dusk", 2, 2)
    check_log(loss, 4)
    job = house.job("harbour at dusk")
    assert job["state"] == "done"
    assert job["steps_done"] == 4
    assert job["attempts"] == 1
    assert job["weights"]["source"] == "untrained"
    assert job["final"] == "harbour at dusk.png"
    assert [each["role"] for each in job["inputs"]] == ["content", "style"]
    assert all(len(each["sha256"]) == 64 for each in job["inputs"])
    with Image.open(folder / "harbour at dusk.png") as picture:
        assert picture.size == (48, 36)
    house.wait_for(lambda: not [p for p in house.inbox.iterdir() if p.name != ".nst_batch"], "an empty inbox")
    assert not list((house.outbox / "running").iterdir())


def test_pairs_in_any_order_come_out_once_each(house: House) -> None:
    """Sidecars first, images first, sub-folders, a shared style, some while no daemon runs."""
    house.pair("one")
    house.pair("two", folder="deep/er", title="two")
    process = house.start()
    house.sidecar("three", content="three.png", style="shared.png")
    house.sidecar("four", content="four.png", style="shared.png")
    draw(house.inbox / "three.png", hue=10)
    house.wait_for(finished(house, "one"), "the first job")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    draw(house.inbox / "four.png", hue=20)
    draw(house.inbox / "shared.png", hue=30)
    result = house.once()
    assert result.returncode == 0, result.stderr
    for title in ("one", "two", "three", "four"):
        check_log(house.loss(title), 4)
    assert sorted(p.name for p in house.outbox.iterdir() if p.is_dir() and p.name not in ("running", "failed")) == [
        "four",
        "one",
        "three",
        "two",
    ]


def test_a_grid_is_a_product_and_one_bad_image_fails_only_its_own_job(house: House) -> None:
    """Two contents by two styles, one content broken: two pictures, two failures that say why."""
    draw(house.inbox / "a1.png")
    (house.inbox / "a2.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    draw(house.inbox / "s1.png", hue=40)
    draw(house.inbox / "s2.png", hue=80)
    house.sidecar("grid", content="a*.png", style=["s1.png", "s2.png"])
    result = house.once()
    assert result.returncode == 1, result.stderr
    assert {p.name for p in house.outbox.iterdir()} >= {"a1-s1", "a1-s2"}
    failed = {p.name for p in (house.outbox / "failed").iterdir()}
    assert failed == {"a2-s1", "a2-s2"}
    job = house.job("failed/a2-s1")
    assert job["reason"].startswith("image_")
    assert job["advice"]
    assert (house.outbox / "failed/a2-s1/error.txt").read_text().strip()
    assert (house.outbox / "failed/a2-s1/input/a2.png").exists()


def test_stop_ends_with_the_picture_as_it_stands(house: House) -> None:
    """JOB.stop publishes what there is; JOB.cancel puts the inputs into failed/."""
    house.configure(defaults={"epochs": 1000, "steps_per_epoch": 5, "size": 48, "precision": "float32"})
    house.pair("long")
    house.pair("dropped")
    house.start()
    house.wait_for((house.outbox / "running/long/loss.json").exists, "the first epoch")
    (house.inbox / "dropped.cancel").touch()
    (house.inbox / "long.stop").touch()
    house.wait_for(finished(house, "long"), "a stopped job")
    job = house.job("long")
    assert job["state"] == "stopped"
    loss = house.loss("long")
    check_log(loss, job["steps_done"])
    house.wait_for((house.outbox / "failed/dropped/job.json").exists, "a cancelled job")
    assert house.job("failed/dropped")["state"] == "cancelled"
    house.wait_for(
        lambda: not list(house.inbox.glob("*.stop")) + list(house.inbox.glob("*.cancel")), "no control files"
    )


def test_sigterm_puts_the_job_back_and_it_goes_on(house: House) -> None:
    """SIGTERM in mid-job ends with 0, spends no attempt, and every step is logged once in the end."""
    house.configure(defaults={"epochs": 30, "steps_per_epoch": 10, "size": 48, "precision": "float32"})
    house.pair("night")
    process = house.start()
    house.wait_for((house.outbox / "running/night/loss.json").exists, "the first epoch")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not (house.outbox / "night").exists()
    assert house.once().returncode == 0
    check_log(house.loss("night"), 300)
    assert house.job("night")["attempts"] == 1


def test_a_second_daemon_ends_with_75(house: House) -> None:
    """One daemon an inbox: the second says who holds it."""
    process = house.start()
    house.wait_for((house.inbox / ".nst_batch/state.json").exists, "the daemon at work")
    second = house.once()
    assert second.returncode == 75
    assert str(process.pid) in second.stderr


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
    import subprocess
    import sys

    script = (
        "import sys, nst_batch.cli, nst_batch.daemon, nst_batch.report.gallery\n"
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'numpy', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_outbox_shows_no_partial_result(house: House, tmp_path: Path) -> None:
    """Whatever is visible in the outbox's own folders is whole at the moment it is first seen."""
    house.pair("seen", save_epoch=True)
    process = house.start()
    seen: list[Path] = []
    while not seen:
        seen = [p for p in house.outbox.glob("*") if p.name == "seen"]
        assert process.poll() is None, house.logs()
    assert {p.name for p in seen[0].iterdir()} == {
        "seen.png",
        "epochs",
        "loss.json",
        "loss.svg",
        "job.json",
        "input",
    }
