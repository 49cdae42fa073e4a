"""A figure with a face, shaded as a photograph is: what styles bend first and people see first."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nst_batch.sample.noise import Noise

Plane = NDArray[np.float32]  # (H, W)
Colour = tuple[float, float, float]

SKIN: Final[Colour] = (0.86, 0.66, 0.54)
HAIR: Final[Colour] = (0.20, 0.12, 0.08)
COAT: Final[Colour] = (0.16, 0.26, 0.38)
SCARF: Final[Colour] = (0.74, 0.24, 0.20)
WALL: Final[Colour] = (0.62, 0.66, 0.62)
LIGHT = np.array([-0.55, -0.45, 0.70], np.float32)  # from the upper left, towards the viewer


class _Canvas:
    """A square picture from −1 to 1, x to the right and y down, painted from the back to the front."""

    def __init__(self, side: int) -> None:
        self.soft = 2.0 / side  # one pixel: how far an edge reaches
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side * 2.0 - 1.0
        self.x, self.y = np.meshgrid(axis, axis)
        self.picture = np.zeros((side, side, 3), np.float32)

    def ellipse(self, x: float, y: float, wide: float, high: float) -> Plane:
        """How far inside: 1 at the centre, 0 on the edge, below 0 outside; (H, W)."""
        return np.asarray(1.0 - np.hypot((self.x - x) / wide, (self.y - y) / high), np.float32)

    def lay(self, inside: Plane, colour: Colour | Plane, scale: float, blur: float = 1.0) -> None:
        """Paint where ``inside`` is above 0; ``scale`` is its size in the canvas's units, ``blur`` in pixels."""
        cover = np.clip(inside * scale / (self.soft * blur) + 0.5, 0.0, 1.0)[..., np.newaxis]
        self.picture += cover * (np.asarray(colour, np.float32) - self.picture)

    def ball(self, x: float, y: float, wide: float, high: float, colour: Colour, deep: float = 1.0) -> Plane:
        """The colour of an ellipsoid in the light; (H, W, 3)."""
        u, v = (self.x - x) / wide, (self.y - y) / high
        w = np.sqrt(np.clip(1.0 - u * u - v * v, 0.0, 1.0)) * deep
        normal = np.stack([u, v, w], axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
        lit = np.clip(normal @ (LIGHT / np.linalg.norm(LIGHT)), 0.0, 1.0)[..., np.newaxis]
        return np.asarray(np.array(colour, np.float32) * (0.42 + 0.72 * lit), np.float32)


def draw_portrait(side: int) -> NDArray[np.float32]:
    """Head and shoulders before a wall with a window: (side, side, 3) RGB in [0, 1]."""
    canvas = _Canvas(side)
    _paint_room(canvas)
    _paint_shoulders(canvas)
    _paint_head(canvas)
    for at in (-0.155, 0.135):
        _paint_eye(canvas, at)
    _paint_nose_and_mouth(canvas)
    grain = Noise(2).fbm(canvas.x * 9.0, canvas.y * 9.0, octaves=6)[..., np.newaxis]
    return np.clip(canvas.picture * (1.0 + 0.05 * grain), 0.0, 1.0).astype(np.float32)


def _paint_room(canvas: _Canvas) -> None:
    fall = (0.86 - 0.20 * canvas.x)[..., np.newaxis]
    canvas.lay(np.ones_like(canvas.x), np.array(WALL, np.float32) * fall, 1.0)
    for left, right, top, bottom, colour in (
        (-0.92, -0.52, -0.86, 0.02, (0.36, 0.28, 0.20)),
        (-0.88, -0.73, -0.82, -0.42, (0.90, 0.94, 0.98)),
        (-0.71, -0.56, -0.82, -0.42, (0.86, 0.92, 0.98)),
        (-0.88, -0.73, -0.40, -0.02, (0.70, 0.80, 0.66)),
        (-0.71, -0.56, -0.40, -0.02, (0.62, 0.76, 0.58)),
    ):
        box = np.minimum(np.minimum(canvas.x - left, right - canvas.x), np.minimum(canvas.y - top, bottom - canvas.y))
        canvas.lay(box, colour, 1.0)


def _paint_shoulders(canvas: _Canvas) -> None:
    body = canvas.ellipse(0.0, 1.14, 0.86, 0.62)
    canvas.lay(body, canvas.ball(0.0, 1.14, 0.86, 0.62, COAT), 0.6)
    folds = 0.5 + 0.5 * np.sin(24.0 * (canvas.x + 0.35 * canvas.y * np.sign(canvas.x)))
    canvas.picture *= 1.0 - 0.22 * (np.clip(body * 9.0, 0.0, 1.0) * folds**6)[..., np.newaxis]
    canvas.lay(canvas.ellipse(0.0, 0.50, 0.19, 0.30), canvas.ball(-0.02, 0.46, 0.24, 0.40, SKIN), 0.2)
    canvas.picture *= 1.0 - 0.45 * np.clip(canvas.ellipse(0.03, 0.42, 0.20, 0.14) * 3.0, 0.0, 1.0)[..., np.newaxis]
    canvas.lay(canvas.ellipse(0.0, 0.70, 0.36, 0.13), canvas.ball(0.0, 0.68, 0.38, 0.17, SCARF), 0.15)
    canvas.lay(canvas.ellipse(0.16, 0.90, 0.10, 0.24), canvas.ball(0.15, 0.88, 0.12, 0.28, SCARF), 0.15)


def _paint_head(canvas: _Canvas) -> None:
    canvas.lay(canvas.ellipse(0.0, -0.10, 0.50, 0.62), canvas.ball(0.02, -0.16, 0.54, 0.66, HAIR), 0.5)
    face = canvas.ellipse(0.0, 0.02, 0.37, 0.50)
    canvas.lay(face, canvas.ball(0.0, 0.02, 0.46, 0.60, SKIN, 1.2), 0.4)
    fringe = np.minimum(canvas.ellipse(0.0, -0.10, 0.48, 0.60), canvas.ellipse(0.10, -0.60, 0.56, 0.40))
    canvas.lay(fringe, canvas.ball(0.0, -0.40, 0.54, 0.46, HAIR), 0.4)
    turn = np.arctan2(canvas.y + 0.75, canvas.x - 0.05)
    strands = Noise(4).fbm(turn * 34.0, np.hypot(canvas.x, canvas.y) * 2.0, octaves=3)
    brown = np.clip((0.34 - canvas.picture[..., 0]) * 6.0, 0.0, 1.0) * np.clip(
        canvas.ellipse(0.0, -0.10, 0.52, 0.64) * 20.0, 0.0, 1.0
    )
    canvas.picture += (0.16 * brown * np.clip(strands, 0.0, 1.0))[..., np.newaxis] * np.array(
        [1.0, 0.7, 0.45], np.float32
    )
    for at in (-0.22, 0.20):  # cheeks
        glow = np.clip(canvas.ellipse(at, 0.16, 0.13, 0.10), 0.0, 1.0)[..., np.newaxis]
        canvas.picture += 0.16 * glow * np.array([0.7, -0.1, -0.1], np.float32)


def _paint_eye(canvas: _Canvas, at: float) -> None:
    hollow = np.clip(canvas.ellipse(at, -0.05, 0.13, 0.10), 0.0, 1.0)[..., np.newaxis]
    canvas.picture *= 1.0 - 0.30 * hollow
    almond = np.minimum(canvas.ellipse(at, 0.00, 0.105, 0.085), canvas.ellipse(at, -0.07, 0.105, 0.085))
    canvas.lay(almond, (0.94, 0.93, 0.90), 0.08)
    for radius, colour in ((0.042, (0.24, 0.36, 0.40)), (0.020, (0.04, 0.04, 0.05))):
        canvas.lay(np.minimum(almond * 2.0, canvas.ellipse(at + 0.006, -0.037, radius, radius)), colour, radius)
    canvas.lay(canvas.ellipse(at - 0.008, -0.050, 0.009, 0.009), (1.0, 1.0, 1.0), 0.009)
    lid = np.minimum(canvas.ellipse(at, -0.035, 0.115, 0.075), -canvas.ellipse(at, -0.018, 0.112, 0.072))
    canvas.lay(np.where(canvas.y < -0.03, lid, -1.0), (0.16, 0.09, 0.07), 0.08)
    brow = np.minimum(canvas.ellipse(at, -0.125, 0.135, 0.055), -canvas.ellipse(at, -0.095, 0.14, 0.06))
    canvas.lay(brow, HAIR, 0.06, 2.0)


def _paint_nose_and_mouth(canvas: _Canvas) -> None:
    side = np.clip(canvas.ellipse(0.055, 0.08, 0.05, 0.16), 0.0, 1.0)[..., np.newaxis]
    canvas.picture *= 1.0 - 0.30 * side
    canvas.picture += 0.10 * np.clip(canvas.ellipse(-0.012, 0.09, 0.030, 0.13), 0.0, 1.0)[..., np.newaxis]
    for at in (-0.045, 0.045):
        canvas.lay(canvas.ellipse(at, 0.195, 0.022, 0.011), (0.38, 0.20, 0.16), 0.011, 2.0)
    upper = np.minimum(canvas.ellipse(0.0, 0.325, 0.135, 0.055), np.clip(0.318 - canvas.y, -1.0, 1.0) * 20.0)
    lower = np.minimum(canvas.ellipse(0.0, 0.315, 0.120, 0.062), np.clip(canvas.y - 0.318, -1.0, 1.0) * 20.0)
    canvas.lay(upper, (0.62, 0.28, 0.26), 0.05)
    canvas.lay(lower, (0.78, 0.40, 0.36), 0.05)
    line = np.minimum(canvas.ellipse(0.0, 0.318, 0.140, 0.010), 1.0)
    canvas.lay(line, (0.34, 0.12, 0.12), 0.010, 1.5)
    canvas.picture *= 1.0 - 0.18 * np.clip(canvas.ellipse(0.0, 0.405, 0.09, 0.022), 0.0, 1.0)[..., np.newaxis]
