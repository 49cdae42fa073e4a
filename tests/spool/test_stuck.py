"""Files that may not be moved or removed: one pair waits or stays, every other job goes on."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from refusing_disk import Sticky
from spool_world import World

from nst_batch.errors import UsageError
from nst_batch.spool.commands import pause, resume, write_control

REFUSALS = (errno.EPERM, errno.EACCES, errno.EBUSY, errno.ETXTBSY, errno.EROFS)


class AnotherDisk(Sticky):
    """As above, and the inbox's sub-folder lies on another file system."""

    def rename(self, source: Path, target: Path) -> None:
        if source.parent.name == "sub":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
        super().rename(source, target)


def why(world: World, sidecar: str) -> str:
    return next((pair.why for pair in world.look().waiting if pair.sidecar == sidecar), "")


@pytest.mark.parametrize("number", REFUSALS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("text", ["", "nonsense: 1\n"], ids=["good", "broken"])
def test_a_sidecar_that_cannot_be_taken_waits_and_the_others_are_done(tmp_path: Path, number: int, text: str) -> None:
    """Somebody's sticky folder, chattr +i, a mount of its own: it says so by its own path, and nobody waits for it."""
    world = World(tmp_path)
    world.start(Sticky(number, "ann.yaml"))
    world.pair("share/ann", text)
    world.pair("bob")
    world.settle()
    world.run_all()
    assert set(world.finished()) == {"bob"}
    assert world.failed() == {}
    assert world.claims() == []
    assert "share/ann.yaml cannot be taken out of its folder" in why(world, "share/ann.yaml")
    assert ".nst_batch" not in why(world, "share/ann.yaml")


def test_it_is_tried_again_later_and_later_and_at_once_when_it_changes(tmp_path: Path) -> None:
    """Not at every look; and where its rights change, nobody waits for the next try."""
    world = World(tmp_path)
    disk = Sticky(errno.EPERM, "ann.yaml")
    world.start(disk)
    sidecar = world.pair("ann")
    world.settle()
    for _ in range(3600):
        world.later(1.0)
        world.look()
        world.sweep()
        assert world.hand_out_next() is None
    assert 5 <= disk.refused <= 14
    disk.stuck.clear()
    sidecar.chmod(0o600)
    world.look()
    assert world.hand_out_next() is not None


def test_a_sidecar_on_another_disk_that_cannot_leave_it_is_not_painted_at_all(tmp_path: Path) -> None:
    """It would be found again after each start, and painted again: a read-only mount in the inbox."""
    world = World(tmp_path)
    disk = AnotherDisk(errno.EROFS, "ann.yaml")
    world.start(disk)
    world.pair("sub/ann")
    world.settle()
    world.run_all()
    world.start(disk)
    world.run_all()
    assert world.finished() == {}
    assert world.claims() == []
    assert "cannot be taken" in why(world, "sub/ann.yaml")


@pytest.mark.parametrize("number", REFUSALS, ids=lambda number: errno.errorcode[number])
def test_images_that_cannot_leave_stay_and_their_job_is_done_once(tmp_path: Path, number: int) -> None:
    """Said once; a start of the daemon does not paint it again."""
    world = World(tmp_path)
    names = ("a-content.jpg", "a-style.jpg")
    world.start(Sticky(number, *names))
    world.pair("a")
    world.settle()
    world.run_all()
    world.look()
    assert set(world.finished()) == {"a"}
    assert world.inbox_files() == set(names)
    assert [sum(f"{name} stays in the inbox" in note for note in world.notes) for name in names] == [1, 1]
    world.start(Sticky(number, *names))
    world.run_all()
    assert set(world.finished()) == {"a"}
    assert world.claims() == []


def test_an_image_that_cannot_leave_is_tried_again(tmp_path: Path) -> None:
    """A disk that refuses for a moment says the same as somebody's sticky folder: nothing is said, nothing stays."""
    world = World(tmp_path)
    disk = Sticky(errno.EROFS, "a-content.jpg")
    world.start(disk)
    world.pair("a")
    world.settle()
    world.paint_next()
    for seconds in (0.0, 1.0, 10.0, 20.0):
        world.later(seconds)
        world.look()
        world.sweep()
        assert world.inbox_files() == {"a-content.jpg"}
    disk.stuck.clear()
    world.later(40.0)
    world.look()
    world.sweep()
    world.look()
    world.check_books({"a"})
    assert world.inbox_files() == set()
    assert not any("a-content.jpg" in note for note in world.notes)


def test_an_image_that_cannot_leave_keeps_its_claim_for_a_minute(tmp_path: Path) -> None:
    """A claim holds copies of all its images: it does not stand for ever."""
    world = World(tmp_path)
    disk = Sticky(errno.EPERM, "a-content.jpg")
    world.start(disk)
    world.pair("a")
    world.settle()
    world.paint_next()
    for _ in range(7):
        world.look()
        world.sweep()
        assert len(world.claims()) == 1
        world.later(10.0)
    world.look()
    world.sweep()
    world.look()
    world.check_books({"a"})
    assert disk.refused == 4
    assert sum("a-content.jpg stays in the inbox" in note for note in world.notes) == 1


def test_an_image_on_another_disk_that_cannot_leave_it_stays(tmp_path: Path) -> None:
    """A read-only mount in the inbox with images that jobs may use for ever."""
    world = World(tmp_path)

    class Mounted(AnotherDisk):
        def rename(self, source: Path, target: Path) -> None:
            if source.parent.name == "sub":
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
            super().rename(source, target)

    world.start(Mounted(errno.EROFS, "c.jpg"))
    world.put("sub/c.jpg")
    world.put("s.jpg")
    world.put("a.yaml", "content: sub/c.jpg\nstyle: s.jpg\n")
    world.settle()
    world.run_all()
    assert set(world.finished()) == {"a"}
    assert world.inbox_files() == {"sub/c.jpg"}


@pytest.mark.parametrize("number", REFUSALS, ids=lambda number: errno.errorcode[number])
def test_a_control_file_that_cannot_be_removed_is_obeyed_and_told(tmp_path: Path, number: int) -> None:
    """The cancelled job has its end; the file would act on the next job of that name, so a person is told."""
    world = World(tmp_path)
    world.start(Sticky(number, "a.cancel", "b.stop"))
    world.pair("a")
    world.pair("b")
    world.settle()
    world.put("a.cancel", "")
    world.put("b.stop", "")
    world.run_all()
    assert set(world.failed()) == {"a"}
    assert set(world.finished()) == {"b"}
    world.look()
    assert sum("a.cancel cannot be removed" in note for note in world.notes) == 1
    assert any("b.stop" in note for note in world.notes)


def test_folders_named_as_control_files_mean_nothing_and_are_said_once(tmp_path: Path) -> None:
    """What lies in them stays as well."""
    world = World(tmp_path)
    world.start()
    world.pair("a")
    for name in ("a.cancel", "a.stop", "PAUSE"):
        world.put(f"{name}/keep.txt", "mine")
    world.settle()
    assert not world.look().paused
    world.run_all()
    world.look()
    assert set(world.finished()) == {"a"}
    for name in ("a.cancel", "a.stop", "PAUSE"):
        assert (world.inbox / name / "keep.txt").read_text() == "mine"
        assert sum(f"{name} is a folder, so it is no control file" in note for note in world.notes) == 1


def test_commands_say_that_a_folder_stands_where_their_file_belongs(tmp_path: Path) -> None:
    """`pause` and `resume` would end with an error of the system, and cancel would be written into nothing."""
    world = World(tmp_path)
    for name in ("PAUSE", "a.cancel"):
        (world.inbox / name).mkdir(parents=True)
    for command in (pause, resume, lambda config: write_control(config, "a", "cancel")):
        with pytest.raises(UsageError, match="is a folder, which means nothing to the daemon") as caught:
            command(world.config)
        assert caught.value.advice == "give it another name"
    assert (world.inbox / "PAUSE").is_dir()


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    """A sidecar that is a mount of its own."""
    sidecar = tmp_path / "inbox/ann.yaml"
    sidecar.parent.mkdir()
    sidecar.write_text("nonsense: 1\n")
    done = subprocess.run(["mount", "--bind", str(sidecar), str(sidecar)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no mounts in this container")
    yield sidecar
    subprocess.run(["umount", str(sidecar)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_real_mount_of_a_sidecar_stops_nothing(bound: Path) -> None:
    """What the kernel says of it is what the tests above say."""
    world = World(bound.parent.parent)
    world.start()
    world.pair("bob")
    world.settle()
    world.run_all()
    assert set(world.finished()) == {"bob"}
    assert "cannot be taken" in why(world, "ann.yaml")
