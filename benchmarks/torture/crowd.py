"""Tens of thousands of sidecars at once: whether the daemon still listens, and how large it becomes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from kill_house import KillHouse, wait_until

from benchmarks.torture.trial import Figures, Trial

LONGEST_SILENCE = 2.0
LARGEST_MB = 100.0
LONGEST_STATUS = 1.0
LONGEST_END = 8.0  # seconds from SIGTERM to the end
WATCHDOG_MICROSECONDS = 60_000_000
Fill: TypeAlias = Callable[[KillHouse, int], None]


class Ears:
    """A service manager's socket, and the longest time between two signs that work is getting on."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._last: float | None = None
        self._gap = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            now = time.monotonic()
            if b"WATCHDOG=1" in message or b"READY=1" in message:
                self._gap = max(self._gap, now - (self._last or now))
                self._last = now

    @property
    def silence(self) -> float:
        """Seconds, also of a silence that lasts."""
        return max(self._gap, time.monotonic() - (self._last or time.monotonic()))


def bad(house: KillHouse, count: int) -> None:
    """A script's mistake, in every one."""
    for number in range(count):
        (house.inbox / f"s{number:05}.yaml").write_text("contnt: a.png\nstyle: 1\n")


def waiting(house: KillHouse, count: int) -> None:
    """All of them wait for one image."""
    (house.inbox / "a.png").write_bytes(b"content")
    for number in range(count):
        (house.inbox / f"s{number:05}.yaml").write_text("content: a.png\nstyle: gone.png\n")


def good(house: KillHouse, count: int) -> None:
    """Everything is there, and a pause stands."""
    for name in ("PAUSE", "a.png", "b.png"):
        (house.inbox / name).write_bytes(b"picture")
    for number in range(count):
        (house.inbox / f"s{number:05}.yaml").write_text(f"content: a.png\nstyle: b.png\ntitle: t{number}\n")


def one_title(house: KillHouse, count: int) -> None:
    """Grids of a hundred jobs each, all with one plain title, and a pause stands."""
    for name in ("PAUSE", "b.png", *(f"c{number:03}.png" for number in range(100))):
        (house.inbox / name).write_bytes(b"picture")
    for number in range(count // 100):
        (house.inbox / f"s{number}.yaml").write_text('content: "c*.png"\nstyle: b.png\ntitle: Dusk\n')


def photographs(house: KillHouse, count: int) -> None:
    """One hot folder, and a pause stands."""
    hot = house.inbox / "hot"
    hot.mkdir()
    for path in (house.inbox / "PAUSE", hot / "style.png"):
        path.write_bytes(b"picture")
    (hot / "folder.yaml").write_text("style: style.png\n")
    for number in range(count):
        (hot / f"p{number:05}.jpg").write_bytes(b"photograph %d" % number)


def looked_at(house: KillHouse, count: int) -> None:
    """Each has an image of its own, larger than is let in, of which the head tells that; a pause stands."""
    (house.inbox / "PAUSE").touch()
    (house.inbox / "b.png").write_bytes(b"picture")
    for number in range(count):
        (house.inbox / f"a{number:05}.png").write_bytes(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * b"\0\0\x27\x10" + bytes(9)
        )
        (house.inbox / f"s{number:05}.yaml").write_text(f"content: a{number:05}.png\nstyle: b.png\n")


def crowd(fill: Fill) -> Callable[[Path, int, int], Figures]:
    """The trial of one kind of queue."""

    def trial(folder: Path, first: int, size: int) -> Figures:
        del first
        house = KillHouse(folder / "house", watch={"settle_seconds": 0.5, "rescan_seconds": 3})
        fill(house, size)
        ears = Ears(folder / "notify")
        manager = {"NOTIFY_SOCKET": ears.address, "WATCHDOG_USEC": str(WATCHDOG_MICROSECONDS)}
        log = folder / "log"
        with log.open("w") as stderr:
            daemon = subprocess.Popen(
                _command(house, "run"), stdin=subprocess.DEVNULL, stderr=stderr, env={**os.environ, **manager}
            )
        begun = time.monotonic()
        try:
            assert wait_until(lambda: _is_understood(house, size, fill), 600), log.read_text()[-2000:]
            understood = time.monotonic() - begun
            status = _status_seconds(house)
            memory = _peak_mb(daemon.pid)
        finally:
            silence = ears.silence
            told = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=120)
            end = time.monotonic() - told
        figures = {
            "most seconds until all was understood": understood,
            "most seconds of silence": silence,
            "most seconds of status": status,
            "most seconds from SIGTERM to the end": end,
            "most MB": memory,
        }
        assert silence < LONGEST_SILENCE, figures
        assert memory < LARGEST_MB, figures
        assert status < LONGEST_STATUS, figures
        assert end < LONGEST_END, figures
        return {"sidecars" if fill is not one_title else "jobs": size, **figures}

    return trial


def _is_understood(house: KillHouse, size: int, fill: Fill) -> bool:
    if fill is bad:
        failed = house.outbox / "failed"
        return failed.is_dir() and len(os.listdir(failed)) >= size  # noqa: PTH208 - thousands
    try:
        waiting = json.loads((house.inbox / ".nst_batch/state.json").read_bytes())["waiting"]
    except (OSError, ValueError):
        return False
    not_yet = ("being written", "to be read", *(["ready"] if fill is looked_at else []))
    return len(waiting) >= size and not any(words in job["why"] for job in waiting for words in not_yet)


def _status_seconds(house: KillHouse) -> float:
    begun = time.monotonic()
    subprocess.run(_command(house, "status"), check=True, capture_output=True)
    return time.monotonic() - begun


def _command(house: KillHouse, name: str) -> list[str]:
    return [sys.executable, "-m", "nst_batch", name, "--config", str(house.config)]


def _peak_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


TRIALS = (
    Trial("bad", "sidecars with a mistake, at once", "sidecars", 20_000, 20_000, crowd(bad)),
    Trial("waiting", "sidecars that wait for an image", "sidecars", 20_000, 20_000, crowd(waiting)),
    Trial("paused", "good sidecars while a pause stands", "sidecars", 20_000, 20_000, crowd(good)),
    Trial("looked", "sidecars with an image each, paused", "sidecars", 10_000, 10_000, crowd(looked_at)),
    Trial("photos", "photographs in one hot folder", "photographs", 5_000, 5_000, crowd(photographs)),
    Trial("title", "grids whose jobs have one title", "jobs", 20_000, 20_000, crowd(one_title)),
)
