"""Power cuts after every event of recorded runs, and the machine of everything that can happen, for longer."""

from __future__ import annotations

import random
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test
from power_cut import sample
from power_runs import check_after_cut, crowd_plan, draw_plan, record
from spool_machine import TALLY, SpoolMachine

from benchmarks.torture.trial import Figures, Trial

DISKS_A_PREFIX = 3
MACHINE_STEPS = 60


def power_cuts(folder: Path, first: int, size: int) -> Figures:
    """Every prefix of each run, some of the disks that each can leave; every fifth is a crowd of bad sidecars."""
    figures: Figures = {"runs": 0, "prefixes": 0, "disks": 0}
    for seed in range(first, first + size):
        luck, plan = random.Random(seed), draw_plan(seed) if seed % 5 else crowd_plan()
        with mock.patch("os.fsync"), mock.patch("nst_batch.spool.sweep.WORTH_A_GROUP", 0.0):
            _world, recording = record(folder / f"{seed}", folder / f"{seed}-store", plan)
            for cut, disk in sample(recording, luck, DISKS_A_PREFIX):
                try:
                    check_after_cut(recording, disk, plan)
                except BaseException as error:
                    raise AssertionError(f"seed {seed}, power cut after event {cut}: {error}\n{plan}") from error
                figures["disks"] += 1
        figures["runs"] += 1
        figures["prefixes"] += len(recording.events) + 1
    return figures


def machine(folder: Path, first: int, size: int) -> Figures:
    """Drop, part-write, rename, delete, kill, restart, retry, cancel, clock jump, in any order."""
    del folder
    TALLY.clear()
    longer = settings(
        max_examples=size,
        stateful_step_count=MACHINE_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    class Seeded(SpoolMachine):
        """The same machine with this slice's own luck."""

    with mock.patch("os.fsync"), mock.patch("nst_batch.spool.sweep.WORTH_A_GROUP", 0.0):
        run_state_machine_as_test(seeded(first)(Seeded), settings=longer)
    kills = sum(count for what, count in TALLY.items() if what.startswith("kill "))
    return {"kills": kills, **{what: count for what, count in TALLY.items() if not what.startswith("kill ")}}


TRIALS = (
    Trial("power", "power cuts after every event of recorded runs", "runs", 50, 1, power_cuts, in_memory=True),
    Trial("machine", "everything in any order, with books", "runs", 5000, 500, machine, in_memory=True),
)
