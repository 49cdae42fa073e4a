"""VGG19 (Simonyan and Zisserman 2014) as a feature extractor: frozen, cut after the last layer it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from nst_batch.transfer.convolution import Convolution
from nst_batch.transfer.device import Formulation
from nst_batch.transfer.spec import VGG19_LAYERS, Precision
from nst_batch.transfer.weights import Kernels
from nst_batch.transfer.winograd import Halved, repays

Pooling = Literal["max", "average"]

# Keras's preprocess_input: [0, 255] less the mean of the training pictures.
MEAN_RGB = (123.68, 116.779, 103.939)
_FIRST = VGG19_LAYERS[0]


Convolutions = Mapping[str, Convolution]


def convolutions(
    kernels: Kernels, precision: Precision, formulation: Formulation = "plain", *, winograd: bool = False
) -> Convolutions:
    """The layers of ``kernels`` in that precision, to be shared by any number of models.

    The first takes RGB where it was trained on BGR: turning the kernel costs nothing, turning the picture and its
    gradient does, at every step. With ``winograd`` wide layers have half the products.
    """
    made = {}
    for layer, (kernel, bias) in kernels.items():
        first = layer == _FIRST
        given = kernel[:, :, ::-1, :] if first else kernel, bias
        way = formulation if precision == "float32" and not first else "plain"  # a picture's three channels are few
        made[layer] = (
            Halved(*given, precision, way) if winograd and repays(kernel.shape) else Convolution(*given, precision, way)
        )
    return made


class StyleContentModel(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Features of the asked layers: RGB (1, H, W, 3) float32 in [0, 1] -> {layer: (1, h, w, filters)}.

    Kernels and biases are constants in the compute precision, so there are no weight gradients. A layer's
    feature is its activation, after the ReLU.
    """

    def __init__(
        self,
        kernels: Kernels | Convolutions,
        layers: Sequence[str],
        *,
        pooling: Pooling = "max",
        precision: Precision = "float32",
        first_block: int = 1,
    ) -> None:
        """Hold the layers up to the last of ``layers``. Raises KeyError for a layer that VGG19 lacks.

        ``kernels`` may be :func:`convolutions` made before, of that precision. With a ``first_block`` above 1 the model
        begins there, and takes what the pooling before it gives in place of a picture.
        """
        super().__init__(name="style_content", trainable=False, autocast=False)
        unknown = [layer for layer in layers if layer not in VGG19_LAYERS]
        if unknown or not layers:
            raise KeyError(f"VGG19 has no layer {', '.join(unknown) or '(none asked)'}")
        last = max(VGG19_LAYERS.index(layer) for layer in layers)
        begin = VGG19_LAYERS.index(f"block{first_block}_conv1")
        self.asked = tuple(layer for layer in VGG19_LAYERS if layer in layers)
        self.pooling: Pooling = pooling
        self.precision = precision
        names = VGG19_LAYERS[begin : last + 1]
        held: Any = kernels
        if not isinstance(held[names[0]], Convolution):
            held = convolutions({layer: held[layer] for layer in names}, precision)
        self._held = tuple((layer, held[layer]) for layer in names)

    def call(self, image: Any) -> dict[str, Any]:
        """The features; see the class."""
        first = self._held[0][0]
        value = tf.cast(preprocess(image), self.precision) if first == _FIRST else image
        features = {}
        for layer, convolution in self._held:
            if layer.endswith("_conv1") and layer != first:
                value = pool(value, self.pooling)
            value = convolution(value)
            if layer in self.asked:
                features[layer] = value
        return features


def preprocess(image: Any) -> Any:
    """RGB in [0, 1] -> the scale of Keras's ``preprocess_input``, its channels still in the order RGB."""
    return image * 255.0 - tf.constant(MEAN_RGB, tf.float32)


def pool(value: Any, pooling: Pooling) -> Any:
    """Pairs of rows and columns joined; a last odd one is left out."""
    by = tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d
    return by(value, ksize=2, strides=2, padding="VALID")
