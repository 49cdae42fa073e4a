"""A disk that refuses, an inbox that goes away, a second daemon: the queue pauses and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from refusing_disk import refused_night
from spool_world import World, held

from nst_batch.errors import NotNowError
from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.disk.blocked import InboxLost, SpoolBlocked, blocked_by
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.lock import holder, is_held, try_lock
from nst_batch.spool.disk.mounts import Mount


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that no disk is waited for, where there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=lambda code: errno.errorcode[code])
def test_a_disk_that_refuses_costs_nothing(in_memory: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Whatever change is refused first, and one to eight in a row: when there is room again all is done, once.

    Nor is anything left lying about. `make torture` has every change with every number of refusals.
    """
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    changes, results = refused_night(in_memory / "whole", code, None, 0)
    assert changes > 100
    for first in range(1, changes + 1):
        count = 1 + (first * 5 + first // 8) % 8
        try:
            assert refused_night(in_memory / str(first), code, first, count)[1] == results
        except AssertionError as error:
            raise AssertionError(f"refused {count} changes from number {first} on") from error
        shutil.rmtree(in_memory / str(first))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "disk_readonly"),
        (errno.EACCES, "no_permission"),
        (errno.EIO, "disk_error"),
    ],
)
def test_what_pauses_the_queue(code: int, name: str) -> None:
    """Each says which file, what is wrong and what to do."""
    pause = blocked_by(OSError(code, os.strerror(code), "/inbox/x"))
    assert pause is not None
    assert (pause.code, pause.exit_code) == (name, 75)
    assert "/inbox/x" in pause.message
    assert pause.advice


def test_too_little_room(tmp_path: Path) -> None:
    """Below min_free_gb there is a reason not to start a job, with both figures."""
    world = World(tmp_path)
    world.start()
    assert world.spool.room() is None
    limits = world.config.limits.model_copy(update={"min_free_gb": 900_000.0})
    world.spool.reload(world.config.model_copy(update={"limits": limits}))
    assert "less than min_free_gb: 900,000" in (world.spool.room() or "")
    world.stop()


def test_one_daemon_an_inbox(world: World) -> None:
    """The second ends with 75 and says who has it; when the first is gone it may."""
    second = world.new_spool()
    with pytest.raises(NotNowError, match=f"process {os.getpid()} on ") as raised:
        second.open(world.at)
    assert raised.value.exit_code == 75
    assert str(os.getpid()) in (holder(world.inbox) or "")
    world.stop()
    assert holder(world.inbox) is None
    second.open(world.at)
    second.close(world.at)


def test_the_lock_is_not_inherited(world: World) -> None:
    """A worker that outlives its daemon does not keep the next one out."""
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        world.stop()
        assert holder(world.inbox) is None
    finally:
        child.communicate(b"\n")


def test_an_orphaned_worker_is_waited_for(world: World) -> None:
    """While the worker of a dead daemon holds its job, that job is not given to another."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    lock = held(try_lock(FileSystem(), handout.folder / "lock"))
    world.start()
    assert world.spool.job(handout.id).orphaned
    world.look()
    world.sweep()
    assert world.hand_out_next() is None
    lock.release()
    assert not is_held(handout.folder / "lock")
    world.sweep()
    again = world.hand_out_next()
    assert again is not None
    assert again.attempts.runs == 1


def test_a_lost_inbox_never_reads_as_empty(world: World, tmp_path: Path) -> None:
    """Renamed away, nothing is claimed and nothing is over; put back, all goes on."""
    world.pair("a")
    world.settle()
    world.inbox.rename(tmp_path / "elsewhere")
    view = world.look()
    assert view.inbox_lost
    with pytest.raises(InboxLost):
        world.spool.take(world.at)
    (tmp_path / "elsewhere").rename(world.inbox)
    assert world.look().inbox_lost is None
    world.settle()
    world.run_all()
    world.check_books({"a"})


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_an_unmounted_folder_is_not_adopted(world: World, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder on another mount than before is what an unmounted one leaves, also at a start."""
    world.stop()
    folder = getattr(world, which)
    shutil.rmtree(folder)
    folder.mkdir()
    monkeypatch.setattr("nst_batch.spool.disk.attach.mount_now", lambda path: Mount("8:2", "/", "/elsewhere", "ext4"))
    with pytest.raises(NotNowError, match="is it not mounted"):
        world.start()
    assert list(folder.iterdir()) == []


