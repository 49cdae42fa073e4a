"""Sidecars that the daemon may not take, or not read: they wait, fail once, stay where they are, and are taken then."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from refusing_disk import Refusing, Sticky
from spool_world import KillSwitch, StepLog, World, retry_job

from nst_batch.daemon.once import Once
from nst_batch.errors import UsageError
from nst_batch.spool.commands import failed_for, look_from_outside, write_control
from nst_batch.spool.disk.fs import FileSystem

DAY = 86_400


class Closed(Refusing):
    """A disk with a folder, ``share``, that nobody else may take files out of."""

    def __init__(self, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(errno.EACCES, "share", on_step=on_step)

    def let_go(self) -> None:
        self.closed.clear()


class Unread(FileSystem):
    """A disk with a sidecar, ``ann.yaml``, that only its owner may read."""

    def __init__(self, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(on_step)
        self.closed = True

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        if self.closed and path.name == "ann.yaml" and ".nst_batch" not in path.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return super().open(path, flags, mode)

    def let_go(self) -> None:
        self.closed = False


class Stuck(Sticky):
    """A disk on which ``ann.yaml`` may not leave its place, which shows only when it is tried."""

    def __init__(self, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(errno.EPERM, "ann.yaml", on_step=on_step)

    def let_go(self) -> None:
        self.stuck.clear()


DISKS = (Closed, Stuck, Unread)
WHY = {
    Closed: "no permission to take files out of share",
    Stuck: "cannot be taken out",
    Unread: "no permission to read",
}
Untaking = Closed | Stuck | Unread
of_each_disk = pytest.mark.parametrize("kind", DISKS)


def night(world: World, seconds: float, every: float = 60.0) -> None:
    """The daemon looks and works for so long."""
    for _ in range(int(seconds / every)):
        world.later(every)
        world.look()
        world.sweep()
        while (job := world.hand_out_next()) is not None:
            world.work(job)
            world.finish(job)
        world.sweep()


def shared(tmp_path: Path, kind: type[Untaking], config: str = "") -> tuple[World, Untaking]:
    """A world with a pair that may not be taken, seen for the first time."""
    world = World(tmp_path, config)
    disk = kind()
    world.start(disk)
    world.pair("share/ann")
    world.settle()
    night(world, 120)
    return world, disk


def reason(world: World, name: str = "ann") -> str:
    return str(json.loads((world.outbox / "failed" / name / "job.json").read_text())["reason"])


@of_each_disk
def test_it_fails_once_after_its_time_and_stays(tmp_path: Path, kind: type[Untaking]) -> None:
    """Said when; told in failed/ with what helps, while the sidecar and its images lie where they lay."""
    world, _disk = shared(tmp_path, kind)
    (waiting,) = world.look().waiting
    assert WHY[kind] in waiting.why
    assert waiting.until is not None
    assert 3000 < waiting.until - world.wall < 3600
    world.pair("bob")
    night(world, 3300)
    assert world.failed() == {}
    night(world, DAY)
    assert set(world.failed()) == {"ann"}
    assert reason(world) == "sidecar_not_taken"
    told = (world.outbox / "failed/ann/error.txt").read_text()
    assert told.startswith("sidecar_not_taken: share/ann.yaml")
    assert WHY[kind] in told
    assert list((world.outbox / "failed/ann/input").iterdir()) == []
    assert world.inbox_files() == {"share/ann.yaml", "share/ann-content.jpg", "share/ann-style.jpg"}
    (waiting,) = world.look().waiting
    assert waiting.kind == "given_up"
    assert waiting.until is None
    assert "it has failed for that, and is taken as soon as it may be" in waiting.why
    assert set(world.finished()) == {"bob"}
    assert world.claims() == []


@of_each_disk
@pytest.mark.parametrize("saved", [True, False], ids=["stopped", "killed"])
def test_it_does_not_fail_again_after_a_restart(tmp_path: Path, kind: type[Untaking], saved: bool) -> None:
    world, _disk = shared(tmp_path, kind)
    night(world, 3600)
    assert set(world.failed()) == {"ann"}
    for _ in range(3):
        if saved:
            world.spool.close(world.at)
        world.start(kind())
        night(world, 7200, every=300.0)
    assert set(world.failed()) == {"ann"}


@of_each_disk
def test_the_time_counts_over_restarts(tmp_path: Path, kind: type[Untaking]) -> None:
    world, _disk = shared(tmp_path, kind)
    for _ in range(3):
        night(world, 1000, every=100.0)
        world.spool.close(world.at)
        assert world.failed() == {}
        world.later(DAY)
        world.start(kind())
        world.settle()
    night(world, 1000, every=100.0)
    assert set(world.failed()) == {"ann"}


@of_each_disk
@pytest.mark.parametrize("failed", [True, False], ids=["after", "before"])
def test_it_is_painted_once_it_may_be_taken(tmp_path: Path, kind: type[Untaking], failed: bool) -> None:
    """By itself, as any other; that it had failed is no news any more."""
    world, disk = shared(tmp_path, kind)
    night(world, 3600 if failed else 600)
    assert bool(world.failed()) is failed
    disk.let_go()
    night(world, 1200)
    assert set(world.finished()) == {"ann"}
    assert world.failed() == {}
    assert ("failed/ann is gone: its sidecar has been taken" in world.notes) is failed
    assert len([note for note in world.notes if "failed/ann is gone" in note]) == failed
    assert world.inbox_files() == set()
    assert world.claims() == []


@of_each_disk
def test_images_that_are_missing_when_it_may_be_taken_have_their_own_time(tmp_path: Path, kind: type[Untaking]) -> None:
    world, disk = shared(tmp_path, kind)
    (world.inbox / "share/ann-style.jpg").unlink()
    night(world, 3600)
    disk.let_go()
    night(world, 1200)
    (waiting,) = world.look().waiting
    assert waiting.kind == "missing"
    night(world, 3600)
    assert [reason(world, name) for name in world.failed()] == ["image_missing"]


@of_each_disk
def test_another_sidecar_in_its_place_has_its_own_time_and_the_same_name(tmp_path: Path, kind: type[Untaking]) -> None:
    """The failure of the first one is no news from then on."""
    world, _disk = shared(tmp_path, kind)
    night(world, 3600)
    first = (world.outbox / "failed/ann/job.json").read_text()
    world.pair("share/ann", "seed: 5\n")
    night(world, 1800)
    assert world.failed() == {}
    night(world, 3600)
    assert set(world.failed()) == {"ann"}
    assert (world.outbox / "failed/ann/job.json").read_text() != first
    assert "failed/ann is gone: its sidecar was taken away, or is another one by now" in world.notes


@of_each_disk
@pytest.mark.parametrize("how", ["removed", "renamed", "while no daemon ran"])
def test_the_failure_of_a_sidecar_that_was_taken_away_goes(tmp_path: Path, kind: type[Untaking], how: str) -> None:
    """The other way out that its advice names."""
    world, _disk = shared(tmp_path, kind)
    night(world, 3600)
    assert set(world.failed()) == {"ann"}
    if how == "while no daemon ran":
        world.spool.close(world.at)
    (world.inbox / "share/ann.yaml").rename(world.inbox / ("share/ann.txt" if how != "renamed" else "eve.yaml"))
    if how == "while no daemon ran":
        world.start(kind())
    night(world, 600)
    assert world.failed() == {}
    (world.inbox / "share/ann.txt" if how != "renamed" else world.inbox / "share/ann-style.jpg").touch()
    night(world, 7200)
    assert set(world.failed()) <= {"eve"}  # which finds no images where it is now


def test_defaults_above_it_that_are_read_after_a_restart_make_it_no_other_one(tmp_path: Path) -> None:
    """It is another one to the scanner until they are read."""
    world = World(tmp_path)
    world.start(Closed())
    world.put("defaults.yaml", "size: 96\n")
    world.pair("share/ann")
    world.settle()
    night(world, 7200)
    before = (world.outbox / "failed/ann/job.json").read_text()
    for _ in range(2):
        world.start(Closed())
        night(world, 7200)
        assert (world.outbox / "failed/ann/job.json").read_text() == before
    assert set(world.failed()) == {"ann"}


def test_other_rights_of_a_sticky_folder_count_at_once(tmp_path: Path) -> None:
    """Not at the next try alone, which may be ten minutes away."""
    world, disk = shared(tmp_path, Stuck)
    night(world, 1800)
    world.look()
    disk.let_go()
    (world.inbox / "share").chmod(0o700)
    night(world, 5, every=5)
    assert set(world.finished()) == {"ann"}


@pytest.mark.parametrize("failed", [True, False], ids=["untaken before", "ready"])
def test_cancels_of_several_jobs_of_a_sidecar_that_nobody_has_taken_count_each(tmp_path: Path, failed: bool) -> None:
    """The second one was lost where the next job was handed out before the next look."""
    world = World(tmp_path)
    disk = Closed()
    if not failed:
        disk.let_go()
    world.start(disk)
    world.pair("share/ann", "vary: {style_weight: [0.5, 1, 2]}\n")
    world.settle_without_reading()
    if failed:
        night(world, 7200)
    disk.let_go()
    for value in ("0.5", "1"):
        world.put(f"ann style_weight={value}.cancel", b"")
    night(world, 600)
    assert set(world.finished()) == {"ann style_weight=2"}
    assert {reason(world, name) for name in world.failed()} == {"cancelled"}


@of_each_disk
def test_a_kill_at_any_step_of_it_lets_it_fail_once(tmp_path: Path, kind: type[Untaking]) -> None:
    """From the first write to the last, and the next daemon finds it so."""
    for count in range(1, 100):
        world, _disk = shared(tmp_path / str(count), kind)
        world.spool.close(world.at)
        log = StepLog(at=None)
        world.start(kind(log))
        world.settle()
        log.names.clear()
        log.at = count
        try:
            night(world, 7200, every=300.0)
        except KillSwitch:
            for _ in range(2):
                world.start(kind())
                night(world, 7200, every=300.0)
        assert len(world.failed()) == 1, log.names
        assert reason(world, *world.failed()) == "sidecar_not_taken"
        assert (world.inbox / "share/ann.yaml").read_text().startswith("content:")
        assert world.claims() == []
        if len(log.names) < count:
            assert {"claim.intent", "fail.built", "waits.given_up", "claim.closed", "waits.written"} <= set(log.names)
            return
    pytest.fail("it never ends")


@of_each_disk
def test_a_cancel_that_meets_the_failure_of_a_killed_daemon_is_for_the_sidecar(
    tmp_path: Path, kind: type[Untaking]
) -> None:
    """The failure is on its way then, and has its own reason."""
    world, _disk = shared(tmp_path, kind)
    world.spool.close(world.at)

    def kill(step: str) -> None:
        if step == "claim.renamed":
            raise KillSwitch

    world.start(kind(kill))
    with pytest.raises(KillSwitch):
        night(world, 7200)
    assert len(world.claims()) == 1
    write_control(world.config, "ann", "cancel")
    disk = kind()
    world.start(disk)
    night(world, 600)
    assert [reason(world, name) for name in world.failed()] == ["sidecar_not_taken"]
    disk.let_go()
    night(world, 1200)
    assert [reason(world, name) for name in world.failed()] == ["cancelled"]
    assert world.finished() == {}


@of_each_disk
def test_retry_says_where_it_lies_and_drops_nothing(tmp_path: Path, kind: type[Untaking]) -> None:
    world, _disk = shared(tmp_path, kind)
    night(world, 3600)
    with pytest.raises(UsageError, match=r"its sidecar lies in the inbox still \(share/ann.yaml\)"):
        retry_job(world.config, "ann")
    assert failed_for(world.config, None).staying == ("sidecar_not_taken",)
    assert set(world.failed()) == {"ann"}


@of_each_disk
@pytest.mark.parametrize("failed", [True, False], ids=["after", "before"])
def test_a_cancel_waits_until_it_may_be_taken(tmp_path: Path, kind: type[Untaking], failed: bool) -> None:
    """Or it would be painted then: by its one name, whether it has failed meanwhile or not, over a restart too."""
    world, _disk = shared(tmp_path, kind)
    night(world, 3600 if failed else 600)
    assert bool(world.failed()) is failed
    write_control(world.config, "ann", "cancel")
    night(world, 7200)
    assert (world.inbox / "ann.cancel").exists()
    assert [reason(world, name) for name in world.failed()] == ["sidecar_not_taken"]
    for closed in (True, False):
        disk = kind()
        if not closed:
            disk.let_go()
        world.start(disk)
        night(world, 1200)
    assert world.finished() == {}
    assert [reason(world, name) for name in world.failed()] == ["cancelled"]
    assert world.inbox_files() == set()


@of_each_disk
def test_commands_tell_until_when(tmp_path: Path, kind: type[Untaking], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time that the daemon has counted."""
    world, disk = shared(tmp_path, kind)
    night(world, 1200)
    world.spool.close(world.at)
    monkeypatch.setattr("nst_batch.spool.commands.files_of", lambda _config: disk)
    told = [world.look()]
    if kind is not Stuck:  # that shows only when it is tried, which commands do not
        told.append(look_from_outside(world.config, world.at)[0])
    for view in told:
        (waiting,) = view.waiting
        assert waiting.until is not None
        assert 2100 < waiting.until - world.wall < 2400


