"""Full, read-only, forbidden: the queue pauses and says why, nothing fails for it, and it goes on by itself."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_disk import VARIABLE, MoodyDisk
from kill_house import KillHouse, wait_until

from nst_batch.config.load import load_config
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.lock import is_held, try_lock
from nst_batch.spool.told import obstacle

SECONDS = 60.0


class Disk:
    """A house on a disk that can be told to refuse."""

    def __init__(self, root: Path) -> None:
        self.house = KillHouse(root / "house")
        self.switch = root / "disk says"

    def refuses(self, code: str) -> None:
        self.switch.write_text(code)

    def relents(self) -> None:
        self.switch.unlink()

    def is_done(self, title: str) -> bool:
        return (self.house.outbox / title / "job.json").exists()

    def says(self, text: str) -> bool:
        return wait_until(lambda: text in self.house.logs(), SECONDS)

    def ends_well(self, daemon: subprocess.Popen[str], title: str) -> None:
        """Relents: the same daemon goes on, and the job is done at its first attempt."""
        assert daemon.poll() is None, self.house.logs()
        self.relents()
        assert wait_until(lambda: self.is_done(title), SECONDS), self.house.logs()
        assert wait_until(lambda: "the queue goes on" in self.house.logs().splitlines(), SECONDS), self.house.logs()
        assert self.house.logs().splitlines().count("the queue goes on") == 1
        daemon.terminate()
        assert daemon.wait(timeout=SECONDS) == 0
        assert set(self.house.check_books()) == {"done"}
        assert self.house.job(title)["attempts"] == 1


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    found = Disk(tmp_path)
    monkeypatch.setenv(VARIABLE, str(found.switch))
    monkeypatch.setenv("BLOCKED_RETRY_SECONDS", "0.5")
    yield found
    found.house.end()


@pytest.mark.parametrize("code", ["ENOSPC", "EROFS", "EACCES"])
def test_a_job_at_work_goes_back_when_the_disk_refuses(disk: Disk, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """However often it is tried meanwhile, no attempt and no interruption is counted; then it is done."""
    monkeypatch.setenv("QUICK_STEP_SECONDS", "0.05")
    title = disk.house.drop()
    daemon = disk.house.launch()
    assert wait_until((disk.house.outbox / "running" / title / "loss.json").exists, SECONDS)
    disk.refuses(code)
    assert disk.says("the queue waits")
    time.sleep(3)
    assert disk.house.logs().count("the queue waits") == 1, disk.house.logs()
    assert "the queue goes on" not in disk.house.logs().splitlines(), "it is not over"
    advice = {"ENOSPC": "make room", "EROFS": "mount it writable", "EACCES": "let the daemon's user"}[code]
    assert advice in disk.house.logs(), "it says what to do"
    disk.ends_well(daemon, title)


@pytest.mark.parametrize("code", ["ENOSPC", "EROFS", "EACCES"])
def test_a_daemon_that_starts_on_such_a_disk_waits(disk: Disk, code: str) -> None:
    """It neither ends nor needs to be started again."""
    title = disk.house.drop()
    disk.refuses(code)
    daemon = disk.house.launch()
    assert disk.says("the queue waits")
    disk.ends_well(daemon, title)


def test_run_once_on_such_a_disk_says_not_now(disk: Disk) -> None:
    """75, for whoever starts it by a timer."""
    disk.house.drop()
    disk.refuses("ENOSPC")
    assert disk.house.launch("--once").wait(timeout=SECONDS) == 75
    assert "full" in disk.house.logs()


def test_a_worker_that_cannot_be_started_pauses_the_queue(disk: Disk) -> None:
    """Here its log cannot be written; it might as well be memory that is short."""
    log = disk.house.inbox / ".nst_batch/worker-cpu.log"
    log.mkdir(parents=True)
    title = disk.house.drop()
    daemon = disk.house.launch()
    assert disk.says("the queue waits")
    assert daemon.poll() is None, disk.house.logs()
    log.rmdir()
    assert wait_until(lambda: disk.is_done(title), SECONDS), disk.house.logs()


@pytest.mark.parametrize(("code", "words"), [("ENOSPC", "the disk is full"), ("EROFS", "read-only")])
def test_what_keeps_the_daemon_from_working_is_seen_from_outside(disk: Disk, code: str, words: str) -> None:
    """A daemon whose disk refuses cannot write down why it waits; who asks for the status finds out by trying."""
    disk.house.drop()
    disk.house.empty()
    config = load_config(disk.house.config)
    assert obstacle(config, MoodyDisk()) is None
    disk.refuses(code)
    found = obstacle(config, MoodyDisk())
    assert found is not None
    assert words in found
    assert str(disk.house.root) in found
    disk.relents()
    assert obstacle(config, MoodyDisk()) is None
    assert not list(disk.house.root.rglob("*.tmp"))


def test_a_lock_can_be_asked_for_by_whoever_may_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user, or anybody once the disk has become read-only."""
    lock = try_lock(FileSystem(), tmp_path / "lock")
    assert lock is not None
    really_open = os.open

    def no_writing(path: str, flags: int, *more: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return really_open(path, flags, *more)

    monkeypatch.setattr(os, "open", no_writing)
    assert is_held(tmp_path / "lock")
    lock.release()
    assert not is_held(tmp_path / "lock")


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_status_of_a_folder_that_is_gone_is_not_that_of_an_empty_one(disk: Disk, which: str) -> None:
    """With a daemon at work, and without one."""
    house = disk.house
    daemon = house.launch()
    assert wait_until((house.inbox / ".nst_batch/state.json").exists, SECONDS)
    getattr(house, which).rename(house.root / "elsewhere")
    assert disk.says("the queue waits")
    for _ in range(2):
        found = house.command("status")
        assert "waits" in found.stdout
        assert f"{getattr(house, which)}" in found.stdout.partition("waits")[2].partition("\n")[0]
        daemon.kill()
        daemon.wait()
