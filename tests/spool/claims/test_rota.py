"""Whose turn it is: folders of equal priority one after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spool_world import World

from nst_batch.daemon.queue_state import turns_of, waiting_entries
from nst_batch.spool.claims.rota import Rota, lane_of


@dataclass(frozen=True)
class Item:
    """What waits in a folder."""

    priority: int
    lane: str
    number: int


@pytest.mark.parametrize(
    ("path", "lane"),
    [("a.yaml", ""), ("anna/a.yaml", "anna"), ("anna/deep/a.yaml", "anna"), ("retry-a/a.yaml", "")],
)
def test_a_lane_is_the_first_folder(path: str, lane: str) -> None:
    """Files at the root are one, and what was put back is among them: five hundred retries are not that many people."""
    assert lane_of(path) == lane


ITEMS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["", "anna", "ben"])), max_size=30)


@given(ITEMS, st.lists(st.sampled_from(["", "anna", "ben"]), max_size=4))
def test_the_order_is_told_as_it_comes(waiting: list[tuple[int, str]], before: list[str]) -> None:
    """What will be taken next, time after time, is what was foretold; nobody is passed over twice."""
    rota = Rota()
    for lane in before:
        rota.serve(lane)
    items = [Item(priority, lane, number) for number, (priority, lane) in enumerate(waiting)]
    told = list(rota.in_order(items))
    left, taken = list(items), []
    while left:
        chosen = min(left, key=lambda item: rota.place(item.priority, item.lane, item.number, ""))
        rota.serve(chosen.lane)
        left.remove(chosen)
        taken.append(chosen)
    assert told == taken


def run(world: World, count: int) -> list[str]:
    """The lanes of the next jobs, each done before the next one is taken."""
    lanes = []
    for _ in range(count):
        handout = world.hand_out_next()
        assert handout is not None
        lanes.append(handout.lane)
        world.work(handout)
        world.finish(handout)
    return lanes


def two_people(world: World) -> None:
    """A grid of fifty jobs in one folder, then three pairs in another."""
    for number in range(50):
        world.put(f"anna/c{number}.jpg", f"content {number}")
    world.put("anna/s.jpg")
    world.put("anna/grid.yaml", 'content: "c*.jpg"\nstyle: s.jpg\n')
    world.settle()
    for number in range(3):
        world.pair(f"ben/p{number}")
    world.settle()


def test_a_small_folder_does_not_wait_for_a_grid(tmp_path: Path) -> None:
    """Of fifty jobs and three, the third of the small folder is among the first eight."""
    world = World(tmp_path)
    world.start()
    two_people(world)
    lanes = run(world, 8)
    assert Counter(lanes) == {"anna": 5, "ben": 3}
    assert lanes[:6] == ["anna", "ben"] * 3


def test_status_shows_the_turns_as_they_come(tmp_path: Path) -> None:
    """The grid is claimed after its first job, the others are not."""
    world = World(tmp_path)
    world.start()
    two_people(world)
    run(world, 1)
    view = world.look()
    told = [entry["name"] for entry in waiting_entries(view, turns_of(view, world.spool.jobs(), (), world.spool.rota))]
    names = []
    for _ in range(8):
        handout = world.hand_out_next()
        assert handout is not None
        names.append(handout.name)
    assert told[:8] == names


def test_a_higher_priority_goes_before_every_turn(tmp_path: Path) -> None:
    """Turns are among equals."""
    world = World(tmp_path)
    world.start()
    two_people(world)
    world.pair("anna/soon", "priority: 1\n")
    world.settle()
    assert run(world, 3) == ["anna", "ben", "anna"]
