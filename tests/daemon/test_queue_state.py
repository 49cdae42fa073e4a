"""What `status` shows, from plain data."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nst_batch.clock import Moment
from nst_batch.daemon.queue_state import Pace, state
from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.inbox import InboxView


def job(name: str, **facts: Any) -> Job:
    where = Path("/claims") / name
    return Job(
        id=f"id-{name}",
        name=name,
        title=name,
        output="",
        priority=0,
        claim="claim",
        lane="",
        index=1,
        arrival="2026-01-01T00:00:00+00:00",
        claim_folder=where,
        folder=where,
        running=where,
        spec=None,
        attempts=Attempts(),
        **facts,
    )


def worker(name: str, **progress: Any) -> Any:
    return SimpleNamespace(job=job(name), progress=progress, device=SimpleNamespace(name="cpu"))


def ready(*names: str) -> Any:
    return SimpleNamespace(names=names, priority=0, lane="", now=False, arrival=1, sidecar="a.yaml")


def view(**facts: Any) -> InboxView:
    return InboxView(at=Moment(0.0, 0.0), next_look=30.0, **facts)


def test_a_claimed_job_does_not_wait_a_second_time() -> None:
    """The look at the inbox may be older than the claim: the job runs, and that is all."""
    facts = state(view(ready=(ready("dusk"),)), (job("dusk"),), (worker("dusk", left=5.0),), Pace(), None, 1)
    assert [entry["name"] for entry in facts["running"]] == ["dusk"]
    assert facts["waiting"] == []


def test_waiting_jobs_say_why_in_the_order_of_their_turn() -> None:
    """Claimed ones first, then ready pairs, then what waits for something."""
    lonely = SimpleNamespace(names=("lonely",), sidecar="l.yaml", why="there is no x.jpg", until=99.0)
    facts = state(view(ready=(ready("next"),), waiting=(lonely,)), (job("claimed"),), (), Pace(), None, 1)
    assert [(entry["name"], entry["why"]) for entry in facts["waiting"]] == [
        ("claimed", "ready"),
        ("next", "ready"),
        ("lonely", "there is no x.jpg"),
    ]
    assert facts["waiting"][2]["until"] == 99.0


def test_a_sidecar_that_cannot_be_understood_is_not_passed_over() -> None:
    """Before a daemon has failed it, its first mistake is told."""
    reason = Reason("sidecar_invalid", "a.yaml: line 3, epocs: unknown key\na.yaml: line 4, sise: unknown key")
    broken = SimpleNamespace(name="a", sidecar="a.yaml", reason=reason, entry=SimpleNamespace(ctime_ns=1))
    (entry,) = state(view(broken=(broken,)), (), (), Pace(), None, 1)["waiting"]
    assert (entry["name"], entry["why"]) == ("a", "will fail: a.yaml: line 3, epocs: unknown key")


def test_every_waiting_job_says_when_it_came_in_the_same_way() -> None:
    """Claimed or not, in ISO 8601 with a zone."""
    facts = state(view(ready=(ready("next"),)), (job("claimed"),), (), Pace(), None, 1)
    arrivals = [datetime.fromisoformat(entry["arrival"]) for entry in facts["waiting"]]
    assert all(arrival.tzinfo for arrival in arrivals)


def test_when_the_queue_will_be_empty() -> None:
    """What runs, then the rest at the pace of late; unknown before anything is known."""
    pace = Pace()
    waiting = view(ready=(ready("next"),))
    assert state(waiting, (), (worker("dusk", left=5.0),), pace, None, 1)["empty_at"] is None
    pace.add(100.0)
    empty_at = state(waiting, (), (worker("dusk", left=5.0),), pace, None, 1)["empty_at"]
    assert 100 < empty_at - time.time() < 106
    assert state(waiting, (), (worker("dusk"),), pace, None, 1)["empty_at"] is None


def test_a_blocked_queue_says_so() -> None:
    """The reason stands where a person looks."""
    facts = state(view(paused=True), (), (), Pace(), "the disk is full", 1)
    assert (facts["paused"], facts["blocked"]) == (True, "the disk is full")
