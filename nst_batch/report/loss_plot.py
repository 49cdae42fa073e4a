"""loss.json -> loss.svg: the losses of a job over its steps, as its optimiser saw them.

Above, each part is weight × loss, so that the parts add up to ``total`` and can be compared; below, each layer's own
loss without any weight. Both axes are logarithmic. A new scale is a new problem: no line leads from one to the next,
and totals are compared only within one. The plot brings its own background, light or dark as the viewer prefers, and
needs nothing from outside; ``templates/loss.svg`` is its markup, ``assets/loss.css`` its colours.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from nst_batch.clock import duration
from nst_batch.filenames import PLOT_NAME
from nst_batch.report.markup import number, shorten
from nst_batch.report.template import asset, render

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 84, 812, 116, 474  # the frame of the upper plot within the picture
LAYERS_TOP = BOTTOM + 62
SERIES = ("total", "content", "style", "tv")
LABELS = {"total": "total", "content": "content", "style": "style", "tv": "total variation"}
BINS, LAYER_BINS = 300, 90  # more steps than twice this are drawn as the least and greatest of each bin
DECADES = 8  # what lies further below the greatest value is drawn at the lower edge
LABEL_HEIGHT, LAYER_LABEL_HEIGHT = 38, 17
AXIS_TITLE_END = 125  # x, with some space
SIZE_ROOM = 80  # what "1024 × 1024" takes

Curve = list[tuple[float, float]]  # (step, loss), finite, by step
Log = Sequence[Mapping[str, Any]]


class Line(NamedTuple):
    """A curve as it is drawn: its points in pixels, a piece a scale, and its name at its end."""

    kind: str  # its class in the style sheet
    label: str
    value: str  # of its last point
    pieces: list[str]
    x: float
    y: float
    label_y: float


class Panel(NamedTuple):
    """One plot with its own axis of values."""

    top: float
    bottom: float
    title: str
    ticks: list[tuple[float, str]]
    lines: list[Line]


def loss_svg(loss: Mapping[str, Any]) -> str:
    """The text of loss.svg for the content of a loss.json, finished or still growing.

    Values that are not finite leave a gap, those at or below zero lie on the lower edge, a part that is zero
    throughout is only named. The result stays below 100 KB for any number of entries.
    """
    return render(PLOT_NAME, plot=plot(loss), style=Markup(asset("loss.css")))  # noqa: S704 - our own file


def plot(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template ``loss.svg`` draws."""
    log: Log = loss["log"]
    curves = {name: _part(log, name) for name in SERIES}
    drawn = {name: curve for name, curve in curves.items() if any(value > 0 for _, value in curve)}
    layers = _layers(log) if drawn else {}
    panels, bottom = [], float(BOTTOM)
    across = _Across(log) if drawn else None
    if across is not None:
        panels.append(_panel(across, TOP, BOTTOM, drawn, LABELS.__getitem__, bins=BINS, label_height=LABEL_HEIGHT))
    if across is not None and layers:
        bottom = LAYERS_TOP + max(150.0, LAYER_LABEL_HEIGHT * (len(layers) + 1))
        panels.append(
            _panel(
                across, LAYERS_TOP, bottom, layers, lambda kind: kind.split()[-1], bins=LAYER_BINS,
                label_height=LAYER_LABEL_HEIGHT,
            )
        )  # fmt: skip
    title = str(loss.get("title", ""))
    steps = int(loss.get("steps_per_epoch", 0))
    return {
        "width": WIDTH,
        "height": bottom + 66,
        "left": LEFT,
        "right": RIGHT,
        "bottom": bottom,
        "title": title,
        "short": shorten(title, 72),
        "summary": _summary(loss, log),
        "panels": panels,
        "first": across.first if across else 0,
        "last": across.last if across else 0,
        "epochs": across.epochs() if across else [],
        "epoch": f"epoch of {_count(steps, 'step')}" if steps else "epoch",
        "scales": across.scales() if across else [],
        "absent": [LABELS[name] for name in SERIES if name not in drawn] if drawn else [],
    }


def _part(log: Log, name: str) -> Curve:
    values = ((entry, 1.0 if name == "total" else float(entry["weights"][name])) for entry in log)
    return _finite((float(entry["step"]), weight * float(entry[name])) for entry, weight in values)


def _finite(points: Any) -> Curve:
    return [(step, value) for step, value in points if math.isfinite(value)]


def _layers(log: Log) -> dict[str, Curve]:
    """Each layer's own losses, by ``content b5 block5_conv2`` and the like: its class and its name."""
    found: dict[str, Curve] = {}
    for role in ("content", "style"):
        for layer in log[0].get(f"{role}_layers", {}):
            block = re.match(r"block(\d)", layer)
            curve = _finite(
                (float(entry["step"]), float(entry[f"{role}_layers"].get(layer, math.nan))) for entry in log
            )
            if any(value > 0 for _, value in curve):
                found[f"{role} b{block[1] if block else 1} {layer}"] = curve
    return found


def _summary(loss: Mapping[str, Any], log: Log) -> str:
    if not log:
        return "no steps yet"
    first, last = log[0], log[-1]
    parts = [
        _count(len(log), "step"),
        _count(last["epoch"] - first["epoch"] + 1, "epoch"),
        f"{last['width']} × {last['height']}",
        f"{loss.get('statistic', 'gram')} statistics",
        duration(float(last["seconds"])),
    ]
    scale = [float(entry["total"]) for entry in log if entry["scale"] == last["scale"]]
    if len(scale) > 1 and math.isfinite(scale[0]) and math.isfinite(scale[-1]) and scale[0] > 0:
        where = " at the last scale" if first["scale"] != last["scale"] else ""
        parts.append(f"total {number(scale[0])} → {number(scale[-1])}{where}")
    return " · ".join(parts)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


