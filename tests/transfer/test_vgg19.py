"""The feature extractor against Keras's own VGG19, and what it leaves out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nst_batch.transfer.vgg19 import StyleContentModel, convolutions, preprocess

ASKED = ["block1_conv1", "block2_conv2", "block5_conv2"]


def reference(kernels, image):
    """Keras's VGG19 with the same kernels, fed with Keras's own preprocessing."""
    model = keras.applications.VGG19(include_top=False, weights=None)
    for layer in model.layers:
        if layer.name in kernels:
            layer.set_weights(list(kernels[layer.name]))
    cut = keras.Model(model.inputs[0], [model.get_layer(name).output for name in ASKED])
    prepared = keras.applications.vgg19.preprocess_input(np.array(image) * 255.0)
    return dict(zip(ASKED, cut(prepared), strict=True))


def test_features_are_those_of_keras(kernels, content):
    """Layer by layer the same features as keras.applications.VGG19."""
    image = content[np.newaxis]
    expected = reference(kernels, image)
    found = StyleContentModel(kernels, ASKED)(tf.constant(image))
    assert set(found) == set(ASKED)
    for name in ASKED:
        scale = float(tf.reduce_max(tf.abs(expected[name])))
        np.testing.assert_allclose(found[name] / scale, expected[name] / scale, atol=1e-5)


def test_preprocess_is_keras(content):
    """Keras's numbers, the channels still in the order RGB, and the input is left as it was."""
    image = content.copy()
    expected = keras.applications.vgg19.preprocess_input(content * 255.0)
    np.testing.assert_allclose(preprocess(tf.constant(image))[..., ::-1], expected, atol=1e-4)
    np.testing.assert_array_equal(image, content)


def test_model_is_cut_and_frozen(kernels):
    """Nothing beyond the last layer asked for is held, and nothing can be trained."""
    model = StyleContentModel({name: kernels[name] for name in list(kernels)[:3]}, ["block2_conv1"])
    assert model.trainable_weights == []
    assert list(model(tf.zeros([1, 16, 16, 3]))) == ["block2_conv1"]


def test_unknown_layer_is_refused(kernels):
    """A layer that VGG19 lacks is an error that names it."""
    with pytest.raises(KeyError, match="block6_conv1"):
        StyleContentModel(kernels, ["block1_conv1", "block6_conv1"])


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(32, 48), (37, 51)])
@pytest.mark.parametrize("formulation", ["plain", "forward", "transposed"])
def test_gradient_equals_that_of_plain_operations(kernels, pooling, size, formulation):
    """The convolutions' own gradient is TensorFlow's, for even and odd sizes, however they are computed."""
    image = tf.constant(np.random.default_rng(3).random((1, *size, 3), np.float32))
    held = convolutions(kernels, "float32", formulation)
    model = StyleContentModel(held, ["block3_conv1"], pooling=pooling)
    pool = tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d

    def plain(value):
        value = preprocess(value)[..., ::-1]
        for layer in ("block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2", "block3_conv1"):
            if layer in ("block2_conv1", "block3_conv1"):
                value = pool(value, 2, 2, "VALID")
            kernel, bias = kernels[layer]
            value = tf.nn.relu(tf.nn.conv2d(value, kernel, 1, "SAME") + bias)
        return value

    gradients = []
    for features in (plain, lambda at: model(at)["block3_conv1"]):
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = tf.reduce_sum(tf.square(features(image)))
        gradients.append(tape.gradient(loss, image).numpy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-3, atol=1e-4 * np.abs(gradients[0]).max())


@pytest.mark.parametrize("formulation", ["forward", "transposed"])
def test_features_are_the_same_however_convolutions_are_computed(kernels, content, formulation):
    """Within rounding; turned kernels are made once and shared by models, also where a trace asks for them first."""
    image = tf.constant(content[np.newaxis])
    held = convolutions(kernels, "float32", formulation)
    expected = StyleContentModel(kernels, ["block4_conv1"])(image)["block4_conv1"]
    for _ in range(2):
        model = StyleContentModel(held, ["block4_conv1"])
        found = tf.function(lambda at, model=model: model(at)["block4_conv1"])(image)
        assert float(tf.reduce_max(tf.abs(found - expected)) / tf.reduce_max(expected)) < 1e-5


def test_bfloat16_features_are_near_those_of_float32(kernels, content):
    """Rounding to eight bits of mantissa changes features by a percent or so, not more."""
    image = tf.constant(content[np.newaxis])
    exact = StyleContentModel(kernels, ["block4_conv1"])(image)["block4_conv1"]
    rounded = StyleContentModel(kernels, ["block4_conv1"], precision="bfloat16")(image)["block4_conv1"]
    assert rounded.dtype == tf.bfloat16
    error = tf.norm(tf.cast(rounded, tf.float32) - exact) / tf.norm(exact)
    assert float(error) < 0.02