@of_each_disk
def test_run_once_ends_when_it_has_failed_and_at_once_where_asked(tmp_path: Path, kind: type[Untaking]) -> None:
    """It waited for ever for what may not be read."""
    world, _disk = shared(tmp_path / "waits", kind)
    assert Once().end(world.look(), world.spool, None) == (None, [])
    night(world, 3600)
    assert Once().end(world.look(), world.spool, None, failed=1) == (1, [])
    world, _disk = shared(tmp_path / "fails", kind)
    for _ in range(3):
        world.spool.expire(world.at)
        night(world, 60)
    assert set(world.failed()) == {"ann"}
    assert Once("fail").end(world.look(), world.spool, None, failed=1) == (1, [])


def test_photographs_of_a_hot_folder_fail_and_are_painted_too(tmp_path: Path) -> None:
    """Each is a job of its own, and none counts as painted for having failed so."""
    world = World(tmp_path)
    disk = Closed()
    world.start(disk)
    world.put("styles/s.jpg", "a style")
    world.put("share/folder.yaml", "style: styles/s.jpg\n")
    for name in "ab":
        world.put(f"share/{name}.jpg", f"photograph {name}")
    world.settle()
    night(world, 7200)
    assert {reason(world, name) for name in world.failed()} == {"sidecar_not_taken"}
    assert len(world.failed()) == 2
    disk.let_go()
    night(world, 600)
    assert len(world.finished()) == 2
    assert world.failed() == {}