def test_a_lost_outbox_holds_everything(world: World, tmp_path: Path) -> None:
    """Results are neither published into nothing nor taken for published; back again, all goes on."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    world.outbox.rename(tmp_path / "elsewhere")
    assert world.look().inbox_lost
    with pytest.raises(InboxLost):
        world.finish(handout)
    (tmp_path / "elsewhere").rename(world.outbox)
    assert world.look().inbox_lost is None
    world.finish(handout)
    world.sweep()
    world.check_books({"a"})


def test_an_inbox_made_anew_is_adopted(world: World, tmp_path: Path) -> None:
    """Renamed away and made anew on the same mount: the new one is the inbox now."""
    world.inbox.rename(tmp_path / "old")
    world.inbox.mkdir()
    assert world.look().inbox_lost is None
    world.pair("b")
    world.settle()
    world.run_all()
    world.check_books({"b"})


def test_a_job_whose_running_folder_was_removed_runs_again(world: World) -> None:
    """Somebody tidies the outbox while a job is at work: it is not lost, and the queue goes on."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    shutil.rmtree(handout.running)
    with pytest.raises(SpoolBlocked, match="gone"):
        world.finish(handout)
    world.look()
    world.run_all()
    world.check_books({"a"})


@pytest.mark.parametrize("gone", ["a.png", "epochs/1.png", "epochs"])
def test_a_job_whose_pictures_are_not_there_runs_again(world: World, gone: str) -> None:
    """They were written to a disk that has gone, or somebody took them away: a result in part is never published."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    (handout.running / "epochs").mkdir()
    (handout.running / "epochs/1.png").write_text("epoch")
    path = handout.running / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(SpoolBlocked, match="gone"):
        world.spool.finish(handout, "done", {}, made=("a.png", "epochs/1.png"))
    assert world.finished() == {}
    world.look()
    world.run_all()
    world.check_books({"a"})


def test_deaths_back_off_and_end(world: World) -> None:
    """Three runs with pauses between, then failed with the last reason; bad input is not tried again."""
    world.pair("a")
    world.settle()
    failure = RunFailure(Reason("worker_error", "the worker raised ValueError"))
    for pause in (60.0, 300.0):
        handout = world.hand_out_next()
        assert handout is not None
        verdict = world.spool.died(handout, failure, world.at)
        assert verdict.retry_at == world.wall + pause
        assert world.hand_out_next() is None
        world.later(pause)
    handout = world.hand_out_next()
    assert handout is not None
    assert handout.attempts.runs == 3
    verdict = world.spool.died(handout, failure, world.at)
    assert verdict.ending is not None
    assert verdict.ending.message == "the worker raised ValueError (tried 3 times)"
    # Killed before it was carried out: the decision stands.
    world.start()
    world.look()
    assert world.hand_out_next() is None
    assert [end.code for end in world.sweep()] == ["worker_error"]
    world.check_books({"a"})


@pytest.mark.parametrize(("attempts", "runs"), [(5, 2), (2, 2), (1, 1)])
def test_out_of_memory_is_tried_once_more(tmp_path: Path, attempts: int, runs: int) -> None:
    """However many attempts are allowed; the second run knows that it is the last, and a checkpoint begins anew."""
    world = World(tmp_path, f"jobs: {{attempts: {attempts}}}\n")
    world.start()
    world.pair("a")
    world.settle()
    for run in range(1, runs + 1):
        handout = world.hand_out_next()
        assert handout is not None
        assert handout.attempts.is_last_for_memory is (run == 2)
        verdict = world.spool.died(handout, RunFailure(Reason("out_of_memory", "it did not fit")), world.at)
        assert (verdict.ending is not None) is (run == runs)
        world.later(300.0)
    world.stop()


def test_two_deaths_by_signal_are_enough(world: World) -> None:
    """A job that kills its worker twice without a checkpoint between is failed."""
    world.pair("a")
    world.settle()
    failure = RunFailure(Reason("worker_died", "killed by SIGSEGV"), by_signal=True)
    for number in (1, 2, 3):
        handout = world.hand_out_next()
        assert handout is not None
        if number == 2:
            (handout.folder / "checkpoint-2").write_text("got on")
        verdict = world.spool.died(handout, failure, world.at)
        world.later(300.0)
        assert (verdict.ending is not None) is (number == 3)
    world.spool.fail(handout, Reason("x", "y"))
    world.sweep()
    world.check_books({"a"})


def test_a_clock_set_back_does_not_make_a_pause_endless(world: World) -> None:
    """A pause longer than any that is configured is over."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.spool.died(handout, RunFailure(Reason("x", "x")), world.at)
    world.wall -= 1e6
    assert world.hand_out_next() is not None
