"""What a disk that refused has kept goes as soon as it lets go, in the same run; nothing else of that name does."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_world import World, retry_job

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import probe


class Keeping(FileSystem):
    """Refuses these changes while ``refuses``."""

    def __init__(self, *changes: str) -> None:
        super().__init__()
        self.changes = changes
        self.refuses = True

    def _ask(self, change: str, path: Path) -> None:
        if self.refuses and change in self.changes:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def remove(self, path: Path) -> None:
        self._ask("remove", path)
        super().remove(path)

    def rmdir(self, path: Path) -> bool:
        self._ask("rmdir", path)
        return super().rmdir(path)

    def rmtree(self, path: Path) -> None:
        self._ask("rmtree", path)
        super().rmtree(path)

    def fsync_dir(self, path: Path) -> None:
        self._ask("fsync_dir", path)
        super().fsync_dir(path)


def test_a_folder_on_its_way_out_goes_later(tmp_path: Path) -> None:
    """It has left its place, which is what counts, and that is no error."""
    (tmp_path / "old/deep").mkdir(parents=True)
    disk = Keeping("rmtree")
    disk.discard(tmp_path / "old", tmp_path / "trash")
    assert not (tmp_path / "old").exists()
    disk.clear_left_overs()
    assert len(list((tmp_path / "trash").iterdir())) == 1
    disk.refuses = False
    disk.clear_left_overs()
    assert list((tmp_path / "trash").iterdir()) == []


def test_what_may_not_have_left_its_place_is_not_emptied(tmp_path: Path) -> None:
    """Until the disk knows that a folder is gone from its place, a power cut may bring it back: whole, then."""
    (tmp_path / "old/deep").mkdir(parents=True)
    (tmp_path / "trash").mkdir()
    disk = Keeping("fsync_dir")
    with pytest.raises(OSError, match="Read-only"):
        disk.discard(tmp_path / "old", tmp_path / "trash")
    disk.clear_left_overs()
    assert len(list((tmp_path / "trash").glob("*/deep"))) == 1
    disk.refuses = False
    disk.clear_left_overs()
    assert list((tmp_path / "trash").iterdir()) == []


def test_what_is_made_anew_in_that_place_stays(tmp_path: Path) -> None:
    """The end of a job is put together under one name, however often that is begun."""
    place = tmp_path / ".new-a"
    place.mkdir()
    disk = Keeping("rmtree")
    disk.clear_away(place)
    disk.refuses = False
    disk.rmtree(place)
    place.mkdir()
    disk.clear_left_overs()
    assert place.is_dir()


def test_a_trial_leaves_nothing(tmp_path: Path) -> None:
    """A folder that takes a file and does not let go of it refuses, by its own name."""
    disk = Keeping("remove", "rmtree")
    with pytest.raises(OSError, match="Read-only") as raised:
        probe(disk, tmp_path)
    assert raised.value.filename == str(tmp_path)
    disk.refuses = False
    disk.clear_left_overs()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def test_the_folder_of_a_retry_goes_later(world: World) -> None:
    """It is empty, and its job has its end."""
    disk = Keeping("rmdir")
    world.start(disk)
    world.pair("a", "sise: 1\n")
    world.settle()
    world.run_all()
    sidecar = world.outbox / "failed/a/input/a.yaml"
    sidecar.write_text(sidecar.read_text().replace("sise: 1\n", ""))
    world.inbox.joinpath("a-content.jpg").rename(sidecar.parent / "a-content.jpg")
    world.inbox.joinpath("a-style.jpg").rename(sidecar.parent / "a-style.jpg")
    folder = retry_job(world.config, "a")
    world.settle()
    world.run_all()
    world.check_books({"a"})
    assert list(folder.iterdir()) == []
    disk.refuses = False
    world.sweep()
    assert not folder.exists()
