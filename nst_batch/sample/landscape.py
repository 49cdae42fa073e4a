"""The content of the sample pair: a mountain lake at dusk.

Painted from far to near, in linear light: the sky (sky.py), the land as a height map in perspective
(terrain.py), woods upon it (conifer.py), the lake that mirrors all this (water.py), a spit of land with trees
and a church (church.py) and their own mirror image, the near shore (meadow.py), tall trees at the left; then
developed like a photograph. Everything that looks random comes from the seed: NumPy's generator, and the
gradient noise of noise.py.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nst_batch.sample import church, conifer, meadow
from nst_batch.sample.noise import Floats, Noise
from nst_batch.sample.sky import draw_sky
from nst_batch.sample.terrain import Camera, Terrain, look, shade
from nst_batch.sample.water import Lake

CHURCH_AT = (0.62, 2.32)  # world x and z, on the spit
SPIT_ENDS = 3.0  # the depth between the spit and the far shore


def draw_landscape(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A landscape to style, (height, width, 3) uint8 RGB; the same arguments give the same bytes.

    Snowy peaks in evening light above a lake, a church on a spit of land, woods, clouds and a moon.
    """
    rng = np.random.default_rng(seed)
    noise = Noise(seed + 1)
    camera = Camera(width, height)
    terrain = Terrain(seed)
    view = look(terrain, camera)
    scene = draw_sky(width, height, camera.horizon, noise)
    scene[view.land] = shade(terrain, view, noise)[view.land]
    conifer.plant(scene, terrain, camera, view, rng, conifer.Grove(9000, SPIT_ENDS, 6.5))
    lake = Lake(view, camera, noise)
    scene = lake.reflect_shore(scene)
    empty = scene.copy()
    conifer.plant(scene, terrain, camera, view, rng, conifer.Grove(600, 1.2, SPIT_ENDS))
    foot, tip = _church_site(terrain, camera)
    church.build(scene, foot, tip, noise)
    on_spit = np.any(scene != empty, axis=-1) | (view.land & (view.depth < SPIT_ENDS))
    scene = lake.reflect_spit(scene, on_spit.astype(np.float32))
    church.glow(scene, foot, tip)
    meadow.draw_meadow(scene, noise, rng)
    _frame_with_pines(scene, rng)
    return _develop(scene, rng)


def _church_site(terrain: Terrain, camera: Camera) -> tuple[tuple[float, float], float]:
    """Where the church's tower stands (column, row), and how many pixels tall it is."""
    x, z = (np.array([value], np.float32) for value in CHURCH_AT)
    ground = np.maximum(terrain.height(x, z), 0.01)
    column, row = camera.project(x, ground, z)
    tip = 0.36 * camera.focal / CHURCH_AT[1]
    return (float(column[0]), float(row[0]) + 0.02 * tip), tip


def _frame_with_pines(scene: Floats, rng: np.random.Generator) -> None:
    """A few tall trees close by, at the left, so that the eye goes from near to far."""
    height, width = scene.shape[:2]
    for across, tall in ((0.155, 0.50), (0.012, 0.70), (0.085, 0.86)):
        sprite = conifer.grow(rng, max(64, round(height * tall)))
        conifer.stamp(scene, sprite, (across * width, 0.985 * height), tall * height, 0.0)


def _develop(scene: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Linear light to sRGB-like bytes: soft highlights, a little glow about them, grain, darker corners."""
    height, width = scene.shape[:2]
    bright = np.clip(scene - 0.75, 0, 2)
    scene = scene + 0.14 * cv2.GaussianBlur(bright, (0, 0), 0.012 * width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    corner = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)[..., None]
    scene = scene * (1 - 0.55 * corner)
    tone = (1 - np.exp(-1.35 * scene)) / (1 - np.exp(-1.35 * 1.6))
    encoded = np.clip(tone, 0, 1) ** (1 / 2.2)
    encoded = encoded + 0.30 * (encoded - 0.5) * encoded * (1 - encoded) * 4  # a gentle S for contrast
    encoded = encoded + rng.normal(0, 0.006, (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(encoded * 255 + 0.5, 0, 255), np.uint8)
