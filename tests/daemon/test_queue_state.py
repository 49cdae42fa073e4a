"""What `status` shows, from plain data."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nst_batch.clock import Moment
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.foreteller import Foreteller
from nst_batch.daemon.pace import Pace
from nst_batch.daemon.queue_state import state
from nst_batch.daemon.shapes import Shapes
from nst_batch.reasons import Reason
from nst_batch.sidecar.expand import JobRequest, parse_sidecar
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.control import Control
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.readiness import FolderView, Wanted


def job(name: str, **facts: Any) -> Job:
    where = Path("/claims") / name
    return Job(
        id=f"id-{name}",
        name=name,
        title=name,
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
    return SimpleNamespace(job=job(name), at_work=True, progress=progress, device=SimpleNamespace(name="cpu"))


def ready(*names: str, wanted: Any = None) -> Any:
    return SimpleNamespace(names=names, priority=0, lane="", now=False, arrival=1, sidecar="a.yaml", wanted=wanted)


def view(**facts: Any) -> InboxView:
    return InboxView(next_look=30.0, **facts)


def test_a_claimed_job_does_not_wait_a_second_time() -> None:
    """The look at the inbox may be older than the claim: the job runs, and that is all."""
    facts = state(view(ready=(ready("dusk"),)), (job("dusk"),), (worker("dusk", left=5.0),), None, 1)
    assert [entry["name"] for entry in facts["running"]] == ["dusk"]
    assert facts["waiting"] == []


def test_what_was_asked_of_a_job_at_work_stands_with_it() -> None:
    """As long as its control file lies there."""
    asked = Control("cancel", Path("/inbox/dusk.cancel"), "dusk", job("dusk"))
    other = Control("stop", Path("/inbox/x.stop"), "x")
    facts = state(view(controls=(other, asked)), (), (worker("dusk"), worker("dawn")), None, 1)
    assert [(entry["name"], entry["wish"]) for entry in facts["running"]] == [("dusk", "cancel"), ("dawn", "")]


def test_a_job_that_waits_to_be_stopped_says_so_and_comes_first(tmp_path: Path) -> None:
    """It is handed out before all others, and takes no time; outside the hours it waits like them."""
    dawn, dusk = job("dawn"), replace(job("dusk"), checkpoint=True, to_stop=True)
    dusk = replace(dusk, spec=SimpleNamespace(settings=wanted().jobs[0].settings, inputs=()))
    facts = state(view(), (replace(dawn, priority=9), dusk), (), None, 1, foreteller=foretelling(tmp_path, 2.0))
    first, second = facts["waiting"]
    assert (first["name"], first["priority"], first["seconds"], first["until"]) == ("dusk", 0, 0.0, None)
    assert first["why"] == "is being stopped: published as it stands before the next job starts"
    assert (second["name"], second["why"]) == ("dawn", "ready")
    closed = state(view(), (dusk,), (), None, 1, closed_until=99.0)["waiting"]
    assert closed[0]["until"] == 99


def test_a_job_at_work_says_whether_it_has_a_picture_to_stop_with(tmp_path: Path) -> None:
    """Its first step makes one, and a checkpoint of an earlier run is one; until then it is told when that will be."""
    machine = foretelling(tmp_path, 2.0)
    new, stepped, resumed = worker("new"), worker("stepped", step=1), worker("resumed")
    resumed.job = replace(resumed.job, checkpoint=True)
    for each in (new, stepped, resumed):
        machine.forecast.begins(each.job.id, wanted(steps=10).jobs[0].settings, None, "cpu", 0.0)
    found = state(view(), (), (new, stepped, resumed), None, 1, foreteller=machine, at=Moment(1.0, 1001.0))["running"]
    assert [entry["begun"] for entry in found] == [False, True, True]
    assert [entry["first_step_at"] for entry in found] == [pytest.approx(1005, abs=2), None, None]
    (alone,) = state(view(), (), (new,), None, 1)["running"]
    assert alone["first_step_at"] is None, "nothing is known of the machine"


def test_waiting_jobs_say_why_in_the_order_of_their_turn() -> None:
    """Claimed ones first, then ready pairs, then what waits for something."""
    lonely = SimpleNamespace(names=("lonely",), sidecar="l.yaml", kind="missing", why="there is no x.jpg", until=99.0)
    facts = state(view(ready=(ready("next"),), waiting=(lonely,)), (job("claimed"),), (), None, 1)
    assert [(entry["name"], entry["why"]) for entry in facts["waiting"]] == [
        ("claimed", "ready"),
        ("next", "ready"),
        ("lonely", "there is no x.jpg"),
    ]
    assert facts["waiting"][2]["until"] == 99.0


def test_what_speaks_for_a_folder_is_no_waiting_job() -> None:
    """Its mistake stands with the folders, once."""
    file = FolderView("monet/folder.yaml", is_hot=True, why="monet/folder.yaml: line 1", pending=3, painted=0)
    stuck = SimpleNamespace(names=(), sidecar=file.path, kind="unreadable", why=file.why, until=None)
    facts = state(view(waiting=(stuck,), folders=(file,)), (), (), None, 1)
    assert facts["waiting"] == []
    assert facts["folders"][0]["why"] == file.why


def test_a_job_that_has_begun_has_less_before_it(tmp_path: Path) -> None:
    """What its newest checkpoint has behind it is in its log of steps; a log that was torn counts as none."""
    settings = wanted(steps=10).jobs[0].settings
    begun = replace(job("dusk"), folder=tmp_path, checkpoint=True, spec=SimpleNamespace(settings=settings, inputs=()))
    (tmp_path / "steps.jsonl").write_text("".join(f'{{"step": {step}, "total": 1.0}}\n' for step in range(1, 8)))
    at, machine = Moment(0.0, 1000.0), foretelling(tmp_path, 2.0)

    def takes(each: Any) -> float:
        (entry,) = state(view(), (each,), (), None, 1, foreteller=machine, at=at)["waiting"]
        return float(entry["seconds"])

    assert takes(begun) == 6.0
    assert takes(replace(begun, checkpoint=False)) == 20.0
    (tmp_path / "steps.jsonl").write_text('{"step": 7, "to')
    assert takes(begun) == 20.0


def test_a_sidecar_that_cannot_be_understood_is_not_passed_over() -> None:
    """Before a daemon has failed it, its first mistake is told."""
    reason = Reason("sidecar_invalid", "a.yaml: line 3, epocs: unknown key\na.yaml: line 4, sise: unknown key")
    broken = SimpleNamespace(name="a", sidecar="a.yaml", reason=reason, entry=SimpleNamespace(ctime_ns=1))
    (entry,) = state(view(broken=(broken,)), (), (), None, 1)["waiting"]
    assert (entry["name"], entry["why"]) == ("a", "will fail: a.yaml: line 3, epocs: unknown key")


def test_every_waiting_job_says_when_it_came_in_the_same_way() -> None:
    """Claimed or not, in ISO 8601 with a zone."""
    facts = state(view(ready=(ready("next"),)), (job("claimed"),), (), None, 1)
    arrivals = [datetime.fromisoformat(entry["arrival"]) for entry in facts["waiting"]]
    assert all(arrival.tzinfo for arrival in arrivals)


def foretelling(root: Path, step_seconds: float) -> Foreteller:
    """A machine on which every step takes so long, and nothing else takes any time."""
    pace = Pace({"rates": {"cpu": 1e12}, "rests": {"cpu": 0.0}, "gaps": {"cpu": 0.0}})
    pace.step_seconds = lambda _recipe, _pixels: step_seconds  # type: ignore[method-assign]
    return Foreteller(Forecast(pace), Shapes(FileSystem(), root))


def wanted(steps: int = 10) -> Wanted:
    text = f"content: a.jpg\nstyle: b.jpg\npreset: classic\nepochs: 1\nsteps_per_epoch: {steps}\n"
    settings = parse_sidecar(text, "a.yaml").settings
    return Wanted((JobRequest("a", "", settings, ()),))


def test_when_each_job_and_the_queue_will_be_done(tmp_path: Path) -> None:
    """What runs, then the rest one after the other; unknown before anything is known."""
    pairs = view(ready=(ready("first", wanted=wanted()), ready("next", wanted=wanted(steps=20))))
    at_work, at, machine = worker("dusk", left=5.0), Moment(0.0, 1000.0), foretelling(tmp_path, 2.0)
    assert state(pairs, (), (at_work,), None, 1)["empty_at"] is None
    facts = state(pairs, (), (at_work,), None, 1, foreteller=machine, at=at)
    assert [(entry["seconds"], entry["done_at"]) for entry in facts["waiting"]] == [(20.0, 1025), (40.0, 1065)]
    assert facts["empty_at"] == 1065.0


def test_two_workers_share_the_queue(tmp_path: Path) -> None:
    """The next job goes to whoever is free first."""
    pairs = view(ready=(ready("a", wanted=wanted()), ready("b", wanted=wanted()), ready("c", wanted=wanted())))
    workers = (worker("dusk", left=30.0), worker("dawn", left=5.0))
    facts = state(pairs, (), workers, None, 1, foreteller=foretelling(tmp_path, 2.0), at=Moment(0.0, 1000.0))
    assert [entry["done_at"] for entry in facts["waiting"]] == [1025, 1045, 1050]


def test_no_end_is_told_while_sidecars_are_still_to_be_read(tmp_path: Path) -> None:
    """Twenty that have just been dropped are not nothing."""
    new = SimpleNamespace(names=("new",), sidecar="n.yaml", kind="settling", why="is still being written", until=5.0)
    assert state(view(waiting=(new,)), (), (), None, 1, foreteller=foretelling(tmp_path, 2.0))["empty_at"] is None


def test_a_queue_that_waits_for_an_image_alone_has_no_end(tmp_path: Path) -> None:
    """Nobody knows when it comes; what runs, or can run, has its end."""
    lonely = SimpleNamespace(names=("lonely",), sidecar="l.yaml", kind="missing", why="missing: x.jpg", until=None)
    machine, at = foretelling(tmp_path, 2.0), Moment(0.0, 1000.0)
    assert state(view(waiting=(lonely,)), (), (), None, 1, foreteller=machine, at=at)["empty_at"] is None
    at_work = worker("dusk", left=5.0)
    assert state(view(waiting=(lonely,)), (), (at_work,), None, 1, foreteller=machine, at=at)["empty_at"] == 1005.0
    both = view(ready=(ready("a", wanted=wanted()),), waiting=(lonely,))
    assert state(both, (), (at_work,), None, 1, foreteller=machine, at=at)["empty_at"] == 1025.0


@pytest.mark.parametrize(("paused", "blocked"), [(True, None), (False, "the disk is full")])
def test_no_end_is_told_while_nothing_may_begin(paused: bool, blocked: str | None, tmp_path: Path) -> None:
    """How long a job takes is, and the end of what runs where that is all."""
    machine, at, at_work = foretelling(tmp_path, 2.0), Moment(0.0, 1000.0), worker("dusk", left=5.0)
    pairs = view(ready=(ready("a", wanted=wanted()),), paused=paused)
    facts = state(pairs, (), (at_work,), blocked, 1, foreteller=machine, at=at)
    assert [(entry["seconds"], entry["done_at"]) for entry in facts["waiting"]] == [(20.0, None)]
    assert facts["empty_at"] is None
    last = state(view(paused=paused), (), (at_work,), blocked, 1, foreteller=machine, at=at)
    assert last["empty_at"] == 1005.0


def test_jobs_rest_in_the_breaks_of_the_schedule(tmp_path: Path) -> None:
    """One that is not done when the hours end goes on when they begin, with all that stand behind it."""
    pairs = view(ready=(ready("a", wanted=wanted()), ready("b", wanted=wanted())))
    machine, at, at_work = foretelling(tmp_path, 2.0), Moment(0.0, 1000.0), worker("dusk", left=5.0)
    breaks = ((1030.0, 5000.0), (5050.0, math.inf))
    facts = state(pairs, (), (at_work,), None, 1, foreteller=machine, at=at, breaks=breaks)
    assert [entry["done_at"] for entry in facts["waiting"]] == [1025, 5015]
    assert facts["empty_at"] == 5015.0
    more = view(ready=(ready("a", wanted=wanted(steps=50)),))
    late = state(more, (), (at_work,), None, 1, foreteller=machine, at=at, breaks=breaks)
    assert (late["waiting"][0]["done_at"], late["empty_at"]) == (None, None)


def test_no_end_is_told_of_a_job_of_which_nobody_knows_how_long_it_takes() -> None:
    """Nor where it is to be tried again later."""
    again = replace(job("dusk"), attempts=Attempts(not_before=1500.0))
    facts = state(view(), (again,), (), None, 1, at=Moment(0.0, 1000.0))
    assert (facts["waiting"][0]["until"], facts["empty_at"]) == (1500, None)


def test_what_is_to_be_tried_again_waits_for_the_hours_as_well(tmp_path: Path) -> None:
    """Its end is counted from the window's opening."""
    settings = wanted().jobs[0].settings
    spec: Any = SimpleNamespace(settings=settings, inputs=())
    again = replace(job("dusk"), folder=tmp_path, spec=spec, attempts=Attempts(not_before=1500.0))
    (entry,) = state(
        view(),
        (again,),
        (),
        None,
        1,
        closed_until=3000.0,
        foreteller=foretelling(tmp_path, 2.0),
        at=Moment(0.0, 1000.0),
    )["waiting"]
    assert (entry["until"], entry["done_at"]) == (3000, 3020)


def test_a_blocked_queue_says_so() -> None:
    """The reason stands where a person looks."""
    facts = state(view(paused=True), (), (), "the disk is full", 1)
    assert (facts["paused"], facts["blocked"]) == (True, "the disk is full")
