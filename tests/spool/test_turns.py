"""Turns stay short whatever the queue, and the work grows with the queue and not with its square."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from spool_world import World

from nst_batch import names
from nst_batch.spool import sweep
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.claims.naming import FolderNames, Namer
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.sidecars import SidecarReading
from nst_batch.spool.sweep import FIRST_ABREAST, MOST_ABREAST
from nst_batch.turn import Turn


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def turn(seconds: float) -> Turn:
    return Turn(seconds, Ticking())


def broken(world: World, count: int) -> None:
    for number in range(count):
        world.put(f"s{number:03}.yaml", "contnt: a.png\n")


def test_a_look_reads_what_there_is_time_for_and_the_next_ones_the_rest(world: World) -> None:
    """Twenty thousand sidecars take half a minute to read: nobody listens meanwhile, were it done in one go."""
    for number in range(10):
        world.pair(f"p{number}", content="c.jpg", style="s.jpg")
    world.settle_without_reading()
    counts = []
    for _ in range(5):
        view = world.spool.look(world.at, turn(3.5))
        counts.append(len(view.ready))
        unread = [pair for pair in view.waiting if "about to be read" in pair.why]
        assert len(view.ready) + len(unread) == 10
        assert (view.next_look <= world.mono) is bool(unread)
    assert counts == sorted(counts)
    assert 2 <= counts[0] <= 4
    assert counts[-1] == 10


def test_new_files_all_the_time_keep_nobody_from_his_turn(world: World) -> None:
    """Each new name makes every glob be looked at anew: the turn goes round."""
    for number in range(6):
        world.put(f"g{number}.yaml", 'content: "*.jpg"\nstyle: s.png\n')
    world.put("a.jpg")
    world.put("s.png")
    world.settle()
    seen: set[str] = set()
    for number in range(12):
        (world.inbox / f"folder{number}").mkdir()
        world.later(1.0)
        view = world.spool.look(world.at, turn(2.5))
        seen |= {pair.sidecar for pair in view.ready}
        assert len(view.ready) < 6
    assert len(seen) == 6


def test_no_image_leaves_while_sidecars_are_still_to_be_read(world: World) -> None:
    """Any of them may name it."""
    world.pair("a", content="shared.jpg")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    for number in range(8):
        world.put(f"later{number}.yaml", "content: shared.jpg\nstyle: not-there.jpg\n")
    world.settle_without_reading()
    world.spool.look(world.at, turn(1.5))
    world.work(handout)
    world.finish(handout)
    world.spool.sweep(world.at, turn(1.5))
    assert (world.inbox / "shared.jpg").exists()
    world.look()
    world.sweep()
    assert (world.inbox / "shared.jpg").exists(), "the others name it"


def test_a_sweep_fails_what_there_is_time_for_and_each_once(world: World) -> None:
    """Thousands of sidecars with one and the same mistake, made by a script."""
    broken(world, 40)
    world.settle()
    ended: list[str] = []
    while len(ended) < 40:
        now = world.spool.sweep(world.at, turn(1.5))
        assert 1 <= len(now) <= MOST_ABREAST
        ended += [end.name for end in now]
        world.look()
    assert sorted(ended) == [f"s{number:03}" for number in range(40)]
    assert world.claims() == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_fails_with_many_images_fails_once_all_are_copied(world: World, cancelled: bool) -> None:
    """For want of one of them, or because somebody wants it so: a turn that ends between two copies holds up nobody."""
    images = [f"c{number}.jpg" for number in range(4)]
    for name in images:
        world.put(name, name)
    world.put("s.jpg")
    world.put("g.yaml", f"content: [{', '.join(images)}{'' if cancelled else ', gone.jpg'}]\nstyle: s.jpg\n")
    world.settle()
    if cancelled:
        names_of = [f"{name[:2]}-s" for name in images]
        for name in names_of:
            world.put(f"{name}.cancel", "")
    else:
        world.spool.expire(world.at)
    codes = []
    for _ in range(30):
        world.look()
        codes += [end.code for end in world.spool.sweep(world.at, turn(1.5))]
    assert codes == (["cancelled"] * 4 if cancelled else ["image_missing"])
    kept = {path.name for folder in world.failed().values() for path in (folder / "input").iterdir()}
    assert kept >= ({*images, "s.jpg"} if cancelled else {"s.jpg"})


def test_controls_are_obeyed_as_far_as_there_is_time(world: World) -> None:
    """Thousands of cancels leave the loop its turns; those that are left count at the next look."""
    for number in range(6):
        world.pair(f"p{number}")
    world.settle()
    for number in range(6):
        world.put(f"p{number}.cancel", "")
    ended: list[Ended] = []
    for _ in range(20):
        world.look(1.0)
        new = world.spool.sweep(world.at, Turn(0.0))
        assert len(new) <= 1
        ended += new
    assert sorted(end.name for end in ended) == [f"p{number}" for number in range(6)]
    assert {path for path in world.inbox_files() if path.endswith(".cancel")} == set()


def test_a_claim_of_many_images_is_copied_over_several_turns(world: World) -> None:
    """A thousand photographs of a hundred megabytes each; its job starts when all are there."""
    for number in range(6):
        world.put(f"c{number}.jpg", f"content {number}")
    world.put("s.jpg")
    world.put("g.yaml", 'content: "c*.jpg"\nstyle: s.jpg\n')
    world.settle()
    assert world.spool.take(world.at, turn(1.5)) is None
    (claim,) = world.claims()
    copies = []
    while world.spool.take(world.at, turn(1.5)) is None:
        copies.append(len(list((claim / "inputs").iterdir())))
        world.spool.sweep(world.at, turn(1.5))
    assert len(copies) >= 2
    assert copies == sorted(set(copies))
    assert (claim / "copied").exists()


class NothingMoves(FileSystem):
    """Every sidecar is somebody's whose folder is sticky."""

    def rename(self, source: Path, target: Path) -> None:
        if source.suffix == ".yaml" and ".nst_batch" not in source.parts:
            raise PermissionError(1, "Operation not permitted", str(source))
        super().rename(source, target)


