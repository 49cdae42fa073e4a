"""What a network's file system, or a stick's, does not give: renames that refuse, lasting numbers, names, links.

Each by a disk that behaves so; the world around it is real.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from refusing_disk import Sticky
from spool_world import KillSwitch, World, handed_out

from nst_batch.spool.disk import own
from nst_batch.spool.disk import primitives as module
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import claim_id
from nst_batch.spool.inbox.listing import Entry


class Dying(FileSystem):
    """Dies, once, before it removes a file of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def remove(self, path: Path) -> None:
        if path.name == self.name:
            self.name = ""
            raise KillSwitch(path)
        super().remove(path)


@pytest.fixture(params=[0o644, 0o640], ids=["for all to read", "for the group"])
def unflagged(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A pair on NFS, whose rename knows no flags: a file gets a name by a link, and loses the old one after that."""

    def missing(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(module, "renameat2", missing)
    world = World(tmp_path)
    world.start()
    world.pair("a").chmod(request.param)
    world.settle()
    return world


def test_a_sidecar_is_taken_in_one_step(unflagged: World) -> None:
    """Killed between a link and the removal of the old name, it would be in the claim and in the inbox: done twice."""
    unflagged.start(Dying("a.yaml"))
    unflagged.settle()
    with contextlib.suppress(KillSwitch):
        unflagged.hand_out_next()
    unflagged.start()
    unflagged.run_all()
    unflagged.check_books({"a"})
    assert unflagged.inbox_files() == set()


def test_a_sidecar_that_was_on_its_way_back_is_taken_once(unflagged: World) -> None:
    """Killed between its two names: the claim has it, and the inbox has it."""
    unflagged.start(Dying("a.yaml"))
    unflagged.settle_without_reading()
    unflagged.look()
    unflagged.put("a-content.jpg", "another picture by now")
    with contextlib.suppress(KillSwitch):
        unflagged.hand_out_next()
    assert (unflagged.inbox / "a.yaml").stat().st_nlink == 2
    unflagged.start()
    unflagged.sweep()
    unflagged.settle()
    unflagged.run_all()
    unflagged.check_books({"a"})
    assert unflagged.inbox_files() == set()


class Silly(FileSystem):
    """Keeps a job's folder once: NFS keeps what is removed while somebody reads it, as a file in the same folder."""

    keeps = True

    def rmtree(self, path: Path) -> None:
        if self.keeps and path.parent.name == "jobs":
            self.keeps = False
            for each in path.iterdir():
                each.unlink()
            (path / ".nfs0000000001").touch()
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))
        super().rmtree(path)


def test_a_jobs_folder_that_cannot_go_makes_it_no_live_job(tmp_path: Path) -> None:
    """Its end stands; it would be painted again, for nothing in the folder tells of the first time."""
    world = World(tmp_path)
    disk = Silly()
    world.start(disk)
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name, name)
    world.settle()
    assert world.paint_next() is not None
    assert not disk.keeps
    world.run_all()
    world.check_books({"x-s", "y-s"})


def test_a_start_does_not_wait_for_what_a_bin_keeps(tmp_path: Path) -> None:
    """What lies there is of no use to anybody."""
    world = World(tmp_path)
    world.start()
    (world.inbox / ".nst_batch/trash/old").mkdir()

    class Busy(Sticky):
        def rmtree(self, path: Path) -> None:
            if path.name in self.stuck:
                raise self.refusal(path)
            super().rmtree(path)

    disk = Busy(errno.ENOTEMPTY, "old")
    world.start(disk)
    assert disk.refused
    world.pair("a")
    world.settle()
    world.run_all()
    world.check_books({"a"})


class Renumbering(FileSystem):
    """Gives images other numbers from some moment on, as vfat and sshfs do for what they had forgotten."""

    by = 0

    def lstat(self, path: Path) -> os.stat_result:
        found = super().lstat(path)
        is_image = path.suffix == ".jpg" or path.parent.name == "leaving"
        return with_(found, 1, found.st_ino + self.by) if is_image else found


def with_(found: os.stat_result, index: int, value: int) -> os.stat_result:
    """A stat with one of its ten numbers replaced."""
    numbers = list(found)
    numbers[index] = value
    more = ("st_mtime_ns", "st_ctime_ns", "st_atime_ns")
    return os.stat_result(numbers, {name: getattr(found, name) for name in more})


