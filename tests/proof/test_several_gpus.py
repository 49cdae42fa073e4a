"""Several GPUs, pretended at the device's boundary alone: real daemons, real claims, a tiny engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_house import KillHouse

JOBS = 8


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KillHouse]:
    """Two GPUs by their numbers, and steps that last long enough to be met in."""
    monkeypatch.setenv("QUICK_STEP_SECONDS", "0.08")
    # Tests that paint in this very process hide its GPUs from it; a mask is inherited, and respected.
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    made = KillHouse(tmp_path / "house", device=[0, 1])
    for _ in range(JOBS):
        made.drop()
    yield made
    made.end()


def running(house: KillHouse) -> list[dict[str, Any]]:
    try:
        found = json.loads((house.inbox / ".nst_batch/state.json").read_bytes())["running"]
    except (OSError, ValueError):
        return []
    return list(found)


def both_at_work(house: KillHouse) -> bool:
    return {job["device"] for job in running(house)} == {"gpu:0", "gpu:1"}


def test_each_gpu_has_a_worker_and_one_that_vanishes_takes_no_other_with_it(house: KillHouse) -> None:
    """Its job goes on elsewhere; every job is done once, and the GPU is told of once."""
    daemon = house.launch("--once")
    house.wait(lambda: both_at_work(house))
    (house.root / "gone").write_text("gpu:1")
    assert house.wait_for_end(daemon) == 0, house.logs()
    assert house.check_books() == {"done": JOBS}
    assert house.logs().count("gpu:1 is left out") == 1
    assert "CPU" not in house.logs()


def test_without_any_the_night_ends_and_nothing_is_painted_on_the_cpu(house: KillHouse) -> None:
    """The GPUs were asked for by number: the end is 78, no job is lost, and the next night finishes them."""
    daemon = house.launch("--once")
    house.wait(lambda: both_at_work(house))
    (house.root / "gone").write_text("gpu:0 gpu:1")
    assert house.wait_for_end(daemon) == 78
    assert "CPU" not in house.logs()
    (house.root / "gone").unlink()
    assert house.empty() == 0
    assert house.check_books() == {"done": JOBS}
