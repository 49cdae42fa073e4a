"""The untrained network: VGG19's shape, oriented filters, every channel at unit variance on the sample pair."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nst_batch.sample import draw_landscape, draw_painting
from nst_batch.transfer import untrained
from nst_batch.transfer.spec import VGG19_LAYERS
from nst_batch.transfer.untrained import first_layer, mixing_layer, six_filters, untrained_kernels

KERAS_MEAN_BGR = (103.939, 116.779, 123.68)  # of keras.applications' preprocess_input


@pytest.fixture(scope="module")
def kernels():
    return untrained_kernels(0)


def test_every_layer_has_the_shape_of_vgg19(kernels):
    """All 16 convolutions, 3×3, with VGG19's numbers of channels, float32, and biases that are nought."""
    assert tuple(kernels) == VGG19_LAYERS
    widths = [64, 64, 128, 128, *[256] * 4, *[512] * 8]
    for layer, channels, width in zip(VGG19_LAYERS, [3, *widths], widths, strict=False):
        kernel, bias = kernels[layer]
        assert kernel.shape == (3, 3, channels, width)
        assert bias.shape == (width,)
        assert kernel.dtype == bias.dtype == np.float32
        assert not bias.any()


def test_every_channel_has_unit_variance_on_the_sample_pair(kernels):
    """Over both pictures, before the ReLU, each channel of each layer deviates by 1: all speak equally loud."""
    pictures = (draw_landscape(*untrained.PICTURE), draw_painting(*untrained.PICTURE))
    value = tf.constant(np.stack([p[..., ::-1] for p in pictures]) - KERAS_MEAN_BGR, tf.float32)
    for layer, (kernel, _) in kernels.items():
        if layer.endswith("_conv1") and layer != VGG19_LAYERS[0]:
            value = tf.nn.avg_pool2d(value, 2, 2, "VALID")
        said = tf.nn.conv2d(value, kernel, 1, "SAME")
        np.testing.assert_allclose(np.std(said, axis=(0, 1, 2)), 1, rtol=1e-3, err_msg=layer)
        value = tf.nn.relu(said)


def test_same_seed_is_the_same_network_and_another_is_not(kernels):
    """Drawn afresh, seed 0 has the same bytes; seed 1 differs wherever chance has a part."""
    again = untrained_kernels.__wrapped__(0)
    for layer in VGG19_LAYERS:
        assert again[layer][0].tobytes() == kernels[layer][0].tobytes()
    other = untrained_kernels.__wrapped__(1)
    assert not np.allclose(other["block1_conv2"][0], kernels["block1_conv2"][0])


def test_filters_have_unit_absolute_sum_and_only_the_gaussian_sees_light():
    """Each of the six filters sums to 1 without signs; with signs all but the first sum to 0."""
    filters = six_filters()
    np.testing.assert_allclose(np.abs(filters).sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(filters.sum(axis=(1, 2)), [1, 0, 0, 0, 0, 0], atol=1e-6)


def test_first_layer_tells_the_orientation_of_stripes():
    """Grey stripes at four angles excite different channels most, and each angle has its own by a clear margin."""
    y, x = np.mgrid[0:32, 0:32].astype(np.float32)
    winners, responses = set(), []
    for angle in (0, 45, 90, 135):
        wave = np.sin(1.2 * (x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))))
        picture = tf.constant(100 * np.repeat(wave[None, ..., None], 3, axis=-1), tf.float32)
        said = tf.nn.conv2d(picture, first_layer(), 1, "VALID")
        responses.append(np.std(said, axis=(0, 1, 2)))
        # Directed filters only: the Gaussian and the dots answer to any angle.
        winners.add(int(np.argmax(responses[-1] * (np.abs(first_layer().sum(axis=(0, 1))).max(axis=0) < 1e-4))))
    assert len(winners) == 4
    selectivity = np.ptp(responses, axis=0) / (np.max(responses, axis=0) + 1e-6)
    assert (selectivity > 0.5).sum() >= 16


def test_first_layer_has_both_signs_and_tells_colours():
    """The second half of the channels is the first half negated; grey light leaves the opponent colours silent."""
    kernel = first_layer()
    np.testing.assert_array_equal(kernel[..., 32:], -kernel[..., :32])
    grey, red = (
        tf.constant(np.broadcast_to(colour, (1, 5, 5, 3)), tf.float32) for colour in ((50, 50, 50), (0, 0, 50))
    )
    to_grey, to_red = (np.asarray(tf.nn.conv2d(light, kernel, 1, "VALID"))[0, 1, 1] for light in (grey, red))
    # The Gaussians of luminance, of blue against yellow, of red against green: ten filters to a colour.
    np.testing.assert_allclose(to_grey[[0, 10, 20]], [50, 0, 0], atol=1e-3)
    assert to_red[20] > to_red[0] > 0 > to_red[10]


@pytest.mark.parametrize(("channels", "width"), [(64, 64), (64, 128), (256, 512)])
def test_mixing_is_orthogonal_for_each_filter(channels, width):
    """A layer that saw but one of the filters would keep all lengths: the mixing matrix has orthonormal rows."""
    matrix = untrained.orthogonal(channels, width, np.random.default_rng(3))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(channels), atol=1e-5)
    assert mixing_layer(channels, width, np.random.default_rng(3)).shape == (3, 3, channels, width)


def test_mixing_layer_passes_flat_light_on_by_the_gaussian_alone():
    """The slopes and lines sum to nought, so what a layer does to flat colour is one orthogonal matrix."""
    flat = mixing_layer(64, 64, np.random.default_rng(0)).sum(axis=(0, 1))
    np.testing.assert_allclose(flat @ flat.T, np.eye(64), atol=1e-5)
