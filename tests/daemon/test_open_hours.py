"""The schedule at work, by a clock that is set by hand: through a night, and through both nights of a changed clock."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nst_batch.clock import Moment
from nst_batch.config.schedule import Hours
from nst_batch.daemon.foreteller import Fate
from nst_batch.daemon.open_hours import OpenHours
from nst_batch.daemon.queue_state import state
from nst_batch.spool.disk.blocked import SpoolBlocked

BELGRADE = ZoneInfo("Europe/Belgrade")
NIGHT = Hours(window="22:00-07:00", timezone="Europe/Belgrade")


def at(text: str) -> Moment:
    wall = datetime.fromisoformat(text).replace(tzinfo=BELGRADE).timestamp()
    return Moment(wall - 1_700_000_000.0, wall)


class Worker:
    """A worker with a job, as far as the schedule knows one."""

    def __init__(self, name: str, *, now: bool = False, at_work: bool = True) -> None:
        self.at_work = at_work
        self.device = SimpleNamespace(name=f"device of {name}")
        self.told: list[dict[str, Any]] = []
        self.take(name, now=now)

    def take(self, name: str, *, now: bool = False) -> None:
        self.job: Any = SimpleNamespace(id=name, name=name, now=now)

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        ("2026-01-14 22:00", "2026-01-15 07:00"),
        ("2026-03-28 22:00", "2026-03-29 07:00"),
        ("2026-10-24 22:00", "2026-10-25 07:00"),
    ],
)
def test_a_job_starts_and_stops_where_it_should(evening: str, morning: str) -> None:
    """Minute by minute; at each change it is known when the next one is due, and one line tells of it."""
    notes: list[str] = []
    hours, worker = OpenHours([NIGHT], notes.append), Worker("dusk")
    begin, end = at(evening), at(morning)
    for minute in range(-120, int(end.wall - begin.wall) // 60 + 120):
        now = Moment(begin.mono + minute * 60.0, begin.wall + minute * 60.0)
        due = hours.attend([] if now.wall < begin.wall else [worker], now)  # type: ignore[list-item]
        is_open = begin.wall <= now.wall < end.wall
        assert hours.let(worker.job) == is_open
        assert hours.let(SimpleNamespace(now=True))
        if now.wall < end.wall:
            assert due == (end.mono if is_open else begin.mono)
        assert bool(worker.told) == (now.wall >= end.wall)
    assert worker.told == [{"do": "yield"}]
    assert [note.split(":")[0] for note in notes] == [
        "outside the hours of the schedule",
        "the hours of the schedule have begun",
        "outside the hours of the schedule",
        "dusk",
    ]


def test_who_is_asked_back() -> None:
    """A job without `now`, once; the next one of that worker anew."""
    hours = OpenHours([NIGHT], lambda _: None)
    ordinary, urgent = Worker("a"), Worker("b", now=True)
    for _ in range(3):
        hours.attend([ordinary, urgent], at("2026-01-15 12:00"))  # type: ignore[list-item]
    assert (len(ordinary.told), urgent.told) == (1, [])
    ordinary.take("c")
    hours.attend([ordinary], at("2026-01-15 12:01"))  # type: ignore[list-item]
    assert len(ordinary.told) == 2


def test_what_waits_in_a_clusters_queue_leaves_it() -> None:
    """It is asked back as well, and told of in other words: there is no step to be ended."""
    notes: list[str] = []
    hours, queued = OpenHours([NIGHT], notes.append), Worker("a", at_work=False)
    hours.attend([queued], at("2026-01-15 12:00"))  # type: ignore[list-item]
    assert queued.told == [{"do": "yield"}]
    assert notes[-1].startswith("a: leaves the cluster's queue and waits for ")


def test_a_schedule_read_again_counts_at_once() -> None:
    """Closed by the old one, open by the new one."""
    hours = OpenHours([NIGHT], lambda _: None)
    hours.attend([], at("2026-01-15 12:00"))
    assert hours.closed_until == at("2026-01-15 22:00").wall
    hours.schedule = ()
    assert hours.attend([], at("2026-01-15 12:01")) == float("inf")
    assert hours.closed_until is None


def test_what_status_says_of_those_who_wait() -> None:
    """Until when, but for one that is asked for now; and the queue's end is after that."""
    until = at("2099-01-15 22:00").wall
    pairs = [
        SimpleNamespace(names=(name,), now=name == "urgent", priority=0, arrival=0, lane="")
        for name in ("ordinary", "urgent")
    ]
    view: Any = SimpleNamespace(ready=pairs, broken=(), waiting=(), folders=(), controls=(), paused=False, aside=())
    foreteller: Any = SimpleNamespace(of_pair=lambda _pair: [Fate(60.0)])
    told = state(view, (), (), None, 1, closed_until=until, foreteller=foreteller)
    assert told["closed_until"] == until
    assert [(entry["name"], entry["why"], entry["until"]) for entry in told["waiting"]] == [
        ("ordinary", "outside the hours", until),
        ("urgent", "ready", None),
    ]
    assert told["empty_at"] == pytest.approx(until + 60.0)
    urgent = told["waiting"][1]["done_at"]
    assert urgent < until


def test_who_could_not_be_told_is_told_again() -> None:
    """A cluster's mailbox lies on a disk, which may refuse for a moment."""
    hours, worker = OpenHours([NIGHT], lambda _text: None), Worker("dusk")
    tell = worker.tell
    noon = at("2026-01-14 12:00")

    def refuse(_message: dict[str, Any]) -> None:
        raise SpoolBlocked("disk_error", "the disk reports an error")

    worker.tell = refuse  # type: ignore[method-assign]
    with pytest.raises(SpoolBlocked):
        hours.attend([worker], noon)  # type: ignore[list-item]
    worker.tell = tell  # type: ignore[method-assign]
    for _ in range(2):
        hours.attend([worker], noon)  # type: ignore[list-item]
    assert worker.told == [{"do": "yield"}]
