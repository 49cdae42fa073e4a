"""Places that refuse one job alone: it waits, says for what, is tried again, and every other job goes on."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from refusing_disk import Refusing
from spool_world import World, handed_out

from nst_batch.daemon.queue_state import turns_of, waiting_entries
from nst_batch.reasons import Reason
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import RUNNING_MARKER

REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS)
each_refusal = pytest.mark.parametrize("number", REFUSALS, ids=lambda number: errno.errorcode[number])


class Late(Refusing):
    """As above, and nothing tells so before the rename: a server, a security module."""

    def may(self, path: Path, mode: int) -> bool:
        return FileSystem.may(self, path, mode)


def reason(world: World, name: str) -> str:
    """Why `status` says that a job waits."""
    view = world.look()
    entries = list(waiting_entries(view, turns_of(view, world.spool.jobs(), ())))
    return next((entry["why"] for entry in entries if entry["name"] == name), "")


def paint(world: World, *, times: int = 1) -> list[Ended]:
    """What the daemon's loop does, once or a few times, without time going by."""
    ended: list[Ended] = []
    for _ in range(times):
        world.look()
        ended += world.sweep()
        for job in world.spool.jobs():
            if job.outcome is not None and not job.given and not job.is_held(world.mono):
                end = world.spool.finish(job, "done", {"job.json": _manifest(job.id, job.title)})
                ended += [] if end is None else [end]
        while (job_now := world.spool.take(world.at)) is not None:
            handout = world.spool.hand_out(job_now)
            if handout is None:
                continue
            world.work(handout)
            text = _manifest(handout.id, handout.title)
            end = world.spool.finish(world.spool.job(handout.id), "done", {"job.json": text})
            ended += [] if end is None else [end]
        ended += world.sweep()
    return ended


def _manifest(job_id: str, title: str) -> bytes:
    return json.dumps({"id": job_id, "title": title, "state": "done"}).encode()


@each_refusal
@pytest.mark.parametrize("kind", [Refusing, Late])
def test_an_output_folder_that_refuses_holds_its_job_alone(tmp_path: Path, number: int, kind: type[Refusing]) -> None:
    """It names the person's folder and what to do, once; when the folder lets us, the result comes, once."""
    world = World(tmp_path)
    disk = kind(number, "bob")
    world.start(disk)
    (world.outbox / "bob").mkdir(parents=True)
    world.pair("a", "output: bob\n")
    world.pair("b")
    world.settle()
    paint(world, times=3)
    assert set(world.finished()) == {"b"}
    why = reason(world, "a")
    assert str(world.outbox / "bob") in why
    assert os.strerror(number).lower() in why
    assert ("mount it writable" if number == errno.EROFS else "let the daemon's user write there") in why
    assert "it is tried again by itself" in why
    assert ".nst_batch" not in why
    assert sum(str(world.outbox / "bob") in note for note in world.notes) == 1
    disk.closed.clear()
    world.later(20.0)
    assert [end.name for end in paint(world)] == ["a"]
    world.check_books({"a", "b"})
    assert "bob/a" in world.finished()


def test_it_is_tried_again_later_and_later(tmp_path: Path) -> None:
    """A few times an hour, and said no more than once."""
    world = World(tmp_path)
    disk = Late(errno.EACCES, "bob")
    world.start(disk)
    (world.outbox / "bob").mkdir(parents=True)
    world.pair("a", "output: bob\n")
    world.settle()
    for _ in range(1800):
        paint(world)
        world.later(2.0)
    assert 5 <= disk.refused <= 14
    assert sum("bob refuses" in note for note in world.notes) == 1
    assert world.look().next_look <= world.mono + 600.0


