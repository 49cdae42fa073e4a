"""The sample pair: drawn the same every time, at any size, and worth looking at."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from nst_batch.sample import draw_landscape, draw_painting
from nst_batch.sample.brush import Canvas, Strokes
from nst_batch.sample.noise import Noise, smoothstep
from nst_batch.sample.terrain import CELL, SUN, Camera, Terrain, look, shadows
from nst_batch.sample.water import Lake

DRAWINGS = pytest.mark.parametrize("draw", [draw_landscape, draw_painting])
SIZE = (192, 128)


@cache
def drawn(draw):
    """The picture of seed 0 at the usual size."""
    return draw(*SIZE)


def detail(picture):
    """The mean step from a pixel to its right-hand neighbour, in 1/255."""
    return float(np.abs(np.diff(picture.astype(np.float32), axis=1)).mean())


@DRAWINGS
def test_same_seed_draws_the_same_bytes(draw):
    """A picture depends on its size and its seed, and on nothing else."""
    assert draw(*SIZE, seed=0).tobytes() == drawn(draw).tobytes()


@DRAWINGS
def test_another_seed_draws_another_picture(draw):
    """The seed changes what is drawn, not just a grain of noise upon it."""
    one, two = (
        cv2.GaussianBlur(picture, (0, 0), 2).astype(np.float32) for picture in (drawn(draw), draw(*SIZE, seed=1))
    )
    assert np.abs(one - two).mean() > 5


@DRAWINGS
@pytest.mark.parametrize("size", [(128, 96), (96, 160), (33, 47)])
def test_size_and_type_are_as_asked(draw, size):
    """Width and height, in this order, of any aspect and down to very small, as RGB bytes."""
    picture = draw(*size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


@DRAWINGS
def test_pictures_have_tones_colours_and_edges(draw):
    """Neither picture is flat: it has darks and lights, more than one hue, and detail at the pixel's scale."""
    picture = drawn(draw)
    low, high = np.percentile(picture.mean(axis=-1), [2, 98])
    assert high - low > 120
    hue, saturation, _ = np.moveaxis(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), -1, 0)
    warm = (saturation > 60) & ((hue < 30) | (hue > 165))
    cool = (saturation > 60) & (hue > 90) & (hue < 140)
    assert warm.mean() > 0.05
    assert cool.mean() > 0.05
    assert detail(picture) > 5


def test_painting_is_coarser_textured_than_the_landscape():
    """The painting's strokes run everywhere: even its quietest tenth has more texture than the landscape's."""

    def quietest_tenth(picture):
        grey = picture.mean(axis=-1).astype(np.float32)
        texture = cv2.blur((grey - cv2.GaussianBlur(grey, (0, 0), 2)) ** 2, (15, 15))
        return float(np.percentile(texture, 10))

    assert quietest_tenth(drawn(draw_painting)) > 3 * quietest_tenth(drawn(draw_landscape))


def test_lake_mirrors_what_stands_above_it():
    """A red band above the far shore is seen red in the water as far below it, and the sky's blue beyond that."""
    camera = Camera(96, 64)
    view = look(Terrain(0), camera, steps=200)
    shore = int(np.argmax(view.water.any(axis=1)))
    scene = np.zeros((64, 96, 3), np.float32)
    scene[..., 2] = 1.0
    scene[shore - 6 : shore] = (1, 0, 0)
    lake = Lake(view, camera, Noise(1)).reflect_shore(scene)[:, 40:56]
    near, far = lake[shore + 2 : shore + 5].mean(axis=(0, 1)), lake[-8:].mean(axis=(0, 1))
    assert near[0] > 2 * near[2]
    assert far[2] > 2 * far[0]


def test_land_in_the_shadow_of_a_peak_gets_no_sun():
    """The sun stands left: right of a wall the ground is dark as far as the wall's shadow reaches, left it is lit."""
    heights = np.zeros((4, 200), np.float32)
    heights[:, 100] = 1.0
    lit = shadows(heights)
    reach = round(-SUN[0] / SUN[1] / CELL)
    assert lit[0, :100].min() == 1
    assert lit[0, 102 : min(200, 100 + reach // 2)].max() < 0.01


def test_a_stroke_follows_the_flow_it_is_given():
    """A stroke in a level flow is a level band: wide along the flow, narrow across it, in the brush's colour."""
    canvas = Canvas(np.full((60, 120, 3), 10, np.uint8))
    one = np.ones(1, np.float32)
    red = np.array([[200, 30, 30]], np.uint8)
    stroke = Strokes(x=60 * one, y=30 * one, length=60 * one, width=12 * one, colours=red, second=red)
    canvas.lay(stroke, lambda x, y: np.zeros_like(x + y), np.random.default_rng(0))
    painted = canvas.paint[..., 0] > 100
    rows, columns = painted.any(axis=1).sum(), painted.any(axis=0).sum()
    assert 8 <= rows <= 18
    assert 40 <= columns <= 66
    assert painted[30, 60]
    assert not painted[5].any()


def test_relief_of_flat_paint_casts_no_light():
    """Where the paint lies evenly thick, the lamp changes nothing."""
    ground = np.full((20, 30, 3), (40, 90, 160), np.uint8)
    np.testing.assert_array_equal(Canvas(ground).lit(), ground)


def test_noise_is_smooth_and_zero_on_its_lattice():
    """Gradient noise vanishes at whole coordinates, is small just beside them, and is not constant between."""
    noise = Noise(5)
    x, y = np.meshgrid(np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32))
    np.testing.assert_allclose(noise(x, y), 0, atol=1e-6)
    assert np.abs(noise(x + 0.01, y)).max() < 0.05
    assert noise(x + 0.5, y + 0.5).std() > 0.1


def test_noise_repeats_and_depends_on_its_seed():
    """The lattice wraps after 256 cells, so that a field has no end; another seed is another field."""
    x = np.linspace(0, 20, 101, dtype=np.float32)
    y = np.full_like(x, 0.37)
    np.testing.assert_allclose(Noise(1)(x, y), Noise(1)(x + 256, y - 256), atol=1e-3)
    assert np.abs(Noise(1)(x, y) - Noise(2)(x, y)).max() > 0.1


def test_smoothstep_runs_either_way():
    """It rises from the first bound to the second, and falls where the first is the larger."""
    ends = np.array([-1, 0, 0.5, 1, 2], np.float32)
    np.testing.assert_allclose(smoothstep(0, 1, ends), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smoothstep(1, 0, ends), [1, 1, 0.5, 0, 0])
