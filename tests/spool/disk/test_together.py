"""Pieces of work that wait for the disk together: in turn, each in its own order, none left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nst_batch.spool.disk.fs import FileSystem


def writer(fs: FileSystem, folder: Path, name: str, log: list[str]) -> Callable[[], None]:
    def act() -> None:
        log.append(f"{name} begins")
        fs.write_durable(folder / name, name.encode())
        log.append(f"{name} has written")
        fs.write_durable(folder / f"{name}-2", name.encode())

    return act


def test_each_goes_on_when_what_all_wait_for_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same order at every wait; a folder that several wait for is synced once for all of them."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    fs, log, beats = FileSystem(), list[str](), list[int]()
    fs.on_progress = lambda: beats.append(len(synced))
    fs.side_by_side([writer(fs, tmp_path, name, log) for name in "abc"])
    assert log == [f"{name} {what}" for what in ("begins", "has written") for name in "abc"]
    assert synced.count(tmp_path.stat().st_ino) == 2
    assert len(synced) == 2 * 3 + 2
    assert beats[:4] == [3, 4, 7, 8]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a-2", "b", "b-2", "c", "c-2"]


def test_pieces_of_different_lengths_all_come_to_their_end(tmp_path: Path) -> None:
    """One that never waits, and one that waits longest."""
    fs, log = FileSystem(), list[str]()
    fs.side_by_side([lambda: log.append("short"), writer(fs, tmp_path, "a", log), lambda: log.append("last")])
    assert log == ["short", "a begins", "last", "a has written"]
    assert (tmp_path / "a-2").read_bytes() == b"a"


class KilledHere(BaseException):
    """Nothing may catch it."""


@pytest.mark.parametrize("error", [KilledHere("now"), OSError(28, "No space left on device")])
def test_what_one_raises_passes_and_the_others_are_left_where_they_wait(tmp_path: Path, error: BaseException) -> None:
    """As a kill would leave them; no thread stays behind, and the next group works."""
    fs, log = FileSystem(), list[str]()

    def fails() -> None:
        fs.fsync_dir(tmp_path)
        raise error

    before = threading.active_count()
    with pytest.raises(type(error)) as raised:
        fs.side_by_side([writer(fs, tmp_path, "a", log), fails, writer(fs, tmp_path, "b", log)])
    assert raised.value is error
    assert log == ["a begins", "b begins"]
    assert threading.active_count() == before
    fs.side_by_side([writer(fs, tmp_path, name, log) for name in "cd"])
    assert (tmp_path / "d-2").exists()


def test_a_refused_sync_is_told_to_whoever_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the file; the others, which could go on, are left."""
    (tmp_path / "bad").mkdir()
    bad = (tmp_path / "bad").stat().st_ino

    def refuse(fd: int) -> None:
        if os.fstat(fd).st_ino == bad:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    fs = FileSystem()
    with pytest.raises(OSError, match="Input/output error") as raised:
        fs.side_by_side([lambda: fs.fsync_dir(tmp_path), lambda: fs.fsync_dir(tmp_path / "bad")])
    assert raised.value.filename == str(tmp_path / "bad")


def test_a_machine_without_threads_makes_them_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one without processes: no error that nobody foresaw; what has begun is left where a kill would leave it."""
    start, left = threading.Thread.start, [2]

    def refused(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    fs, log, before = FileSystem(), list[str](), threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(BlockingIOError):
        fs.side_by_side([writer(fs, tmp_path, name, log) for name in "abc"])
    assert log == ["a begins", "b begins"]
    assert threading.active_count() == before
    left[0] = 2  # enough for the pieces, none for the disk
    fs.side_by_side([writer(fs, tmp_path, name, log) for name in "xy"])
    assert (tmp_path / "y-2").read_bytes() == b"y"