@pytest.mark.parametrize(
    ("name", "text", "closed"),
    [
        ("folder.yaml", "style: nowhere.jpg\n", False),
        ("folder.yaml", "nonsense: 1\n", False),
        ("defaults.yaml", "nonsense: 1\n", False),
        ("folder.yaml", "style: s.jpg\n", True),
    ],
    ids=["no style", "a mistake", "a mistake in defaults", "closed"],
)
def test_a_folders_file_that_cannot_be_gone_by_has_a_deadline_too(
    tmp_path: Path, name: str, text: str, closed: bool
) -> None:
    """`run --once` waits no longer then and says what is left, and nobody's images stay in the inbox for it."""

    class Shut(FileSystem):
        def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
            if closed and path.name == name:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return super().open(path, flags, mode)

    world = World(tmp_path)
    world.start(Shut())
    world.put(f"hot/{name}", text)
    world.put("hot/photo.jpg", "a photograph")
    world.pair("hot/ann" if name == "defaults.yaml" else "bob")
    world.settle()
    night(world, 600)
    assert Once().end(world.look(), world.spool, None) == (None, [])
    night(world, 3600)
    for waits in ("wait", "fail"):
        code, (left,) = Once(waits).end(world.look(), world.spool, None)
        assert code == 1
        assert left.startswith(f"ended without what waits for hot/{name}: ")
    assert Once("leave").end(world.look(), world.spool, None) == (0, [])
    if name == "folder.yaml":
        assert set(world.finished()) == {"bob"}
        assert world.inbox_files() == {"hot/folder.yaml", "hot/photo.jpg"}