class _Across:
    """The axis of steps, with epochs and scales."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.first, self.last = float(log[0]["step"]) - 1, float(log[-1]["step"])
        self._starts = [next(group) for _, group in itertools.groupby(log, key=lambda entry: entry["scale"])]

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return LEFT + (RIGHT - LEFT) * (step - self.first) / max(self.last - self.first, 1)

    def epochs(self) -> list[tuple[float, str]]:
        """A mark at the end of an epoch, as many as there is room for."""
        ends = {int(entry["epoch"]): float(entry["step"]) for entry in self._log}
        stride = nice_stride(len(ends) / 12)
        marks = [epoch for epoch in ends if epoch % stride == 0] or [max(ends)]
        return [(self.x(ends[epoch]), f"{epoch:,}") for epoch in marks]

    def scales(self) -> list[tuple[float, float, str]]:
        """Of each scale, if there are several: where it begins, its middle, and its size where that has room."""
        if len(self._starts) < 2:
            return []
        ends = [*(float(entry["step"]) - 1 for entry in self._starts[1:]), self.last]
        found = []
        for entry, end in zip(self._starts, ends, strict=True):
            left, right = self.x(float(entry["step"]) - 1), self.x(end)
            middle = (left + right) / 2
            fits = right - left > SIZE_ROOM and middle - SIZE_ROOM / 2 > AXIS_TITLE_END
            found.append((left, middle, f"{entry['width']} × {entry['height']}" if fits else ""))
        return found

    def pieces(self, curve: Curve, bins: int) -> list[Curve]:
        """The curve's part in each scale, thinned."""
        starts = [float(entry["step"]) for entry in self._starts]
        parts = itertools.groupby(curve, key=lambda point: bisect.bisect(starts, point[0]))
        return [thin(list(part), bins // len(starts)) for _, part in parts]


def _panel(
    across: _Across, top: float, bottom: float, curves: Mapping[str, Curve], label: Callable[[str], str],
    *, bins: int, label_height: float,
) -> Panel:  # fmt: skip
    values = [value for curve in curves.values() for _, value in curve if value > 0]
    highest = math.log10(max(values))
    lowest = max(math.log10(min(values)), highest - DECADES)
    margin = max(0.04 * (highest - lowest), 0.02)
    low, high = lowest - margin, highest + margin

    def y(value: float) -> float:
        height = math.log10(value) if value > 0 else low
        return bottom - (bottom - top) * (max(height, low) - low) / (high - low)

    ends = [y(curve[-1][1]) for curve in curves.values()]
    places = _apart(ends, top, bottom - (label_height / 2 if label_height == LABEL_HEIGHT else 0), label_height)

    def points(piece: Curve) -> str:
        return " ".join(f"{across.x(step):.1f},{y(value):.1f}" for step, value in piece)

    lines = [
        Line(
            kind=kind,
            label=label(kind),
            value=number(curve[-1][1]),
            pieces=[points(piece) for piece in across.pieces(curve, bins)],
            x=across.x(curve[-1][0]),
            y=end,
            label_y=place,
        )
        for (kind, curve), end, place in zip(curves.items(), ends, places, strict=True)
    ]
    title = "weight × loss" if top == TOP else "each layer’s own loss, unweighted"
    return Panel(top, bottom, title, [(y(value), number(value)) for value in ticks(low, high)], lines[::-1])


def thin(curve: Curve, bins: int = BINS) -> Curve:
    """At most 2 × ``bins`` + 2 points with the same outline: the ends, and each bin's least and greatest."""
    bins = max(bins, 2)
    if len(curve) <= 2 * bins + 2:
        return curve
    kept = [curve[0]]
    size = (len(curve) - 2) / bins
    for index in range(bins):
        part = curve[1 + round(index * size) : 1 + round((index + 1) * size)]
        extremes = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        kept += sorted(extremes)
    return [*kept, curve[-1]]


def ticks(low: float, high: float) -> list[float]:
    """At least two round values between 10^low and 10^high: decades, their 1-2-5, or an even stride."""
    decades = range(math.ceil(low), math.floor(high) + 1)
    if len(decades) > 2:
        stride = math.ceil(len(decades) / 8)
        return [10.0**exponent for exponent in decades if exponent % stride == 0]
    inside = [
        digit * 10.0**exponent
        for exponent in range(math.floor(low), math.ceil(high) + 1)
        for digit in (1, 2, 5)
        if low <= math.log10(digit * 10.0**exponent) <= high
    ]
    if len(inside) > 2:
        return inside
    bottom, top = 10.0**low, 10.0**high
    stride_size = _round_up((top - bottom) / 5)
    return [k * stride_size for k in range(math.ceil(bottom / stride_size), math.floor(top / stride_size) + 1)]


def nice_stride(least: float) -> int:
    """The first of 1, 2, 5, 10, 20, 50 … that is not below ``least``."""
    return max(1, round(_round_up(least))) if least > 1 else 1


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= value * (1 - 1e-9))


def _apart(wanted: Sequence[float], top: float, bottom: float, height: float) -> list[float]:
    """The wanted heights of the labels, moved so that they do not overlap and stay within the frame."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = dict(enumerate(wanted))
    floor = top
    for index in order:
        placed[index] = floor = max(placed[index], floor)
        floor += height
    ceiling = bottom
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= height
    return [placed[index] for index in range(len(wanted))]