def test_thousands_that_cannot_be_claimed_are_not_tried_in_one_turn(world: World) -> None:
    """A sticky folder full of them."""
    world.start(NothingMoves())
    for number in range(8):
        world.pair(f"p{number}", content="c.jpg", style="s.jpg")
    world.settle()
    assert world.spool.take(world.at, turn(3.5)) is None
    held = [pair for pair in world.look().waiting if "cannot be taken" in pair.why]
    assert 2 <= len(held) <= 4


def counted(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, weigh: Callable[[Any], int]) -> list[int]:
    """What calls of a function come to from now on."""
    real, sums = getattr(target, name), [0]

    def count(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        sums[0] += weigh(result)
        return result

    monkeypatch.setattr(target, name, count)
    return sums


def test_the_names_listed_grow_with_the_sidecars_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with their square: neither the inbox nor failed/ is listed for each of them."""
    sums = []
    for count in (20, 80):
        world = World(tmp_path / str(count))
        world.start()
        broken(world, count)
        world.settle()
        with monkeypatch.context() as patch:
            listed = counted(patch, os, "listdir", len)
            scanned = counted(patch, os, "scandir", lambda _result: 1)
            assert len(world.sweep()) == count
        sums.append(listed[0] + scanned[0])
    assert sums[1] <= 5 * sums[0]


def test_a_sidecar_with_a_mistake_costs_the_disk_few_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fsync is a wait, of ten milliseconds on a disk that turns; it was 35 of them a sidecar, one by one."""
    monkeypatch.setattr(sweep, "WORTH_A_GROUP", 0.0)
    broken(world, 60)
    world.settle()
    syncs = counted(monkeypatch, os, "fsync", lambda _result: 1)
    assert len(world.sweep()) == 60
    assert syncs[0] <= 12 * 60


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 1), (0.02, 16)])
def test_sidecars_fail_side_by_side_where_the_disk_is_slow(
    seconds: float, most: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory, or on a disk that answers at once, the threads would cost more than they spare."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    clock = Ticking()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    sizes: list[int] = []

    def noted(acts: Sequence[Callable[[], object]]) -> None:
        sizes.append(len(acts))
        clock.now += 0.01
        world.fs.waited += seconds
        clock.now += seconds
        for act in acts:
            act()

    monkeypatch.setattr(world.fs, "side_by_side", noted)
    broken(world, 40)
    world.settle()
    assert len(world.sweep()) == 40
    assert sizes[0] == FIRST_ABREAST
    assert max(sizes[1:]) == most


def test_naming_many_jobs_of_one_title_takes_a_few_looks_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of twenty thousand jobs with one plain title: Dusk, Dusk-2 … Dusk-20000."""
    folds = counted(monkeypatch, names, "fold", lambda _result: 1)
    asked = 0

    class Asked(set[str]):
        def __contains__(self, name: object) -> bool:
            nonlocal asked
            asked += 1
            return super().__contains__(name)

    namer = Namer({"dusk-3"})
    namer.taken = Asked(namer.taken)
    given = [namer.name("Dusk") for _ in range(2000)]
    assert given[:4] == ["Dusk", "Dusk-2", "Dusk-4", "Dusk-5"]
    assert len({names.fold(name) for name in given}) == 2000
    assert asked <= 2 * 2000
    assert folds[0] <= 2 * 2000 + 2000


def test_a_folder_is_listed_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """failed/ may hold thousands, and is asked about at every look."""
    listing = FolderNames(FileSystem(), tmp_path / "failed")
    assert listing.names() == frozenset()
    (tmp_path / "failed/Dusk").mkdir(parents=True)
    os.utime(tmp_path / "failed", ns=(1, 1))
    assert listing.names() == {"dusk"}
    listed = counted(monkeypatch, os, "listdir", lambda _result: 1)
    assert listing.names() == {"dusk"}
    assert listed == [0]
    (tmp_path / "failed/Dawn").mkdir()
    assert listing.names() == {"dusk", "dawn"}


def test_a_look_at_an_unchanged_inbox_makes_the_same_lists_again(world: World) -> None:
    """What is shown of thousands of waiting jobs is not made and written anew at every look."""
    for number in range(5):
        world.put(f"p{number}.yaml", "content: c.jpg\nstyle: s.jpg\n")
    first = world.settle()
    second = world.look(3.0)
    assert len(first.waiting) == 5
    assert second.waiting is first.waiting


def test_what_comes_and_goes_in_a_folder_concerns_the_sidecars_that_ask_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five thousand photographs of one hot folder: as each is done with, the others are not read again."""
    world.put("hot/folder.yaml", "style: s.jpg\n")
    world.put("s.jpg")
    for number in range(20):
        world.put(f"hot/p{number:02}.jpg", f"photograph {number}")
    world.settle()
    world.settle()
    assert len(world.look().ready) == 20
    read = counted(monkeypatch, SidecarReading, "expand", lambda _result: 1)
    asked = counted(monkeypatch, os, "access", lambda _result: 1)
    for number in range(3):
        job = world.hand_out_next()
        assert job is not None
        world.work(job)
        world.finish(job)
        world.look()
        world.sweep()
        world.put(f"hot/later{number}.txt", "comes and is nobody's")
    assert read[0] == 0
    assert asked[0] <= 3 * 20
    world.put("hot/new.jpg", "one more photograph")
    world.settle()
    assert read[0] == 1
