"""Killed at every named step, started again: each job in exactly one place, once, with all its files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_world import KillSwitch, StepLog, World, retry_job

from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.disk.fs import FileSystem

Scene = Callable[[World], None]


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill loses nothing that was written, synced or not; only a power cut does."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def scene_done(world: World) -> None:
    """Two pairs with a shared style, one of them a grid, done one after another."""
    world.run_all()


def set_done(world: World) -> set[str]:
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: shared.jpg\noutput: sub/deep\n")
    for name in ("x.jpg", "y.jpg"):
        world.put(name, name)
    world.pair("a", style="shared.jpg")
    return {"x-shared", "y-shared", "a"}


def set_failing(world: World) -> set[str]:
    world.pair("broken", extra="sise: 1\n")
    world.put("directory.yaml", "content: there\nstyle: s.jpg\n")
    (world.inbox / "there").mkdir()
    world.put("s.jpg")
    world.put("missing.yaml", "content: missing.jpg\nstyle: s.jpg\n")
    return {"broken", "directory", "missing"}


def scene_failing(world: World) -> None:
    """Jobs that no worker can do."""
    world.settle()
    world.later(4000)
    world.run_all()


def scene_cancel(world: World) -> None:
    """One job of a grid is cancelled while it waits, the other while it runs."""
    world.settle()
    if not world.failed():
        world.put("x-shared.cancel", "")
    world.look()
    world.sweep()
    handout = world.hand_out_next()
    if handout is not None and handout.name == "y-shared":
        (handout.running / "loss.json").write_text("{}")
        world.spool.fail(handout, Reason.of("cancelled", "cancelled"))
    elif handout is not None:
        world.work(handout)
        world.finish(handout)
    world.run_all()


def set_cut(world: World) -> set[str]:
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: shared.jpg\n")
    for name in ("x.jpg", "y.jpg", "shared.jpg"):
        world.put(name, f"{name} half" if name == "x.jpg" else name)
    return {"x-shared", "y-shared"}


def scene_cut(world: World) -> None:
    """One image of a grid is copied so slowly that it is claimed in part; it comes whole while its job waits."""
    for _ in range(8):
        world.look(40.0)
        world.sweep()
        for job in world.spool.jobs():
            if job.outcome is not None and not job.given:
                world.finish(job)
        while (handout := world.hand_out_next()) is not None:
            assert handout.spec is not None
            images = {item.name: handout.claim_folder / item.path for item in handout.spec.inputs}
            cut = [name for name, path in images.items() if b"half" in path.read_bytes()]
            if cut:
                world.put(cut[0], f"{cut[0]} whole at last")
                world.spool.died(handout, RunFailure(Reason("image_truncated", "ends too early"), cut=cut[0]), world.at)
            else:
                world.work(handout)
                world.finish(handout)


Results = dict[str, dict[str, bytes]]


def every_step(setting: Callable[[World], set[str]], scene: Scene, folder: Path) -> tuple[list[str], Results]:
    """The steps of an undisturbed run, and what came of it."""
    world = World(folder)
    log = StepLog()
    titles = prepare(world, setting)
    world.start(FileSystem(log))
    scene(world)
    world.check_books(titles)
    return log.names, world.results()


def prepare(world: World, setting: Callable[[World], set[str]]) -> set[str]:
    world.inbox.mkdir(parents=True)
    return setting(world)


@pytest.mark.parametrize(
    ("setting", "scene"),
    [(set_done, scene_done), (set_failing, scene_failing), (set_done, scene_cancel), (set_cut, scene_cut)],
)
def test_killed_at_every_step(tmp_path: Path, setting: Callable[[World], set[str]], scene: Scene) -> None:
    """Wherever the daemon is killed, the next one finishes: nothing lost, nothing twice, nothing in part."""
    steps, results = every_step(setting, scene, tmp_path / "whole")
    assert len(steps) > 20
    for number, name in enumerate(steps, 1):
        world = World(tmp_path / f"{number}")
        titles = prepare(world, setting)
        with contextlib.suppress(KillSwitch):
            world.start(FileSystem(StepLog(number)))
            scene(world)
        world.start()
        scene(world)
        world.later(4000)
        world.run_all()
        try:
            world.check_books(titles)
            assert world.results() == results
            assert world.inbox_files() <= {"broken-content.jpg", "broken-style.jpg"}
        except AssertionError as error:
            raise AssertionError(f"killed at step {number}, {name}") from error
        shutil.rmtree(world.root)


def test_recovery_is_itself_safe_to_kill(tmp_path: Path) -> None:
    """Killed at a step, then killed again at each step of the recovery, the third start still finishes."""
    steps, results = every_step(set_done, scene_done, tmp_path / "whole")
    interesting = [steps.index(name) + 1 for name in dict.fromkeys(steps)]
    for first in interesting:
        second = 1
        while True:
            world = World(tmp_path / f"{first}-{second}")
            titles = prepare(world, set_done)
            with contextlib.suppress(KillSwitch):
                world.start(FileSystem(StepLog(first)))
                scene_done(world)
            killed = False
            try:
                world.start(FileSystem(StepLog(second)))
            except KillSwitch:
                killed = True
            world.start()
            world.run_all()
            world.check_books(titles)
            assert world.results() == results
            shutil.rmtree(world.root)
            if not killed:
                break
            second += 1


def test_retry_killed_at_every_step(tmp_path: Path) -> None:
    """A failed job is either still failed or back in the inbox, never both and never neither."""

    def failed_world(folder: Path) -> World:
        world = World(folder)
        world.inbox.mkdir(parents=True)
        world.put("m.yaml", "content: [missing.jpg]\nstyle: s.jpg\nsize: 96\n")
        world.put("s.jpg", "style")
        world.start()
        world.settle()
        world.later(4000)
        world.run_all()
        assert set(world.failed()) == {"m"}
        return world

    whole = failed_world(tmp_path / "whole")
    log = StepLog()
    assert retry_job(whole.config, "M", FileSystem(log)) == whole.inbox / "retry-m"
    for number, name in enumerate(log.names, 1):
        world = failed_world(tmp_path / f"{number}")
        with pytest.raises(KillSwitch):
            retry_job(world.config, "m", FileSystem(StepLog(number)))
        world.start()
        back = world.inbox_files() == {"retry-m/m.yaml", "retry-m/s.jpg"}
        assert back is (set(world.failed()) == set()), name
        if not back:
            retry_job(world.config, "m")
        world.put("retry-m/missing.jpg", "found")
        world.settle()
        world.run_all()
        world.check_books({"m"})
        assert world.inbox_files() == set()
        assert not (world.inbox / "retry-m").exists()
        settings = json.loads((world.claims() or [world.outbox / "m"])[0].joinpath("job.json").read_bytes())
        assert settings["title"] == "m"


def test_an_attempt_is_counted_before_the_run_and_taken_back_after_a_crash(tmp_path: Path) -> None:
    """Ten deaths of the daemon without a checkpoint make a failure; each in itself spends no attempt."""
    world = World(tmp_path)
    world.start()
    world.pair("a")
    world.settle()
    for crash in range(10):
        handout = world.hand_out_next()
        assert handout is not None
        assert handout.attempts.runs == 1
        world.start()
        assert world.spool.job(handout.id).attempts.interruptions == crash + 1
        world.look()
    assert world.hand_out_next() is None
    assert [end.code for end in world.sweep()] == ["interrupted_too_often"]
    assert {path.name for path in (world.failed()["a"] / "input").iterdir()} == {
        "a.yaml",
        "a-content.jpg",
        "a-style.jpg",
    }


def test_a_checkpoint_sets_the_counts_to_nought_and_keeps_the_running_folder(tmp_path: Path) -> None:
    """A job that gets on is never given up for the daemon's deaths."""
    world = World(tmp_path)
    world.start()
    world.pair("a")
    world.settle()
    for crash in range(15):
        handout = world.hand_out_next()
        assert handout is not None
        if crash:
            assert (handout.running / "epoch.png").read_text() == str(crash - 1)
        (handout.running / "epoch.png").write_text(str(crash))
        (handout.folder / "checkpoint-1").write_text("x" * (crash + 1))
        world.start()
        assert world.spool.job(handout.id).attempts.interruptions == 1
        world.look()


def test_a_finished_worker_whose_daemon_died_is_published_by_the_next(tmp_path: Path) -> None:
    """The outcome lies there: the job is published, not run again."""
    world = World(tmp_path)
    world.start()
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    world.start()
    job = world.spool.job(handout.id)
    assert job.outcome is not None
    assert world.spool.take(world.at) is None
    world.finish(job)
    world.sweep()
    world.check_books({"a"})


def test_a_target_taken_at_the_last_moment_gets_a_number(tmp_path: Path) -> None:
    """The rename refuses an existing target, whoever made it after the look."""
    world = World(tmp_path)

    def somebody_is_faster(name: str) -> None:
        if name == "publish.unmarked" and not (world.outbox / "a").exists():
            (world.outbox / "a").mkdir()

    world.start(FileSystem(somebody_is_faster))
    world.pair("a")
    world.settle()
    ended = world.run_all()
    assert [end.folder.name for end in ended] == ["a-2"]
    assert list((world.outbox / "a").iterdir()) == []
