"""The watcher: a wake-up, nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileModifiedEvent, FileMovedEvent

from nst_batch.spool.disk.mounts import UNKNOWN, mount_at
from nst_batch.spool.inbox import watch as module
from nst_batch.spool.inbox.polling import needs_polling
from nst_batch.spool.inbox.watch import Handler, Watcher

MOUNTINFO = r"""22 1 0:21 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /srv/share rw,relatime shared:1 - cifs //nas/share rw
31 22 0:41 / /srv/my\040photos rw,relatime - fuse.sshfs host: rw
32 22 0:42 / /srv/share/local rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/home/x", ("/", "ext4")),
        ("/srv/share", ("/srv/share", "cifs")),
        ("/srv/share/inbox", ("/srv/share", "cifs")),
        ("/srv/shared", ("/", "ext4")),
        ("/srv/share/local/inbox", ("/srv/share/local", "xfs")),
        ("/srv/my photos/inbox", ("/srv/my photos", "fuse.sshfs")),
    ],
)
def test_the_mount_of_a_path(path: str, mount: tuple[str, str]) -> None:
    """The longest mount point above it, with its octal escapes read."""
    assert mount_at(Path(path), MOUNTINFO)[2:] == mount


def test_network_file_systems_are_polled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By their type, unless config says otherwise."""
    for kind, polled in (("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("9p", True), ("ext4", False)):
        monkeypatch.setattr(
            "nst_batch.spool.inbox.polling.mount_now", lambda path, kind=kind: UNKNOWN._replace(kind=kind)
        )
        assert needs_polling(tmp_path, "auto") is polled
        assert needs_polling(tmp_path, True) is True
        assert needs_polling(tmp_path, False) is False


class Listening:
    """A watcher on a folder, and the event it sets."""

    def __init__(self, inbox: Path) -> None:
        self.woken = threading.Event()
        self.watcher = Watcher(inbox, self.woken.set, polling=False)
        self.watcher.start()

    def hears(self) -> bool:
        heard = self.woken.wait(5.0)
        self.woken.clear()
        return heard


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox/.nst_batch").mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def listening(inbox: Path) -> Iterator[Listening]:
    found = Listening(inbox)
    yield found
    found.watcher.stop()


def test_a_dropped_file_wakes(listening: Listening, inbox: Path, tmp_path: Path) -> None:
    """One that is written, and one that is renamed in from outside."""
    (inbox / "a.jpg").write_text("x")
    assert listening.hears()
    (tmp_path / "outside.jpg").write_text("x")
    (tmp_path / "outside.jpg").rename(inbox / "b.jpg")
    assert listening.hears()
    assert listening.watcher.check()


def test_the_daemons_own_writing_does_not_wake(inbox: Path) -> None:
    """Its state is written every second; what comes out of its folder into the inbox is heard."""
    woken = threading.Event()
    handler = Handler(inbox, woken.set)
    own = str(inbox / ".nst_batch/state.json")
    handler.dispatch(FileModifiedEvent(own))
    handler.dispatch(FileMovedEvent(own + ".tmp", own))
    assert not woken.is_set()
    handler.dispatch(FileMovedEvent(own, str(inbox / "retry-a")))
    assert woken.is_set()


def test_an_inbox_made_anew_is_listened_to_again(listening: Listening, inbox: Path, tmp_path: Path) -> None:
    """Renamed away and made anew there are no events and the observer looks alive; a check finds out."""
    inbox.rename(tmp_path / "old")
    inbox.mkdir()
    listening.woken.clear()
    assert listening.watcher.check() is False
    assert listening.watcher.check() is True
    (inbox / "a.jpg").write_text("x")
    assert listening.hears()


def test_a_dead_emitter_is_replaced(listening: Listening, inbox: Path) -> None:
    """A thread that has ended is noticed though the observer's own lives on."""
    observer = listening.watcher.observer
    assert observer is not None
    for emitter in list(observer.emitters):
        emitter.stop()
        emitter.join(5.0)
    assert listening.watcher.check() is False
    (inbox / "a.jpg").write_text("x")
    assert listening.hears()


def move_out_and_make_anew(listening: Listening, inbox: Path) -> Path:
    """A folder dragged out of the inbox, and another of its name made and removed; where the first one went."""
    moved = inbox.parent / "a"
    for change in ((inbox / "a").mkdir, lambda: (inbox / "a").rename(moved), (inbox / "a").mkdir, (inbox / "a").rmdir):
        change()
        assert listening.hears()
    return moved


def test_a_folder_moved_out_leaves_it_listening(listening: Listening, inbox: Path) -> None:
    """watchdog takes a later folder of that name for it: its thread must not die of that, and it starts anew."""
    move_out_and_make_anew(listening, inbox).rmdir()
    (inbox / "a.jpg").write_text("x")
    assert listening.hears()
    listening.watcher.check()
    assert listening.watcher.check() is True
    (inbox / "b.jpg").write_text("x")
    assert listening.hears()


def test_a_folder_moved_out_does_not_keep_it_from_ending(listening: Listening, inbox: Path) -> None:
    """Nothing is raised, and no thread stays behind."""
    move_out_and_make_anew(listening, inbox)
    observer = listening.watcher.observer
    assert observer is not None
    emitters = list(observer.emitters)
    listening.watcher.stop()
    assert not observer.is_alive()
    assert emitters
    for emitter in emitters:
        emitter.join(5.0)
        assert not emitter.is_alive()


def test_a_handler_that_cannot_wake_does_not_end_the_thread(inbox: Path) -> None:
    """The loop's pipe may be closed by then."""
    calls = threading.Semaphore(0)

    def broken() -> None:
        calls.release()
        raise OSError("closed")

    watcher = Watcher(inbox, broken, polling=False)
    watcher.start()
    try:
        for name in ("a", "b"):
            (inbox / name).write_text("x")
            assert calls.acquire(timeout=5.0)
        assert watcher.check()
    finally:
        watcher.stop()


def test_an_inbox_that_is_gone_is_no_crash(inbox: Path, tmp_path: Path) -> None:
    """It says so and is tried again at each check."""
    inbox.rename(tmp_path / "old")
    watcher = Watcher(inbox, lambda: None, polling=False)
    watcher.start()
    assert not watcher.observer
    assert watcher.problem is not None
    assert watcher.check() is False
    (tmp_path / "old").rename(inbox)
    watcher.check()
    assert watcher.observer
    watcher.stop()


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(24, "inotify instance limit reached")]
)
def test_where_no_watch_is_to_be_had_it_is_deaf_and_says_so(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A machine at its limit of processes, or of watches by others: the looks find what comes, and it hears later."""
    listening = Listening(inbox)
    listening.watcher.stop()

    def refused() -> None:
        raise error

    with monkeypatch.context() as without:
        without.setattr(module, "new_observer", refused)
        assert not listening.watcher.check()
        assert f"no events from {inbox}: {str(error).rpartition('] ')[2]}" in str(listening.watcher.problem)
    assert not listening.watcher.check()
    (inbox / "a.jpg").touch()
    assert listening.hears()
    listening.watcher.stop()
