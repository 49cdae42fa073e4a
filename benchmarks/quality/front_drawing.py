"""The front between time and quality as a drawing: cost to the right; style and content, a panel each, upward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT = 460, 380  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 44  # around its axes
PAPER, INK, PALE, STRONG = "#faf9f6", "#282828", "#b9b4a8", "#b5451d"
FONT = "font-family='sans-serif' font-size='12'"


@dataclass(frozen=True)
class Point:
    """A recipe's means over the same pairs. ``shown``: its name is written beside it."""

    name: str
    cost: float  # processor seconds
    style: float  # gram_over: less is nearer
    content: float  # kept4: more is kept
    shown: bool = False

    def worse_than(self, other: Point) -> bool:
        """Whether the other is as good in all three, and better in one."""
        mine, theirs = (self.cost, self.style, -self.content), (other.cost, other.style, -other.content)
        return theirs != mine and all(b <= a for a, b in zip(mine, theirs, strict=True))


def points_of(means: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> list[Point]:
    """What a file of means (front.py) says. ValueError where a recipe's seconds are not among it."""
    unknown = [name for name, row in means.items() if "processor_seconds" not in row]
    if unknown:
        raise ValueError(f"no processor seconds are known of {unknown[0]!r}; measure them (--clock)")
    return [
        Point(name, row["processor_seconds"], row["gram_over"], row["kept4"], name in shown)
        for name, row in means.items()
    ]


def on_the_front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in cost, style and content at once."""
    return [point for point in points if not any(point.worse_than(other) for other in points)]


def draw_front(points: Sequence[Point]) -> str:
    """An SVG of two panels; full dots are on the front. ValueError without points."""
    if not points:
        raise ValueError("no recipes to draw")
    best = set(on_the_front(points))
    panels = [
        _panel(0, points, best, "distance to the style (gram_over): less is nearer", lambda point: point.style),
        _panel(WIDTH, points, best, "content kept (kept4): more is more", lambda point: point.content),
    ]
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {2 * WIDTH} {HEIGHT}' {FONT} fill='{INK}'>"
    paper = f"<rect width='{2 * WIDTH}' height='{HEIGHT}' fill='{PAPER}'/>"
    return "\n".join([head, paper, *panels, "</svg>", ""])


def _panel(x0: float, points: Sequence[Point], best: set[Point], title: str, value: Any) -> str:
    """One panel from ``x0`` on."""
    most = 1.05 * max(point.cost for point in points)
    values = [value(point) for point in points]
    low, high = _widened(min(values), max(values))

    def place(point: Point) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * point.cost / most
        up = (HEIGHT - TOP - BOTTOM) * (value(point) - low) / (high - low)
        return x0 + across, HEIGHT - BOTTOM - up

    left, right, floor = x0 + LEFT, x0 + WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f"<text x='{left}' y='{TOP - 14}'>{escape(title)}</text>"]
    parts.append(f"<path d='M{left} {TOP}V{floor}H{right}' fill='none' stroke='{INK}'/>")
    for cost in range(0, int(most) + 1, 20):
        x = left + (right - left) * cost / most
        parts.append(f"<text x='{x:.1f}' y='{floor + 16}' text-anchor='middle'>{cost}</text>")
    parts.append(f"<text x='{right}' y='{HEIGHT - 8}' text-anchor='end'>processor seconds</text>")
    for step in range(5):
        height = low + (high - low) * step / 4
        y = floor - (floor - TOP) * step / 4
        parts.append(f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end'>{height:.2f}</text>")
    for point in sorted(points, key=lambda point: (point.shown, point in best)):
        parts.append(_mark(point, *place(point), on_front=point in best, right=right))
    return "\n".join(parts)


def _mark(point: Point, x: float, y: float, *, on_front: bool, right: float) -> str:
    """A dot, and the name where it is shown."""
    colour = STRONG if point.shown else INK if on_front else PALE
    fill = colour if on_front else PAPER
    size = 5 if point.shown else 3
    dot = f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{size}' fill='{fill}' stroke='{colour}'>"
    dot += f"<title>{escape(point.name)}</title></circle>"
    if not point.shown:
        return dot
    late = x > right - 100
    anchor, away = ("end", -9) if late else ("start", 9)
    text = (
        f"<text x='{x + away:.1f}' y='{y + 4:.1f}' text-anchor='{anchor}' fill='{STRONG}'>{escape(point.name)}</text>"
    )
    return dot + text


def _widened(low: float, high: float) -> tuple[float, float]:
    """A little more on both sides."""
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room
