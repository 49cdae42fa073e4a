"""Kills at random moments and at every named step, and what must be true after them."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kill_house import Eye, KillHouse

import nst_batch.spool

FAR_STEPS = ("move.copied", "publish.copied", "publish.moved")
RETRY_STEPS = ("retry.built", "retry.noted", "retry.moved", "retry.removed")
CUT_STEPS = ("fetch.copied", "fetch.recorded", "recopy.done")
# A photograph of a hot folder alone comes to these: tests/spool/inbox/test_folders.py kills the spool at them.
FOLDER_STEPS = ("painted.noted",)
# So does a sidecar that may not be taken: tests/spool/test_untaken.py.
UNTAKEN_STEPS = ("waits.given_up", "waits.written")
ALONE_STEPS = (*CUT_STEPS, "recopy.counted", "running.renamed")


def named_steps() -> list[str]:
    """Every step that the spool has a name for and that a pair of images comes to."""
    root = Path(nst_batch.spool.__file__).parent
    return sorted(
        {name for path in root.rglob("*.py") for name in re.findall(r'\.step\("([\w.]+)"\)', path.read_text())}
        - {*FOLDER_STEPS, *UNTAKEN_STEPS}
    )


@dataclass
class Tally:
    """What was done and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)  # by what was killed
    at_work: int = 0  # of those, while a job was at work
    ends: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    looks: int = 0
    missed: Counter[str] = field(default_factory=Counter)  # steps that were not reached

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


# --- at random moments --------------------------------------------------------------------------------------


def random_kills(house: KillHouse, kills: int, jobs: int, luck: random.Random) -> Tally:
    """SIGKILL to daemon, worker or both at random moments, at least every other one while a job is at work.

    A kill counts if there was a process to kill. Where all jobs are done before the last kill another one is dropped.
    """
    tally = Tally()
    daemon: subprocess.Popen[str] | None = None
    with Eye(house) as eye:
        while tally.kills.total() < kills:
            number = tally.kills.total()
            while house.dropped < min(jobs, 2 + jobs * (number + 1) // kills):
                house.drop()
            if daemon is None or daemon.poll() is not None:
                daemon = house.launch()
            target = luck.choice(("daemon", "worker", "both"))
            if number % 2 and not _catch_at_work(house, luck):
                house.drop()
                continue
            if number % 2 == 0:
                time.sleep(luck.uniform(0.0, house.moment))
            at_work = house.at_work()
            if _kill(house, daemon, target, luck):
                tally.kills[target] += 1
                tally.at_work += at_work
        if daemon is not None and daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        house.empty()
        eye.look()
    eye.check()
    tally.ends, tally.jobs, tally.looks = house.check_books(), house.dropped, eye.looks
    return tally


def _catch_at_work(house: KillHouse, luck: random.Random) -> bool:
    """Wait for a random moment at which a job is at work; False where there is none that could be."""
    for _ in range(100):
        house.wait(lambda: house.at_work() or not house.has_work())
        if not house.has_work():
            return False
        time.sleep(luck.uniform(0.0, house.moment / 2))
        if house.at_work():
            return True
    return False


def _kill(house: KillHouse, daemon: subprocess.Popen[str], target: str, luck: random.Random) -> bool:
    """Whether there was something to kill."""
    killed = house.kill_workers(daemon) if target in ("worker", "both") else 0
    if target == "both":
        time.sleep(luck.choice((0.0, 0.01, 0.05)))
    if target in ("daemon", "both"):
        killed += daemon.poll() is None
        daemon.kill()
        daemon.wait()
    return killed > 0


# --- at every named step ------------------------------------------------------------------------------------


@contextlib.contextmanager
def far_folders(house: KillHouse) -> Iterator[bool]:
    """Mount another file system on the daemon's own folder and on one of the outbox; False where that cannot be."""
    place = other_file_system(house.root)
    if place is None or os.geteuid() != 0:
        yield False
        return
    elsewhere, mounted = Path(tempfile.mkdtemp(dir=place)), []
    try:
        for at in (house.inbox / ".nst_batch", house.outbox / "far"):
            (elsewhere / at.name).mkdir()
            at.mkdir(parents=True)
            done = subprocess.run(["mount", "--bind", elsewhere / at.name, at], capture_output=True, check=False)
            if done.returncode == 0:
                mounted.append(at)
        yield len(mounted) == 2
    finally:
        for at in mounted:
            subprocess.run(["umount", "--lazy", at], check=True, capture_output=True)
        shutil.rmtree(elsewhere)


def step_kills(house: KillHouse, steps: Iterable[str]) -> Tally:
    """SIGKILL at one named step after another in the same house, then everything to its end."""
    tally = Tally()
    with Eye(house) as eye:
        for step in steps:
            reached = _kill_retry(house, step) if step in RETRY_STEPS else _kill_in_scene(house, step)
            if reached:
                tally.kills[step] += 1
            else:
                tally.missed[step] += 1
        house.empty()
        eye.look()
    eye.check()
    tally.ends = house.check_books(allowed={"worker_died", "interrupted_too_often", "sidecar_invalid"})
    tally.jobs, tally.looks = house.dropped, eye.looks
    return tally


def _kill_in_scene(house: KillHouse, step: str) -> bool:
    """Set the scene that makes a daemon come to the step, and kill it there."""
    if step in ALONE_STEPS:
        house.empty()  # what an earlier kill has left would come to these steps first
    if step.startswith("fail."):
        house.drop_broken()
    kind = "segfault" if step == "died.counted" else "cut" if step in CUT_STEPS else "job"
    title = house.drop(kind, **({"output": "far"} if step in FAR_STEPS else {}))
    content = f"{title}-content.png"
    arguments: list[str] = []
    stranger = house.outbox / "running" / title
    if step == "control.removed":
        (house.inbox / f"{title}.cancel").touch()
    elif step == "undo.returned":
        arguments = ["--meddle", f"claim.renamed={content}"]
    elif step in CUT_STEPS:
        arguments = ["--meddle", f"died.counted={content}"]
    elif step == "recopy.counted":
        arguments = ["--unreadable", content]
    elif step == "running.renamed":
        arguments = ["--stranger", f"running.built={title}"]
    elif step.startswith("recover.") and not _killed_at(house, "handout.counted"):
        return False  # a daemon that dies right after handing out leaves something to recover
    reached = _killed_at(house, step, *arguments)
    if "--meddle" in arguments:
        house.given[title][content] = (house.inbox / content).read_bytes()
    if step == "running.renamed" and stranger.exists():
        shutil.rmtree(stranger)
    return reached


def _killed_at(house: KillHouse, step: str, *arguments: str) -> bool:
    """Whether the daemon came to the step, and to its end there; one that does not ends when all is done."""
    daemon = house.launch("--once", "--kill-at", step, *arguments)
    house.wait_for_end(daemon)
    assert daemon.returncode in (-signal.SIGKILL, 0, 1), house.logs()[-3000:]
    return daemon.returncode == -signal.SIGKILL


def _kill_retry(house: KillHouse, step: str) -> bool:
    """A cancelled job is put back by a retry that is killed; the next start of the daemon finishes it."""
    title = house.drop()
    (house.inbox / f"{title}.cancel").touch()
    house.empty()
    return house.wait_for_end(house.launch("--retry", title, "--kill-at", f"{step}:1")) == -signal.SIGKILL


def other_file_system(here: Path) -> Path | None:
    """A folder's place on another file system than ``here``, where this machine has one to write on."""
    for place in (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp")):
        if place.is_dir() and os.access(place, os.W_OK) and place.stat().st_dev != here.stat().st_dev:
            return place
    return None
