"""Kills at random moments and at every named step, and what must be true after them."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kill_house import Eye, KillHouse, wait_until

import nst_batch.spool

FAR_STEPS = ("move.copied", "publish.copied", "publish.moved")
RETRY_STEPS = ("retry.built", "retry.noted", "retry.moved", "retry.removed")


def named_steps() -> list[str]:
    """Every step that the spool has a name for."""
    root = Path(nst_batch.spool.__file__).parent
    return sorted(
        {name for path in root.glob("*.py") for name in re.findall(r'\.step\("([\w.]+)"\)', path.read_text())}
    )


@dataclass
class Tally:
    """What was done and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)  # by what was killed
    at_work: int = 0  # of those, while a job was at work
    ends: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    looks: int = 0
    missed: Counter[str] = field(default_factory=Counter)  # steps that were not reached in time

    def __iadd__(self, other: Tally) -> Tally:
        self.kills += other.kills
        self.ends += other.ends
        self.missed += other.missed
        self.at_work += other.at_work
        self.jobs += other.jobs
        self.looks += other.looks
        return self

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        ends = ", ".join(f"{name} {count}" for name, count in sorted(self.ends.items()))
        missed = f"; not reached: {dict(self.missed)}" if self.missed else ""
        return (
            f"{sum(self.kills.values())} kills ({kills}; {self.at_work} with a job at work) over {self.jobs} jobs: "
            f"0 lost, 0 done twice, 0 partial in {self.looks} looks; ends: {ends}{missed}"
        )


def random_kills(house: KillHouse, kills: int, jobs: int, luck: random.Random) -> Tally:
    """SIGKILL to daemon, worker or both at random moments, half of them while a job is at work."""
    tally = Tally()
    daemon: subprocess.Popen[str] | None = None
    patience = 5.0 if house.quick else 60.0
    with Eye(house) as eye:
        for number in range(kills):
            while house.dropped < min(jobs, 2 + jobs * (number + 1) // kills):
                house.drop()
            if daemon is None or daemon.poll() is not None:
                daemon = house.launch()
            if number % 2:
                wait_until(house.at_work, patience)
            time.sleep(luck.uniform(0.0, 0.5 if house.quick else 6.0))
            tally.at_work += house.at_work()
            target = luck.choice(("daemon", "worker", "both"))
            tally.kills[target] += 1
            _kill(house, daemon, target, luck)
        if daemon is not None and daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        house.empty(60.0 + 2.0 * jobs)
        eye.look()
    eye.check()
    tally.ends, tally.jobs, tally.looks = house.check_books(), house.dropped, eye.looks
    return tally


def _kill(house: KillHouse, daemon: subprocess.Popen[str], target: str, luck: random.Random) -> None:
    if target in ("worker", "both"):
        house.kill_workers(daemon)
    if target == "both":
        time.sleep(luck.choice((0.0, 0.01, 0.05)))
    if target in ("daemon", "both"):
        daemon.kill()
        daemon.wait()


def go_far(house: KillHouse, elsewhere: Path) -> None:
    """Put the daemon's own folder, and one folder of the outbox, on another file system."""
    for name, link in (("own", house.inbox / ".nst_batch"), ("far", house.outbox / "far")):
        (elsewhere / name).mkdir(parents=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(elsewhere / name)


def in_order(steps: Iterable[str]) -> list[str]:
    """``undo.returned`` goes first: it changes whatever images still lie in the inbox."""
    return sorted(steps, key=lambda step: (step != "undo.returned", step))


def step_kills(house: KillHouse, steps: Iterable[str]) -> Tally:
    """SIGKILL at one named step after another in the same house, then everything to its end."""
    tally = Tally()
    with Eye(house) as eye:
        for step in steps:
            if step in RETRY_STEPS:
                reached = _kill_retry(house, step)
            else:
                _set_the_scene(house, step)
                reached = _kill_daemon(house, step)
            if reached:
                tally.kills[step] += 1
            else:
                tally.missed[step] += 1
        house.empty(60.0 + 2.0 * house.dropped)
        eye.look()
    eye.check()
    tally.ends = house.check_books(allowed={"worker_died", "interrupted_too_often", "sidecar_invalid"})
    tally.jobs, tally.looks = house.dropped, eye.looks
    return tally


def _set_the_scene(house: KillHouse, step: str) -> None:
    """What makes the daemon come to this step."""
    output = "far" if step in FAR_STEPS else ""
    if step.startswith("fail."):
        house.drop_broken()
    title = house.drop("segfault" if step == "died.counted" else "job", **({"output": output} if output else {}))
    if step == "control.removed":
        (house.inbox / f"{title}.cancel").touch()
    if step.startswith("recover."):
        # A daemon that dies right after handing out leaves something to recover.
        _kill_daemon(house, "handout.counted")


def _kill_daemon(house: KillHouse, step: str) -> bool:
    arguments = ["--kill-at", step]
    if step == "undo.returned":
        arguments.append("--disturb")
    daemon = house.launch(*arguments)
    try:
        daemon.wait(timeout=15.0)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
        return False
    assert daemon.returncode == -signal.SIGKILL, house.logs()[-3000:]
    if step == "undo.returned":
        _take_note_of_change(house)
    return True


def _take_note_of_change(house: KillHouse) -> None:
    """The images that --disturb has changed are now what was given."""
    for path in house.inbox.glob("*-content.png"):
        house.given[path.name.removesuffix("-content.png")][path.name] = path.read_bytes()


def _kill_retry(house: KillHouse, step: str) -> bool:
    """A cancelled job is put back by a retry that is killed; the next start of the daemon finishes it."""
    title = house.drop()
    (house.inbox / f"{title}.cancel").touch()
    house.empty()
    retry = house.launch("--retry", title, "--kill-at", f"{step}:1")
    return retry.wait(timeout=15.0) == -signal.SIGKILL


def other_file_system(here: Path) -> Path | None:
    """A folder's place on another file system than ``here``, where this machine has one to write on."""
    for place in (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp")):
        if place.is_dir() and os.access(place, os.W_OK) and place.stat().st_dev != here.stat().st_dev:
            return place
    return None
