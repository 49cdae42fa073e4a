"""A power cut after any write, rename or fsync leaves a disk that the next start makes right."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from power_cut import Layout, Recorder, build, disks, sample, scratch
from power_runs import Plan, check_after_cut, crowd_plan, draw_plan, record
from spool_world import World

from nst_batch.spool import sweep
from nst_batch.spool.disk.fs import FileSystem

SEEDS = (3, 5, 8, 13)
DISKS_A_RUN = 120


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk is the model's to say here; it is as slow as a disk can be."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(sweep, "WORTH_A_GROUP", 0.0)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that no disk is waited for."""
    folder = scratch()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_disk_that_a_power_cut_leaves_recovers(memory: Path, seed: int) -> None:
    """Each job in exactly one place, once, with all its files; no partial result is ever seen."""
    luck = random.Random(seed)
    plan = draw_plan(seed)
    cut_often(memory, plan, luck, f"seed {seed}, {plan}")


def cut_often(memory: Path, plan: Plan, luck: random.Random, told: str) -> None:
    """Play the plan: what is left of it recovers wherever the power is cut; ``told`` with what does not."""
    _world, recording = record(memory / "world", memory / "store", plan)
    tried = 0
    for cut, disk in sample(recording, luck, each=2):
        try:
            check_after_cut(recording, disk, plan)
        except BaseException as error:
            raise AssertionError(f"power cut after event {cut}: {error}\n{told}") from error
        tried += 1
        if tried == DISKS_A_RUN:
            break
    assert tried == DISKS_A_RUN


def recorded(folder: Path) -> Recorder:
    (folder / "root").mkdir(parents=True)
    return Recorder(folder / "root", folder / "store")


def possible(recorder: Recorder) -> set[Layout]:
    """Every disk after the last event."""
    recording = recorder.recording
    end = len(recording.events)
    return {disk for _cut, disk in disks(recording, [end], random.Random(0), 0)}


def paths(disk: Layout) -> dict[str, str]:
    return {path: damage for path, _node, damage in disk}


def test_a_file_without_fsync_may_be_anything(memory: Path) -> None:
    """Not there, whole, empty, cut or zeros; with both fsyncs it is there and whole."""
    loose, sure = recorded(memory / "loose"), recorded(memory / "sure")
    loose.write_new(loose.recording.root / "a", b"data", sync=False)
    assert {paths(disk).get("a") for disk in possible(loose)} == {None, "whole", "empty", "half", "zeros"}
    sure.write_durable(sure.recording.root / "a", b"data")
    assert {paths(disk).get("a") for disk in possible(sure)} == {"whole"}


def test_fsync_of_a_file_does_not_keep_its_name(memory: Path) -> None:
    """Whole, or not there."""
    recorder = recorded(memory)
    recorder.write_new(recorder.recording.root / "a", b"data")
    assert {paths(disk).get("a") for disk in possible(recorder)} == {None, "whole"}


def test_a_rename_is_whole_or_not_there(memory: Path) -> None:
    """Across folders too: at the old name or at the new one, never at both, never at neither."""
    recorder = recorded(memory)
    root = recorder.recording.root
    for name in ("from", "to"):
        recorder.mkdir(root / name)
    recorder.write_durable(root / "from/a", b"data")
    recorder.fsync_dir(root)
    recorder.rename(root / "from/a", root / "to/b")
    assert {frozenset(paths(disk)) for disk in possible(recorder)} == {
        frozenset(("from", "to", "from/a")),
        frozenset(("from", "to", "to/b")),
    }


def test_changes_of_different_folders_come_in_any_order(memory: Path) -> None:
    """A later removal elsewhere may be on the disk before an earlier one; within a folder never."""
    recorder = recorded(memory)
    root = recorder.recording.root
    for name in ("x", "y"):
        recorder.mkdir(root / name)
        for file in ("1", "2"):
            recorder.write_durable(root / name / file, b"data")
    recorder.fsync_dir(root)
    for path in ("x/1", "y/1", "x/2"):
        recorder.remove(root / path)
    left = {frozenset(path for path in paths(disk) if "/" in path) for disk in possible(recorder)}
    assert frozenset(("x/1", "x/2", "y/2")) in left
    assert not any("x/1" in disk and "x/2" not in disk for disk in left)
    assert len(left) == 6


