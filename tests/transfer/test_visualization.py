"""How the layers see: spectra, filters' patterns, and pictures rebuilt from one layer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.losses import positions
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.gram import gram_matrix
from nst_batch.transfer.spec import block_of
from nst_batch.transfer.visualization import patterns, rebuilt
from nst_batch.transfer.visualization.fourier import drawn, enlarged, pictures
from nst_batch.transfer.visualization.responses import gram, responses, telling_filters


def test_a_spectrum_starts_almost_grey_and_the_same() -> None:
    """Of the asked size, odd ones too; a seed is a picture."""
    shown = pictures(drawn(2, 15, 21, seed=3), 21)
    assert shown.shape == (2, 15, 21, 3)
    assert float(tf.reduce_max(tf.abs(shown - 0.5))) < 0.2
    assert np.array_equal(shown, pictures(drawn(2, 15, 21, seed=3), 21))


def test_a_larger_spectrum_is_the_same_picture() -> None:
    """Every second pixel of the doubled one is a pixel of the first: nothing is scaled, nothing shifted."""
    spectra = drawn(1, 15, 21, seed=1) * 30.0
    small, large = pictures(spectra, 21), pictures(enlarged(spectra, 30, 42), 42)
    assert np.allclose(large[:, ::2, ::2], small, atol=1e-4)


def test_contrast_is_bounded() -> None:
    """A quiet picture is left alone; a loud one is made as loud as it may be."""
    quiet = drawn(1, 16, 16, seed=1)
    assert np.array_equal(pictures(quiet, 16, 1.0), pictures(quiet, 16))
    loud = pictures(quiet * 1000.0, 16, 1.0)
    values = np.log(loud / (1.0 - loud))
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "pixels"),
    [("block1_conv1", 3), ("block1_conv2", 5), ("block2_conv1", 10), ("block3_conv1", 24), ("block5_conv4", 252)],
)
def test_how_much_a_filter_sees(layer: str, pixels: int) -> None:
    """By hand: each convolution adds two steps of its grid, each pooling one, and doubles the step."""
    assert patterns.seen_pixels(layer) == pixels


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv1"])
def test_a_pattern_is_what_its_filter_answers_to(network: Network, layer: str) -> None:
    """More than to grey and to another filter's pattern; it takes the steps that it says."""
    ticks: list[None] = []
    chosen = (1, 5, 9)
    found = patterns.patterns(network, layer, chosen, lambda: ticks.append(None))
    assert len(ticks) == sum(steps for _, steps in patterns.COURSES[block_of(layer)])
    assert found.shape[0] == 3
    assert (found.min(), found.max()) > (0.0, 0.0)
    answers = np.stack([responses(network, picture)[layer].mean(axis=(0, 1))[list(chosen)] for picture in found])
    grey = responses(network, np.full(found.shape[1:], 0.5, np.float32))[layer].mean(axis=(0, 1))[list(chosen)]
    assert np.array_equal(answers.argmax(axis=0), [0, 1, 2])
    assert np.all(np.diag(answers) > grey)


def test_the_filters_that_have_most_to_say() -> None:
    """Those whose answers differ from place to place, and not as another's do; a loud image counts no more."""
    maps = np.zeros((4, 4, 6), np.float32)
    maps[..., 2] = 7.0  # loud, and everywhere the same
    maps[0, 0, 4] = 1.0
    maps[0, 0, 5] = 0.9  # tells nothing that 4 does not
    other = np.zeros((4, 4, 6), np.float32)
    other[0, 0, 1] = 1000.0
    assert telling_filters([maps, other], 6, 2) == (1, 4)
    assert telling_filters([], 64, 3) == (0, 31, 63)


def test_answers_know_nothing_of_the_border(network: Network) -> None:
    """Of an even picture they are the same everywhere, and lie as the image's pixels do."""
    even = np.full((48, 80, 3), 0.3, np.float32)
    for layer, features in responses(network, even, ("block1_conv2", "block3_conv1")).items():
        assert features.shape[:2] == ((48, 80) if layer == "block1_conv2" else (12, 20))
        assert np.ptp(features, axis=(0, 1)).max() < 1e-3 * features.max()
    dot = even.copy()
    dot[20:24, 40:44] = 1.0
    answer = responses(network, dot, ("block3_conv1",))["block3_conv1"].std(axis=2)
    assert abs(np.unravel_index(answer.argmax(), answer.shape) - np.array([5, 10])).max() <= 2


def test_a_gram_matrix_is_a_mean_over_positions() -> None:
    """By hand, of two filters at two places."""
    features = np.array([[[1.0, 2.0], [3.0, 0.0]]], np.float32)
    assert np.allclose(gram(features), [[5.0, 1.0], [1.0, 2.0]])


def test_a_picture_rebuilt_from_content_and_from_style(network: Network, content: NDArray[np.float32]) -> None:
    """Each is nearer than grey to what the layer has of the image, and of its size."""
    layer = "block2_conv1"
    ticks: list[None] = []

    def of(picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        features = network.extractor([layer])(tf.constant(picture[np.newaxis]))[layer]
        return np.asarray(features), np.asarray(gram_matrix(features) / positions(features))

    wanted, grey = of(content), of(np.full_like(content, 0.5))
    for number, rebuild in enumerate((rebuilt.from_content, rebuilt.from_style)):
        made = rebuild(network, layer, content, lambda: ticks.append(None))
        assert made.shape == content.shape
        found = of(made)
        far = np.linalg.norm(grey[number] - wanted[number])
        assert np.linalg.norm(found[number] - wanted[number]) < 0.5 * far
    assert len(ticks) == 2 * sum(steps for _, steps in rebuilt.COURSE)
