"""The land: a height map seen in perspective, lit from the left, fading into haze with distance.

World units: x to the right, z away from the viewer, heights above the lake's surface at 0. The map covers
x in -8..8 and z in 0..12. For every column of the picture the land is sampled along the ray's way over the
ground; the running maximum of its screen heights says which depth each pixel sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nst_batch.sample.noise import Floats, Noise, colour, mix, smoothstep

CELL = 1 / 64  # world units to a cell of the map
COLUMNS, ROWS = 1024, 768  # cells along x and along z
NEAR, FAR = 0.45, 11.9
SUN = np.array([-0.86, 0.34, -0.30], np.float32)  # towards the sun: left, up, behind the viewer

SUNLIGHT = colour(2.30, 1.15, 0.56)
SKYLIGHT = colour(0.15, 0.21, 0.38)
HAZE = colour(0.36, 0.36, 0.50)


@dataclass(frozen=True)
class Camera:
    """A pinhole above the near shore, looking along z. Sizes are in pixels, ``eye`` in world units."""

    width: int
    height: int
    eye: float = 0.27

    @property
    def focal(self) -> float:
        return 1.02 * self.width

    @property
    def horizon(self) -> float:
        return 0.53 * self.height

    def project(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """World points to (column, row)."""
        return self.width / 2 + x / z * self.focal, self.horizon - (y - self.eye) / z * self.focal


@dataclass(frozen=True)
class View:
    """What each pixel sees: ``depth`` (H, W), infinite for sky; ``x`` and ``ground`` at that point."""

    depth: Floats
    x: Floats
    ground: Floats

    @property
    def land(self) -> np.ndarray:
        return np.isfinite(self.depth) & (self.ground > 0)

    @property
    def water(self) -> np.ndarray:
        return np.isfinite(self.depth) & (self.ground <= 0)


class Terrain:
    """The height map, its slopes and its shadows, as functions of (x, z)."""

    def __init__(self, seed: int) -> None:
        noise = Noise(seed)
        z, x = np.meshgrid(
            (np.arange(ROWS, dtype=np.float32) + 0.5) * CELL,
            (np.arange(COLUMNS, dtype=np.float32) + 0.5 - COLUMNS / 2) * CELL,
            indexing="ij",
        )
        self.heights = _heights(x, z, noise)
        along_z, along_x = np.gradient(self.heights, CELL)
        normal = np.stack([-along_x, np.ones_like(along_x), -along_z], axis=-1)
        self._normals = (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)
        self._sunlit = shadows(self.heights)
        clearing = noise.fbm(x * 1.4 + 9, z * 1.4, 4)
        self.groves = smoothstep(-0.12, 0.22, clearing + 0.5 * (self.heights - 0.12))

    def at(self, field: Floats, x: Floats, z: Floats) -> Floats:
        """A map's value at world points, bilinear between its cells."""
        column = np.clip(x / CELL + COLUMNS / 2 - 0.5, 0, COLUMNS - 1.001)
        row = np.clip(z / CELL - 0.5, 0, ROWS - 1.001)
        left, top = column.astype(np.int32), row.astype(np.int32)
        right_share, bottom_share = column - left, row - top
        if field.ndim == 3:
            right_share, bottom_share = right_share[..., None], bottom_share[..., None]
        flat = field.reshape(ROWS * COLUMNS, *field.shape[2:])
        index = top * COLUMNS + left
        upper = flat[index] * (1 - right_share) + flat[index + 1] * right_share
        lower = flat[index + COLUMNS] * (1 - right_share) + flat[index + COLUMNS + 1] * right_share
        return np.asarray(upper * (1 - bottom_share) + lower * bottom_share, np.float32)

    def height(self, x: Floats, z: Floats) -> Floats:
        return self.at(self.heights, x, z)

    def normal(self, x: Floats, z: Floats) -> Floats:
        return self.at(self._normals, x, z)

    def sunlit(self, x: Floats, z: Floats) -> Floats:
        return self.at(self._sunlit, x, z)


def _heights(x: Floats, z: Floats, noise: Noise) -> Floats:
    """A lake basin with a spit of land from the right, forested hills about it, a range of peaks behind."""
    # Octaves end where a wave would be shorter than two or three cells of the map.
    rough = noise.fbm(x * 0.9, z * 0.9, 5, 0.5)
    warp = noise.fbm(x * 0.35 + 40, z * 0.35, 3)
    shore = np.hypot((x + 0.25 - 0.5 * warp) / 1.75, (z - 2.1 - 0.3 * warp) / 1.9) - 1
    spit = np.hypot((x - 1.15) / 0.85, (z - 2.35) / 0.22) - 1 + 0.18 * rough
    basin = 0.22 * np.minimum(shore + 0.10 * rough, 1.2)
    basin = np.maximum(basin, -0.05 * spit * (spit < 1.0) - 0.05 * (spit >= 1.0))
    hills = (
        smoothstep(0.1, 2.6, shore) * (0.55 + 0.35 * warp + 0.22 * rough) * smoothstep(0.3, 3.2, np.abs(x) + 0.35 * z)
    )
    range_mask = smoothstep(4.6, 9.4, z + 0.22 * np.abs(x) + 0.6 * warp)
    main_peak = np.exp(-(((x - 0.9) / 2.1) ** 2 + ((z - 9.2) / 2.2) ** 2))
    second = np.exp(-(((x + 3.2) / 1.9) ** 2 + ((z - 8.6) / 1.9) ** 2))
    bulk = 0.40 + 0.72 * main_peak + 0.36 * second
    peaks = range_mask * bulk * (0.40 + 0.78 * noise.ridged(x * 0.30 + 3, z * 0.30, 6, 0.47))
    return np.asarray(basin + 0.9 * hills + peaks, np.float32)


