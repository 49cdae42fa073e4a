"""The second judge's measures, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nst_batch.transfer.device import prepare_tensorflow

prepare_tensorflow()

from benchmarks.quality import second  # noqa: E402 - TensorFlow is told to be quiet first
from benchmarks.quality.evaluator import LEAST_FINENESS, fineness  # noqa: E402
from benchmarks.quality.second import best_patches, centred_cosine, dots, histogram  # noqa: E402


def features(rows):
    """(h, w, N) numbers -> (1, h, w, N) float32."""
    return np.asarray(rows, np.float32)[np.newaxis]


def test_dots_are_single_pixels_of_another_colour():
    """Two red pixels in 10 × 10 grey ones are 20 in a thousand; a bright grey one, or an edge, is none."""
    picture = np.full((10, 10, 3), 100, np.uint8)
    picture[:, 5:] = (200, 30, 30)
    assert dots(picture) == 0.0
    picture[2, 2] = 250
    assert dots(picture) == 0.0
    picture[5, 2], picture[7, 8] = (220, 60, 60), (20, 200, 20)
    assert dots(picture) == 20.0


def test_a_dot_differs_by_more_than_twelve():
    """Cr of (R, G, B) is 0.713 (R − Y) + 128: 24 more of red alone is 12 more of Cr, 26 is 13."""
    for more, expected in ((23, 0.0), (26, 1000 / 25)):
        picture = np.full((5, 5, 3), 100, np.uint8)
        picture[2, 2, 0] += more
        assert dots(picture) == expected


def test_centred_cosine_by_hand():
    """What all positions have in common does not count; opposite features give −1, features at a right angle 0."""
    a = features([[[1, 0], [-1, 0]]])
    assert centred_cosine(a, a * 3 + 7) == pytest.approx(1.0)
    assert centred_cosine(a, 5 - a) == pytest.approx(-1.0)
    assert centred_cosine(a, features([[[0, 2], [0, -2]]])) == pytest.approx(0.0)


def test_palettes_share_what_their_histograms_have_in_common():
    """Half black and half white against a quarter and three quarters: three quarters in common; none with red."""
    picture = np.zeros((2, 4, 3), np.float32)
    half, quarter, red = picture.copy(), picture.copy(), picture.copy()
    half[0], quarter[0], quarter[1, :2], red[..., 0] = 1.0, 1.0, 1.0, 1.0
    assert histogram(half).sum() == pytest.approx(1.0)
    assert np.minimum(histogram(half), histogram(quarter)).sum() == pytest.approx(0.75)
    assert np.minimum(histogram(half), histogram(red)).sum() == 0.0


def test_best_patches_by_hand():
    """A part of the style is found in it, with a cosine of 1, and uses only the patches that it has."""
    style = np.random.default_rng(1).random((1, 5, 9, 4), np.float32)  # 3 × 7 patches
    cosine, used = best_patches(style[:, :, :4], style)  # 3 × 2 of them
    assert cosine == pytest.approx(1.0, abs=1e-6)
    assert used == pytest.approx(6 / 21)
    assert best_patches(style, style)[1] == 1.0


def test_repetition_uses_few_patches():
    """One patch again and again matches perfectly and uses one patch of many."""
    style = np.random.default_rng(2).random((1, 6, 6, 4), np.float32)
    one = np.tile(style[:, :3, :3], (1, 4, 4, 1))[:, :3, :3]
    assert best_patches(one, style) == (pytest.approx(1.0, abs=1e-6), pytest.approx(1 / 16))


def test_best_patches_go_in_pieces(monkeypatch):
    """However many are compared at a time, it is the same; and every second patch is every second one."""
    a, b = (np.random.default_rng(n).random((1, 9, 8, 3), np.float32) for n in (3, 4))
    whole = best_patches(a, b, 2)
    monkeypatch.setattr(second, "PIECE", 5)
    assert best_patches(a, b, 2) == pytest.approx(whole)
    windows = [a[:, y : y + 3, x : x + 3].ravel() for y in range(0, 7, 2) for x in range(0, 6, 2)]
    others = [b[:, y : y + 3, x : x + 3].ravel() for y in range(0, 7, 2) for x in range(0, 6, 2)]
    cosines = [[np.dot(p, q) / np.linalg.norm(p) / np.linalg.norm(q) for q in others] for p in windows]
    assert whole[0] == pytest.approx(np.max(cosines, axis=1).mean(), rel=1e-5)


def test_a_grey_style_has_less_colour_detail_than_the_floor():
    """So that the least colour in a result is not a thousand times the style's."""
    grey = np.repeat(np.random.default_rng(5).random((32, 32, 1), np.float32), 3, axis=2)
    assert fineness(grey)[1] < LEAST_FINENESS < fineness(grey)[0]
