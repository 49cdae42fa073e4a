"""Conifers: a few sprites grown branch by branch, then planted by the thousand.

A sprite is (S, S/2, 2) float32: how much a pixel is covered, and how bright it is between the tree's shaded
green and its sunlit one. Sunlight comes from the left, as on the land.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nst_batch.sample.noise import Floats, colour, mix
from nst_batch.sample.terrain import HAZE, Camera, Terrain, View, haze_amount

SPRITE_HEIGHT = 256
SHADED = colour(0.010, 0.024, 0.022)
SUNLIT = colour(0.235, 0.185, 0.060)


def grow(rng: np.random.Generator, height: int = SPRITE_HEIGHT) -> Floats:
    """One tree, from its lowest boughs to its tip; each bough hangs with needles below it."""
    width = height // 2
    layers = np.zeros((2, height, width), np.uint8)
    lean = rng.normal(0, 0.012) * height
    slender = rng.uniform(0.72, 0.98)
    cv2.line(layers[0], (width // 2, round(0.1 * height)), (width // 2, height - 1), 255, max(1, height // 80))
    levels = int(24 + rng.integers(0, 8))
    for level in range(levels):
        down = (level + 0.5) / levels  # 0 at the tip, 1 at the lowest bough
        reach = slender * 0.47 * width * (0.05 + down**0.9)
        # From those behind the trunk to those before it.
        for side in np.concatenate([[-1.0, 1.0], rng.uniform(-1, 1, 7)]):
            root_y = (0.02 + 0.90 * down + rng.normal(0, 0.010)) * height
            root = (width / 2 + lean * (1 - down), root_y)
            _bough(layers, rng, root, reach * float(rng.uniform(0.55, 1.12)), float(side))
    return np.moveaxis(layers, 0, -1).astype(np.float32) / 255


def _bough(
    layers: NDArray[np.uint8], rng: np.random.Generator, root: tuple[float, float], reach: float, side: float
) -> None:
    """One bough: out from the trunk, sagging, lifting at its end, fringed with needles.

    ``side`` says where it points: -1 left, towards the sun; 0 at the viewer; 1 right.
    """
    height = layers.shape[1]
    count = int(np.clip(reach * 0.9, 6, 90))
    along = np.sort(rng.uniform(0.05, 1, count))
    x = root[0] + side * reach * along
    sag = rng.uniform(0.16, 0.40) + 0.22 * (1 - abs(side))
    y = root[1] + reach * (sag * along - 0.15 * along**3)
    drop = 0.024 * height * (1.15 - 0.8 * along) * rng.uniform(0.25, 1.2, count)
    slant = (0.5 * side + rng.normal(0, 0.45, count)) * drop
    # Lit from the left and above: the near and far side, the depth of the tree and each twig have their share.
    light = 0.36 - 0.40 * side + rng.normal(0, 0.16) + rng.normal(0, 0.14, count) - 0.5 * (1 - along) ** 2
    ends = np.stack([np.stack([x, y], 1), np.stack([x + slant, y + drop], 1)], 1)
    points = np.round(ends * 16).astype(np.int32)
    thick = max(1, height // 256)
    for needle, shade in zip(points, np.clip(255 * light, 2, 255), strict=True):
        cv2.polylines(layers[0], [needle], False, 255, thick, cv2.LINE_AA, 4)
        cv2.polylines(layers[1], [needle], False, int(shade), thick, cv2.LINE_AA, 4)


def stamp(picture: Floats, sprite: Floats, foot: tuple[float, float], height: float, haze: float) -> None:
    """Paint a sprite into the picture (H, W, 3), its foot at (column, row), ``height`` pixels tall."""
    rows, columns = max(2, round(height)), max(1, round(height / 2))
    small = cv2.resize(sprite, (columns, rows), interpolation=cv2.INTER_AREA)
    left, top = round(foot[0] - columns / 2), round(foot[1] - rows)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + columns, picture.shape[1]), min(top + rows, picture.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = small[y0 - top : y1 - top, x0 - left : x1 - left]
    cover = np.clip(part[..., 0] * 1.5, 0, 1)
    lit = part[..., 1] / np.maximum(part[..., 0], 0.05)
    tree = mix(SHADED, SUNLIT, np.clip(lit, 0, 1) ** 1.5)
    tree = tree + (HAZE - tree) * np.float32(haze)
    picture[y0:y1, x0:x1] = mix(picture[y0:y1, x0:x1], tree, cover)


@dataclass(frozen=True)
class Grove:
    """Where trees may stand: how many are tried, and between which depths."""

    count: int
    near: float
    far: float


def plant(
    picture: Floats, terrain: Terrain, camera: Camera, view: View, rng: np.random.Generator, grove: Grove
) -> None:
    """Woods on the slopes about the lake, far trees first. A tree stands only where its foot can be seen."""
    tallest = 0.125 * camera.focal / grove.near
    sprites = [grow(rng, int(np.clip(1.5 * tallest, 64, SPRITE_HEIGHT))) for _ in range(6)]
    depth = np.sort(rng.uniform(grove.near, grove.far, grove.count))[::-1].astype(np.float32)
    x = (rng.uniform(-0.52, 0.52, depth.size) * depth).astype(np.float32)
    ground = terrain.height(x, depth)
    column, row = camera.project(x, ground, depth)
    c = np.clip(column, 0, camera.width - 1).astype(np.int32)
    r = np.clip(row - 1, 0, camera.height - 1).astype(np.int32)
    stands = (ground > 0.012) & (ground < 0.85) & (view.depth[r, c] > 0.97 * depth - 0.05)
    stands &= terrain.at(terrain.groves, x, depth) > rng.uniform(0, 1, depth.size)
    tall = rng.uniform(0.06, 0.125, depth.size) * camera.focal / depth
    haze = haze_amount(depth, ground)
    sunlit = 0.30 + 0.70 * terrain.sunlit(x, depth)
    kind = rng.integers(len(sprites), size=depth.size)
    for index in np.flatnonzero(stands):
        sprite = sprites[kind[index]] * np.array([1, sunlit[index]], np.float32)
        stamp(picture, sprite, (float(column[index]), float(row[index]) + 1), float(tall[index]), float(haze[index]))