@pytest.mark.parametrize("changed", [False, True])
def test_an_image_with_another_number_leaves_by_its_bytes(tmp_path: Path, changed: bool) -> None:
    """It would stay for ever, with nothing said; another one of the same size and time stays."""
    disk = Renumbering()
    world, handout = handed_out(tmp_path, disk)
    disk.by = 1000
    if changed:
        path = world.inbox / "a-content.jpg"
        before = path.stat()
        path.write_text("tnetnoc of a")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    world.work(handout)
    world.finish(handout)
    world.run_all()
    assert world.inbox_files() == ({"a-content.jpg"} if changed else set())
    world.check_books({"a"})


class Squashing:
    """``os`` as one module sees it: files in the outbox are shown to be user 4001's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    @staticmethod
    def fstat(fd: int) -> os.stat_result:
        found = os.fstat(fd)
        return with_(found, 4, 4001) if "/outbox/" in str(Path(f"/proc/self/fd/{fd}").readlink()) else found


def test_an_outbox_whose_disk_says_that_all_is_another_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that squashes, a mount with uid=: its running folders are the daemon's own, or no job would ever end."""
    monkeypatch.setattr(own, "os", Squashing())
    world = World(tmp_path)
    world.start()
    world.pair("a")
    world.settle()
    assert world.paint_next().state == "done"
    world.start()
    world.run_all()
    world.check_books({"a"})


def test_a_share_on_which_times_may_not_be_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on SMB, mounted with its group's rights alone: our own files are shown as root's, and no image was taken."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    world.pair("a")
    world.settle()
    monkeypatch.setattr(os, "utime", refused)
    assert [end.name for end in world.run_all()] == ["a"]
    world.check_books({"a"})


class Choosy(FileSystem):
    """An outbox on vfat: names have no colon, there are no links."""

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        if flags & os.O_CREAT:
            self._check(path)
        return super().open(path, flags, mode)

    def rename(self, source: Path, target: Path) -> None:
        self._check(target)
        super().rename(source, target)

    @staticmethod
    def _check(path: Path) -> None:
        if ":" in path.name and "outbox" in path.parts:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))


def test_names_that_the_outbox_cannot_hold(tmp_path: Path) -> None:
    """An image and a sidecar that the inbox could hold: painted and kept under the nearest name, and put back so."""
    world = World(tmp_path)
    world.start(Choosy())
    world.put("at 10:22.yaml", 'content: "10:22.jpg"\nstyle: "10?22.jpg"\ntitle: a\n')
    world.put("10:22.jpg", "content")
    world.put("10?22.jpg", "style")
    world.put("bad:b.yaml", 'content: "10:22.jpg"\nsise: 1\ntitle: b\n')
    world.settle()
    world.run_all()
    assert {path.name for path in (world.outbox / "a/input").iterdir()} == {
        *("at 10_22.yaml", "10_22.jpg", "10_22-2.jpg"),
    }
    (failed,) = world.failed().values()
    assert [path.name for path in (failed / "input").iterdir()] == ["bad_b.yaml"]


def test_a_name_that_one_folder_alone_cannot_hold_stops_nobody_else(tmp_path: Path) -> None:
    """Found out too late for another name: the job waits, and says for what."""

    class Shorter(FileSystem):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == "a-content.jpg" and "outbox" in target.parts:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(source), None, str(target))
            super().rename(source, target)

    world = World(tmp_path)
    world.start(Shorter())
    world.pair("a")
    world.pair("b")
    world.settle()
    assert world.hand_out_next() is None
    assert world.paint_next().name == "b"
    (waiting,) = world.spool.jobs()
    assert waiting.held is not None
    assert "takes no file of the name a-content.jpg" in waiting.held.why