@each_refusal
@pytest.mark.parametrize("kind", [Refusing, Late])
def test_a_daemon_that_starts_with_it_goes_on_too(tmp_path: Path, number: int, kind: type[Refusing]) -> None:
    """Recovery meets the same folder: neither painted again, nor lost, nor in the way of the others."""
    world = World(tmp_path)
    world.start(kind(number, "bob"))
    (world.outbox / "bob").mkdir(parents=True)
    world.pair("a", "output: bob\n")
    world.settle()
    paint(world)
    world.start(kind(number, "bob"))
    world.pair("b")
    world.settle()
    assert {end.name for end in paint(world)} == {"b"}
    assert [job.attempts.runs for job in world.spool.jobs()] == [1]
    assert "bob" in reason(world, "a")
    world.start()
    world.settle()
    assert {end.name for end in paint(world, times=2)} <= {"a"}
    world.check_books({"a", "b"})


@each_refusal
def test_our_own_folder_that_refuses_stops_the_queue(tmp_path: Path, number: int) -> None:
    """It is nobody's alone: the disk is told from a job's folder by writing to our own."""
    disk = Refusing(number)
    world, handout = handed_out(tmp_path, disk)
    world.work(handout)
    disk.closed.add("outbox")
    with pytest.raises(SpoolBlocked):
        world.finish(handout)
    disk.closed.clear()
    world.look()
    world.finish(handout)
    world.sweep()
    world.check_books({"a"})


def test_a_held_job_can_be_cancelled(tmp_path: Path) -> None:
    """At once, whenever it would be tried again: what was painted goes, its inputs are kept."""
    world = World(tmp_path)
    world.start(Refusing(errno.EACCES, "bob"))
    (world.outbox / "bob").mkdir(parents=True)
    world.pair("a", "output: bob\n")
    world.settle()
    paint(world)
    world.put("a.cancel", "")
    world.look()
    world.sweep()
    world.sweep()
    assert set(world.failed()) == {"a"}
    world.check_books({"a"})


@each_refusal
def test_failed_jobs_wait_where_failed_refuses(tmp_path: Path, number: int) -> None:
    """The good ones are painted meanwhile."""
    world = World(tmp_path)
    disk = Refusing(number)
    world.start(disk)
    world.pair("a", "nonsense: 1\n")
    world.pair("b")
    disk.closed.add("failed")
    world.settle()
    paint(world, times=2)
    assert set(world.finished()) == {"b"}
    assert world.failed() == {}
    assert str(world.outbox / "failed") in reason(world, "a")
    disk.closed.clear()
    world.later(20.0)
    paint(world)
    world.check_books({"a", "b"})


@each_refusal
def test_a_running_folder_that_cannot_be_replaced_holds_its_job(tmp_path: Path, number: int) -> None:
    """A mount, or what somebody made immutable: the next job is handed out in its place."""
    world = World(tmp_path)

    class Stays(FileSystem):
        closed = frozenset({"a"})

        def rename(self, source: Path, target: Path) -> None:
            if source.name in self.closed and source.parent.name == "running":
                raise OSError(number, os.strerror(number), str(source), None, str(target))
            super().rename(source, target)

    disk = Stays()
    world.start(disk)
    world.pair("a", "priority: 1\n")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.spool.take_back(handout)
    world.pair("b")
    world.settle()
    assert {end.name for end in paint(world, times=2)} == {"b"}
    assert str(world.outbox / "running/a") in reason(world, "a")
    disk.closed = frozenset()
    world.later(20.0)
    paint(world)
    world.check_books({"a", "b"})


def test_a_worker_that_is_refused_its_running_folder_holds_that_job(tmp_path: Path) -> None:
    """Its word for it is enough where our own folders take what we write."""
    disk = Refusing(errno.EACCES)
    world, handout = handed_out(tmp_path, disk)
    assert world.spool.take_back(handout, Reason("no_permission", "running/a: no permission"))
    assert world.hand_out_next() is None
    world.later(20.0)
    world.look()
    handout = world.hand_out_next()
    assert handout is not None
    disk.closed.add("running")
    assert not world.spool.take_back(handout, Reason("no_permission", "running/a: no permission"))
    disk.closed.clear()
    assert not world.spool.take_back(handout, Reason("disk_full", "no room"))


