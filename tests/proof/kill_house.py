"""A house whose daemon gets killed: what is dropped, what must come of it, and an eye on the outbox meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from glob import escape, glob
from pathlib import Path
from typing import Any

from house import House, draw
from quick_worker import first_hash, next_hash, picture

from nst_batch.spool.disk.lock import is_held

LAUNCHER = Path(__file__).with_name("launch_daemon.py")
EPOCHS, STEPS = 3, 12
STILL_SECONDS = 120.0
PICTURES_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x30"  # as much of a picture as its shape is told by
ALLOWED_FAILURES = {"worker_died", "interrupted_too_often"}


class PartialResultError(AssertionError):
    """A result was seen that was not whole."""


class KillHouse(House):
    """``quick``: the hash engine at the worker's place; else the real worker."""

    def __init__(self, root: Path, *, quick: bool = True, weights: Path = Path("untrained"), **config: Any) -> None:
        self.quick = quick
        self.moment = 0.8 if quick else 6.0  # seconds within which a kill may come
        engine = {"epochs": EPOCHS, "steps_per_epoch": STEPS if quick else 2, "size": 48, "precision": "float32"}
        super().__init__(
            root,
            weights,
            **{
                "defaults": {**engine, "save_epoch": True},
                "watch": {"settle_seconds": 0.1, "rescan_seconds": 0.5, "incomplete_after": "1h"},
                "jobs": {"attempts": 3, "backoff_seconds": [0.05], "stall_timeout": 5 if quick else 120},
                **config,
            },
        )
        self.given: dict[str, dict[str, bytes]] = {}  # by title: the files that were dropped for it
        self.broken: set[str] = set()
        self.dropped = 0
        self.prefix: tuple[str, ...] = ()  # of the daemon's command: what takes its rights

    # --- people ------------------------------------------------------------------------------------------

    def drop(self, prefix: str = "job", **keys: Any) -> str:
        """Put one pair there; returns its title."""
        self.dropped += 1
        title = f"{prefix}{self.dropped:04d}"
        names = [f"{title}-content.png", f"{title}-style.png"]
        for number, name in enumerate(names):
            if self.quick:
                cut = b" half" if prefix == "cut" and number == 0 else b""
                (self.inbox / name).write_bytes(PICTURES_HEAD + f"{title} {number}".encode() * 50 + cut)
            else:
                draw(self.inbox / name, hue=37 * self.dropped + 90 * number)
        self.sidecar(title, content=names[0], style=names[1], **keys)
        self.given[title] = {name: (self.inbox / name).read_bytes() for name in (*names, f"{title}.yaml")}
        return title

    def drop_broken(self) -> str:
        """Put a sidecar there that nobody can understand."""
        self.dropped += 1
        title = f"broken{self.dropped:04d}"
        path = self.sidecar(title, content="a.png", style="b.png", sise=1)
        self.given[title] = {path.name: path.read_bytes()}
        self.broken.add(title)
        return title

    # --- processes ---------------------------------------------------------------------------------------

    def launch(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the daemon by way of the launcher."""
        command = [*self.prefix, sys.executable, str(LAUNCHER), "--config", str(self.config), *arguments]
        if self.quick:
            command.append("--quick")
        with (self.root / "daemon-0.log").open("a") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=self.root,
                env={**os.environ, "QUICK_DONE": str(self.root / "done.log"), "QUICK_GONE": str(self.root / "gone")},
            )
        self._processes = [old for old in self._processes if old.poll() is None] + [process]
        return process

    def worker_pids(self, daemon: subprocess.Popen[str]) -> list[int]:
        """The workers of this very daemon, and not the short process that renews its gallery."""
        try:
            text = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [pid for pid in map(int, text.split()) if _is_worker(pid)]

    def kill_workers(self, daemon: subprocess.Popen[str]) -> int:
        """SIGKILL to every worker of this daemon; how many there were."""
        killed = 0
        for pid in self.worker_pids(daemon):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed += 1
        return killed

    def at_work(self) -> bool:
        """Whether a worker is at a job: it holds the lock of one."""
        return any(is_held(folder / "lock") for folder in self._job_folders())

    def _job_folders(self) -> list[Path]:
        """Those of all claims, not the marks beside them; a claim may go meanwhile, which Path.glob would not bear."""
        return [Path(path) for path in glob(f"{escape(str(self.inbox))}/.nst_batch/claims/*/jobs/*/")]  # noqa: PTH207 - see above

    def has_work(self) -> bool:
        """Whether a sidecar waits or a claim stands."""
        claims = self.inbox / ".nst_batch/claims"
        return any(self.inbox.glob("*.yaml")) or (claims.exists() and any(claims.iterdir()))

    def empty(self) -> int:
        """Run everything to its end, undisturbed; the exit code."""
        return self.wait_for_end(self.launch("--once"))

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for as long as it takes, and for no longer than the house stands still for."""
        seen, since = self._signs(), time.monotonic()
        while not condition():
            now = self._signs()
            if now != seen:
                seen, since = now, time.monotonic()
            assert time.monotonic() - since < STILL_SECONDS, f"nothing happens any more\n{self.logs()[-3000:]}"
            time.sleep(0.01)

    def wait_for_end(self, process: subprocess.Popen[str]) -> int:
        """As :meth:`wait`, for a process to end; its exit code."""
        self.wait(lambda: process.poll() is not None)
        assert process.returncode is not None
        return process.returncode

    def _signs(self) -> tuple[int, ...]:
        """What changes while the daemon or a worker gets on."""
        claims = self.inbox / ".nst_batch/claims"
        touched = [*self._job_folders(), *(path for path in (claims, self.outbox, self.root) if path.exists())]
        logs = [path.stat().st_size for path in self.root.glob("daemon-*.log")]
        return (*logs, *(_mtime(path) for path in touched))

    # --- the books ---------------------------------------------------------------------------------------

    def ended_folders(self) -> list[Path]:
        """Finished and failed folders, as a person finds them."""
        found = []
        for folder, folders, _files in os.walk(self.outbox, followlinks=True):
            path = Path(folder)
            inside = path.relative_to(self.outbox).parts
            if not inside:
                folders[:] = [name for name in folders if name != "running" and not name.startswith(".")]
            elif inside[-1] not in ("failed", "deep", "far"):
                found.append(path)
                folders.clear()
            else:
                folders[:] = [name for name in folders if not name.startswith(".")]
        return found

    def check_whole(self, folder: Path) -> str:
        """One ended job has all its files with the right content; returns its state."""
        try:
            body = json.loads((folder / "job.json").read_bytes())
            title, state = body["title"], body["state"]
            assert not [*folder.rglob(".*")]
            if state == "done":
                self._check_done(folder, title)
            else:
                assert (folder / "error.txt").stat().st_size > 0
            self._check_input(folder, title)
        except (AssertionError, OSError, ValueError, KeyError) as error:
            raise PartialResultError(f"{folder}: {error}; {sorted(map(str, folder.rglob('*')))}") from error
        return str(state)

    def _check_done(self, folder: Path, title: str) -> None:
        log = json.loads((folder / "loss.json").read_bytes())["log"]
        steps = EPOCHS * (STEPS if self.quick else 2)
        assert [entry["step"] for entry in log] == list(range(1, steps + 1))
        epochs = sorted(path.name for path in (folder / "epochs").iterdir())
        assert epochs == [f"{title}_epoch_{n:04d}.png" for n in range(1, EPOCHS + 1)]
        found = (folder / f"{title}.png").read_bytes()
        if self.quick:
            assert found == self.expected(title), "not the undisturbed picture"
        else:
            assert found.startswith(b"\x89PNG")
            assert found.endswith(b"IEND\xaeB`\x82")

    def expected(self, title: str) -> bytes:
        """The picture of an undisturbed run."""
        state = first_hash([data for name, data in self.given[title].items() if name.endswith(".png")])
        for _ in range(EPOCHS * STEPS):
            state = next_hash(state)
        return picture(state)

    def _check_input(self, folder: Path, title: str) -> None:
        there = {path.name: path.read_bytes() for path in (folder / "input").iterdir()}
        assert set(there) == set(self.given[title])
        for name, data in self.given[title].items():
            assert there[name] == data or name.endswith(".yaml"), name

    def check_books(self, *, allowed: set[str] = ALLOWED_FAILURES) -> Counter[str]:
        """Each job in exactly one place, once, whole, nothing left over; how many ended how."""
        titles: Counter[str] = Counter()
        ends: Counter[str] = Counter()
        for folder in self.ended_folders():
            state = self.check_whole(folder)
            body = json.loads((folder / "job.json").read_bytes())
            titles[body["title"]] += 1
            reason = body.get("reason", "")
            ends[reason or state] += 1
            if body["title"] not in self.broken:
                assert state in ("done", "cancelled") or reason in allowed, (folder, reason, body.get("message"))
        lost = set(self.given) - set(titles)
        twice = [title for title, count in titles.items() if count > 1]
        assert (lost, twice) == (set(), []), f"lost {lost}, twice {twice}\n{self.logs()[-3000:]}"
        left = [path.name for path in self.inbox.iterdir() if path.name != ".nst_batch"]
        assert left == [], f"left in the inbox: {left}"
        assert list((self.inbox / ".nst_batch/claims").iterdir()) == []
        assert {path.name for path in (self.outbox / "running").iterdir()} <= {".trash"}
        made = Counter((self.root / "done.log").read_text().split()) if self.quick and ends["done"] else Counter()
        assert not [job for job, count in made.items() if count > 1], "a worker did a job to its end more than once"
        return ends


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class Eye:
    """Looks at the outbox all the time: whatever appears must be whole at first sight and must stay."""

    def __init__(self, house: KillHouse) -> None:
        self._house = house
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen: dict[Path, int] = {}
        self.partial: list[str] = []
        self.looks = 0

    def __enter__(self) -> Eye:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.look()

    def look(self) -> None:
        """One look; a failed job on its way back through ``retry`` may go meanwhile."""
        self.looks += 1
        for folder in self._house.ended_folders():
            if folder in self.seen:
                continue
            try:
                self._house.check_whole(folder)
                self.seen[folder] = folder.stat().st_ino
            except (PartialResultError, FileNotFoundError) as error:
                if folder.exists():
                    self.partial.append(str(error))

    def check(self) -> None:
        """Nothing in part was seen, and no result has gone or been replaced."""
        assert self.partial == []
        for folder, inode in self.seen.items():
            if "failed" not in folder.parts:
                assert folder.stat().st_ino == inode, folder


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def _is_worker(pid: int) -> bool:
    """By its command line; a process that has just ended has none."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return False
    return "nst_batch.worker.process" in command or "quick_worker.py" in command
