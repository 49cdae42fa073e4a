"""A small church with lit windows, drawn flat by flat four times too large and then reduced.

Its own frame: one unit is the height from the ground to the tip of the spire, x to the right, y up.
"""

from __future__ import annotations

import cv2
import numpy as np

from nst_batch.sample.noise import Floats, Noise, colour

_OVERSAMPLE = 4
_WIDTH, _LEFT = 1.06, 0.36  # of the frame, and how much of it lies left of the tower's foot

# Linear light. The sun stands left of the church: gable and tower's left side are lit, the nave's long wall is not.
LIT_WALL = colour(1.05, 0.72, 0.48)
DIM_WALL = colour(0.27, 0.27, 0.34)
LIT_ROOF = colour(0.42, 0.155, 0.085)
DIM_ROOF = colour(0.155, 0.085, 0.095)
LAMP = colour(2.6, 1.45, 0.42)

_Point = tuple[float, float]


def _flats() -> list[tuple[Floats, list[_Point]]]:
    """The church back to front: each flat's colour and its corners."""
    nave = [
        (DIM_WALL, [(0.06, 0), (0.66, 0), (0.66, 0.24), (0.06, 0.24)]),
        (DIM_ROOF, [(0.02, 0.225), (0.69, 0.225), (0.60, 0.43), (0.10, 0.43)]),
        (LIT_ROOF, [(0.60, 0.43), (0.69, 0.225), (0.675, 0.215), (0.59, 0.43)]),
    ]
    tower = [
        (LIT_WALL, [(-0.12, 0), (0.0, 0), (0.0, 0.56), (-0.12, 0.56)]),
        (DIM_WALL, [(0.0, 0), (0.10, 0), (0.10, 0.56), (0.0, 0.56)]),
        (LIT_ROOF, [(-0.15, 0.55), (0.0, 0.535), (-0.01, 1.0)]),
        (DIM_ROOF, [(0.0, 0.535), (0.13, 0.55), (-0.01, 1.0)]),
    ]
    return nave + tower


def _windows() -> list[list[_Point]]:
    arched = [_arch(0.17 + 0.115 * number, 0.07, 0.022, 0.105) for number in range(4)]
    return [*arched, _arch(-0.06, 0.40, 0.018, 0.085), _arch(0.05, 0.40, 0.014, 0.085), _arch(-0.06, 0.0, 0.028, 0.12)]


def _arch(x: float, foot: float, half: float, height: float) -> list[_Point]:
    """A window with a round head."""
    turn = np.linspace(0, np.pi, 9)
    head = [(x + half * float(np.cos(a)), foot + height - half + half * float(np.sin(a))) for a in turn]
    return [(x + half, foot), *head, (x - half, foot)]


def build(picture: Floats, foot: tuple[float, float], height: float, noise: Noise) -> None:
    """Paint the church into the picture (H, W, 3), linear light.

    The tower's foot stands at (column, row), its tip ``height`` pixels above. Nothing is painted when that is
    less than eight pixels.
    """
    if height < 8:
        return
    scale = height * _OVERSAMPLE
    rows, columns = int(1.04 * scale), int(_WIDTH * scale)
    flat, cover = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)

    def fill(corners: list[_Point], paint: Floats) -> None:
        points = np.array([[(x + _LEFT) * scale, rows - 1 - y * scale] for x, y in corners])
        cv2.fillPoly(flat, [np.round(points).astype(np.int32)], paint.tolist())
        cv2.fillPoly(cover, [np.round(points).astype(np.int32)], 1.0)

    for paint, corners in _flats():
        fill(corners, paint)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / scale
    flat *= (1 + 0.22 * noise.fbm(x * 30, y * 46, 3) - 0.25 * np.clip((y - 0.9) * 4, 0, 1))[..., None]
    for corners in _windows():
        fill(corners, LAMP)
    _blend(picture, flat, cover, foot, scale)


def _blend(picture: Floats, flat: Floats, cover: Floats, foot: tuple[float, float], scale: float) -> None:
    size = (max(1, flat.shape[1] // _OVERSAMPLE), max(1, flat.shape[0] // _OVERSAMPLE))
    flat = np.asarray(cv2.resize(flat * cover[..., None], size, interpolation=cv2.INTER_AREA), np.float32)
    cover = np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_AREA), np.float32)
    left, top = round(foot[0] - _LEFT * scale / _OVERSAMPLE), round(foot[1] - size[1])
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + size[0], picture.shape[1]), min(top + size[1], picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    picture[y0:y1, x0:x1] = picture[y0:y1, x0:x1] * (1 - cover[inside])[..., None] + flat[inside]


def glow(picture: Floats, foot: tuple[float, float], height: float) -> None:
    """The lamps' light in the air before the windows."""
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    distance = np.hypot((x - foot[0] - 0.34 * height) / 0.42, (y - foot[1] + 0.10 * height) / 0.20) / height
    picture += (0.16 * np.exp(-(distance**2) * 1.6))[..., None] * colour(1.0, 0.55, 0.16)