class Turning(Refusing):
    """As above, and the sidecar ``ann.yaml`` is written to while it is claimed: it has to go back."""

    def step(self, name: str) -> None:
        super().step(name)
        for path in () if name != "claim.renamed" else self.root.glob("inbox/.nst_batch/claims/*/sidecar/ann.yaml"):
            path.write_text("another")
            self.closed.add("share")

    root: Path


@each_refusal
def test_a_sidecar_that_cannot_go_back_is_kept_and_the_others_are_done(tmp_path: Path, number: int) -> None:
    """Its folder has become unwritable since it was taken; it goes back when it can, also after a start."""
    world = World(tmp_path)
    disk = Turning(number)
    disk.root = tmp_path
    world.start(disk)
    world.pair("share/ann")
    world.pair("bob")
    world.settle()
    paint(world, times=2)
    assert set(world.finished()) == {"bob"}
    assert str(world.inbox / "share") in reason(world, "ann")
    assert sum("share/ann.yaml waits" in note for note in world.notes) == 1
    world.start(again := Refusing(number, "share"))
    paint(world, times=2)
    assert str(world.inbox / "share") in reason(world, "ann")
    again.closed.clear()
    world.later(20.0)
    world.look()
    world.sweep()
    assert (world.inbox / "share/ann.yaml").read_text() == "another"
    assert world.claims() == []


@each_refusal
def test_an_image_that_cannot_go_back_is_kept(tmp_path: Path, number: int) -> None:
    """It was replaced while it was taken out, and its folder then refuses: its job has its end, nobody waits."""
    world = World(tmp_path)

    class Replaced(Refusing):
        def rename(self, source: Path, target: Path) -> None:
            if target.parent.name == "leaving" and source.name == "a-content.jpg":
                source.write_text("a new picture of that name")
                super().rename(source, target)
                self.closed.add("share")
            else:
                super().rename(source, target)

    disk = Replaced(number)
    world.start(disk)
    world.pair("share/a")
    world.settle()
    paint(world)
    world.pair("b")
    world.settle()
    paint(world, times=2)
    assert set(world.finished()) == {"a", "b"}
    disk.closed.clear()
    world.later(20.0)
    paint(world)
    assert (world.inbox / "share/a-content.jpg").read_text() == "a new picture of that name"
    assert world.claims() == []


def test_a_leftover_running_folder_that_cannot_go_is_named(tmp_path: Path) -> None:
    """At a start: it holds up nothing."""
    world = World(tmp_path)
    world.start()
    left = world.outbox / "running/old"
    left.mkdir()
    (left / RUNNING_MARKER).write_text(f"{world.spool.attachment.inbox_id} 20200101-000000-000000-0000.0001")

    class Stays(FileSystem):
        def rename(self, source: Path, target: Path) -> None:
            if source == left:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(source), None, str(target))
            super().rename(source, target)

    world.start(Stays())
    assert sum(f"{left} is left over and cannot be removed" in note for note in world.notes) == 1
    world.pair("a")
    world.settle()
    assert [end.name for end in paint(world)] == ["a"]


class NoWayIntoFailed(Late):
    """The end of a job can be put together and recorded, and then not be moved into failed/."""

    def _refuse(self, *paths: Path) -> None:
        if len(paths) == 2:
            super()._refuse(*paths)


def test_what_was_put_together_for_failed_outlives_a_restart_while_its_place_refuses(tmp_path: Path) -> None:
    """The record says that it was about to go; were it cleared away as left over, it would count as gone there."""
    world = World(tmp_path)
    world.start(NoWayIntoFailed(errno.EACCES, "failed"))
    world.put("a.yaml", "contnt: x.png\n")
    world.settle()
    assert world.sweep() == []
    assert world.start(NoWayIntoFailed(errno.EACCES, "failed")) == []
    assert world.failed() == {}
    assert [end.name for end in world.start()] == ["a"]
    assert sorted(path.name for path in world.failed()["a"].rglob("*")) == ["a.yaml", "error.txt", "input", "job.json"]
    world.settle()
    world.sweep()
    assert world.claims() == []
    assert [path.name for path in (world.outbox / "running").iterdir() if path.name != ".trash"] == []
