"""When waiting jobs will be done: in the schedule's hours, or at any hour where they are asked for now."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.daemon.line import WILL_FAIL, Asked, Before, Line, Span

IDLE = Before(0.0)


def ends(
    asked: list[Asked],
    closed: Sequence[Span] = (),
    workers: tuple[Before, ...] = (IDLE,),
) -> tuple[list[float | None], float | None]:
    """When each is done, and the queue empty; it is 0 o'clock."""
    line = Line(workers, 0.0, closed)
    entries = [{"seconds": each.seconds, "held_up": False, "why": "ready"} for each in asked]
    return [entry["done_at"] for entry in line.placed(entries, asked)], line.empty_at


def ordinary(seconds: float, not_before: float = 0.0) -> Asked:
    return Asked(seconds, not_before)


def urgent(seconds: float) -> Asked:
    return Asked(seconds, now=True)


def test_what_is_asked_for_now_runs_through_a_break() -> None:
    """It is done as if there were no schedule; what stands behind it goes on when the hours do."""
    assert ends([urgent(100.0), ordinary(10.0)], [(50.0, 500.0)]) == ([100, 510], 510.0)


def test_what_is_asked_for_now_begins_in_the_break_though_others_stand_before_it() -> None:
    """They rest meanwhile. Where it takes longer than the break they go on behind it."""
    asked = [ordinary(80.0), ordinary(10.0), urgent(100.0)]
    assert ends(asked, [(50.0, 500.0)]) == ([530, 540, 150], 540.0)
    assert ends(asked, [(50.0, 120.0)]) == ([180, 190, 150], 190.0)


def test_outside_the_hours_all_others_wait_for_the_opening() -> None:
    """And for a job that still runs then, where there is one worker; where there are two the other begins."""
    asked = [ordinary(10.0), urgent(600.0), ordinary(20.0)]
    assert ends(asked, [(0.0, 500.0)]) == ([610, 600, 630], 630.0)
    assert ends(asked, [(0.0, 500.0)], (IDLE, IDLE)) == ([510, 600, 530], 600.0)


def test_what_runs_in_the_hours_alone_is_the_first_to_go_on() -> None:
    """It is asked back when they end; what runs at any hour keeps its worker."""
    assert ends([ordinary(10.0)], [(5.0, 500.0)], (Before(20.0, now=False),)) == ([525], 525.0)
    assert ends([ordinary(10.0)], [(0.0, 500.0)], (Before(20.0, now=False),)) == ([530], 530.0)
    assert ends([ordinary(10.0)], [(0.0, 500.0)], (Before(600.0, now=True),)) == ([610], 610.0)
    assert ends([], [(5.0, 500.0)], (Before(20.0, now=False),)) == ([], 515.0)
    assert ends([urgent(30.0)], [(5.0, 500.0)], (Before(20.0, now=False),)) == ([35], 515.0)
    assert ends([ordinary(20.0)], [(5.0, 500.0)], (IDLE, IDLE)) == ([515], 515.0)


def test_what_is_to_be_tried_again_leaves_its_worker_to_others() -> None:
    """And goes before them once its time has come."""
    assert ends([ordinary(10.0, 25.0), *[ordinary(20.0)] * 3]) == ([50, 20, 40, 70], 70.0)
    assert ends([ordinary(10.0, 100.0)]) == ([110], 110.0)


@pytest.mark.parametrize("closed", [[(0.0, math.inf)], [(40.0, 50.0), (60.0, math.inf)]])
def test_what_is_too_far_away_is_not_told(closed: list[Span]) -> None:
    """The hours have no end that anybody has looked for; what comes before it is told."""
    done, empty = ends([urgent(5.0), ordinary(100.0)], closed)
    assert (done, empty) == ([5, None], None)


def test_nothing_is_told_behind_what_nobody_knows() -> None:
    """But behind what will fail, or is held up."""
    line = Line((IDLE,), 0.0)
    entries = [
        {"seconds": None, "held_up": False, "why": f"{WILL_FAIL}it is too large"},
        {"seconds": None, "held_up": True, "why": "missing: a.jpg"},
        {"seconds": 5.0, "held_up": False, "why": "ready"},
        {"seconds": None, "held_up": False, "why": "ready"},
        {"seconds": 5.0, "held_up": False, "why": "ready"},
    ]
    told = [entry.get("done_at") for entry in line.placed(entries, [ordinary(5.0)] * 2)]
    assert told == [None, None, 5, None, None]
    assert line.empty_at is None


moments = st.integers(0, 500).map(float)
some = st.lists(st.builds(Asked, st.integers(1, 90).map(float), moments, st.booleans()), max_size=12)


@given(some, st.lists(moments, max_size=8, unique=True).map(sorted), st.integers(1, 3))
def test_no_job_ends_sooner_than_it_can(asked: list[Asked], edges: list[float], workers: int) -> None:
    """Each has its time between when it may begin and its end, within the hours; and all are done in the end."""
    closed = [*zip(edges[::2], edges[1::2], strict=False)]
    done, empty = ends(asked, closed, (IDLE,) * workers)
    for job, end in zip(asked, done, strict=True):
        assert end is not None
        rests = 0.0 if job.now else sum(max(0.0, min(e, end) - max(b, job.not_before)) for b, e in closed)
        assert end - job.not_before - rests >= job.seconds
        assert job.now or not any(b < end <= e for b, e in closed)
    assert empty == max(done, default=0)
    assert sum(job.seconds for job in asked) <= workers * (empty or 0.0)


def test_a_long_line_takes_no_time_to_speak_of() -> None:
    """The daemon tells it anew whenever something changes."""
    asked = [Asked(10.0, now=number % 10 == 0) for number in range(20_000)]
    begun = time.process_time()
    done, _ = ends(asked, [(day * 86_400.0 + 30_000.0, (day + 1) * 86_400.0) for day in range(9)])
    assert time.process_time() - begun < 2.0
    assert done.count(None) == 0
