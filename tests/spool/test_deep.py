"""Folders nested thousands deep, which one command makes: they cost nobody his night."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from power_cut import scratch
from spool_world import World

from nst_batch.beneath import DEEPEST, folders_below
from nst_batch.cli import main
from nst_batch.doctor.folders import count_folders
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.watch import Watcher

DEEP = 2400  # twice as deep as calls go, and deeper than a path can name


def dig(folder: Path, levels: int = DEEP, name: str = "d") -> None:
    """A chain of folders with a file at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    at = os.open(folder, os.O_PATH)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        deeper = os.open(name, os.O_PATH, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(os.open("end", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that no disk is waited for. The library's way of removing it would call itself for each level."""
    folder = scratch()
    yield folder
    FileSystem().rmtree(folder)


@pytest.fixture
def world(memory: Path) -> Iterator[World]:
    made = World(memory)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("name", ["d", "n" * 200])
def test_a_deep_folder_is_removed(memory: Path, name: str) -> None:
    """With few descriptors open at a time; what lies beside it stays."""
    dig(memory / "deep", name=name)
    (memory / "other").write_text("mine")
    (memory / "deep/link").symlink_to(memory / "other")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (most + 70, hard))
    try:
        FileSystem().rmtree(memory / "deep")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [path.name for path in memory.iterdir()] == ["other"]


def test_a_start_finds_deep_folders_where_jobs_are_at_work(world: World) -> None:
    """One that bears our name is removed, one that is somebody's stays; both are members' of the group doing."""
    ours = world.outbox / f"running/.new-{world.spool.attachment.inbox_id}-x"
    dig(ours)
    dig(world.outbox / "running/somebody")
    world.pair("broken", extra="sise: 1\n")
    world.start()
    world.settle()
    assert [end.name for end in world.sweep()] == ["broken"]
    assert not ours.exists()
    assert (world.outbox / "running/somebody").exists()


@pytest.mark.parametrize("name", ["d", "n" * 250])
def test_a_job_whose_folder_somebody_has_dug_in_is_published(world: World, name: str) -> None:
    """What was put there goes with it."""
    world.pair("a")
    world.settle()
    job = world.hand_out_next()
    assert job is not None
    dig(job.running / "deep", name=name)
    world.work(job)
    assert world.finish(job).state == "done"
    assert (world.outbox / "a/deep" / name / name).is_dir()


def test_a_deep_inbox_is_looked_at(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """By the daemon and by the commands; what lies too deep for a path is not to be had."""
    dig(world.inbox / "deep")
    world.put("all.yaml", 'content: "**/*.jpg"\nstyle: gone.jpg\n')
    world.pair("broken", extra="sise: 1\n")
    world.settle()
    assert [end.name for end in world.sweep()] == ["broken"]
    config = world.inbox.parent / "config.yaml"
    config.write_text("weights: untrained\n")
    assert main(["check", "--config", str(config)]) == 1
    assert main(["status", "--config", str(config)]) == 0
    assert "there is no gone.jpg" in capsys.readouterr().out
    assert count_folders(world.inbox) > 1000


def test_what_lies_deeper_than_anybody_puts_it_is_not_looked_for(world: World) -> None:
    """Every look would take seconds; that it is passed over is told once."""
    dig(world.inbox / "deep", DEEPEST - 2)
    reachable = "/".join(["deep", *["d"] * (DEEPEST - 2)])
    world.put(f"{reachable}/found.yaml", "sise: 1\n")
    world.put(f"{reachable}/d/below/lost.yaml", "sise: 1\n")
    world.settle()
    assert [end.name for end in world.sweep()] == ["found"]
    assert any("below" in note for note in world.notes)


def test_a_deep_inbox_is_watched_or_it_is_said_why_not(world: World) -> None:
    """The looks find what no event tells of."""
    dig(world.inbox / "deep")
    watcher = Watcher(world.inbox, lambda: None, polling=False)
    try:
        watcher.start()
        watcher.check()
        assert watcher.observer or "too deep" in (watcher.problem or "")
    finally:
        watcher.stop()


def test_folders_are_walked_as_by_the_library(tmp_path: Path) -> None:
    """Those that are taken out of the list are not entered, links neither."""
    for path in ("a/b/c", "a/skip/d", "e"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    seen = []
    for folder, folders, files in folders_below(tmp_path):
        folders[:] = [name for name in folders if name != "skip"]
        seen += [os.path.relpath(f"{folder}/{name}", tmp_path) for name in files]
    assert sorted(seen) == ["a/b/c/file", "e/file", "link"]
