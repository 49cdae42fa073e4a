"""What is asked of jobs at work: told to each worker once, and to the next one again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nst_batch.daemon.wishes import Wishes
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.control import Control

FOLDER = Path("/inbox")


class Pool:
    """A worker that has one job, and what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def at_work_on(self, _job_id: str) -> SimpleNamespace:
        return SimpleNamespace(tell=lambda message: self.heard.append(message["do"]))


def job(**attempts: Any) -> Job:
    fields = {"priority": 0, "claim": "c", "lane": "", "index": 0, "arrival": "", "spec": None}
    places = {"claim_folder": FOLDER, "folder": FOLDER, "running": FOLDER}
    return Job("7", "dusk", "dusk", **fields, **places, attempts=Attempts(**attempts))  # type: ignore[arg-type]


def stop_of(each: Job) -> Control:
    return Control("stop", FOLDER / "dusk.stop", "dusk", each)


def test_a_worker_is_told_once() -> None:
    """However often its control file is seen."""
    pool, dusk = Pool(), job()
    wishes = Wishes(pool)  # type: ignore[arg-type]
    for _ in range(3):
        wishes.pass_on([stop_of(dusk)])
    assert pool.heard == ["stop"]


def test_the_next_worker_of_a_job_that_has_begun_is_told_with_it() -> None:
    """The one before has died with what it was told; this one does not wait for another look at the inbox."""
    pool, dusk = Pool(), job()
    wishes = Wishes(pool)  # type: ignore[arg-type]
    wishes.pass_on([stop_of(dusk)])
    for again in (job(begun=True), replace(dusk, checkpoint=True)):
        wishes.given(again, [stop_of(again)])
    assert pool.heard == ["stop"] * 3


def test_a_job_that_only_waited_is_not_stopped_by_a_file_that_cannot_be_removed() -> None:
    """A cluster would give it back for that, and be asked for it again, without end."""
    pool, dusk = Pool(), job()
    wishes = Wishes(pool)  # type: ignore[arg-type]
    wishes.pass_on([stop_of(dusk)])
    wishes.given(dusk, [stop_of(dusk)])
    wishes.pass_on([stop_of(dusk)])
    assert pool.heard == ["stop"]


def test_what_was_asked_for_and_taken_back_can_be_asked_for_again() -> None:
    """A stop in a cluster's queue means nothing; the one that comes when the job is at work does."""
    pool, dusk = Pool(), job()
    wishes = Wishes(pool)  # type: ignore[arg-type]
    for controls in ([stop_of(dusk)], [], [stop_of(dusk)]):
        wishes.pass_on(controls)
    assert pool.heard == ["stop", "stop"]
