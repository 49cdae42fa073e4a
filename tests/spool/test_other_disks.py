"""A disk of its own under one output folder, or under a folder of the inbox: its trouble is that job's alone.

Real mounts, which take root.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.spool.claims.live_job import Ended, Job
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem

SMALL = 256 << 10  # bytes of a small disk
LARGE = 2 * SMALL  # of a result that does not fit on one


class Disks:
    """Small disks in memory."""

    def __init__(self) -> None:
        self.mounted: list[Path] = []

    def put(self, folder: Path, size: int = SMALL) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "nst-batch-test", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        self.mounted.append(folder)
        return folder

    @staticmethod
    def remount(folder: Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)

    def remove(self) -> None:
        for folder in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Disks]:
    """A way to mount them, and their end."""
    made = Disks()
    try:
        made.put(tmp_path / "trial")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    yield made
    made.remove()


class Failing(FileSystem):
    """Whatever is made durable below one folder meets an error of its disk."""

    def __init__(self, folder: Path, code: int) -> None:
        super().__init__()
        self.folder, self.code = folder, code
        self.fails = True

    def fsync_file(self, path: Path) -> None:
        if self.fails and path.is_relative_to(self.folder):
            raise OSError(self.code, os.strerror(self.code), str(path))
        super().fsync_file(path)


def paint(world: World, handout: Job, size: int) -> Ended | None:
    """A worker's result of so many bytes, published."""
    world.work(handout)
    (handout.running / f"{handout.title}.png").write_bytes(bytes(size))
    return world.finish(handout)


def paint_all(world: World, size: int) -> dict[str, Ended | None]:
    """The end of every job that can be handed out now, by name."""
    ends = {}
    while (handout := world.hand_out_next()) is not None:
        ends[handout.name] = paint(world, handout, size if handout.spec and handout.spec.output else 10)
    return ends


def two_pairs(world: World) -> None:
    """One with an output folder of its own, one without."""
    world.pair("a", "output: bob\n")
    world.pair("b")
    world.settle()


def why(world: World, name: str) -> str:
    """Why a job waits."""
    return next(job.held.why for job in world.spool.jobs() if job.name == name and job.held is not None)


def test_a_full_disk_under_one_output_folder_holds_its_job_alone(tmp_path: Path, disks: Disks) -> None:
    """Nothing is left of the try, it says where to make room, and there the result comes once there is some."""
    world = World(tmp_path)
    world.start()
    bob = disks.put(world.outbox / "bob")
    two_pairs(world)
    ends = paint_all(world, LARGE)
    assert ends["a"] is None
    assert ends["b"] is not None
    assert f"{bob} refuses (no space left on device); make room; it is tried again" in why(world, "a")
    assert sum("make room" in note for note in (*world.notes, *world.look().notes)) == 1
    assert os.listdir(bob) == []  # noqa: PTH208
    disks.remount(bob, f"size={4 * LARGE}")
    assert [end.name for end in world.run_all()] == ["a"]
    assert (bob / "a/a.png").stat().st_size == LARGE
    world.check_books({"a", "b"})


def test_a_read_only_disk_under_one_output_folder_holds_its_job_alone(tmp_path: Path, disks: Disks) -> None:
    """As a disk becomes after an error."""
    world = World(tmp_path)
    world.start()
    bob = disks.put(world.outbox / "bob")
    disks.remount(bob, "ro")
    two_pairs(world)
    ends = paint_all(world, 10)
    assert ends["a"] is None
    assert ends["b"] is not None
    assert "mount it writable; it is tried again" in why(world, "a")
    disks.remount(bob, "rw")
    assert [end.name for end in world.run_all()] == ["a"]
    world.check_books({"a", "b"})


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EDQUOT], ids=lambda code: errno.errorcode[code])
def test_a_failing_disk_under_one_output_folder_holds_its_job_alone(tmp_path: Path, disks: Disks, code: int) -> None:
    """A cable, a server, somebody's quota."""
    world = World(tmp_path)
    bob = disks.put(world.outbox / "bob")
    disk = Failing(bob, code)
    world.start(disk)
    two_pairs(world)
    ends = paint_all(world, 10)
    assert ends["a"] is None
    assert ends["b"] is not None
    assert f"{bob}" in why(world, "a")
    disk.fails = False
    assert [end.name for end in world.run_all()] == ["a"]
    world.check_books({"a", "b"})


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=lambda code: errno.errorcode[code])
def test_what_our_own_disk_says_is_everybodys_trouble(tmp_path: Path, disks: Disks, code: int) -> None:
    """A folder of the outbox on the outbox's own disk: no other job would do better."""
    world = World(tmp_path, outbox=disks.put(tmp_path / "out", 64 * SMALL))
    disk = Failing(world.outbox / "running", code)
    disk.fails = False
    world.start(disk)
    two_pairs(world)
    handout = world.hand_out_next()
    assert handout is not None
    disk.fails = True
    with pytest.raises(SpoolBlocked):
        paint(world, handout, 10)


def test_a_full_outbox_pauses_the_queue(tmp_path: Path, disks: Disks) -> None:
    """Though a folder in it lies on another disk that has room."""
    world = World(tmp_path, outbox=disks.put(tmp_path / "out"))
    world.start()
    disks.put(world.outbox / "bob", 64 * SMALL)
    two_pairs(world)
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    filler = world.outbox / "filler"
    while os.statvfs(world.outbox).f_bavail:
        with filler.open("ab", buffering=0) as file:
            file.write(bytes(4096))
    with pytest.raises(SpoolBlocked) as blocked:
        world.finish(handout)
    assert blocked.value.code == "disk_full"
    filler.unlink()
    world.start()
    assert {end.name for end in world.run_all()} == {"a", "b"}


def test_a_failing_disk_under_a_folder_of_the_inbox_holds_its_own_sidecars(tmp_path: Path, disks: Disks) -> None:
    """A sidecar that was copied from there and cannot be removed there is not claimed; the others are."""

    class Stuck(FileSystem):
        def remove(self, path: Path) -> None:
            if path.parent.name == "stick":
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            super().remove(path)

    world = World(tmp_path)
    world.start(Stuck())
    disks.put(world.inbox / "stick")
    world.pair("stick/a")
    world.pair("b")
    world.settle()
    assert [end and end.name for end in paint_all(world, 10).values()] == ["b"]
    assert [pair.why for pair in world.look().waiting if "cannot be taken" in pair.why]
    assert world.spool.jobs() == ()
