"""The start from patches of the style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nst_batch.transfer import NeuralStyleModel
from nst_batch.transfer.network import Network
from nst_batch.transfer.patchwork import SHARE, Seen, patchwork, transport
from nst_batch.transfer.spec import LbfgsSpec
from tests.transfer.conftest import TWO_SCALES

START = replace(TWO_SCALES, init="patches", optimizer=LbfgsSpec())


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def seen(shown: np.ndarray, seed: int = 1) -> Seen:
    """With features that tell every place from every other."""
    places = np.random.default_rng(seed).standard_normal((shown.shape[0] // 8, shown.shape[1] // 8, 64))
    return Seen(shown, places.astype(np.float32))


def test_a_picture_in_its_own_patches_is_itself() -> None:
    """Each place fits itself best, and what overlaps agrees."""
    one = seen(picture(64, 48))
    np.testing.assert_allclose(patchwork(one, [(one, 1.0)]), one.picture, atol=1e-5)


def test_half_of_it_is_content_and_the_rest_the_style() -> None:
    """Of flat pictures: the mean of both colours, to the border."""
    content, style = (
        Seen(np.full((40, 56, 3), grey, np.float32), seen(picture(40, 56)).features) for grey in (0.2, 0.8)
    )
    found = patchwork(content, [(style, 1.0)])
    np.testing.assert_allclose(found, (1.0 - SHARE) * 0.2 + SHARE * 0.8, atol=1e-6)


@pytest.mark.parametrize("weight", [0.02, 1 / 3, 1.0])
def test_styles_are_used_by_their_weights(weight: float) -> None:
    """Of a black style of weight 1 and a white one; places that fit neither well are shared all the same."""
    content = Seen(np.zeros((128, 128, 3), np.float32), seen(picture(128, 128), 5).features)
    black, white = (
        Seen(np.full((96, 96, 3), grey, np.float32), seen(picture(96, 96), 7 + grey).features) for grey in (0, 1)
    )
    found = patchwork(content, [(black, 1.0), (white, weight)]).mean() / SHARE
    assert found == pytest.approx(weight / (1.0 + weight), abs=0.04)


def test_the_transport_uses_all_parts_where_the_nearest_would_not() -> None:
    """One row of the style is nearest to all, and gets its share only."""
    generator = np.random.default_rng(3)
    similarity = generator.uniform(-0.1, 0.1, (60, 20)).astype(np.float32)
    similarity[:, 4] += 0.5
    assert set(similarity.argmax(axis=1)) == {4}
    plan = transport(similarity, np.full(20, 1 / 20, np.float32))
    np.testing.assert_allclose(plan.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(plan.sum(axis=0), 3.0, atol=0.3)


def test_pictures_too_small_for_a_place_start_from_the_content() -> None:
    """There is nothing to match."""
    tiny = Seen(picture(7, 40), np.zeros((0, 5, 64), np.float32))
    np.testing.assert_array_equal(patchwork(tiny, [(seen(picture(64, 64)), 1.0)]), tiny.picture)


def test_features_without_any_difference_do_no_harm() -> None:
    """A black picture's are all alike."""
    flat = Seen(picture(32, 32), np.zeros((4, 4, 64), np.float32))
    found = patchwork(flat, [(flat, 1.0)])
    assert np.isfinite(found).all()
    assert found.min() >= 0.0
    assert found.max() <= 1.0


@pytest.mark.parametrize("size", [(128, 160), (400, 320), (48, 900), (37, 53)])
def test_a_generation_starts_from_it(network: Network, size: tuple[int, int]) -> None:
    """At the first scale, of every shape and size; the same twice, and neither picture alone."""
    spec = replace(START, height=size[0], width=size[1], scales=1, epochs=1)
    content, style = picture(*size), picture(96, 200, seed=9)
    first, again = (NeuralStyleModel(content, [(style, 1.0)], spec, network).image() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == content.shape
    assert np.isfinite(first).all()
    assert 0.05 < np.abs(first - content).mean() < 0.4


def test_it_goes_on_as_any_other(network: Network) -> None:
    """A generation that was stopped and restored ends in the same bits."""
    content, style = picture(128, 160), picture(96, 96, seed=9)

    def begun() -> NeuralStyleModel:
        return NeuralStyleModel(content, [(style, 1.0)], START, network)

    whole, stopped, later = begun(), begun(), begun()
    steps = stopped.steps()
    for _ in range(3):
        next(steps)
    later.restore(stopped.state())
    np.testing.assert_array_equal(whole.run(), later.run())
