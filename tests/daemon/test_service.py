"""service: messages to the service manager and signals as flags, against real sockets and real signals."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nst_batch.daemon.service import (
    BEAT_SECONDS,
    STATUS_BYTES,
    Notifier,
    Signals,
    Waker,
    farewell,
    watchdog_interval,
)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A service manager's socket and the value of NOTIFY_SOCKET that leads to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        if request.param == "path":
            address = name = str(tmp_path / "notify")
        else:
            address = f"@nst-batch-test-{os.getpid()}"
            name = "\0" + address[1:]
        receiver.bind(name)
        receiver.settimeout(5)
        yield address, receiver


def received(receiver: socket.socket) -> list[str]:
    return receiver.recv(4096).decode().split("\n")


def test_messages_reach_the_manager_over_paths_and_abstract_names(manager: tuple[str, socket.socket]) -> None:
    """Each method sends exactly the lines that sd_notify(3) asks for."""
    address, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    assert notifier.active
    assert notifier.ready()
    assert received(receiver) == ["READY=1"]
    assert notifier.status("job tübingen, epoch 3 of 10")
    assert received(receiver) == ["STATUS=job tübingen, epoch 3 of 10"]
    assert notifier.watchdog()
    assert received(receiver) == ["WATCHDOG=1"]
    assert notifier.extend_timeout(90.5)
    assert received(receiver) == ["EXTEND_TIMEOUT_USEC=90500000"]
    assert notifier.stopping("checkpointing")
    assert received(receiver) == ["STOPPING=1", "STATUS=checkpointing"]


def test_thousands_of_steps_are_one_beat(manager: tuple[str, socket.socket]) -> None:
    """The watchdog is told at the first, and then a few times a second: to tell it costs more than many a step."""
    address, receiver = manager
    notifier = Notifier(address)
    begun = time.monotonic()
    for _ in range(2000):
        assert notifier.watchdog()
    spent = time.monotonic() - begun
    receiver.setblocking(False)
    beats = 0
    with contextlib.suppress(BlockingIOError):
        while receiver.recv(4096) == b"WATCHDOG=1":
            beats += 1
    assert 1 <= beats <= 1 + spent / BEAT_SECONDS


def test_a_status_is_one_short_line(tmp_path: Path) -> None:
    """Line breaks in a status cannot smuggle in assignments, and long ones are cut between characters."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "n"))
        notifier = Notifier(str(tmp_path / "n"))
        notifier.status("a\nSTOPPING=1\r\nb")
        assert received(receiver) == ["STATUS=a STOPPING=1 b"]
        notifier.status("ü" * 1000)
        (line,) = received(receiver)
        assert line == "STATUS=" + "ü" * (STATUS_BYTES // 2)


@pytest.mark.parametrize("address", [None, "", "@", "relative/path", "vsock:2:1234"])
def test_without_a_manager_nothing_is_sent(address: str | None) -> None:
    """No NOTIFY_SOCKET, or one of a kind we do not speak, makes every message a no-op."""
    notifier = Notifier(address)
    assert not notifier.active
    assert not notifier.ready()
    assert not notifier.watchdog()


@pytest.mark.parametrize("name", ["gone", "x" * 200])
def test_a_manager_that_is_gone_is_not_an_error(tmp_path: Path, name: str) -> None:
    """A socket that does not exist, or cannot, yields False and no exception."""
    notifier = Notifier(str(tmp_path / name))
    assert notifier.active
    assert not notifier.watchdog()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "77"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_watchdog_interval_is_half_of_what_is_allowed(
    environ: dict[str, str], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beat is due twice within WATCHDOG_USEC, and only in the process that is watched."""
    monkeypatch.setattr("os.getpid", lambda: 77)
    assert watchdog_interval(environ) == expected


@pytest.mark.parametrize(
    ("giving_back", "busy", "said"),
    [
        (0, 0, "ending: what waits stays in the inbox"),
        (1, 1, "ending: the running job is put back with a checkpoint, to go on at the next start; Ctrl-C again ends"),
        (3, 3, "ending: 3 running jobs are put back with a checkpoint, to go on at the next start; Ctrl-C again ends"),
        (0, 2, "ending: what the cluster has goes on there"),
    ],
)
def test_a_daemon_that_is_told_to_end_says_what_is_kept(giving_back: int, busy: int, said: str) -> None:
    """And how it ends at once."""
    assert farewell(giving_back, busy, "Ctrl-C").startswith(said)


def test_first_signal_asks_second_insists() -> None:
    """SIGTERM then SIGINT: stop when convenient, then at once."""
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert (signals.stop_asked, signals.at_once) == (True, False)
        signal.raise_signal(signal.SIGINT)
        assert (signals.stop_asked, signals.at_once) == (True, True)


def test_hangup_asks_for_a_reload_once() -> None:
    """SIGHUP is reported by one take_reload and does not stop anything."""
    with Signals() as signals:
        assert not signals.take_reload()
        signal.raise_signal(signal.SIGHUP)
        assert signals.take_reload()
        assert not signals.take_reload()
        assert not signals.stop_asked


def test_hangup_of_a_terminal_stops() -> None:
    """With hangup="stop", a terminal that goes away ends the program as SIGTERM does."""
    with Signals(hangup="stop") as signals:
        signal.raise_signal(signal.SIGHUP)
        assert signals.stop_asked
        assert not signals.take_reload()


def test_former_handlers_come_back() -> None:
    """Outside the block SIGTERM does what it did before, even when the block raised."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    inside = []

    def fail() -> None:
        with Signals():
            inside.append(signal.getsignal(signal.SIGTERM))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside[0] != before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_ends_a_wait() -> None:
    """A SIGTERM from outside wakes a loop that would otherwise sleep for long."""
    with Signals() as signals:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        started = time.monotonic()
        signals.wait(60)
        assert time.monotonic() - started < 10
        assert signals.stop_asked
        timer.join()


def test_a_signal_from_before_the_wait_is_not_slept_over() -> None:
    """A signal between the look at the flags and the wait still ends the wait, once."""
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        started = time.monotonic()
        signals.wait(60)
        assert time.monotonic() - started < 10
        assert not is_awake(signals.waker)


@pytest.mark.parametrize("what", ["something said", "a peer that is gone"])
def test_what_is_readable_ends_a_wait(what: str) -> None:
    """A worker that has died is noticed as soon as one that tells something."""
    left, right = socket.socketpair()
    with left, right, Signals() as signals:
        right.send(b"x") if what == "something said" else right.close()
        started = time.monotonic()
        signals.wait(60, left)
        assert time.monotonic() - started < 10


def test_a_waker_is_woken_from_a_thread_however_often() -> None:
    """More wakes than a pipe holds neither block nor raise, and one drain forgets them all."""
    with Signals() as signals:
        waker = signals.waker
        thread = threading.Thread(target=lambda: [waker.wake() for _ in range(70_000)])
        thread.start()
        signals.wait(10)
        thread.join()
        waker.wake()
        assert is_awake(waker)
        waker.drain()
        assert not is_awake(waker)
    waker.close()
    waker.wake()


def is_awake(waker: Waker) -> bool:
    return bool(select.select([waker], [], [], 0)[0])
