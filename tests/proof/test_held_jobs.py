"""A person's folder that refuses, with a real daemon as a user whom rights bind: its job waits alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_house import KillHouse, wait_until

SECONDS = 60.0
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[KillHouse]:
    """A house whose daemon may not do what modes forbid, though root starts it."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and setpriv is not there to take that from it")
    found = KillHouse(tmp_path / "house")
    if os.geteuid() == 0:
        found.prefix = POWERLESS
    yield found
    found.end()


def is_done(house: KillHouse, folder: str) -> bool:
    return (house.outbox / folder / "job.json").exists()


def waits(house: KillHouse, refusing: Path) -> list[tuple[str, bool]]:
    """What waits by ``status``, and whether for the folder that refuses."""
    status = json.loads(house.command("status", "--json").stdout)
    return [(entry["name"], str(refusing) in entry["why"]) for entry in status["waiting"]]


def ends(daemon: subprocess.Popen[str]) -> int:
    daemon.terminate()
    return daemon.wait(timeout=SECONDS)


def test_an_output_folder_that_may_not_be_written_holds_its_job_alone(house: KillHouse) -> None:
    """The others are painted, `status` and the log say why; later it is put there, painted once, at one attempt."""
    bob = house.outbox / "bob"
    bob.mkdir(parents=True)
    bob.chmod(0o555)
    held, free = house.drop(output="bob", priority=1), house.drop()
    daemon = house.launch()
    assert wait_until(lambda: is_done(house, free) and f"{held} waits: {bob} refuses" in house.logs(), SECONDS)
    # What status shows is renewed once a second or so.
    assert wait_until(lambda: waits(house, bob) == [(held, True)], SECONDS), waits(house, bob)
    assert house.logs().count("refuses") == 1
    assert "the queue waits" not in house.logs()
    assert ends(daemon) == 0
    bob.chmod(0o755)
    daemon = house.launch()
    assert wait_until(lambda: is_done(house, f"bob/{held}"), SECONDS), house.logs()
    assert ends(daemon) == 0
    assert [house.check_whole(house.outbox / folder) for folder in (free, f"bob/{held}")] == ["done", "done"]
    assert len((house.root / "done.log").read_text().splitlines()) == 2
    assert json.loads((bob / held / "job.json").read_text())["attempts"] == 1


def test_run_once_says_what_still_waits(house: KillHouse) -> None:
    """75, once everything else is done."""
    bob = house.outbox / "bob"
    bob.mkdir(parents=True)
    bob.chmod(0o555)
    held, free = house.drop(output="bob", priority=1), house.drop()
    assert house.launch("--once").wait(timeout=SECONDS) == 75
    assert is_done(house, free)
    assert f"ended before the inbox was empty: {held} waits: {bob} refuses" in house.logs()
    bob.chmod(0o755)