def test_a_folder_whose_name_is_lost_takes_its_files_along(memory: Path) -> None:
    """However well those were fsynced."""
    recorder = recorded(memory)
    recorder.mkdir(recorder.recording.root / "new")
    recorder.write_durable(recorder.recording.root / "new/a", b"data")
    assert {frozenset(paths(disk)) for disk in possible(recorder)} == {frozenset(), frozenset(("new", "new/a"))}


def test_a_spool_that_forgets_an_fsync_is_found_out(memory: Path) -> None:
    """The model sees the fault it is there for: without fsyncs of folders, some disk loses or doubles a job."""

    class Forgetful(Recorder):
        def fsync_dir(self, path: Path) -> None:
            """Does nothing."""

    luck = random.Random(1)
    plan = draw_plan(13)
    _world, recording = record(memory / "world", memory / "store", plan, Forgetful)

    def check_all() -> None:
        for _cut, disk in sample(recording, luck, each=4):
            check_after_cut(recording, disk, plan)

    with pytest.raises(AssertionError):
        check_all()


def test_a_disk_is_built_as_it_was(memory: Path) -> None:
    """Whole files are the very inodes, damaged ones are not; links and folders come back."""
    recorder = recorded(memory)
    root = recorder.recording.root
    recorder.mkdir(root / "sub")
    recorder.write_new(root / "sub/a", b"data", sync=False)
    recorder.symlink("sub/a", root / "link")
    before = (root / "sub/a").stat().st_ino
    found = {}
    for disk in possible(recorder):
        build(recorder.recording, disk)
        if len(paths(disk)) == 3:
            found[paths(disk)["sub/a"]] = ((root / "sub/a").stat().st_ino == before, (root / "link").read_bytes())
    assert found == {
        "whole": (True, b"data"),
        "empty": (False, b""),
        "half": (False, b"da"),
        "zeros": (False, bytes(4)),
    }


def test_every_disk_that_is_left_of_sidecars_that_fail_side_by_side_recovers(memory: Path) -> None:
    """Waiting for the disk together: each is failed once, and none is lost, wherever the power is cut."""
    cut_often(memory, crowd_plan(), random.Random(2), "a crowd")


def test_every_disk_that_is_left_of_a_sidecar_that_could_not_be_taken_recovers(memory: Path) -> None:
    """It has failed or is about to, its sidecar and its images lie where they lay, and it is done when it may be."""

    class Closed(FileSystem):
        def may(self, path: Path, mode: int) -> bool:
            return path.name != "share" and super().may(path, mode)

    class Recorded(Closed, Recorder):
        pass

    def night(world: World) -> None:
        for _ in range(16):
            world.look()
            world.sweep()
            world.later(600.0)

    (memory / "root").mkdir()
    world = World(memory / "root")
    world.pair("share/ann")
    world.pair("bob", "nonsense: 1\n")
    there = world.inbox_files()
    recorder = Recorded(memory / "root", memory / "store")
    world.start(recorder)
    night(world)
    world.spool.close(world.at)
    assert set(world.failed()) == {"ann", "bob"}
    for cut, disk in itertools.islice(sample(recorder.recording, random.Random(4), each=3), 2 * DISKS_A_RUN):
        build(recorder.recording, disk)
        world = World(recorder.recording.root)
        for _ in range(2):
            world.start(Closed())
            night(world)
            world.spool.close(world.at)
        assert set(world.failed()) == {"ann", "bob"}, f"power cut after event {cut}"
        assert world.inbox_files() == there - {"bob.yaml"}
        assert world.claims() == []
        world.start()
        night(world)
        world.run_all()
        assert (set(world.finished()), set(world.failed())) == ({"ann"}, {"bob"}), f"power cut after event {cut}"
        world.stop()


def test_a_sync_covers_what_was_there_when_it_was_asked_for(memory: Path) -> None:
    """What comes into the folder while the disk is at it may be lost."""
    recorder = recorded(memory)
    root = recorder.recording.root

    def first() -> None:
        recorder.write_new(root / "a", b"data", sync=False)
        recorder.fsync_dir(root)

    recorder.side_by_side([first, lambda: recorder.write_new(root / "b", b"data", sync=False)])
    left = {frozenset(paths(disk)) for disk in possible(recorder)}
    assert left == {frozenset("a"), frozenset("ab")}
