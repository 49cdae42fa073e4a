"""loss.json -> loss.svg: the losses of a job over its steps, as its optimiser saw them.

Every curve is weight × loss, so that the parts add up to ``total`` and can be compared. The y axis is
logarithmic. The plot brings its own background, light or dark as the viewer prefers, and needs nothing
from outside.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nst_batch.report.markup import duration, escape, number, shorten

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 84, 812, 116, 474  # the plot's frame within the picture
SERIES = ("total", "content", "style", "tv")
LABELS = {"total": "total", "content": "content", "style": "style", "tv": "total variation"}
BINS = 360  # more steps than twice this are drawn as the least and greatest of each bin
DECADES = 8  # what lies further below the greatest value is drawn at the lower edge
LABEL_HEIGHT = 38
AXIS_TITLE_END = 125  # x, with some space
SIZE_ROOM = 80  # what "1024 × 1024" takes

_STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI","Noto Sans","DejaVu Sans",sans-serif;font-size:13px}
.ground{fill:#fdfcfa}.ink{fill:#23262b}.soft{fill:#666b73}.name{font-size:20px;font-weight:600}
.grid{stroke:#e7e4de;stroke-width:1;fill:none}.axis{stroke:#9a9ea5;stroke-width:1;fill:none}
.scale{stroke:#9a9ea5;stroke-width:1;stroke-dasharray:4 4}.label{font-weight:600}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}
.line.total{stroke-width:2.5}.dot{stroke:none}
.total{stroke:#23262b}.content{stroke:#2468ad}.style{stroke:#c2481f}.tv{stroke:#2b8261}
.dot.total,.label.total{fill:#23262b;stroke:none}.dot.content,.label.content{fill:#2468ad;stroke:none}
.dot.style,.label.style{fill:#c2481f;stroke:none}.dot.tv,.label.tv{fill:#2b8261;stroke:none}
@media(prefers-color-scheme:dark){
.ground{fill:#191b1f}.ink{fill:#e9eaec}.soft{fill:#a2a7af}
.grid{stroke:#2d3036}.axis,.scale{stroke:#6b7078}
.total{stroke:#e9eaec}.content{stroke:#7db4ee}.style{stroke:#f39468}.tv{stroke:#71c9a2}
.dot.total,.label.total{fill:#e9eaec}.dot.content,.label.content{fill:#7db4ee}
.dot.style,.label.style{fill:#f39468}.dot.tv,.label.tv{fill:#71c9a2}
}
""".strip()

Curve = list[tuple[float, float]]  # (step, weight × loss), finite, by step


def loss_svg(loss: Mapping[str, Any]) -> str:
    """The text of loss.svg for the content of a loss.json, finished or still growing.

    Values that are not finite leave a gap, those at or below zero lie on the lower edge, a part that is zero
    throughout is only named. The result stays below 100 KB for any number of entries.
    """
    log: Sequence[Mapping[str, Any]] = loss["log"]
    curves = {name: _curve(log, name) for name in SERIES}
    drawn = {name: curve for name, curve in curves.items() if any(value > 0 for _, value in curve)}
    title = str(loss.get("title", ""))
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}: losses</title>',
        f'<desc id="d">{escape(_summary(loss, log))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
        _text(32, 44, shorten(title, 72), "ink name"),
        _text(32, 68, _summary(loss, log), "soft"),
    ]
    if drawn:
        plane = _Plane(log, drawn)
        body += [*plane.value_axis(), *plane.epoch_axis(loss), *plane.scales(), *plane.curves()]
    else:
        body.append(_text(WIDTH / 2, HEIGHT / 2, "no losses to draw", "soft", "middle"))
    absent = [LABELS[name] for name in SERIES if name not in drawn]
    if drawn and absent:
        body.append(_text(WIDTH - 32, BOTTOM + 44, f"zero: {', '.join(absent)}", "soft", "end"))
    return "\n".join([*body, "</svg>"]) + "\n"


def _curve(log: Sequence[Mapping[str, Any]], name: str) -> Curve:
    curve = []
    for entry in log:
        weight = 1.0 if name == "total" else float(entry["weights"][name])
        value = weight * float(entry[name])
        if math.isfinite(value):
            curve.append((float(entry["step"]), value))
    return curve


def _summary(loss: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> str:
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
    start, end = float(first["total"]), float(last["total"])
    if len(log) > 1 and math.isfinite(start) and math.isfinite(end) and start > 0:
        parts.append(f"total {number(start)} → {number(end)}")
    return " · ".join(parts)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _text(x: float, y: float, text: str, classes: str, anchor: str = "start") -> str:
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:.1f}" class="{classes}"{where}>{escape(text)}</text>'


