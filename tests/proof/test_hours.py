"""A real daemon whose hours end and begin: what it was at waits with nothing lost, and `now: true` is painted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kill_house import KillHouse, wait_until

SECONDS = 60.0


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KillHouse]:
    """A house whose hours have begun an hour ago and end in an hour; its clock stands in a file."""
    now = datetime.now(UTC)
    begin, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 1))
    found = KillHouse(tmp_path / "house", schedule={"window": f"{begin}-{end}", "timezone": "UTC"})
    (found.root / "ahead").write_text("0")
    monkeypatch.setenv("CLOCK_AHEAD", str(found.root / "ahead"))
    monkeypatch.setenv("QUICK_STEP_SECONDS", "0.1")
    yield found
    found.end()


def set_ahead(house: KillHouse, hours: float) -> None:
    """Put the clock on the wall ahead, at one stroke."""
    aside = house.root / "ahead.new"
    aside.write_text(str(hours * 3600))
    aside.rename(house.root / "ahead")


def waiting(house: KillHouse) -> list[tuple[str, str]]:
    status = json.loads((house.inbox / ".nst_batch/state.json").read_text())
    return [(entry["name"], entry["why"]) for entry in status["waiting"]]


def is_done(house: KillHouse, title: str) -> bool:
    return (house.outbox / title / "job.json").exists()


def ends(daemon: subprocess.Popen[str]) -> int:
    daemon.terminate()
    return daemon.wait(timeout=SECONDS)


def test_a_job_waits_for_the_next_evening(house: KillHouse) -> None:
    """It goes on where it was and comes out as if nothing had been; its worker goes; a `now` one is painted."""
    title = house.drop()
    daemon = house.launch()
    assert wait_until(house.at_work, SECONDS), house.logs()
    set_ahead(house, 2)
    assert wait_until(lambda: waiting(house) == [(title, "outside the hours")], SECONDS), house.logs()
    assert f"{title}: ends its step and waits for " in house.logs()
    assert wait_until(lambda: not house.worker_pids(daemon), SECONDS), "its worker holds the device still"
    urgent = house.drop("urgent", now=True)
    assert wait_until(lambda: is_done(house, urgent), SECONDS), house.logs()
    assert not is_done(house, title)
    set_ahead(house, 24)
    assert wait_until(lambda: is_done(house, title), SECONDS), house.logs()
    assert ends(daemon) == 0
    job = json.loads((house.outbox / title / "job.json").read_text())
    assert (job["state"], job["attempts"]) == ("done", 1)
    assert [house.check_whole(house.outbox / name) for name in (urgent, title)] == ["done", "done"]
    assert len((house.root / "done.log").read_text().splitlines()) == 2
