"""Images that are looked at again after they were claimed: one that looks cut short, and one the disk cannot read."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.copying import UnreadableError
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import Identity

WAIT = 30.0  # the default's rescan_seconds, more than its settle_seconds


def cut(handout: Job, name: str) -> RunFailure:
    return RunFailure(Reason("image_truncated", f"{name}: the file ends too early", "copy it again, whole"), cut=name)


def next_of(world: World) -> Job:
    handout = world.hand_out_next()
    assert handout is not None
    return handout


def claimed_bytes(handout: Job, name: str) -> bytes:
    """What a worker finds under an input's name."""
    spec = json.loads((handout.folder / "spec.json").read_bytes())
    path = next(item["path"] for item in spec["inputs"] if item["name"] == name)
    return (handout.claim_folder / path).read_bytes()


def test_a_cut_image_that_has_come_whole_by_the_recopy_is_done(world: World) -> None:
    """The job waits a window, takes the image as it is then, and what is archived is that one."""
    world.pair("a")
    world.settle()
    handout = next_of(world)
    verdict = world.spool.died(handout, cut(handout, "a-content.jpg"), world.at)
    assert verdict.retry_at == world.wall + WAIT
    world.put("a-content.jpg", "content of a, and the rest of it")
    world.look(6.0)
    world.sweep()
    assert world.hand_out_next() is None
    world.look(WAIT)
    world.sweep()
    again = next_of(world)
    assert claimed_bytes(again, "a-content.jpg") == b"content of a, and the rest of it"
    world.work(again)
    ended = world.finish(again)
    assert (ended.folder / "input/a-content.jpg").read_text() == "content of a, and the rest of it"
    world.sweep()
    world.check_books({"a"})
    assert world.inbox_files() == set()


def test_an_image_that_is_still_being_written_is_waited_for(world: World) -> None:
    """However long the rest takes, the second look comes once the image is still."""
    world.pair("a")
    world.settle()
    handout = next_of(world)
    world.spool.died(handout, cut(handout, "a-content.jpg"), world.at)
    for size in range(10):
        world.put("a-content.jpg", "more and more " * (size + 2))
        world.look()
        world.later(4.0)
        world.sweep()
        assert world.hand_out_next() is None
    world.later(WAIT)
    world.look()
    world.sweep()
    assert next_of(world).attempts.runs == 2


def test_a_cut_image_has_one_recopy(world: World) -> None:
    """The next time it is over, also with a daemon that starts in between; waiting survives a restart too."""
    world.pair("a")
    world.settle()
    handout = next_of(world)
    world.spool.died(handout, cut(handout, "a-content.jpg"), world.at)
    world.start()
    world.settle()
    world.sweep()
    assert world.hand_out_next() is None
    world.look(WAIT)
    world.sweep()
    again = next_of(world)
    assert again.attempts.looked_again
    assert claimed_bytes(again, "a-content.jpg") == b"content of a"
    world.start()
    world.settle()
    assert next_of(world).attempts.looked_again


def test_the_recopy_comes_whatever_the_number_of_attempts(tmp_path: Path) -> None:
    """``attempts: 1`` is about workers that die; a pause longer than any back-off does not read as a wrong clock."""
    world = World(tmp_path, "jobs: {attempts: 1, backoff_seconds: [0.05]}\n")
    world.start()
    world.pair("a")
    world.settle()
    handout = next_of(world)
    assert world.spool.died(handout, cut(handout, "a-content.jpg"), world.at).ending is None
    world.look(6.0)
    world.sweep()
    assert world.hand_out_next() is None
    world.look(WAIT)
    world.sweep()
    assert next_of(world).attempts.runs == 2
    world.stop()


def test_other_jobs_of_the_sidecar_are_not_concerned(world: World) -> None:
    """They run meanwhile, once; a good image that was replaced since the claim is not taken for them."""
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name, name)
    world.settle()
    bad = next_of(world)
    world.spool.died(bad, cut(bad, "x.jpg"), world.at)
    good = next_of(world)
    assert good.name == "y-s"
    world.put("x.jpg", "x.jpg whole")
    world.put("s.jpg", "another style by now")
    world.work(good)
    world.finish(good)
    world.look(6.0)
    world.look(WAIT)
    world.sweep()
    again = next_of(world)
    assert again.name == "x-s"
    assert claimed_bytes(again, "x.jpg") == b"x.jpg whole"
    assert claimed_bytes(again, "s.jpg") == b"s.jpg"
    world.work(again)
    world.finish(again)
    world.look(6.0)
    world.sweep()
    world.check_books({"x-s", "y-s"})
    assert world.inbox_files() == {"s.jpg"}, "the other style is somebody's next job"


def test_jobs_that_share_a_cut_image_take_one_new_copy(world: World) -> None:
    """The first takes it; for the second the image that it had found cut is no more, so nothing is copied under it."""
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name, name)
    world.settle()
    first, second = next_of(world), next_of(world)
    for handout in (first, second):
        world.spool.died(handout, cut(handout, "s.jpg"), world.at)
        world.later(10.0)
    world.put("s.jpg", "s.jpg whole")
    world.look(6.0)
    world.later(4.0)
    world.look()
    world.sweep()
    first = next_of(world)
    world.put("s.jpg", "a third style")
    world.look(6.0)
    world.later(WAIT)
    world.look()
    world.sweep()
    second = next_of(world)
    for handout in (first, second):
        assert claimed_bytes(handout, "s.jpg") == b"s.jpg whole"