def test_a_link_that_the_outbox_cannot_hold_is_kept_as_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job fails as ever; it would wait for ever to do so."""
    symlink = os.symlink

    def refused(points_to: str, name: str, **more: Any) -> None:
        if "/outbox" in str(Path(f"/proc/self/fd/{more['dir_fd']}").readlink()):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        symlink(points_to, name, **more)

    world = World(tmp_path)
    world.start()
    world.put("a.yaml", "content: a.jpg\nstyle: s.jpg\n")
    (world.inbox / "a.jpg").symlink_to("/etc/hostname")
    world.put("s.jpg")
    world.settle()
    monkeypatch.setattr(os, "symlink", refused)
    world.run_all()
    assert (world.outbox / "failed/a/input/a.jpg").read_text() == "/etc/hostname"


class Away(FileSystem):
    """A network that is there, and then is not."""

    is_away = False

    def _ask(self, path: Path) -> None:
        if self.is_away:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))

    def lstat(self, path: Path) -> os.stat_result:
        self._ask(path)
        return super().lstat(path)

    def names(self, path: Path) -> list[str]:
        self._ask(path)
        return super().names(path)


def test_a_disk_that_cannot_be_looked_at_makes_the_queue_wait(tmp_path: Path) -> None:
    """Whoever asks for the jobs is told so as by any other call: an error would end the daemon."""
    disk = Away()
    world, handout = handed_out(tmp_path, disk)
    world.spool.put_back(handout)
    disk.is_away = True
    for ask in (world.spool.jobs, lambda: world.spool.job(handout.id), world.spool.only_held):
        with pytest.raises(SpoolBlocked):
            ask()
    disk.is_away = False
    assert [end.name for end in world.run_all()] == ["a"]
    world.check_books({"a"})


class Believing(FileSystem):
    """As NFS: that there is no file of a name is believed until this machine changes the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: set[Path] = set()

    def lstat(self, path: Path) -> os.stat_result:
        if path in self.missed:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        try:
            return super().lstat(path)
        except FileNotFoundError:
            self.missed.add(path)
            raise

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        if flags & os.O_CREAT:
            self._forget(path.parent)
        elif path in self.missed:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return super().open(path, flags, mode)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._forget(path.parent)
        super().mkdir(path, mode)

    def rename(self, source: Path, target: Path) -> None:
        self._forget(source.parent)
        self._forget(target.parent)
        super().rename(source, target)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        self._forget(source.parent)
        self._forget(target.parent)
        super().rename_noreplace(source, target)

    def _forget(self, folder: Path) -> None:
        self.missed = {path for path in self.missed if path.parent != folder}


def test_what_a_worker_on_another_machine_has_left_is_found(tmp_path: Path) -> None:
    """Its outcome was not there when the job was handed out; not to see it is to paint a job of a few seconds again."""
    disk = Believing()
    world, handout = handed_out(tmp_path, disk)
    world.spool.jobs()
    assert handout.folder / "outcome.json" in disk.missed
    world.work(handout)
    job = world.spool.job(handout.id)
    assert job.outcome is not None
    assert world.spool.outcome(job) == b'{"state": "done"}'


