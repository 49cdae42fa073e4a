"""Text for people, inside XML, HTML and scripts too: links, numbers, widths, times."""

from __future__ import annotations

import json
import math
import os
import re
import time
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nst_batch.clock import duration

# Within file names, keys and words run together: behind what joins them, and before a capital.
_JOINTS = re.compile(r"(?<=[_,;=&+)\]-])(?=\w)|(?<=[^\W\d]\.)(?=[^\W\d])|(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def clean(text: str) -> str:
    """``text`` with U+FFFD for every character that XML cannot hold."""
    if text.isprintable():
        return text
    return "".join(char if _allowed(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def parts_of(text: str) -> list[str]:
    """``text`` cut where a line may end within its words: ``style_weight`` behind ``_``."""
    return _JOINTS.split(text)


def script_data(value: object) -> str:
    """``value`` as JSON, safe as a script and within a script element: ASCII without ``<``, ``>`` and ``&``."""
    text = json.dumps(value, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def href(name: str) -> str:
    """A path below a folder as a link: names are bytes on disk, whatever their encoding."""
    return quote(os.fsencode(name), safe="/")


def _allowed(char: str) -> bool:
    # https://www.w3.org/TR/xml/#charsets, less the C1 controls, which no title needs.
    code = ord(char)
    if code < 0x20:
        return char in "\t\n\r"
    return not (0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF))


def shorten(text: str, columns: int) -> str:
    """``text`` cut to about ``columns`` columns of a terminal, an ellipsis in place of what is missing."""
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > columns:
            return text[:index].rstrip() + "…"
    return text


def columns_of(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    return sum(map(_columns, text))


def shorten_within(text: str, columns: int) -> str:
    """``text`` cut to at most ``columns`` columns, an ellipsis in its middle: both its ends stay."""
    if columns_of(text) <= columns:
        return text
    last, room = "", columns // 2
    for char in reversed(text):
        if (room := room - _columns(char)) < 0:
            break
        last = char + last
    first, room = "", columns - 1 - columns_of(last)
    for char in text:
        if (room := room - _columns(char)) < 0:
            break
        first += char
    return f"{first}…{last}"


def _columns(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me", "Cf") else 1


def number(value: float, digits: int = 3) -> str:
    """A number as people write it: ``0.25``, ``1,250``, ``3.2·10⁷``."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return {"1": power, "-1": f"−{power}"}.get(mantissa, f"{mantissa}·{power}")


def being_ended(job: Mapping[str, Any], now: float | None = None) -> str:
    """What is told of a job at work that somebody wants to end, of its entry in the state; "" where nobody does.

    ``now``: in seconds since 1970, to tell how long a job that is stopped takes to its first picture.
    """
    match job.get("wish"), job.get("begun", True):  # a daemon of an older version tells neither
        case "cancel", _:
            return "is being cancelled"
        case "stop", True:
            return "is being stopped"
        case "stop", _:
            return f"is being stopped after its first step{soon(job, now)}"
    return ""


def soon(job: Mapping[str, Any], now: float | None) -> str:
    """``, in about 1 min 40 s``: when a job at work will have made its first step; "" where that is not known."""
    left = 0.0 if now is None else (job.get("first_step_at") or 0.0) - now
    return f", in about {duration(left)}" if left >= 1.0 else ""


def clock(moment: float, now: float | None = None, zone: str | None = None) -> str:
    """``22:00``, or with its day where that is another than that of ``now``: ``Mon 31 Jan, 22:00``.

    An hour that somebody wrote for another time ``zone`` is told in that one: ``22:00 Europe/Belgrade (20:00 here)``.
    """
    now = time.time() if now is None else now
    here = _clock(datetime.fromtimestamp(moment), datetime.fromtimestamp(now))
    try:
        there = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # another machine may know it
        there = None
    if there is None:
        return here
    return f"{_clock(datetime.fromtimestamp(moment, there), datetime.fromtimestamp(now, there))} {zone} ({here} here)"


def _clock(then: datetime, today: datetime) -> str:
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%a %d %b, %H:%M}"