def shadows(heights: Floats) -> Floats:
    """1 where the sun reaches, 0 in cast shadow.

    The map is swept from left to right: a point is in shadow when the highest line of light over the land to
    its left passes above it. The sun's z is left out here; in the shading it is not.
    """
    fall = -SUN[1] / SUN[0] * CELL * np.arange(heights.shape[1], dtype=np.float32)
    line = np.maximum.accumulate(heights + fall, axis=1) - fall
    return smoothstep(0.10, 0.0, line - heights)


def look(terrain: Terrain, camera: Camera, steps: int = 900) -> View:
    """Which point of the land or lake each pixel of the camera sees."""
    # Equal ratios of depth: as fine near the viewer as the screen can show.
    depths = np.geomspace(NEAR, FAR, steps).astype(np.float32)
    slope = ((np.arange(camera.width) + 0.5) / camera.width - 0.5) * camera.width / camera.focal
    x = depths[:, None] * slope[None, :].astype(np.float32)
    ground = terrain.height(x, np.broadcast_to(depths[:, None], x.shape))
    _, rows = camera.project(x, np.maximum(ground, 0), depths[:, None])
    seen = np.minimum.accumulate(rows, axis=0)
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    screen_rows = np.arange(camera.height) + 0.5
    for column in range(camera.width):
        reach = -seen[:, column]  # ascending
        index = np.searchsorted(reach, -screen_rows)
        hit = index < steps
        after = np.minimum(index, steps - 1)
        before = np.maximum(after - 1, 0)
        span = reach[after] - reach[before]
        share = np.where(span > 1e-6, (-screen_rows - reach[before]) / np.maximum(span, 1e-6), 1.0)
        between = depths[before] + (depths[after] - depths[before]) * np.clip(share, 0, 1)
        depth[hit, column] = between[hit]
    finite = np.where(np.isfinite(depth), depth, FAR)
    x_seen = finite * slope[None, :].astype(np.float32)
    return View(depth=depth, x=x_seen, ground=terrain.height(x_seen, finite))


def haze_amount(depth: Floats, height: Floats) -> Floats:
    """How much of a point's colour the air hides, 0..1: more with distance, most in the valleys."""
    air = 1 - np.exp(-np.maximum(depth - 0.8, 0) * 0.045)
    mist = smoothstep(0.42, 0.0, height) * smoothstep(3.0, 6.0, depth)
    return np.asarray(np.clip(air + 0.34 * mist * (1 - air), 0, 0.94), np.float32)


def shade(terrain: Terrain, view: View, noise: Noise) -> Floats:
    """The land's colours (H, W, 3), linear light; meaningless where the view is sky or water."""
    z = np.where(np.isfinite(view.depth), view.depth, FAR).astype(np.float32)
    x, ground = view.x, view.ground
    normal = terrain.normal(x, z)
    coarse = noise.fbm(x * 3.0, z * 3.0, 4)
    fine = noise.fbm(x * 22.0, z * 22.0, 3, 0.6)
    bump = 0.16 * fine + 0.10 * coarse
    sun = np.clip(normal @ (SUN / np.linalg.norm(SUN)) + bump, 0, 1.2) * terrain.sunlit(x, z)
    meadow = mix(colour(0.13, 0.17, 0.040), colour(0.40, 0.34, 0.09), smoothstep(-0.5, 0.7, coarse + 0.4 * fine))
    forest = mix(colour(0.022, 0.045, 0.022), colour(0.055, 0.085, 0.030), smoothstep(-0.7, 0.7, fine))
    rock = mix(colour(0.13, 0.12, 0.125), colour(0.30, 0.26, 0.235), smoothstep(-0.8, 0.8, fine + 0.5 * coarse))
    snow = colour(0.86, 0.88, 0.95)
    flat = normal[..., 1]
    woods = terrain.at(terrain.groves, x, z) * smoothstep(0.03, 0.10, ground)
    albedo = mix(meadow, forest, woods)
    albedo = mix(albedo, rock, smoothstep(0.78, 1.12, ground + 0.22 * coarse - 0.35 * (flat - 0.7)))
    snowline = ground + 0.28 * coarse + 0.10 * fine + 0.55 * (flat - 0.62)
    albedo = mix(albedo, snow, smoothstep(1.02, 1.22, snowline) * smoothstep(0.40, 0.56, flat + 0.10 * fine))
    albedo = mix(albedo, colour(0.24, 0.21, 0.17), smoothstep(0.022, 0.006, ground))  # the wet edge of the shore
    light = SUNLIGHT * sun[..., None] + SKYLIGHT * (0.45 + 0.55 * flat)[..., None]
    return mix(albedo * light, HAZE, haze_amount(z, ground))
