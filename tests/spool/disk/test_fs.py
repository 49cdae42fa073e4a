"""The file-system boundary."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from nst_batch.spool.disk import primitives as module
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import ChangedError, Identity, NotRegularError, renameat2


@pytest.fixture
def files() -> FileSystem:
    return FileSystem()


@pytest.fixture(params=["renameat2", "reserved", "no links either"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FileSystem:
    """Renaming without replacing as each kind of file system allows it."""
    if request.param != "renameat2":

        def missing(*args: object) -> None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        monkeypatch.setattr(module, "renameat2", missing)
    if request.param == "no links either":

        def refused(*args: object, **kwargs: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refused)
    return FileSystem()


def put(path: Path, what: str) -> None:
    if what == "a file":
        path.write_text("end")
    elif what == "a dangling link":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
        if what == "a full folder":
            (path / "file").write_text("end")


def test_rename_noreplace_moves_folders_and_files(renaming: FileSystem, tmp_path: Path) -> None:
    """A free name is taken, whole."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    renaming.rename_noreplace(tmp_path / "folder", tmp_path / "other")
    assert (tmp_path / "other/file").read_text() == "x"
    renaming.rename_noreplace(tmp_path / "other/file", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"
    assert {path.name for path in tmp_path.iterdir()} == {"other", "file"}


def test_a_folder_is_whole_at_first_sight(renaming: FileSystem, tmp_path: Path) -> None:
    """No call to the system on the way leaves the new name without what is in the folder."""
    start, end = tmp_path / "start", tmp_path / "end"
    start.mkdir()
    (start / "file").touch()
    seen: set[tuple[str, ...]] = set()

    def look(event: str, _arguments: tuple[object, ...]) -> None:
        if looking and event.startswith("os."):
            looking.clear()  # its own calls are none of the way
            if end.exists():
                seen.add(tuple(path.name for path in end.iterdir()))
            looking.append(True)

    looking = [True]
    sys.addaudithook(look)
    renaming.rename_noreplace(start, end)
    renaming.kind(end)
    end.chmod(0o700)
    looking.clear()
    assert seen == {("file",)}


@pytest.mark.parametrize("later", ["a full folder", "a file", "a dangling link"])
def test_what_appears_between_look_and_rename_stays(
    renaming: FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    """Also where the file system has no rename that refuses an existing target."""
    start, end = tmp_path / "start", tmp_path / "end"
    start.mkdir()
    rename = os.rename

    def late(*args: Any, **kwargs: Any) -> None:
        put(end, later)
        rename(*args, **kwargs)

    if module.renameat2 is renameat2:
        put(end, later)
    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(FileExistsError):
        renaming.rename_noreplace(start, end)
    assert start.exists()
    assert end.is_symlink() or (end.stat().st_size if end.is_file() else list(end.iterdir()))


@pytest.mark.parametrize("target", ["an empty folder", "a full folder", "a file", "a dangling link"])
@pytest.mark.parametrize("source", ["a folder", "a file"])
def test_rename_noreplace_replaces_nothing(renaming: FileSystem, tmp_path: Path, source: str, target: str) -> None:
    """Whatever stands at the target stays, an empty folder too, which a plain rename would replace."""
    start, end = tmp_path / "start", tmp_path / "end"
    if source == "a folder":
        start.mkdir()
    else:
        start.write_text("start")
    put(end, target)
    with pytest.raises(FileExistsError):
        renaming.rename_noreplace(start, end)
    assert start.exists()
    assert os.path.lexists(end)
    assert not (end / "start").exists()


def test_a_durable_write_is_whole_or_not_at_all(
    files: FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full the old content stays and nothing is left beside it."""
    path = tmp_path / "state.json"
    files.write_durable(path, b"old")

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="space"):
        files.write_durable(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]


def test_a_copy_keeps_content_and_time(files: FileSystem, tmp_path: Path) -> None:
    """The copy is the same file a second time, its mtime too."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(os.urandom(3_000_001))
    os.utime(source, ns=(1, 1_234_567_890_123_456_789))
    files.copy_file(source, target, Identity.of(source.stat()))
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mtime_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("broken", [("ioctl",), ("ioctl", "range"), ("ioctl", "short range")])
def test_a_copy_without_reflinks_or_ranges(
    files: FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[str, ...]
) -> None:
    """Every kind of file system gets the same bytes."""

    def missing(*args: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("nst_batch.spool.disk.copying.fcntl.ioctl", missing)
    if "range" in broken:
        monkeypatch.setattr(os, "copy_file_range", missing)
    if "short range" in broken:
        monkeypatch.setattr(os, "copy_file_range", lambda *args: 0)
    source = tmp_path / "a"
    source.write_bytes(os.urandom(2_500_000))
    files.copy_file(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == source.read_bytes()


def test_a_copy_refuses_what_has_changed_or_is_no_file(files: FileSystem, tmp_path: Path) -> None:
    """Another identity, a folder and a pipe are refused, and leave nothing behind."""
    source = tmp_path / "a"
    source.write_text("one")
    before = Identity.of(source.stat())
    source.write_text("another")
    with pytest.raises(ChangedError):
        files.copy_file(source, tmp_path / "b", before)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises((NotRegularError, IsADirectoryError)):
            files.copy_file(tmp_path / name, tmp_path / "b")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "pipe", "folder"}


def test_a_link_is_copied_as_a_link(files: FileSystem, tmp_path: Path) -> None:
    """Nothing is followed, not even to nowhere."""
    (tmp_path / "link").symlink_to("../nowhere")
    files.copy_file(tmp_path / "link", tmp_path / "copy")
    assert str((tmp_path / "copy").readlink()) == "../nowhere"
    with pytest.raises(OSError, match="symbolic links"):
        files.copy_new(tmp_path / "link", tmp_path / "other", None)


def test_moving_across_file_systems(files: FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rename cannot, a copy is made durable before the original goes; an existing target is refused."""

    def elsewhere(*args: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(module, "renameat2", elsewhere)
    (tmp_path / "a").write_text("a")
    files.move_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "a"
    assert not (tmp_path / "a").exists()
    (tmp_path / "a").write_text("new")
    with pytest.raises(FileExistsError):
        files.move_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text() == "new"


def test_discarding_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    """The folder leaves by one rename before anything in it is removed."""
    seen: list[bool] = []
    files = FileSystem(lambda name: seen.append((tmp_path / "folder").exists()))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    files.discard(tmp_path / "folder", tmp_path / "trash")
    files.discard(tmp_path / "folder", tmp_path / "trash")
    assert seen == [False]
    assert list((tmp_path / "trash").iterdir()) == []


def test_a_folder_that_was_moved_is_not_the_one_that_gets_its_name(tmp_path: Path) -> None:
    """Though folders are kept open: what is renamed, or removed, is looked up again."""
    fs = FileSystem()
    fs.keep_beneath(tmp_path)
    with fs.keeping_open():
        for act in (lambda path: fs.rename(path, tmp_path / "there"), fs.rmtree, fs.rmdir):
            fs.mkdir(tmp_path / "a")
            fs.write_new(tmp_path / "a/file", b"", sync=False)
            if act == fs.rmdir:
                fs.remove(tmp_path / "a/file")
            act(tmp_path / "a")
        fs.mkdir(tmp_path / "a")
        fs.write_new(tmp_path / "a/new", b"", sync=False)
        fs.rename_noreplace(tmp_path / "a", tmp_path / "b")
        fs.mkdir(tmp_path / "a")
        assert fs.names(tmp_path / "a") == []
        assert fs.kind(tmp_path / "a/new") is None
    assert fs.names(tmp_path / "there") == ["file"]
    assert fs.names(tmp_path / "b") == ["new"]