def test_an_outbox_with_another_number_is_the_same_by_its_note(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And another folder in its place is none, nor is another disk."""
    stat = Path.stat

    def shifted(by: tuple[int, int]) -> None:
        def found(path: Path, **more: Any) -> os.stat_result:
            real = stat(path, **more)
            return with_(with_(real, 1, real.st_ino + by[0]), 2, real.st_dev + by[1]) if path == world.outbox else real

        monkeypatch.setattr(Path, "stat", found)

    assert world.spool.attachment.lost() is None
    shifted((7, 0))
    assert world.spool.attachment.lost() is None
    shifted((7, 1))
    assert "put there anew" in str(world.spool.attachment.lost())
    shifted((9, 0))
    (world.outbox / ".nst_batch.json").write_text("{}")
    assert "put there anew" in str(world.spool.attachment.lost())


def test_an_output_folder_that_is_taken_away_while_a_result_comes(tmp_path: Path) -> None:
    """``prune``, or somebody in a file manager, removes what is empty: it is made again, and no disk is to blame."""

    class Tidied(FileSystem):
        is_tidy = False

        def rename_noreplace(self, source: Path, target: Path) -> None:
            if target.parent.name == "bob" and not self.is_tidy:
                self.is_tidy = True
                target.parent.rmdir()
            super().rename_noreplace(source, target)

    world = World(tmp_path)
    disk = Tidied()
    world.start(disk)
    world.pair("a", "output: bob\n")
    world.settle()
    assert world.paint_next().folder == world.outbox / "bob/a"
    assert disk.is_tidy
    world.run_all()
    world.check_books({"a"})


@pytest.mark.parametrize("ctime_ns", [-1, 2**63 - 1, 2**64 * 10**9])
def test_a_time_that_no_calendar_has(world: World, ctime_ns: int) -> None:
    """NTFS and FUSE can say so of a damaged file: it came first, or last, and is a file like any other."""
    real = os.lstat(world.pair("a"))
    times = {"st_mtime_ns": real.st_mtime_ns, "st_atime_ns": real.st_atime_ns, "st_ctime_ns": ctime_ns}
    entry = Entry.of("file", os.stat_result(list(real), times))
    assert claim_id(entry.ctime_ns, "x").startswith("1970" if ctime_ns < 0 else ("2262", "9999"))
    assert datetime.fromtimestamp(entry.ctime_ns / 1e9, UTC).astimezone(timezone(timedelta(hours=14)))


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_no_image_leaves_while_a_folder_cannot_be_listed_for_now(tmp_path: Path, code: int) -> None:
    """A sidecar in it may name any of them; one that is closed for good keeps nobody's images."""

    class Failing(FileSystem):
        fails = False

        def scan(self, path: Path) -> contextlib.AbstractContextManager[Iterator[os.DirEntry[str]]]:
            if self.fails and path.name == "sub":
                raise OSError(code, os.strerror(code), str(path))
            return super().scan(path)

    world = World(tmp_path, "after: delete\n")
    disk = Failing()
    world.start(disk)
    world.pair("a", content="shared.jpg")
    world.put("sub/b.yaml", "content: shared.jpg\nstyle: still-to-come.jpg\n")
    world.settle()
    world.paint_next()
    disk.fails = True
    for _ in range(3):
        world.look(1.0)
        world.sweep()
    assert (world.inbox / "shared.jpg").exists() == (code != errno.EACCES)
    disk.fails = False
    world.settle()
    world.sweep()
    assert "sub/b.yaml" in world.inbox_files()
    assert "a-style.jpg" not in world.inbox_files()


@pytest.mark.parametrize("what", ["sidecar", "folder"])
def test_no_image_leaves_while_a_sidecar_that_names_it_is_moved(tmp_path: Path, what: str) -> None:
    """In a file manager, from a folder that is still to be listed to one that has been: it is nowhere for that look."""

    class Moving(FileSystem):
        def __init__(self) -> None:
            super().__init__()
            self.moves: list[tuple[Path, Path]] = []

        def scan(self, path: Path) -> contextlib.AbstractContextManager[Iterator[os.DirEntry[str]]]:
            if self.moves and path.name == "early":
                source, target = self.moves.pop()
                source.rename(target)
            return super().scan(path)

    world = World(tmp_path, "after: delete\n")
    disk = Moving()
    world.start(disk)
    world.pair("a", content="shared.jpg")
    for folder in ("early", "late"):
        world.put(f"{folder}/none.txt")
    world.put("early/sub/b.yaml", "content: shared.jpg\nstyle: still-to-come.jpg\n")
    world.settle()
    world.paint_next()
    sub = world.inbox / "early/sub"
    world.look()
    disk.moves = [(sub / "b.yaml", world.inbox / "b.yaml") if what == "sidecar" else (sub, world.inbox / "sub")]
    world.sweep()
    assert not disk.moves
    for _ in range(3):
        world.settle()
        world.sweep()
    assert (world.inbox / "shared.jpg").exists()
    assert not (world.inbox / "a-style.jpg").exists()


def test_a_name_that_a_listing_does_not_show_yet_is_not_tried_for_ever(tmp_path: Path) -> None:
    """Another machine has made it: by NFS a folder is listed as it was up to a minute ago."""

    class Old(FileSystem):
        def names(self, path: Path) -> list[str]:
            return [name for name in super().names(path) if not name.endswith("of-another")]

    world = World(tmp_path)
    world.start(Old())
    for folder in ("outbox/of-another", "outbox/failed/of-another", "inbox/retry-of-another"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "theirs").touch()
    world.pair("of-another")
    world.pair("of-another-2", "sise: 1\ntitle: of-another\n")
    world.settle()
    world.run_all()
    assert set(world.finished()) == {"of-another-2"}
    fs = Old()
    (tmp_path / "inbox/new").mkdir()
    assert fs.rename_free(tmp_path / "inbox/new", world.inbox, "retry-of-another").name == "retry-of-another-2"


@pytest.mark.parametrize("errors", [1, 2])
def test_a_connection_that_breaks_down_once_damages_no_claim(tmp_path: Path, errors: int) -> None:
    """By sshfs what was asked for just then is an error of the disk, and all is well a moment later."""

    class Broken(FileSystem):
        left = errors

        def reader(self, path: Path) -> BinaryIO:
            if self.left and path.name == "claim.json":
                self.left -= 1
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return super().reader(path)

    world, _job = handed_out(tmp_path)
    world.start(Broken())
    assert any("is damaged" in note for note in world.notes) == (errors > 1)
    assert [job.name for job in world.spool.jobs()] == ([] if errors > 1 else ["a"])
