"""Real file systems that fill up, become read-only or go away, with the real daemon. Needs root and loop devices."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_house import KillHouse, wait_until

SECONDS = 90.0
IMAGE_BYTES = 48 << 20


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _can_mount(folder: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return False
    try:
        disk = Disk(folder / "trial")
    except (OSError, subprocess.CalledProcessError):
        return False
    disk.close()
    return True


class Disk:
    """A small ext4 in a file of its own, mounted on ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder.with_suffix(".img")
        folder.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(self.image)], check=True, capture_output=True)
        self.mount()

    def mount(self) -> None:
        _mount("-o", "loop", str(self.image), str(self.folder))

    def unmount(self) -> None:
        """At once, whoever has files open there; an empty folder stays."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    def fail(self) -> None:
        """As after an error of the medium: nothing can be written any more."""
        _mount("-o", "remount,abort", str(self.folder))

    def mend(self) -> None:
        """Take it out, check it, put it in again; that takes nobody who holds on to it."""
        self.unmount()
        assert wait_until(lambda: not self._is_held(), SECONDS), "somebody holds on to the disk that was taken out"
        subprocess.run(["e2fsck", "-fy", str(self.image)], check=False, capture_output=True)
        self.mount()

    def _is_held(self) -> bool:
        found = subprocess.run(["losetup", "-j", str(self.image)], check=True, capture_output=True, text=True)
        return bool(found.stdout)

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self) -> None:
        (self.folder / "filler").unlink()

    def close(self) -> None:
        while os.path.ismount(self.folder):
            self.unmount()


class Trial:
    """A house whose inbox and outbox lie on a disk each."""

    def __init__(self, root: Path) -> None:
        self.disks = {name: Disk(root / name) for name in ("inbox", "outbox")}
        folders = {name: disk.folder / "here" for name, disk in self.disks.items()}
        for folder in folders.values():
            folder.mkdir()
        self.house = KillHouse(
            root / "house", **{name: str(path) for name, path in folders.items()}, limits={"min_free_gb": 0}
        )
        self.house.inbox, self.house.outbox = folders["inbox"], folders["outbox"]

    def job_at_work(self) -> tuple[str, subprocess.Popen[str]]:
        title = self.house.drop()
        # What people have put there is on the disk: a medium that fails would take it along otherwise.
        subprocess.run(["sync", "-f", str(self.house.inbox)], check=True)
        daemon = self.house.launch()
        assert wait_until((self.house.outbox / "running" / title / "loss.json").exists, SECONDS), self.house.logs()
        return title, daemon

    def waits(self) -> bool:
        return wait_until(lambda: "the queue waits" in self.house.logs(), SECONDS)

    def status(self) -> str:
        return self.house.command("status").stdout

    def ends_well(self, title: str, daemon: subprocess.Popen[str]) -> None:
        done = self.house.outbox / title / "job.json"
        failed = self.house.outbox / "failed" / title / "job.json"
        assert wait_until(lambda: done.exists() or failed.exists(), SECONDS), self.house.logs()
        assert daemon.poll() is None, self.house.logs()
        daemon.terminate()
        assert daemon.wait(timeout=SECONDS) == 0
        assert self.house.check_books() == {"done": 1}
        assert self.house.job(title)["attempts"] == 1

    def close(self) -> None:
        self.house.end()
        for disk in self.disks.values():
            disk.close()


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    if not _can_mount(tmp_path):
        pytest.skip("mounting a file system takes root, a loop device and mkfs.ext4")
    monkeypatch.setenv("QUICK_STEP_SECONDS", "0.1")
    monkeypatch.setenv("BLOCKED_RETRY_SECONDS", "1")
    found = Trial(tmp_path / "trial")
    yield found
    found.close()


pytestmark = pytest.mark.system


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_full_in_mid_job(trial: Trial, which: str) -> None:
    """The queue waits, status says so, and the job is done at its first attempt once there is room."""
    title, daemon = trial.job_at_work()
    trial.disks[which].fill()
    assert trial.waits()
    assert "the disk is full" in trial.status()
    time.sleep(3)
    trial.disks[which].empty()
    trial.ends_well(title, daemon)


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_read_only_in_mid_job(trial: Trial, which: str) -> None:
    """As a full one; it comes back as another mount."""
    title, daemon = trial.job_at_work()
    trial.disks[which].fail()
    assert trial.waits()
    assert "read-only" in trial.status()
    time.sleep(2)
    trial.disks[which].mend()
    trial.ends_well(title, daemon)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 6.0])
@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_unmounted_in_mid_job(trial: Trial, which: str, seconds: float) -> None:
    """An empty folder is left, into which nothing is built; mounted again, the result is whole."""
    title, daemon = trial.job_at_work()
    disk = trial.disks[which]
    disk.unmount()
    (disk.folder / "here").mkdir()
    time.sleep(seconds)
    if seconds > 1.0:
        assert trial.waits()
        assert "is it not mounted?" in trial.status()
    left = sorted(path.name for path in (disk.folder / "here").iterdir())
    assert left == [], "something was built into the bare mount point"
    disk.mount()
    trial.ends_well(title, daemon)


def test_started_while_the_inbox_is_not_mounted(trial: Trial) -> None:
    """It waits, builds nothing into the bare folder, and begins by itself when the inbox is there."""
    title = trial.house.drop()
    trial.house.empty()
    other = trial.house.drop()
    disk = trial.disks["inbox"]
    disk.unmount()
    (disk.folder / "here").mkdir()
    daemon = trial.house.launch()
    assert trial.waits()
    assert list((disk.folder / "here").iterdir()) == []
    disk.mount()
    assert wait_until((trial.house.outbox / other / "job.json").exists, SECONDS), trial.house.logs()
    daemon.terminate()
    assert daemon.wait(timeout=SECONDS) == 0
    assert trial.house.check_books() == {"done": 2}
    assert trial.house.job(title)["attempts"] == 1
