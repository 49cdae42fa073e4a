"""Colours kept and matched, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nst_batch.transfer.color import grey, luminance, match_color, match_luminance, with_luminance


def picture(seed: int, mean: float = 0.5, spread: float = 0.15) -> NDArray[np.float32]:
    """Colours far enough from 0 and 1 that nothing is clipped."""
    rng = np.random.default_rng(seed)
    mixed = rng.uniform(-1, 1, size=(40, 30, 3)) @ (np.eye(3) + rng.uniform(-0.3, 0.3, size=(3, 3)))
    return (mean + spread * mixed).astype(np.float32)


def test_a_matched_style_has_the_contents_mean_and_covariance() -> None:
    """Both moments are the content's; the style's own are gone."""
    style, content = picture(1, 0.4), picture(2, 0.6)
    matched = match_color(style, content).reshape(-1, 3)
    assert np.allclose(matched.mean(axis=0), content.reshape(-1, 3).mean(axis=0), atol=1e-3)
    assert np.allclose(np.cov(matched.T), np.cov(content.reshape(-1, 3).T), atol=5e-5)


def test_matching_a_picture_to_itself_changes_nothing() -> None:
    """The map is then the identity."""
    style = picture(3)
    assert np.allclose(match_color(style, style), style, atol=1e-5)


def test_a_picture_of_one_colour_can_be_matched_both_ways() -> None:
    """No variance is no division by nought."""
    flat = np.full((8, 8, 3), 0.25, np.float32)
    assert np.allclose(match_color(picture(4), flat), 0.25, atol=0.02)
    assert np.isfinite(match_color(flat, picture(4))).all()
    assert np.isfinite(match_luminance(flat, picture(4))).all()


@pytest.mark.parametrize(
    ("rgb", "luma"), [((1, 1, 1), 1.0), ((1, 0, 0), 0.299), ((0, 1, 0), 0.587), ((0, 0, 1), 0.114)]
)
def test_luminance_of_the_primaries(rgb: tuple[float, float, float], luma: float) -> None:
    """BT.601's weights."""
    assert luminance(np.array([[rgb]], np.float32)) == pytest.approx(luma)


def test_matched_luminance_is_grey_with_the_contents_moments() -> None:
    """Three equal channels with the content's mean and deviation."""
    matched = match_luminance(picture(5, 0.3), picture(6, 0.6))
    assert np.ptp(matched, axis=-1).max() == 0
    of_content = luminance(picture(6, 0.6))
    assert matched[..., 0].mean() == pytest.approx(of_content.mean(), abs=1e-4)
    assert matched[..., 0].std() == pytest.approx(of_content.std(), abs=1e-4)


def test_another_luminance_keeps_the_chroma() -> None:
    """Differences between channels stay, the luminance is the one given."""
    content = picture(7)
    plane = luminance(picture(8))
    result = with_luminance(content, plane)
    assert np.allclose(luminance(result), plane, atol=1e-5)
    assert np.allclose(result[..., 0] - result[..., 2], content[..., 0] - content[..., 2], atol=1e-5)
    assert np.allclose(with_luminance(content, luminance(content)), content, atol=1e-6)


def test_grey_has_its_plane_as_luminance() -> None:
    """There and back."""
    plane = luminance(picture(9))
    assert np.allclose(luminance(grey(plane)), plane, atol=1e-6)
