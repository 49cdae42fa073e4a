"""Own files damaged under real daemons, paths swapped for links at every named step, changes that a disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from unittest import mock

from damages import CLAIMED, DAMAGES, GLOBAL, OF_A_JOB, OUTSIDE, pairs
from kill_house import KillHouse, wait_until
from refusing_disk import refused_night
from spool_world import StepLog, World

from benchmarks.torture.trial import Figures, Trial
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem

FAILS_WITHIN, ENDS_WITHIN = 5.0, 8.0  # seconds
DONE_WITHIN = 60.0
SECRET = b"of the daemon's user alone"
SWAPPED = ("inbox/sub", "library/sub", "outbox/running", "outbox/failed", "outbox/series", "outbox/running/.trash")
STATES = [
    *((f"inbox/.nst_batch/claims/CLAIM/{name}", damage) for name, damage in pairs(*CLAIMED, *OF_A_JOB)),
    *((f"inbox/.nst_batch/{name}", damage) for name, damage in pairs("lock", *GLOBAL)),
    *((f"outbox/{name}", damage) for name, damage in pairs(*OUTSIDE)),
]
REFUSED = [
    (code, count) for code in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EBUSY) for count in range(1, 9)
]


def damaged(folder: Path, first: int, size: int) -> Figures:
    """A job is at work; one file is damaged, the daemon alive or dead. Then a bad and a good pair come."""
    figures: Figures = {"states": 0, "most s until the bad one failed": 0.0, "most s until it ended": 0.0}
    wrong = []
    for number in range(first, first + size):
        (name, damage), live = STATES[number // 2 % len(STATES)], number % 2 == 0
        if damage == "somebody else's" and os.geteuid() != 0:
            continue
        try:
            failed, ended = _one_state(folder / f"{number}", name, damage, live=live)
        except AssertionError as error:
            wrong.append(f"{name}, {damage}, {'alive' if live else 'dead'}: {error}")
            continue
        finally:
            shutil.rmtree(folder / f"{number}", ignore_errors=True)
        figures["states"] += 1
        figures["most s until the bad one failed"] = max(figures["most s until the bad one failed"], failed)
        figures["most s until it ended"] = max(figures["most s until it ended"], ended)
    assert not wrong, "\n".join(wrong)
    return figures


def _one_state(root: Path, name: str, damage: str, *, live: bool) -> tuple[float, float]:
    house = KillHouse(root)
    house.drop("a")
    daemon = house.launch()
    claims = house.inbox / ".nst_batch/claims"
    try:
        assert wait_until(lambda: list(claims.glob("*/claim.json")) != [], DONE_WITHIN), house.logs()[-2000:]
        if not live:
            daemon.kill()
            daemon.wait()
        for claim in list(claims.iterdir())[:1] or [claims / "none"]:
            path = root / name.replace("CLAIM", claim.name)
            with contextlib.suppress(OSError):  # its folder may be gone: that job has just ended
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                DAMAGES[damage](path)
        if not live:
            daemon = house.launch()
            assert wait_until((house.inbox / ".nst_batch/state.json").exists, DONE_WITHIN), house.logs()[-2000:]
        bad, good = house.drop_broken(), house.drop("good")
        begun = time.monotonic()
        assert wait_until((house.outbox / "failed" / bad / "job.json").exists, DONE_WITHIN), house.logs()[-2000:]
        failed = time.monotonic() - begun
        assert wait_until((house.outbox / good / "job.json").exists, DONE_WITHIN), house.logs()[-2000:]
        assert daemon.poll() is None, house.logs()[-2000:]
        begun = time.monotonic()
        daemon.terminate()
        daemon.wait(timeout=DONE_WITHIN)
        ended = time.monotonic() - begun
        assert failed <= FAILS_WITHIN, f"the bad sidecar failed after {failed:.1f} s"
        assert ended <= ENDS_WITHIN, f"it ended {ended:.1f} s after SIGTERM"
    finally:
        house.end()
    return failed, ended


class Swapper:
    """At one named step a folder becomes a link to somewhere else; some steps later it is itself again."""

    def __init__(self, place: Path, elsewhere: Path, at: int, steps: int = 5) -> None:
        self._place, self._elsewhere = place, elsewhere
        self._at, self._until = at, at + steps
        self._seen = 0
        self._away = place.with_name(f"{place.name}.part")
        self.swapped = False

    def __call__(self, _name: str) -> None:
        self._seen += 1
        if self._seen == self._at:
            with contextlib.suppress(FileNotFoundError):
                self._place.rename(self._away)
            if self._place.parent.is_dir():
                self._place.symlink_to(self._elsewhere)
                self.swapped = True
        elif self._seen == self._until:
            self.back()

    def back(self) -> None:
        """Put the folder back where it was."""
        if self.swapped and self._place.is_symlink():
            self._place.unlink()
            if self._away.exists():
                self._away.rename(self._place)
        self.swapped = False


def _scene(world: World) -> None:
    world.put("sub/key.jpg", "content")
    world.put("sub/a.yaml", "content: key.jpg\nstyle: sub/key.jpg\noutput: series\n")
    world.put("b.yaml", "content: sub/key.jpg\nstyle: sub/lib.jpg\noutput: series\n")
    world.put("bad.yaml", "sise: 1\n")


def _night(world: World) -> None:
    for _ in range(6):
        with contextlib.suppress(SpoolBlocked, FileNotFoundError):  # the worker of this world writes by name
            world.run_all()


def swaps(folder: Path, first: int, size: int) -> Figures:
    """Wherever it happens: nothing elsewhere is read into a result, changed or removed; the night goes on."""
    figures: Figures = {"swaps": 0, "done": 0, "failed": 0}
    with mock.patch("os.fsync"):
        for number in range(first, first + size):
            place = SWAPPED[number % len(SWAPPED)]
            at = 1 + number // len(SWAPPED)
            root = folder / f"{number}"
            home = root / "home"
            for path in (home / "key.jpg", home / "lib.jpg", home / "deep/letter"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(SECRET)
            before = _contents(home)
            (root / "library/sub").mkdir(parents=True)
            (root / "library/sub/lib.jpg").write_text("style")
            world = World(root, f"library: [library]\nafter: {('archive', 'delete')[number % 2]}\n")
            world.inbox.mkdir()
            _scene(world)
            swapper = Swapper(root / place, home, at)
            world.start(FileSystem(swapper))
            _night(world)
            swapper.back()
            world.start(FileSystem(StepLog()))
            _night(world)
            assert _contents(home) == before, f"{place} at step {at}: something elsewhere has changed"
            for tree in (world.inbox, world.outbox):
                assert SECRET not in _contents(tree).values(), f"{place} at step {at}: published"
            figures["swaps"] += 1
            figures["done"] += len(world.finished())
            figures["failed"] += len(world.failed())
            assert world.finished() or world.failed(), f"{place} at step {at}: nothing came to an end"
            world.stop()
            shutil.rmtree(root)
    return figures


def _contents(root: Path) -> dict[Path, bytes]:
    """Every regular file below a folder, no link followed."""
    found = {}
    for folder, _folders, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found[path] = path.read_bytes()
    return found


def refusals(folder: Path, first: int, size: int) -> Figures:
    """Every change of a night is refused, one to eight in a row: all is done once, and nothing lies about after it."""
    figures: Figures = {"refusals": 0}
    with mock.patch("os.fsync"):
        changes, results = refused_night(folder / "whole", errno.ENOSPC, None, 0)
        for number in range(first, first + size):
            change, (code, count) = 1 + number // len(REFUSED), REFUSED[number % len(REFUSED)]
            if change > changes:
                continue
            told = f"{errno.errorcode[code]} {count} times from change {change} on"
            try:
                assert refused_night(folder / f"{number}", code, change, count)[1] == results, told
            except AssertionError as error:
                raise AssertionError(told) from error
            figures["refusals"] += 1
            shutil.rmtree(folder / f"{number}")
    return figures


AT_STEPS = 100
AT_CHANGES = 160
TRIALS = (
    Trial("damaged", "own files damaged under a real daemon", "states", 2 * len(STATES), 20, damaged),
    Trial(
        "swaps",
        "folders swapped for links at named steps",
        "swaps",
        AT_STEPS * len(SWAPPED),
        120,
        swaps,
        in_memory=True,
    ),
    Trial(
        "refusals",
        "changes that a disk refuses, one to eight in a row",
        "refusals",
        AT_CHANGES * len(REFUSED),
        320,
        refusals,
        in_memory=True,
    ),
)
