"""Every way for a worker to end, and what becomes of the job that it had. The engine is the quick one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_house import KillHouse, wait_until

Make = Callable[..., KillHouse]
SECONDS = 60.0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes houses with the quick engine; whatever still runs ends with the test."""
    houses: list[KillHouse] = []

    def one(**options: Any) -> KillHouse:
        houses.append(KillHouse(tmp_path / f"house{len(houses)}", **options))
        return houses[-1]

    yield one
    for house in houses:
        house.end()


def test_a_worker_that_dies_when_all_is_done_has_not_died_in_vain(make: Make) -> None:
    """Its outcome lies there: the job is published by it, once, and no second run is made."""
    house = make()
    title = house.drop("mute")
    assert house.empty() == 0
    assert house.check_books() == {"done": 1}
    assert house.job(title)["attempts"] == 1
    assert house.logs().count(f"{title}: started") == 1


def test_stop_publishes_a_job_that_waits_for_its_next_attempt(make: Make) -> None:
    """As it stands, at once, though its pause is an hour; of one that has no picture yet it says that it waits."""
    engine = {"epochs": 3, "steps_per_epoch": 2, "size": 48, "precision": "float32"}
    house = make(jobs={"attempts": 3, "backoff_seconds": [3600], "stall_timeout": 5}, defaults=engine)
    title = house.drop("exit")
    daemon = house.launch()
    assert wait_until(lambda: "tried again" in house.command("status").stdout, SECONDS), house.logs()
    (house.inbox / "PAUSE").touch()
    waiting = house.drop()
    assert wait_until(lambda: f"{waiting}: ready" in house.command("status").stdout, SECONDS), house.logs()
    refused = house.command("stop", waiting)
    assert refused.returncode == 75
    assert f"nst-batch cancel {waiting} drops it" in refused.stderr
    assert not (house.inbox / f"{waiting}.stop").exists()
    (house.inbox / "PAUSE").unlink()
    told = house.command("stop", title)
    assert told.returncode == 0, told.stderr
    assert "published as it stands" in told.stdout
    assert wait_until((house.outbox / title / "job.json").exists, SECONDS), house.logs()
    daemon.terminate()
    assert daemon.wait(timeout=SECONDS) == 0
    assert house.job(title)["state"] == "stopped"
    assert not (house.inbox / f"{title}.stop").exists()


def test_the_next_attempt_comes_when_it_was_said_to(make: Make) -> None:
    """And not with the next look at the inbox, which may be minutes away."""
    house = make(
        jobs={"attempts": 5, "backoff_seconds": [1], "stall_timeout": 60},
        watch={"settle_seconds": 0.1, "rescan_seconds": 600, "incomplete_after": "1h"},
    )
    title = house.drop()
    daemon = house.launch()
    assert wait_until(house.at_work, SECONDS), house.logs()
    assert house.kill_workers(daemon) == 1
    assert wait_until((house.outbox / title / "job.json").exists, SECONDS), house.logs()
    assert house.job(title)["attempts"] == 2
    daemon.terminate()
    assert daemon.wait(timeout=SECONDS) == 0


@pytest.mark.parametrize("asked", ["at work", "waiting"])
def test_a_stop_before_the_first_step_outlasts_the_worker(
    make: Make, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """It was told to the worker that died, or asked for while the job waited for the next: that makes one step."""
    monkeypatch.setenv("QUICK_STEP_SECONDS", "1")
    pause = 0.05 if asked == "at work" else 5
    house = make(
        jobs={"attempts": 5, "backoff_seconds": [pause], "stall_timeout": 60},
        watch={"settle_seconds": 0.1, "rescan_seconds": 15, "incomplete_after": "1h"},
    )
    title = house.drop()
    daemon = house.launch()
    assert wait_until(house.at_work, SECONDS), house.logs()
    for pid in house.worker_pids(daemon):
        os.kill(pid, signal.SIGSTOP)  # it gets no further
    if asked == "at work":
        told = house.command("stop", title)
        assert wait_until(lambda: "is being stopped" in house.command("status").stdout, SECONDS), house.logs()
        assert house.kill_workers(daemon) == 1
    else:
        assert house.kill_workers(daemon) == 1
        assert wait_until(lambda: "tried again" in house.logs(), SECONDS), house.logs()
        told = house.command("stop", title)
    assert "it will end with that of its first step" in told.stdout, told.stderr
    assert wait_until((house.outbox / title / "job.json").exists, SECONDS), house.logs()
    job = house.job(title)
    assert (job["state"], job["steps_done"], job["attempts"]) == ("stopped", 1, 2)
    assert not (house.inbox / f"{title}.stop").exists()
    daemon.terminate()
    assert daemon.wait(timeout=SECONDS) == 0
