"""The hours at which jobs may run: windows of local time on some days, right across midnight and both clock changes.

A window begins and ends at the first moment at which the clock of its time zone shows that time, or, where it leaps
over it in spring, at the leap. So windows that adjoin on paper adjoin in autumn too, when an hour comes twice.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema

from nst_batch.strict_yaml.models import Expected, Fault, StrictModel, faults_error
from nst_batch.strict_yaml.reader import shown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})")
_LONGEST = 8  # days that lie between two windows of a schedule, at most
_DAY_MINUTES = 24 * 60


def _read_window(value: object) -> str:
    """``22:00-07:00`` in its plain form."""
    match = _TIMES.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        fix = "put it in quotes" if isinstance(value, int) else ""
        raise faults_error(Fault(f'must be two times such as "22:00-07:00", not {shown(value)}', fix))
    begin, end = (int(match[n]) * 60 + int(match[n + 1]) for n in (1, 3))
    if max(int(match[2]), int(match[4])) > 59 or begin >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise faults_error(Fault(f"must be times of a day, from 00:00 to 24:00, not {shown(value)}"))
    if begin == end:
        raise faults_error(Fault("begins when it ends", 'the whole day is "00:00-24:00"'))
    return f"{begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def _read_days(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    faults = []
    for place, item in enumerate(items):
        if item not in DAYS:
            short = item.lower()[:3] if isinstance(item, str) else ""
            fix = f"write {short}" if short in DAYS else f"the days are {', '.join(DAYS)}"
            faults.append(Fault(f"must be a day, not {shown(item)}", fix, (place,) if item is not value else ()))
    if not items:
        faults.append(Fault("must name at least one day", "leave it out for every day"))
    if faults:
        raise faults_error(*faults)
    return tuple(day for day in DAYS if day in items)


def _read_zone(value: object) -> object:
    if not isinstance(value, str) or not value:
        return value
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        near = difflib.get_close_matches(value, known, 1, 0.7)
        fix = f"did you mean {near[0]}?" if near else "write it as Europe/Belgrade"
        if not known:
            fix = "this system has no time zones: install the package tzdata"
        raise faults_error(Fault(f"is no time zone known here: {shown(value)}", fix)) from None
    return value


class Hours(StrictModel):
    """One window of a schedule."""

    window: Annotated[
        str,
        BeforeValidator(_read_window),
        WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,2}:[0-9]{2}\s*-\s*[0-9]{1,2}:[0-9]{2}$"}),
        Field(description="from when to when; past midnight where it ends before it begins"),
    ]
    days: Annotated[
        tuple[str, ...],
        BeforeValidator(_read_days),
        WithJsonSchema({"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1}),
        Field(description="on which days it begins"),
    ] = DAYS
    timezone: Annotated[
        str | None,
        BeforeValidator(_read_zone),
        Field(description="such as Europe/Belgrade; the system's where it is left out"),
        Expected("a time zone such as Europe/Belgrade, as text"),
    ] = None

    @property
    def zone(self) -> tzinfo | None:
        """None: the system's."""
        return None if self.timezone is None else ZoneInfo(self.timezone)

    def begun_on(self, day: date) -> tuple[float, float] | None:
        """When the window of that day begins and ends, in seconds since the epoch; None where it has none."""
        if DAYS[day.weekday()] not in self.days:
            return None
        begin, end = self.window.split("-")
        midnight = datetime.combine(day, datetime.min.time())
        first, last = midnight + _since_midnight(begin), midnight + _since_midnight(end)
        if last <= first:
            last += timedelta(days=1)
        return moment_of(first, self.zone), moment_of(last, self.zone)


def _read_schedule(value: object) -> object:
    """A window, or a list of them."""
    if isinstance(value, dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Schedule = Annotated[tuple[Hours, ...], BeforeValidator(_read_schedule)]


def closed_until(schedule: Sequence[Hours], now: float) -> float | None:
    """When jobs may run again, in seconds since the epoch; None where they may now. ``inf`` where they never may."""
    if not schedule or any(begin <= now < end for begin, end in _windows(schedule, now)):
        return None
    return min((begin for begin, _ in _windows(schedule, now) if begin > now), default=math.inf)


def open_until(schedule: Sequence[Hours], now: float) -> float | None:
    """Until when jobs may run without a break; None where they always may, or may not now."""
    until, spans = now, sorted(_windows(schedule, now))
    for begin, end in spans:
        if begin <= until < end:
            until = end
    always = until > max((begin for begin, _ in spans), default=now)
    return None if until == now or always else until


def breaks_after(schedule: Sequence[Hours], now: float) -> tuple[tuple[float, float], ...]:
    """The breaks between the hours to come, each from its beginning to its end, in seconds since the epoch.

    Nobody has looked for what comes after the last one, which ends at ``inf``. None where jobs may always run.
    """
    merged: list[list[float]] = []
    for begin, end in sorted(span for span in _windows(schedule, now) if span[1] > now):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    begins = [begin for begin, _ in merged[1:]] + [math.inf]
    return tuple((end, begin) for (_, end), begin in zip(merged, begins, strict=bool(merged)))


def zone_at(schedule: Sequence[Hours], moment: float) -> str | None:
    """The time zone for which the window that begins or ends at ``moment`` was written.

    None where the clock of this machine shows the same hour there, and where no window begins or ends.
    """
    zones = set()
    for hours in schedule:
        today = datetime.fromtimestamp(moment, hours.zone).date()
        spans = (hours.begun_on(today + timedelta(days=off)) for off in (-1, 0))
        if any(span is not None and moment in span for span in spans):
            differs = _offset(moment, hours.zone) != _offset(moment, None)
            zones.add(hours.timezone if differs else None)
    return None if None in zones else min(filter(None, zones), default=None)


def _windows(schedule: Sequence[Hours], now: float) -> Iterator[tuple[float, float]]:
    """Every window that may matter: those of the days around."""
    for hours in schedule:
        today = datetime.fromtimestamp(now, hours.zone).date()
        for off in range(-2, _LONGEST + 1):
            span = hours.begun_on(today + timedelta(days=off))
            if span is not None and span[0] < span[1]:  # one that lies within a leap of the clock has no length
                yield span


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def moment_of(local: datetime, zone: tzinfo | None) -> float:
    """The first moment (seconds since the epoch) at which the clock shows ``local`` (naive), or has leapt over it."""
    whole = local.replace(tzinfo=UTC).timestamp()
    # A clock is never changed by more than a day, nor twice in two days.
    offsets = {_offset(whole + day * 86400.0, zone) for day in (-1.5, 1.5)}
    found = [whole - offset for offset in offsets if _offset(whole - offset, zone) == offset]
    if found:
        return min(found)
    early, late = whole - max(offsets), whole - min(offsets)
    before = _offset(early, zone)
    while late - early > 1.0:
        middle = math.floor((early + late) / 2)
        early, late = (middle, late) if _offset(middle, zone) == before else (early, middle)
    return late


def _offset(moment: float, zone: tzinfo | None) -> float:
    """What the clock is ahead of UTC, in seconds."""
    at = datetime.fromtimestamp(moment, zone) if zone is not None else datetime.fromtimestamp(moment).astimezone()
    ahead = at.utcoffset()
    assert ahead is not None
    return ahead.total_seconds()