class _Plane:
    """Where a step and a value lie in the picture, and everything that is drawn there."""

    def __init__(self, log: Sequence[Mapping[str, Any]], curves: Mapping[str, Curve]) -> None:
        self._log = log
        self._curves = curves
        self._first, self._last = float(log[0]["step"]) - 1, float(log[-1]["step"])
        scales = itertools.groupby(log, key=lambda entry: entry["scale"])
        self._starts = [next(group) for _, group in scales]  # the first entry of each scale
        values = [value for curve in curves.values() for _, value in curve if value > 0]
        highest = math.log10(max(values))
        lowest = max(math.log10(min(values)), highest - DECADES)
        margin = max(0.04 * (highest - lowest), 0.02)
        self._low, self._high = lowest - margin, highest + margin

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return LEFT + (RIGHT - LEFT) * (step - self._first) / max(self._last - self._first, 1)

    def y(self, value: float) -> float:
        """Pixels from the top; values below the range lie on its lower edge."""
        height = math.log10(value) if value > 0 else self._low
        return BOTTOM - (BOTTOM - TOP) * (max(height, self._low) - self._low) / (self._high - self._low)

    def value_axis(self) -> Iterator[str]:
        """Grid lines and labels of the logarithmic axis."""
        for value in ticks(self._low, self._high):
            y = self.y(value)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
            yield _text(LEFT - 10, y + 4.5, number(value), "soft", "end")
        yield _text(32, TOP - 14, "weight × loss", "soft")

    def epoch_axis(self, loss: Mapping[str, Any]) -> Iterator[str]:
        """A tick at the end of every epoch, as many labels as there is room for."""
        ends = {int(entry["epoch"]): float(entry["step"]) for entry in self._log}
        stride = nice_stride(len(ends) / 12)
        yield f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>'
        marks = [epoch for epoch in ends if epoch % stride == 0] or [max(ends)]
        for epoch in marks:
            x = self.x(ends[epoch])
            yield f'<path class="axis" d="M{x:.1f} {BOTTOM}v6"/>'
            yield _text(round(x, 1), BOTTOM + 22, f"{epoch:,}", "soft", "middle")
        steps = int(loss.get("steps_per_epoch", 0))
        each = f" of {_count(steps, 'step')}" if steps else ""
        yield _text((LEFT + RIGHT) / 2, BOTTOM + 44, f"epoch{each}", "soft", "middle")

    def scales(self) -> Iterator[str]:
        """Where one scale ends and the next begins, and how large each is, if there are several."""
        if len(self._starts) < 2:
            return
        ends = [*(float(entry["step"]) - 1 for entry in self._starts[1:]), self._last]
        for index, (entry, end) in enumerate(zip(self._starts, ends, strict=True)):
            left, right = self.x(float(entry["step"]) - 1), self.x(end)
            if index:
                yield f'<path class="scale" d="M{left:.1f} {TOP - 8}V{BOTTOM}"/>'
            middle = round((left + right) / 2, 1)
            if right - left > SIZE_ROOM and middle - SIZE_ROOM / 2 > AXIS_TITLE_END:
                yield _text(middle, TOP - 14, f"{entry['width']} × {entry['height']}", "soft", "middle")

    def _by_scale(self, curve: Curve) -> Iterator[Curve]:
        starts = [float(entry["step"]) for entry in self._starts]
        for _, part in itertools.groupby(curve, key=lambda point: bisect.bisect(starts, point[0])):
            yield list(part)

    def _points(self, curve: Curve) -> Iterator[str]:
        return (f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in curve)

    def curves(self) -> Iterator[str]:
        """The lines, total on top, each named at its end."""
        labels = _apart([self.y(curve[-1][1]) for curve in self._curves.values()])
        for (name, curve), y in reversed(list(zip(self._curves.items(), labels, strict=True))):
            # A new scale is a new problem: no line leads from the end of one to the start of the next.
            paths = [" ".join(self._points(thin(part, BINS // len(self._starts)))) for part in self._by_scale(curve)]
            yield "".join(f'<polyline class="line {name}" points="{path}"/>' for path in paths if path)
            x, end = self.x(curve[-1][0]), self.y(curve[-1][1])
            yield f'<circle class="dot {name}" cx="{x:.1f}" cy="{end:.1f}" r="3.5"/>'
            yield _text(RIGHT + 14, y, LABELS[name], f"label {name}")
            yield _text(RIGHT + 14, y + 16, number(curve[-1][1]), "soft")


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


def _apart(wanted: Sequence[float]) -> list[float]:
    """The wanted heights of the labels, moved so that they do not overlap and stay within the frame."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = dict(enumerate(wanted))
    floor = float(TOP)
    for index in order:
        placed[index] = floor = max(placed[index], floor)
        floor += LABEL_HEIGHT
    ceiling = float(BOTTOM - LABEL_HEIGHT / 2)
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= LABEL_HEIGHT
    return [placed[index] for index in range(len(wanted))]
