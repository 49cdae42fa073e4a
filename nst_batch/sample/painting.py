"""The style of the sample pair: a whirling evening sky and sun above a rough sea, in thick strokes.

A tonal plan says how light each place should be, and of which family of pigments; a flow says which way the
brush goes there. Four layers of strokes, each finer than the last, are painted after both, every stroke with
two neighbouring pigments on the brush, so that tones are broken colour rather than mixtures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nst_batch.sample.brush import Canvas, Strokes
from nst_batch.sample.noise import Floats, Noise, smoothstep

# Pigments from dark to light, sRGB.
_SKY = np.array(
    [(12, 20, 58), (18, 36, 96), (24, 62, 142), (36, 98, 176), (74, 146, 196), (138, 190, 204), (216, 224, 196)],
    np.float32,
)
_FIRE = np.array(
    [(92, 28, 30), (168, 58, 24), (214, 98, 22), (236, 142, 28), (246, 184, 52), (252, 216, 104), (255, 242, 186)],
    np.float32,
)
_SEA = np.array(
    [(8, 24, 44), (10, 48, 72), (16, 78, 100), (30, 112, 124), (76, 152, 146), (150, 196, 172), (232, 232, 204)],
    np.float32,
)


class Swirl:
    """A whirl of the sky: where, how large (both in picture heights), which way round, how bright its fire."""

    def __init__(self, x: float, y: float, radius: float, turn: float, fire: float) -> None:
        self.x, self.y, self.radius, self.turn, self.fire = x, y, radius, turn, fire

    def polar(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Distance in radii, and angle."""
        return np.hypot(u - self.x, v - self.y) / self.radius, np.arctan2(v - self.y, u - self.x)


SWIRLS = (
    Swirl(0.98, 0.33, 0.255, 1.0, 1.0),  # the sun
    Swirl(0.36, 0.20, 0.150, -1.0, 0.55),
    Swirl(0.62, 0.49, 0.105, 1.0, 0.30),
    Swirl(1.33, 0.12, 0.110, -1.0, 0.42),
    Swirl(0.10, 0.47, 0.120, 1.0, 0.35),
)
SHORE = 0.66  # where the sea begins, in picture heights


