"""A loaded brush: strokes made of bristles, which lay down colour and thickness of paint, and the light on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nst_batch.sample.noise import Floats

Flow = Callable[[Floats, Floats], Floats]
"""Pixel positions x, y to the direction of the strokes there, in radians."""

_SHIFT = 4  # bits below the pixel that OpenCV's drawing is given


@dataclass(frozen=True)
class Strokes:
    """A layer of strokes, first to be painted first. N strokes; lengths and widths are in pixels.

    ``colours`` and ``second`` are (N, 3) uint8: what the brush was loaded with on its two edges.
    """

    x: Floats
    y: Floats
    length: Floats
    width: Floats
    colours: NDArray[np.uint8]
    second: NDArray[np.uint8]


class Canvas:
    """Paint, (H, W, 3) uint8, and how thick it lies, (H, W) uint8."""

    def __init__(self, underpainting: NDArray[np.uint8]) -> None:
        self.paint = underpainting.copy()
        self.relief = np.full(underpainting.shape[:2], 90, np.uint8)

    def lay(self, strokes: Strokes, flow: Flow, rng: np.random.Generator, bristle: float = 1.6) -> None:
        """Paint a layer; ``bristle`` is the distance between two bristles in pixels."""
        path_x, path_y, angle = _paths(strokes, flow)
        steps = path_x.shape[1]
        along = np.linspace(0, 1, steps, dtype=np.float32)
        for n in range(path_x.shape[0]):
            count = max(2, round(float(strokes.width[n]) / bristle))
            across = np.linspace(-1, 1, count, dtype=np.float32)
            offset = across * strokes.width[n] / 2
            # The brush is pressed down in the middle of its way: narrow at both ends, ragged at the last.
            press = 0.55 + 0.45 * np.sin(np.pi * (0.06 + 0.90 * along)) ** 0.7
            side = offset[:, None] * press[None, :]
            x = path_x[n] - np.sin(angle[n]) * side
            y = path_y[n] + np.cos(angle[n]) * side
            points = np.round(np.stack([x, y], -1) * (1 << _SHIFT)).astype(np.int32)
            first = (0.16 * steps * (1 - np.sqrt(1 - 0.96 * across**2)) + rng.uniform(0, 0.8, count)).astype(int)
            last = steps - (0.24 * steps * across**2 + rng.exponential(0.9, count)).astype(int)
            paint, relief = _load(strokes, n, across, rng)
            for b in rng.permutation(count):
                if last[b] - first[b] < 2:
                    continue
                line = points[b, first[b] : last[b]]
                thick = 1 if count < 3 else 2
                cv2.polylines(self.paint, [line], False, paint[b], thick, cv2.LINE_AA, _SHIFT)
                cv2.polylines(self.relief, [line], False, relief[b], 1, cv2.LINE_AA, _SHIFT)

    def lit(self, depth: float = 1.0) -> NDArray[np.uint8]:
        """The painting under a lamp at the upper left: the paint's ridges catch light and cast some shade."""
        scale = self.paint.shape[1] / 768
        relief = self.relief.astype(np.float32) / 255
        fine = cv2.GaussianBlur(relief, (0, 0), max(0.45, 0.6 * scale))
        broad = cv2.GaussianBlur(relief, (0, 0), max(0.8, 2.2 * scale))
        height = fine + 0.9 * broad
        slope_y, slope_x = np.gradient(height)
        facing = -(0.70 * slope_x + 0.72 * slope_y) * depth  # towards the lamp positive
        shaded = self.paint.astype(np.float32) * (1 + np.clip(1.25 * facing, -0.42, 0.50))[..., None]
        gloss = np.clip(facing - 0.13, 0, 0.5)[..., None] * np.array([150, 146, 132], np.float32)
        return np.asarray(np.clip(shaded + gloss + 0.5, 0, 255), np.uint8)


def _paths(strokes: Strokes, flow: Flow, steps: int = 11) -> tuple[Floats, Floats, Floats]:
    """Every stroke's way along the flow, its start half a length upstream: x, y and angle, each (N, steps)."""
    stride = strokes.length / (steps - 1)
    x, y, angle = strokes.x, strokes.y, flow(strokes.x, strokes.y)
    for _ in range(steps // 2):
        x, y = x - stride * np.cos(angle), y - stride * np.sin(angle)
        angle = _onward(flow(x, y), angle)
    way = [(x, y, angle)]
    for _ in range(steps - 1):
        x, y = x + stride * np.cos(angle), y + stride * np.sin(angle)
        angle = _onward(flow(x, y), angle)
        way.append((x, y, angle))
    way_x, way_y, way_angle = (np.stack(parts, 1) for parts in zip(*way, strict=True))
    return way_x, way_y, way_angle


def _onward(angle: Floats, before: Floats) -> Floats:
    """The flow has an axis but no sense (its angle may jump by π): keep the sense the stroke already has."""
    return np.asarray(np.where(np.cos(angle - before) < 0, angle + np.pi, angle), np.float32)


def _load(
    strokes: Strokes, n: int, across: Floats, rng: np.random.Generator
) -> tuple[list[tuple[float, ...]], list[float]]:
    """Each bristle's colour, between the two on the brush and a little its own, and its thickness of paint."""
    share = np.clip(0.5 + 0.5 * across + rng.normal(0, 0.22, across.size), 0, 1)[:, None]
    mixed = strokes.colours[n] * (1 - share) + strokes.second[n] * share
    mixed = mixed * (1 + rng.normal(0, 0.12, across.size))[:, None] + rng.normal(0, 5, (across.size, 3))
    # Paint is pushed to the edges of a stroke: that is where its ridges stand.
    relief = np.clip(105 + 60 * np.abs(across) ** 3 + rng.normal(0, 48, across.size), 0, 255)
    return [tuple(row) for row in np.clip(mixed, 0, 255).tolist()], relief.tolist()
