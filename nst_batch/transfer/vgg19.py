"""VGG19 (Simonyan and Zisserman 2014) as a feature extractor: frozen, cut after the last layer it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from nst_batch.settings import VGG19_LAYERS
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.weights import Kernels

Pooling = Literal["max", "average"]

# Keras's preprocess_input: [0, 255] less the mean of the training pictures.
MEAN_RGB = (123.68, 116.779, 103.939)


class StyleContentModel(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Features of the asked layers: RGB (1, H, W, 3) float32 in [0, 1] -> {layer: (1, h, w, filters)}.

    Kernels and biases are constants in the compute precision, so there are no weight gradients. A layer's
    feature is its activation, after the ReLU. Convolutions carry their own gradient, with respect to their
    input alone: one backward convolution and no work for the frozen kernels.
    """

    def __init__(
        self,
        kernels: Kernels,
        layers: Sequence[str],
        *,
        pooling: Pooling = "max",
        precision: Precision = "float32",
    ) -> None:
        """Hold the layers up to the last of ``layers``. Raises KeyError for a layer that VGG19 lacks."""
        super().__init__(name="style_content", trainable=False)
        unknown = [layer for layer in layers if layer not in VGG19_LAYERS]
        if unknown or not layers:
            raise KeyError(f"VGG19 has no layer {', '.join(unknown) or '(none asked)'}")
        last = max(VGG19_LAYERS.index(layer) for layer in layers)
        self.asked = tuple(layer for layer in VGG19_LAYERS if layer in layers)
        self.pooling = pooling
        self.precision = precision
        first = VGG19_LAYERS[0]
        # The first kernel takes RGB where it was trained on BGR: turning the kernel costs nothing, turning
        # the picture and its gradient does, at every step.
        turned = {**kernels, first: (kernels[first][0][:, :, ::-1, :], kernels[first][1])}
        self._held = tuple(
            (layer, *(tf.cast(tf.convert_to_tensor(array), precision) for array in turned[layer]))
            for layer in VGG19_LAYERS[: last + 1]
        )

    def call(self, image: Any) -> dict[str, Any]:
        """The features; see the class."""
        value = tf.cast(preprocess(image), self.precision)
        features = {}
        for layer, kernel, bias in self._held:
            if layer.endswith("_conv1") and layer != VGG19_LAYERS[0]:
                value = _pool(value, self.pooling)
            value = _convolution(value, kernel, bias)
            if layer in self.asked:
                features[layer] = value
        return features


def preprocess(image: Any) -> Any:
    """RGB in [0, 1] -> the scale of Keras's ``preprocess_input``, its channels still in the order RGB."""
    return image * 255.0 - tf.constant(MEAN_RGB, tf.float32)


def _pool(value: Any, pooling: Pooling) -> Any:
    pool = tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d
    return pool(value, ksize=2, strides=2, padding="VALID")


def _convolution(value: Any, kernel: Any, bias: Any) -> Any:
    """ReLU(conv3×3(value) + bias), with a gradient for ``value`` only."""

    def forward(x: Any) -> tuple[Any, Any]:
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), bias))

        def backward(dy: Any) -> Any:
            dz = tf.raw_ops.ReluGrad(gradients=dy, features=y)
            return tf.nn.conv2d_transpose(dz, kernel, tf.shape(x), strides=1, padding="SAME")

        return y, backward

    return tf.custom_gradient(forward)(value)
