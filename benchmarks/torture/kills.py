"""SIGKILL at random moments and at every named step, SIGTERM in mid-job, and jobs that end their worker."""

from __future__ import annotations

import random
import time
from pathlib import Path

from kill_house import KillHouse
from kill_trials import (
    FAR_STEPS,
    Tally,
    far_folders,
    named_steps,
    random_kills,
    step_kills,
)
from terms import Terms

from benchmarks.torture.trial import Figures, Trial

FATAL = ("segfault", "exit", "hang", "memory")
FATAL_REASONS = {"worker_died", "worker_stalled", "out_of_memory"}


def _figures(tally: Tally) -> Figures:
    return {
        "kills": tally.kills.total(),
        "with a job at work": tally.at_work,
        "jobs": tally.jobs,
        "looks at the outbox": tally.looks,
        # The books of a slice are checked at its end: one that did not hold has raised.
        **dict.fromkeys(("lost", "done twice", "partial results seen"), 0),
        "not reached": tally.missed.total(),
        **{f"ended {name}": count for name, count in tally.ends.items()},
    }


def quick_kills(folder: Path, first: int, size: int) -> Figures:
    """Random kills with the hash engine; 100 jobs to 800 kills."""
    house = KillHouse(folder / "house")
    try:
        return _figures(random_kills(house, size, max(1, size // 8), random.Random(first)))
    finally:
        house.end()


def real_kills(folder: Path, first: int, size: int) -> Figures:
    """Random kills with TensorFlow; 100 jobs to 200 kills."""
    house = KillHouse(folder / "house", quick=False)
    try:
        return _figures(random_kills(house, size, max(1, size // 2), random.Random(first)))
    finally:
        house.end()


def all_steps(folder: Path, first: int, size: int) -> Figures:
    """Every named step, ``size`` times over."""
    del first
    total = Tally()
    near = [step for step in named_steps() if step not in FAR_STEPS]
    for number in range(size):
        total += _steps(KillHouse(folder / f"near{number}"), near)
        house = KillHouse(folder / f"far{number}")
        with far_folders(house) as are_far:
            if are_far:
                total += _steps(house, FAR_STEPS)
            else:
                total.missed.update(FAR_STEPS)
    return {"steps": len(named_steps()), **_figures(total)} if size == 1 else _figures(total)


def _steps(house: KillHouse, steps: tuple[str, ...] | list[str]) -> Tally:
    try:
        return step_kills(house, steps)
    finally:
        house.end()


def sigterms(folder: Path, first: int, size: int) -> Figures:
    """SIGTERM in mid-job with TensorFlow on a CPU in float32; every loss and pixel is compared."""
    house = KillHouse(folder / "house", quick=False)
    try:
        terms = Terms.begin(house)
        seconds = [terms.term_in_mid_job(random.Random(first + number)) for number in range(size)]
        terms.end()
    finally:
        house.end()
    assert max(seconds) < 30, f"an end took {max(seconds):.1f} s"
    return {"ended and equal": size, "most seconds to the end": max(seconds)}


def deaths(folder: Path, first: int, size: int) -> Figures:
    """Each way for a job to end its worker; a job behind it must start in time."""
    del first
    longest, runs = 0.0, 0
    for number in range(size):
        for kind in FATAL:
            house = KillHouse(
                folder / f"{kind}{number}", jobs={"attempts": 3, "backoff_seconds": [0.05], "stall_timeout": 3}
            )
            bad = house.drop(kind, priority=1)
            house.drop()
            begun = time.monotonic()
            try:
                house.empty()
            finally:
                house.end()
            longest = max(longest, time.monotonic() - begun)
            house.check_books(allowed=FATAL_REASONS)
            body = house.job(f"failed/{bad}")
            assert body["reason"] in FATAL_REASONS
            assert body["message"]
            runs = max(runs, body["attempts"])
    assert runs <= 3
    assert longest < 30
    return {"fatal jobs": size * len(FATAL), "most runs of one": runs, "most seconds for it and the next": longest}


TRIALS = (
    Trial("kills", "SIGKILL at random moments, quick engine", "kills", 800, 80, quick_kills),
    Trial("kills-tf", "SIGKILL at random moments, TensorFlow", "kills", 200, 20, real_kills),
    Trial("steps", "SIGKILL at every named step", "times each step", 20, 1, all_steps),
    Trial("sigterm", "SIGTERM in mid-job, TensorFlow", "signals", 100, 10, sigterms),
    Trial("deaths", "segfault, exit, hang, out of memory", "times each", 10, 2, deaths),
)