def test_an_image_that_has_gone_meanwhile_does_not_keep_its_job(world: World) -> None:
    """It runs again with what was copied."""
    world.pair("a")
    world.settle()
    handout = next_of(world)
    world.spool.died(handout, cut(handout, "a-content.jpg"), world.at)
    (world.inbox / "a-content.jpg").unlink()
    world.look(WAIT)
    world.sweep()
    assert claimed_bytes(next_of(world), "a-content.jpg") == b"content of a"


def test_a_waiting_recopy_can_be_cancelled(world: World) -> None:
    """As any job that waits."""
    world.pair("a")
    world.settle()
    handout = next_of(world)
    world.spool.died(handout, cut(handout, "a-content.jpg"), world.at)
    world.put("a.cancel", "")
    world.look()
    assert [end.state for end in world.sweep()] == ["cancelled"]
    world.check_books({"a"})


# --- what the disk cannot read ----------------------------------------------------------------------------------


class BadSector(FileSystem):
    """Cannot read files whose name begins with ``bad``, until it is repaired."""

    def __init__(self, code: int = errno.EIO) -> None:
        super().__init__()
        self.code = code
        self.repaired = False
        self.tries = 0

    def copy_new(self, source: Path, target: Path, expected: Identity | None, **kind: bool) -> Identity:
        if source.name.startswith("bad") and not self.repaired:
            self.tries += 1
            raise UnreadableError(self.code, os.strerror(self.code), str(source))
        return super().copy_new(source, target, expected, **kind)


@pytest.fixture
def disk(world: World) -> BadSector:
    """The world's daemon, on a disk with a bad sector; a grid waits, one content of which lies there."""
    disk = BadSector()
    world.start(disk)
    world.put("g.yaml", "content: [bad.jpg, good.jpg]\nstyle: s.jpg\n")
    for name in ("bad.jpg", "good.jpg", "s.jpg"):
        world.put(name, name)
    world.settle()
    return disk


def test_an_image_that_cannot_be_read_fails_its_job_alone(world: World, disk: BadSector) -> None:
    """Tried as often as ``attempts`` says, with pauses; the rest of the grid is done, the image stays where it is."""
    handout = next_of(world)
    assert handout.name == "good-s"
    world.work(handout)
    world.finish(handout)
    for pause in (60.0, 300.0):
        assert world.sweep() == []
        tries = disk.tries
        world.look(pause - 10.0)
        assert world.sweep() == []
        assert disk.tries == tries
        world.look(10.0)
    (ended,) = world.sweep()
    assert (ended.name, ended.code) == ("bad-s", "image_unreadable")
    assert ended.reason.message == "bad.jpg: Input/output error (tried 3 times)"
    assert ended.reason.advice
    world.check_books({"bad-s", "good-s"})
    assert {path.name for path in (ended.folder / "input").iterdir()} == {"g.yaml", "s.jpg"}
    assert world.inbox_files() == {"bad.jpg"}, "the only copy there is"
    assert any("tried again in 1 min" in note for note in world.notes)


def test_an_image_that_can_be_read_later_is_done(world: World, disk: BadSector) -> None:
    """The first try that succeeds makes the job runnable, over a restart too."""
    next_of(world)
    world.sweep()
    disk.repaired = True
    world.start(disk)
    world.look(6.0)
    world.later(60.0)
    world.run_all()
    world.check_books({"bad-s", "good-s"})
    assert world.inbox_files() == set()
    assert (world.finished()["bad-s"] / "input/bad.jpg").read_text() == "bad.jpg"


def test_an_image_put_there_anew_is_taken_in_place_of_the_unreadable_one(world: World, disk: BadSector) -> None:
    """Saved again, it lies elsewhere on the disk: the claim takes it as it is now."""
    handout = next_of(world)
    world.work(handout)
    world.finish(handout)
    world.sweep()
    disk.repaired = True
    world.put("bad.jpg", "the same picture from another disk")
    world.look(6.0)
    world.later(60.0)
    world.run_all()
    world.check_books({"bad-s", "good-s"})
    assert (world.finished()["bad-s"] / "input/bad.jpg").read_text() == "the same picture from another disk"


@pytest.mark.parametrize("code", [errno.ENXIO, errno.EBADMSG, errno.EOVERFLOW])
def test_whatever_keeps_one_image_from_being_read_concerns_its_job(world: World, code: int) -> None:
    """Not only EIO."""
    world.start(BadSector(code))
    world.put("a.yaml", "content: bad.jpg\nstyle: s.jpg\n")
    world.put("bad.jpg")
    world.put("s.jpg")
    world.pair("b")
    world.settle()
    ended = world.run_all()
    assert {end.name: end.code for end in ended} == {"a": "image_unreadable", "b": ""}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ESTALE, errno.EIO])
def test_our_own_disk_still_pauses_the_queue(world: World, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """What refuses a write, or a network that is down, is not the image's fault, whatever the code is."""
    world.pair("a")
    world.settle()

    def refuse(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(SpoolBlocked):
            world.hand_out_next()
    world.run_all()
    assert set(world.finished()) == {"a"}


@pytest.mark.parametrize("reads", ["the source", "the target"])
def test_a_failed_copy_says_which_side_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str) -> None:
    """Copying within the kernel cannot tell; the plain copy after it does."""

    def fails(*args: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    source = tmp_path / "a"
    source.write_bytes(b"x" * 100)
    monkeypatch.setattr("nst_batch.spool.disk.copying.fcntl.ioctl", fails)
    monkeypatch.setattr(os, "copy_file_range", fails)
    monkeypatch.setattr(os, "read" if reads == "the source" else "write", fails)
    with pytest.raises(OSError, match="Input/output error") as raised:
        FileSystem().copy_file(source, tmp_path / "b")
    assert isinstance(raised.value, UnreadableError) is (reads == "the source")
    assert (raised.value.filename == str(source)) is (reads == "the source")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
