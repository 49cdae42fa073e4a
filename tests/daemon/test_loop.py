"""The daemon's loop over a crowd: how often it lists the inbox for what one listing has told it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nst_batch.cli.listeners import Lines
from nst_batch.clock import Moment
from nst_batch.config.load import parse_config
from nst_batch.daemon import loop as daemon_module
from nst_batch.daemon.events import Event
from nst_batch.daemon.gallery_keeper import GalleryKeeper
from nst_batch.daemon.loop import VIEW_HOLDS_SECONDS, Daemon
from nst_batch.daemon.open_hours import OpenHours
from nst_batch.daemon.service import Signals
from nst_batch.daemon.worker_pool import WorkerPool
from nst_batch.spool import sweep
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.watch import Watcher


class Watched:
    """A daemon without its loop, whose clock is set by hand and whose looks are counted."""

    def __init__(self, root: Path) -> None:
        text = "limits: {min_free_gb: 0}\nwatch: {settle_seconds: 0, polling: false}\nweights: untrained\ndevice: cpu\n"
        self.daemon = Daemon(parse_config(text, root / "config.yaml"), Lines())
        self.at = Moment.now()
        self.spool = self.daemon.spool
        self.spool.open(self.at)
        self.looks = 0
        self._look = self.spool.look
        self.spool.look = self.counted  # type: ignore[method-assign]

    def counted(self, at: Moment, turn: object = None) -> InboxView:
        self.looks += 1
        return self._look(at, turn)  # type: ignore[arg-type]

    def turn(self, seconds: float = 0.0) -> None:
        self.at = Moment(self.at.mono + seconds, self.at.wall + seconds)
        self.daemon.look(self.at)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Ten bad sidecars, of which a turn fails one."""
    monkeypatch.setattr(daemon_module, "WORK_SECONDS", 0.0)
    monkeypatch.setattr(sweep, "FIRST_ABREAST", 1)
    monkeypatch.setattr(sweep, "WORTH_A_GROUP", 2.0)  # however slow the disk: one by one
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(10):
        (inbox / f"bad{number}.yaml").write_text("contnt: 1\n")
    return Watched(tmp_path)


def failed(tmp_path: Path) -> int:
    folder = tmp_path / "outbox/failed"
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_sweep_that_was_cut_short_goes_on_by_the_last_look(watched: Watched, tmp_path: Path) -> None:
    """The next turn is due at once, and lists nothing."""
    watched.turn()
    watched.turn(1.0)
    looks, done = watched.looks, failed(tmp_path)
    for _ in range(5):
        watched.turn(0.01)
        assert watched.daemon.next_look <= watched.at.mono
    assert watched.looks == looks
    assert failed(tmp_path) == done + 5
    watched.spool.close()


def test_it_looks_again_before_long(watched: Watched, tmp_path: Path) -> None:
    """What came meanwhile, a cancel or a good pair, is not left unseen for a long sweep."""
    watched.turn()
    watched.turn(1.0)
    looks = watched.looks
    (tmp_path / "inbox/PAUSE").write_text("")
    watched.turn(VIEW_HOLDS_SECONDS + 0.1)
    assert watched.looks == looks + 1
    assert watched.daemon.view is not None
    assert watched.daemon.view.paused
    watched.spool.close()


def test_what_the_last_look_found_is_told_though_nothing_more_happens(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is written once a second at most: one that was left out is written then, and not at the next look."""
    monkeypatch.setattr(GalleryKeeper, "post", lambda *_given, **_named: None)  # a process of its own
    for _ in range(12):
        watched.turn(0.01)
    daemon, state = watched.daemon, tmp_path / "inbox/.nst_batch/state.json"
    daemon.post(watched.at)
    (tmp_path / "inbox/PAUSE").write_text("")
    watched.turn(0.5)
    daemon.post(watched.at)
    assert not json.loads(state.read_text())["paused"]
    daemon.next_look = watched.at.mono + 3600.0
    assert daemon.wait_seconds() <= 2.0, "a second, by a clock that is ahead of this one"
    with monkeypatch.context() as later:
        later.setattr(Moment, "now", lambda: Moment(watched.at.mono + 60.0, 0.0))
        assert daemon.wait_seconds() == 1.0, "something has kept it from being written: no haste"
    watched.turn(0.6)
    daemon.post(watched.at)
    assert json.loads(state.read_text())["paused"]
    daemon.next_look = watched.at.mono + 3600.0
    assert daemon.wait_seconds() > 10.0
    watched.spool.close()


def test_a_sweep_that_came_to_its_end_is_followed_by_a_look(watched: Watched, tmp_path: Path) -> None:
    """The whole crowd is failed, and then the inbox is listed at every turn again."""
    for _ in range(30):
        watched.turn(0.2)
    assert failed(tmp_path) == 10
    looks = watched.looks
    watched.turn(0.2)
    assert watched.looks == looks + 1
    watched.spool.close()


def test_a_disk_that_does_not_let_workers_be_heard_ends_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster's mailboxes lie on a network's disk: the queue waits, and they are looked at again."""
    heard: list[float] = []

    def news(_pool: WorkerPool, now: float) -> Iterator[Event]:
        heard.append(now)
        if len(heard) == 1:
            raise SpoolBlocked("disk_error", "the mailbox: the network file system has gone stale")
        if len(heard) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return iter(())

    def tell(_hours: OpenHours, *_: object) -> float:
        raise SpoolBlocked("disk_error", "the mailbox: the network file system has gone stale")

    monkeypatch.setattr(GalleryKeeper, "post", lambda *_given, **_named: None)
    monkeypatch.setattr(WorkerPool, "news", news)
    monkeypatch.setattr(OpenHours, "attend", tell)
    monkeypatch.setattr(Signals, "wait", lambda *_: None)
    monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
    watched.spool.close()
    assert watched.daemon.run() == 0
    assert len(heard) == 2
    assert "the queue waits: the mailbox: the network file system has gone stale" in capsys.readouterr().err
