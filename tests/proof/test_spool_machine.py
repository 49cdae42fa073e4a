"""People, workers, kills and clocks in any order: no job is ever lost, doubled or shown in part."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from spool_machine import TALLY, SpoolMachine


def test_whatever_happens_every_job_is_in_exactly_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop, part-write, rename, delete, kill, restart, retry, cancel, clock jump; the books are held after each."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # a kill loses nothing that was written
    quick = settings(
        max_examples=150,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a failure is told at once; the long form makes it small
        suppress_health_check=list(HealthCheck),
    )
    TALLY.clear()
    run_state_machine_as_test(SpoolMachine, settings=quick)
    kills = sum(count for what, count in TALLY.items() if what.startswith("kill "))
    happened = ("done", "failed", "retries", "worker deaths", "not taken")
    assert min(kills, *(TALLY[what] for what in happened)) > 0, TALLY


def test_an_image_that_grows_between_the_claim_and_its_copy_comes_out_whole() -> None:
    """The machine's books once called this wrong: killed right after the claim, then the writer goes on."""
    machine = SpoolMachine()
    machine.begin(after="archive")
    machine.drop_in_part(kind="plain", pick=0)
    machine.kill_now(steps=2)
    machine.hand_out(seconds=6.0)
    (claim,) = machine.world.claims()
    assert not (claim / "copied").exists()
    machine.teardown()
