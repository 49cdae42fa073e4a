"""For what sidecars wait: each is named once, of many at once it is told how many they are; no flood comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.daemon.told_waits import MANY, TOGETHER_SECONDS, ToldWaits
from nst_batch.turn import Turn

OTHERS = 15  # beyond those that are named
STATUS = "nst-batch status says for what"


class Night:
    """An inbox that is looked at slice by slice, a sidecar a slice, and what is said of it."""

    def __init__(self, root: Path) -> None:
        self.world = World(root, "watch: {settle_seconds: 1s}\n")
        self.world.start()
        self.said: list[str] = []
        self.waits = ToldWaits(self.said.append)

    def lacking(self, name: str, image: str = "") -> None:
        """A sidecar whose image is not there."""
        self.world.put(f"{name}.yaml", f"content: {image or name}.jpg\nstyle: s.jpg\n")

    def slice(self) -> bool:
        """One look that has time for one sidecar; whether it left any for the next."""
        view = self.world.spool.look(self.world.at, Turn(0.0))
        self.waits.tell(view, self.world.at)
        return any("about to be read" in pair.why for pair in view.waiting)

    def looks(self) -> list[str]:
        """Look until all is still and read; what was said meanwhile."""
        before = len(self.said)
        self.slice()
        self.world.later(2.0)
        while self.slice():
            self.world.later(0.1)
        return self.said[before:]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path)
    made.world.put("s.jpg")
    yield made
    made.world.stop()


def named(lines: list[str]) -> list[str]:
    return [line.partition(" waits, until ")[0] for line in lines if " waits, until " in line]


def test_of_many_that_are_read_in_slices_some_are_named_and_the_rest_counted_once(night: Night) -> None:
    """Not slice by slice: the number is that of all, and is there once all are read."""
    for number in range(MANY + OTHERS):
        night.lacking(f"n{number:02}")
    said = night.looks()
    assert len(named(said)) == len(set(named(said))) == MANY
    assert said[MANY:] == [f"{OTHERS} more sidecars wait; {STATUS}"]


def test_what_is_read_again_for_something_that_came_is_not_told_again(night: Night) -> None:
    """With each file that comes, all that lack one are looked through anew, slice by slice."""
    for number in range(MANY + OTHERS):
        night.lacking(f"n{number:02}")
    night.looks()
    for number in range(3):
        night.world.put(f"other{number}.jpg")
        assert night.looks() == []
    night.lacking("late")
    assert named(night.looks()) == ["late.yaml"]


def test_what_comes_without_a_pause_is_one_round_for_a_while(night: Night) -> None:
    """Dropped one by one, each before the one before is read: summed up once a minute, not at each look."""
    count = 0
    began = night.world.mono
    while night.world.mono < began + TOGETHER_SECONDS + 1.0:
        night.lacking(f"n{count:03}")
        count += 1
        night.world.later(0.9)
        night.slice()
    told = [line for line in night.said if "more" in line]
    assert len(told) == 1
    assert MANY <= len(named(night.said)) <= MANY + 5
    for line in night.looks():
        told += [line] if "more" in line else []
    assert int(told[-1].split()[0]) + len(named(night.said)) == count
    assert set(Counter(named(night.said)).values()) == {1}


def test_the_number_is_told_again_only_when_more_wait(night: Night) -> None:
    """Not while they become fewer; then of those that are there, not of those that came."""
    for number in range(MANY + OTHERS):
        night.lacking(f"n{number:02}")
    counted = {path.name for path in night.world.inbox.glob("n*.yaml")} - set(named(night.looks()))
    for name in sorted(counted)[:10]:
        (night.world.inbox / name).unlink()
    assert night.looks() == []
    for number in range(MANY + 1):
        night.lacking(f"p{number:02}")
    assert night.looks()[MANY:] == [f"{OTHERS - 10 + 1} more sidecars wait; {STATUS}"]
    night.lacking("q")
    assert named(night.looks()) == ["q.yaml"]


def test_one_that_is_gone_or_another_file_is_told_again(night: Night) -> None:
    """And one that lacks something else by now; not one whose rights or whose images alone have changed."""
    night.lacking("a")
    assert named(night.looks()) == ["a.yaml"]
    (night.world.inbox / "a.yaml").chmod(0o600)
    assert night.looks() == []
    (night.world.inbox / "a.yaml").unlink()
    night.looks()
    night.lacking("a")
    assert named(night.looks()) == ["a.yaml"]
    night.lacking("a", image="sea")
    assert "missing: sea.jpg" in night.looks()[0]
    night.lacking("a", image="sun")
    assert "missing: sun.jpg" in night.looks()[0]


def test_one_that_was_taken_is_told_of_anew(night: Night) -> None:
    """Painted once, and dropped again with the same image missing, under the same name."""
    night.lacking("a")
    night.looks()
    night.world.put("a.jpg")
    assert night.looks() == []
    night.world.run_all()
    night.world.put("s.jpg")
    night.looks()
    night.lacking("a")
    assert named(night.looks()) == ["a.yaml"]
