"""What is remembered of hot folders' photographs, on a disk that refuses to keep it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem

NOTED = "/.nst_batch/painted"


class Refusal:
    """The first writing of the note, or its syncing, fails: all of it, or the rest of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        self.left = 1
        self.what = what
        write, fsync = os.write, os.fsync

        def writing(fd: int, data: bytes | memoryview) -> int:
            if not self._is_it(fd, "full", "full within a line"):
                return write(fd, data)
            if self.what == "full within a line":
                write(fd, data[:9])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def syncing(fd: int) -> None:
            if self._is_it(fd, "failing"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(fd)

        monkeypatch.setattr(os, "write", writing)
        monkeypatch.setattr(os, "fsync", syncing)

    def _is_it(self, fd: int, *kinds: str) -> bool:
        is_it = self.left > 0 and self.what in kinds and str(Path(f"/proc/self/fd/{fd}").readlink()).endswith(NOTED)
        self.left -= is_it
        return is_it


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A hot folder with a photograph that stays there."""
    made = World(tmp_path, "after: keep\n")
    made.start()
    made.put("monet/folder.yaml", "style: waves.jpg\n")
    made.put("monet/waves.jpg", "style")
    made.put("monet/harbour.jpg", "content")
    made.settle()
    made.settle()
    return made


def patiently(run: Callable[[], object]) -> None:
    """As the daemon does it, which comes back to what a disk has refused."""
    for _ in range(5):
        try:
            run()
        except SpoolBlocked:
            continue
        return
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("what", ["full", "full within a line", "failing"])
def test_what_could_not_be_noted_is_noted_before_its_claim_goes(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Or the next daemon would paint the photograph once more."""
    refusal = Refusal(monkeypatch, what)
    patiently(world.run_all)
    assert refusal.left == 0
    world.put("monet/dusk.jpg", "another")
    patiently(lambda: (world.settle(), world.run_all()))
    world.start()
    world.settle()
    world.run_all()
    assert sorted(world.counted().elements()) == ["dusk", "harbour"]


def test_a_disk_that_takes_a_part_is_asked_for_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that is nearly full."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    world.run_all()
    monkeypatch.undo()
    world.start()
    world.settle()
    world.run_all()
    assert sorted(world.counted().elements()) == ["harbour"]


def test_a_note_that_cannot_be_read_for_now_is_waited_for(world: World) -> None:
    """With nothing known, every photograph that lies there would be painted again."""

    class Away(FileSystem):
        is_away = True

        def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
            if self.is_away and str(path).endswith(NOTED):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
            return super().open(path, flags, mode)

    world.run_all()
    disk = Away()
    with pytest.raises(SpoolBlocked):
        world.start(disk)
    disk.is_away = False
    world.settle()
    world.run_all()
    assert sorted(world.counted().elements()) == ["harbour"]
