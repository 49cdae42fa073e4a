"""A flat style: planes of few colours, each within a dark outline, as on a printed poster or in stained glass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]

INK = (34, 26, 44)
SKY, SUN, HILLS, SEA, LEAVES = (
    ((240, 214, 160), (236, 190, 128), (228, 158, 110)),
    (226, 82, 56),
    ((64, 122, 118), (44, 96, 108), (96, 148, 112), (30, 70, 92)),
    ((52, 118, 160), (78, 150, 182), (38, 86, 134)),
    ((208, 64, 60), (240, 178, 66), (92, 140, 84), (150, 60, 104)),
)
FINER = 2  # times it is drawn larger, so that edges are smooth


def draw_poster(side: int, seed: int = 1) -> NDArray[np.float32]:
    """A sun over hills and a sea, leaves before it: (side, side, 3) RGB in [0, 1]."""
    whole = side * FINER
    image = Image.new("RGB", (whole, whole), SKY[0])
    press = _Press(ImageDraw.Draw(image), whole)
    draw = np.random.default_rng(seed)
    _print_sky(press)
    for number, colour in enumerate(HILLS):
        press.plane(_ridge(draw, 0.42 + 0.07 * number, 0.09), colour)
    for number in range(7):
        press.plane(_waves(0.64 + 0.057 * number, number), SEA[number % len(SEA)])
    for number in range(26):
        at = (float(draw.uniform(-0.05, 1.05)), float(draw.uniform(0.74, 1.02)))
        press.leaf(at, float(draw.uniform(-2.2, -0.9)), float(draw.uniform(0.12, 0.24)), LEAVES[number % len(LEAVES)])
    small = image.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


class _Press:
    """Prints planes in a unit square, x to the right and y down."""

    def __init__(self, pen: ImageDraw.ImageDraw, side: int) -> None:
        self._pen = pen
        self._side = side
        self._line = round(side * 0.009)

    def plane(self, outline: list[Point], colour: tuple[int, int, int]) -> None:
        """A polygon in its outline."""
        points = [(x * self._side, y * self._side) for x, y in outline]
        self._pen.polygon(points, fill=colour)
        self._pen.line([*points, points[0]], fill=INK, width=self._line, joint="curve")

    def disc(self, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        """A circle in its outline."""
        turn = np.linspace(0.0, 2.0 * np.pi, 180)
        self.plane(list(zip(x + radius * np.cos(turn), y + radius * np.sin(turn), strict=True)), colour)

    def leaf(self, at: Point, angle: float, length: float, colour: tuple[int, int, int]) -> None:
        """Two arcs from ``at``, and the vein between them."""
        along = np.linspace(0.0, 1.0, 40)
        bulge = 0.26 * np.sin(np.pi * along**0.8)
        ahead, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        spine = np.array(at) + length * along[:, np.newaxis] * ahead
        edge = length * bulge[:, np.newaxis] * aside
        outline = np.concatenate([spine + edge, (spine - edge)[::-1]])
        self.plane([(float(x), float(y)) for x, y in outline], colour)
        vein = [(float(x) * self._side, float(y) * self._side) for x, y in spine]
        self._pen.line(vein, fill=INK, width=self._line // 2)


def _print_sky(press: _Press) -> None:
    """Rings around the sun, from the outermost in."""
    for number, radius in enumerate((0.95, 0.74, 0.56, 0.41, 0.29)):
        press.disc(0.64, 0.34, radius, SKY[number % len(SKY)])
    press.disc(0.64, 0.34, 0.17, SUN)


def _ridge(draw: np.random.Generator, top: float, high: float) -> list[Point]:
    """From one side to the other and down to the corners."""
    across = np.linspace(-0.02, 1.02, 120)
    line = np.zeros_like(across)
    for waves in (1, 2, 3, 5):
        line += high / waves * np.sin(2.0 * np.pi * waves * across * 0.7 + draw.uniform(0.0, 2.0 * np.pi))
    return _down(across, top + line * 0.7)


def _waves(top: float, number: int) -> list[Point]:
    """Scallops, as waves are printed."""
    across = np.linspace(-0.02, 1.02, 400)
    crest = np.abs(np.sin(np.pi * (across * 6.0 + 0.5 * (number % 2))))
    return _down(across, top - 0.05 * crest)


def _down(across: NDArray[np.float64], line: NDArray[np.float64]) -> list[Point]:
    return [(-0.02, 1.02), *((float(x), float(y)) for x, y in zip(across, line, strict=True)), (1.02, 1.02)]
