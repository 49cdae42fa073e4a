"""The near shore: a bank of grass, flowers and stones along the lower edge, drawn blade by blade."""

from __future__ import annotations

import cv2
import numpy as np

from nst_batch.sample.noise import Floats, Noise, colour, mix

_GREENS = np.array([(0.020, 0.040, 0.016), (0.050, 0.085, 0.022), (0.13, 0.15, 0.035), (0.34, 0.27, 0.07)], np.float32)
_FLOWERS = np.array([(0.85, 0.25, 0.10), (0.95, 0.62, 0.12), (0.80, 0.72, 0.70), (0.42, 0.20, 0.55)], np.float32)


def bank(columns: Floats, width: int, height: int, noise: Noise) -> Floats:
    """The bank's upper edge, in rows, at each column: high at both sides of the picture, low in the middle."""
    across = columns / width
    hollow = 0.075 * np.abs(across - 0.52) ** 1.3 * 4
    return np.asarray(height * (0.985 - hollow - 0.016 * noise.fbm(across * 6 + 3, across * 0 + 9, 4)), np.float32)


def draw_meadow(picture: Floats, noise: Noise, rng: np.random.Generator) -> None:
    """Paint the bank over the picture (H, W, 3), linear light."""
    height, width = picture.shape[:2]
    unit = height / 512
    edge = bank(np.arange(width, dtype=np.float32), width, height, noise)
    rows = np.arange(height, dtype=np.float32)[:, None]
    soil = np.clip((rows - edge) / (4 * unit), 0, 1).astype(np.float32)
    picture[:] = mix(picture, colour(0.018, 0.026, 0.014), soil)
    layer = np.zeros((height, width, 3), np.uint8)
    cover = np.zeros((height, width), np.uint8)
    count = int(6 * width)
    foot_x = rng.uniform(-10, width + 10, count)
    ground = bank(foot_x.astype(np.float32), width, height, noise)
    # From the back of the bank to its front; nearer blades are longer and better lit.
    near = np.sort(rng.beta(1.0, 1.1, count))
    foot_y = ground + near * (height + 14 * unit - ground)
    length = unit * (6 + 26 * near) * rng.uniform(0.5, 1.35, count)
    bend = rng.normal(0.22, 0.34, count) * length
    for index in range(count):
        paint = _GREENS[min(3, int(rng.beta(1.4, 1.6) * 4))] * rng.uniform(0.6, 1.2)
        along = np.array([0, 0.4, 0.75, 1.0])
        x = foot_x[index] + bend[index] * along**2
        y = foot_y[index] - length[index] * along * (1 - 0.12 * along)
        points = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
        _stroke(layer, cover, points, paint, 1 + int(near[index] ** 2 * 1.2 * unit))
        if rng.uniform() < 0.02:
            centre = (int(points[-1, 0]), int(points[-1, 1]))
            petal = _FLOWERS[rng.integers(len(_FLOWERS))] * rng.uniform(0.7, 1.1)
            radius = round(unit * (1.1 + 2.0 * near[index]) * 16)
            cv2.circle(layer, centre, radius, _encode(petal), -1, cv2.LINE_AA, 4)
            cv2.circle(cover, centre, radius, 255, -1, cv2.LINE_AA, 4)
    amount = cover.astype(np.float32) / 255
    picture[:] = mix(picture, (layer.astype(np.float32) / 255) ** 2, amount)


def _stroke(layer: np.ndarray, cover: np.ndarray, points: np.ndarray, paint: Floats, thickness: int) -> None:
    cv2.polylines(layer, [points], False, _encode(paint), thickness, cv2.LINE_AA, 4)
    cv2.polylines(cover, [points], False, 255, thickness, cv2.LINE_AA, 4)


def _encode(paint: Floats) -> tuple[float, ...]:
    """Linear light to the layer's 8 bits, on a square-root scale so that the darks keep their steps."""
    return tuple(float(value) for value in np.round(255 * np.sqrt(np.clip(paint, 0, 1))))