class Scene:
    """The painting's plan in its own units: u to the right and v down, both in picture heights."""

    def __init__(self, aspect: float, seed: int) -> None:
        self._noise = Noise(seed + 11)
        self._stretch = 1.5 / aspect  # the composition is made for 3:2

    def coast(self, u: Floats) -> Floats:
        return np.asarray(SHORE + 0.012 * np.sin(u * 9) + 0.016 * self._noise(u * 3, u * 0 + 4), np.float32)

    def angle(self, u: Floats, v: Floats) -> Floats:
        """Which way the brush goes, radians: round the swirls, along a stream between them, along the waves."""
        u = u * self._stretch
        n = self._noise.fbm(u * 1.7, v * 1.7, 2)
        stream = 0.55 * np.sin(u * 4.2 + 2.2 * v) + 0.7 * n
        dx, dy = 0.8 * np.cos(stream), 0.8 * np.sin(stream)
        for swirl in SWIRLS:
            distance, around = swirl.polar(u, v)
            pull = 3.2 * swirl.turn * np.exp(-((distance / 1.15) ** 2))
            heading = around + np.pi / 2 - 0.28 * swirl.turn  # a spiral inwards, not a ring
            dx, dy = dx + pull * np.cos(heading), dy + pull * np.sin(heading)
        sky = np.arctan2(dy, dx)
        waves = 0.75 * np.cos(self._wave_phase(u, v)) * (0.35 + 0.65 * self._depth(u, v)) + 0.25 * n
        sea = smoothstep(-0.01, 0.01, v - self.coast(u))
        # Directions, not arrows: blended on the doubled angle.
        return np.asarray(
            0.5
            * np.arctan2(
                (1 - sea) * np.sin(2 * sky) + sea * np.sin(2 * waves),
                (1 - sea) * np.cos(2 * sky) + sea * np.cos(2 * waves),
            ),
            np.float32,
        )

    def _depth(self, u: Floats, v: Floats) -> Floats:
        """0 at the horizon, 1 at the lower edge."""
        return np.clip((v - self.coast(u)) / (1 - SHORE), 0, 1)

    def _wave_phase(self, u: Floats, v: Floats) -> Floats:
        near = self._depth(u, v)
        bend = 3.0 * self._noise(u * 2, v * 5) + 1.3 * np.sin(u * 3 + 9 * near)
        return np.asarray(u * (30 - 19 * near) + 16.5 * near + bend, np.float32)

    def tone(self, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """How light (0..1), how much of the fire's pigments, how much of the sea's, at each place."""
        u = u * self._stretch
        grain = self._noise.fbm(u * 5, v * 5, 3)
        light = 0.30 + 0.16 * (v / SHORE) + 0.15 * grain
        fire = 0.85 * smoothstep(0.36, SHORE, v) * smoothstep(-0.30, 0.5, self._noise(u * 2.0 + 7, v * 7))
        for swirl in SWIRLS:
            distance, around = swirl.polar(u, v)
            arms = 0.5 + 0.5 * np.sin(2 * around * swirl.turn - 7.5 * np.sqrt(distance + 0.02) * 1.35)
            reach = np.exp(-((distance / 1.05) ** 2))
            core = smoothstep(0.50, 0.16, distance)
            light = light * (1 - 0.75 * reach) + reach * (0.26 + 0.42 * arms) + core * 0.30 * swirl.fire
            fire = fire + swirl.fire * (1.25 * core + 0.95 * reach * smoothstep(0.25, 0.9, arms))
        stream = np.sin(14 * v - 5 * np.sin(u * 2.6 + 1.2) + 2 * grain)
        light = light + 0.13 * stream * smoothstep(0.0, 0.25, v)
        return self._with_sea(u, v, light, fire, grain)

    def _with_sea(
        self, u: Floats, v: Floats, light: Floats, fire: Floats, grain: Floats
    ) -> tuple[Floats, Floats, Floats]:
        sea = smoothstep(-0.006, 0.006, v - self.coast(u))
        near = self._depth(u, v)
        crest = 0.5 + 0.5 * np.sin(self._wave_phase(u, v) + 8.0 * near + 1.4 * grain)
        foam = crest**5 * (0.35 + 0.5 * near)
        sea_light = 0.20 + 0.22 * crest + 0.40 * foam + 0.10 * grain
        sun = SWIRLS[0]
        path = np.exp(-(((u - sun.x - 0.03 * np.sin(20 * near)) / (0.10 + 0.16 * near)) ** 2))
        glitter = path * smoothstep(0.25, 0.75, crest + 0.5 * grain) * (1 - 0.35 * near)
        sea_light = sea_light + 0.38 * glitter
        light = np.clip(light * (1 - sea) + sea_light * sea, 0, 1)
        fire = np.clip(fire * (1 - sea) + 1.15 * glitter * sea, 0, 1)
        return light.astype(np.float32), fire.astype(np.float32), sea.astype(np.float32)


def draw_painting(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A painting to take the style from, (height, width, 3) uint8 RGB. The same arguments give the same bytes."""
    rng = np.random.default_rng(seed)
    scene = Scene(width / height, seed)
    canvas = Canvas(_underpainting(scene, width, height))

    def flow(x: Floats, y: Floats) -> Floats:
        return scene.angle(x / height, y / height)

    # Length and width of a stroke in picture heights; how many times the layer's strokes cover the canvas.
    for length, breadth, coverage in (
        (0.150, 0.034, 1.8),
        (0.105, 0.021, 1.7),
        (0.075, 0.0140, 1.4),
        (0.046, 0.0090, 0.55),
    ):
        count = round(coverage * width / (length * breadth * height))
        canvas.lay(_plan(scene, count, (width, height), (length, breadth), rng), flow, rng, 1.7 * height / 512)
    return canvas.lit()


def _underpainting(scene: Scene, width: int, height: int) -> NDArray[np.uint8]:
    """A thin wash of the plan's colours, so that no bare canvas shows between strokes."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light, fire, sea = scene.tone(x.ravel() / height, y.ravel() / height)
    family = np.where(fire > 0.5, 1, np.where(sea > 0.5, 2, 0))
    return _pick(np.stack([_SKY, _FIRE, _SEA]), family, light * 0.9).reshape(height, width, 3)


def _plan(
    scene: Scene, count: int, size: tuple[int, int], stroke: tuple[float, float], rng: np.random.Generator
) -> Strokes:
    """Where the strokes of one layer go, and what is on the brush for each."""
    width, height = size
    x = rng.uniform(-0.03 * width, 1.03 * width, count).astype(np.float32)
    y = rng.uniform(-0.03 * height, 1.03 * height, count).astype(np.float32)
    light, fire, sea = scene.tone(x / height, y / height)
    family = np.where(fire + rng.normal(0, 0.14, count) > 0.5, 1, np.where(sea > 0.5, 2, 0))
    # A few strokes in the complement's family keep the large areas from going dead.
    family = np.where(rng.uniform(size=count) < 0.04, 1, family)
    pigments = np.stack([_SKY, _FIRE, _SEA])
    first = _pick(pigments, family, light + rng.normal(0, 0.075, count))
    second = _pick(pigments, family, light + 0.06 + rng.normal(0, 0.10, count))
    return Strokes(
        x=x,
        y=y,
        length=(stroke[0] * height * rng.uniform(0.65, 1.3, count)).astype(np.float32),
        width=(stroke[1] * height * rng.uniform(0.7, 1.3, count)).astype(np.float32),
        colours=first,
        second=second,
    )


def _pick(pigments: Floats, family: NDArray[np.int64], light: Floats) -> NDArray[np.uint8]:
    """The pigment of each family nearest to the wanted light, (N, 3)."""
    steps = pigments.shape[1]
    index = np.clip(np.round(light * (steps - 1)), 0, steps - 1).astype(np.int64)
    return np.asarray(pigments[family, index], np.uint8)
