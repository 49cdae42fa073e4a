"""Every way for a worker to end, and what becomes of the job that it had. The engine is the quick one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_house import KillHouse

Make = Callable[..., KillHouse]


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
