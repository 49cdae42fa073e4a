"""The hours of a schedule: across midnight, on some days, and through both changes of the clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from nst_batch.config.load import parse_config
from nst_batch.config.schedule import Hours, breaks_after, closed_until, moment_of, open_until, zone_at
from nst_batch.errors import ProblemsError

BELGRADE = ZoneInfo("Europe/Belgrade")
NIGHT = Hours(window="22:00-07:00", timezone="Europe/Belgrade")


def at(text: str, fold: int = 0) -> float:
    """A time in Belgrade as seconds since the epoch; ``fold`` 1: when it comes the second time."""
    return datetime.fromisoformat(text).replace(tzinfo=BELGRADE, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-01-14 21:59:59", "2026-01-14 22:00"),
        ("2026-01-14 22:00", None),
        ("2026-01-15 00:00", None),
        ("2026-01-15 06:59:59", None),
        ("2026-01-15 07:00", "2026-01-15 22:00"),
        ("2026-01-15 12:00", "2026-01-15 22:00"),
    ],
)
def test_a_window_across_midnight(now: str, opens: str | None) -> None:
    """It ends on the next day; its last moment is no part of it."""
    assert closed_until([NIGHT], at(now)) == (None if opens is None else at(opens))


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        ("2026-03-28 22:00", "2026-03-29 07:00", 8),  # the clock leaps from 2 to 3
        ("2026-10-24 22:00", "2026-10-25 07:00", 10),  # and back from 3 to 2
        ("2026-06-01 22:00", "2026-06-02 07:00", 9),
    ],
)
def test_a_night_in_which_the_clock_is_changed(begin: str, end: str, hours: int) -> None:
    """It begins and ends by the clock on the wall, however long that takes."""
    assert at(end) - at(begin) == hours * 3600
    assert open_until([NIGHT], at(begin)) == at(end)
    for second in range(int(at(begin)) - 7200, int(at(end)) + 7200, 300):
        assert (closed_until([NIGHT], second) is None) == (at(begin) <= second < at(end))


def test_a_window_that_begins_in_the_hour_that_is_leapt_over() -> None:
    """At the leap; one that lies within that hour has no length, and opens on the next day."""
    leap = at("2026-03-29 03:00")
    early = Hours(window="02:30-05:00", timezone="Europe/Belgrade")
    assert closed_until([early], leap - 1) == leap
    assert open_until([early], leap) == at("2026-03-29 05:00")
    within = Hours(window="02:10-02:50", timezone="Europe/Belgrade")
    assert closed_until([within], leap - 600) == at("2026-03-30 02:10")


def test_windows_in_the_hour_that_comes_twice() -> None:
    """They begin and end when the clock shows their time first: what adjoins has no gap, and nothing is open twice."""
    first, second = at("2026-10-25 02:30"), at("2026-10-25 02:30", fold=1)
    assert second - first == 3600
    before = Hours(window="22:00-02:30", timezone="Europe/Belgrade")
    after = Hours(window="02:30-05:00", timezone="Europe/Belgrade")
    assert open_until([before], first - 60) == first
    assert closed_until([before], second - 60) == at("2026-10-25 22:00")
    assert open_until([after], first) == at("2026-10-25 05:00")
    assert open_until([before, after], first - 60) == at("2026-10-25 05:00")


def test_days_are_those_on_which_a_window_begins() -> None:
    """Friday's night ends on Saturday; after it comes Monday's."""
    weekdays = Hours(window="22:00-07:00", days=("mon", "fri"), timezone="Europe/Belgrade")
    assert closed_until([weekdays], at("2026-01-16 23:00")) is None  # a Friday
    assert closed_until([weekdays], at("2026-01-17 06:00")) is None
    assert closed_until([weekdays], at("2026-01-17 23:00")) == at("2026-01-19 22:00")


def test_several_windows_are_one_schedule() -> None:
    """Open where one of them is; those that adjoin or overlap are one; each in its own time zone."""
    weekend = Hours(window="00:00-24:00", days=("sat", "sun"), timezone="Europe/Belgrade")
    assert open_until([NIGHT, weekend], at("2026-01-16 22:00")) == at("2026-01-19 07:00")
    tokyo = Hours(window="09:00-10:00", timezone="Asia/Tokyo")
    assert closed_until([NIGHT, tokyo], at("2026-01-15 07:00")) == at("2026-01-15 22:00")
    assert closed_until([tokyo], at("2026-01-15 07:00")) == at("2026-01-16 01:00")


def test_always_and_never() -> None:
    """Without a schedule, and with all hours of all days, there is nothing to wait for."""
    whole = Hours(window="00:00-24:00")
    for schedule in ([], [whole]):
        assert closed_until(schedule, at("2026-03-29 02:00")) is None
        assert open_until(schedule, at("2026-03-29 02:00")) is None
    assert math.isfinite(closed_until([NIGHT], at("2026-01-15 12:00")) or math.inf)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
def test_without_a_time_zone_it_is_the_systems(day: str, in_zone: Callable[[str], None]) -> None:
    """Minute by minute the same through both changes."""
    in_zone("Europe/Belgrade")
    for minute in range(0, 24 * 60, 10):
        local = datetime.fromisoformat(f"{day} {minute // 60:02d}:{minute % 60:02d}")
        assert moment_of(local, None) == moment_of(local, BELGRADE)


def schedule_of(text: str) -> tuple[Hours, ...]:
    return parse_config(f"schedule: {text}\n", Path("/srv/config.yaml")).schedule


def test_as_it_is_written() -> None:
    """One, or a list; times with one figure; a day by itself; nothing is no schedule."""
    assert schedule_of('{window: "22:00-07:00", days: [fri, mon], timezone: Europe/Belgrade}') == (
        Hours(window="22:00-07:00", days=("mon", "fri"), timezone="Europe/Belgrade"),
    )
    both = schedule_of('[{window: "9:00 - 12:30"}, {window: "00:00-24:00", days: [sun]}]')
    assert [hours.window for hours in both] == ["09:00-12:30", "00:00-24:00"]
    assert schedule_of("[]") == parse_config("", Path("/srv/config.yaml")).schedule == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{window: "22-7"}', "line 1"),
        ('{window: "22-7"}', 'must be two times such as "22:00-07:00"'),
        ('{window: "22:00-25:00"}', "from 00:00 to 24:00"),
        ('{window: "22:60-07:00"}', "from 00:00 to 24:00"),
        ('{window: "22:00-22:00"}', 'the whole day is "00:00-24:00"'),
        ('{window: "22:00-07:00", days: [Monday]}', "write mon"),
        ('{window: "22:00-07:00", days: [someday]}', "the days are mon, tue"),
        ('{window: "22:00-07:00", days: []}', "leave it out for every day"),
        ('{window: "22:00-07:00", timezone: Europe/Belgrad}', "did you mean Europe/Belgrade?"),
        ('{window: "22:00-07:00", timezone: ../../etc/passwd}', "is no time zone known here"),
        ('{windows: "22:00-07:00"}', "did you mean 'window'?"),
        ("{days: [mon]}", "line 1, schedule.window: is required"),
        ('\n  window: "22:00-07:00"\n  days: [someday]', "line 3, schedule.days"),
        ('[{window: "22:00-07:00"}, {window: never}]', "schedule.1.window"),
        ('"22:00-07:00"', "schedule"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, said: str) -> None:
    """What, where, what to write."""
    with pytest.raises(ProblemsError) as caught:
        schedule_of(text)
    assert said in str(caught.value.message) + str(caught.value.advice)


def test_the_breaks_to_come() -> None:
    """From closing to opening; the last one has no end, and where nothing closes there is none for a week."""
    (first, second, *_), last = (found := breaks_after([NIGHT], at("2026-01-15 23:00"))), found[-1]
    assert first == (at("2026-01-16 07:00"), at("2026-01-16 22:00"))
    assert second[0] == at("2026-01-17 07:00")
    assert last[1] == math.inf
    assert breaks_after([NIGHT], at("2026-01-15 12:00"))[0] == first
    weekend = Hours(window="00:00-24:00", days=("sat", "sun"), timezone="Europe/Belgrade")
    assert breaks_after([NIGHT, weekend], at("2026-01-16 23:00"))[0] == (at("2026-01-19 07:00"), at("2026-01-19 22:00"))
    assert breaks_after([], at("2026-01-15 12:00")) == ()
    (only,) = breaks_after([Hours(window="00:00-24:00")], at("2026-01-15 12:00"))
    assert only[0] > at("2026-01-22 12:00")


def test_for_which_zone_an_hour_was_written(in_zone: Callable[[str], None]) -> None:
    """Where the clock of this machine shows another one, a window's beginning and its end have a zone."""
    in_zone("UTC")
    assert zone_at([NIGHT], at("2026-01-15 22:00")) == "Europe/Belgrade"
    assert zone_at([NIGHT], at("2026-01-15 07:00")) == "Europe/Belgrade"
    assert zone_at([NIGHT], at("2026-01-15 08:00")) is None
    assert zone_at([Hours(window="21:00-22:00"), NIGHT], at("2026-01-15 22:00")) is None
    in_zone("Europe/Paris")
    assert zone_at([NIGHT], at("2026-01-15 22:00")) is None