def test_a_sidecar_with_a_mistake_that_may_not_be_taken_fails_for_that_and_then_for_its_mistake(tmp_path: Path) -> None:
    world = World(tmp_path)
    disk = Closed()
    world.start(disk)
    world.put("share/ann.yaml", "nonsense: 1\n")
    world.settle()
    night(world, 7200)
    assert reason(world) == "sidecar_not_taken"
    disk.let_go()
    night(world, 600)
    assert "sidecar_invalid" in {reason(world, name) for name in world.failed()}


def test_two_hundred_that_fail_at_a_time_are_a_small_note_each(tmp_path: Path) -> None:
    """An archive unpacked as somebody else: what is put down is a note each, not all of them each time."""
    world = World(tmp_path)
    written: list[int] = []

    class Counting(Closed):
        def write_new(self, path: Path, data: object, *, sync: bool = True) -> None:
            written.append(len(data) if isinstance(data, bytes) else 0)
            super().write_new(path, data, sync=sync)  # type: ignore[arg-type]

    world.start(Counting())
    for number in range(200):
        world.put(f"share/p{number}.yaml", "content: c.jpg\nstyle: s.jpg\n")
    world.settle()
    night(world, 4200, every=600.0)
    assert len(world.failed()) == 200
    assert sum(written) < 200 * 20_000
