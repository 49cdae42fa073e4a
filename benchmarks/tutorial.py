"""The baseline: neural style transfer as TensorFlow's own tutorial formulates it, written anew.

A Keras sub-model of VGG19 with an output per layer, Gram matrices by einsum, means of squares as losses, the
tutorial's weights and Adam, one step a call of a ``tf.function``, everything in float32.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

CONTENT_LAYERS = ("block5_conv2",)
STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
CONTENT_WEIGHT = 1e4
STYLE_WEIGHT = 1e-2
TV_WEIGHT = 30.0


def sub_model(kernels: Mapping[str, Any]) -> keras.Model:
    """VGG19 with the style layers' and then the content layers' activations as outputs."""
    network = keras.applications.VGG19(include_top=False, weights=None)
    for layer in network.layers:
        if layer.name in kernels:
            layer.set_weights(list(kernels[layer.name]))
    network.trainable = False
    outputs = [network.get_layer(name).output for name in STYLE_LAYERS + CONTENT_LAYERS]
    return keras.Model(network.inputs[0], outputs)


class Tutorial:
    """One generation in the tutorial's way: ``step()`` once, the picture in ``image``, (1, H, W, 3)."""

    def __init__(self, content: Any, style: Any, kernels: Mapping[str, Any]) -> None:
        self._model = sub_model(kernels)
        self._targets = self._features(tf.constant(style))[0], self._features(tf.constant(content))[1]
        self.image = tf.Variable(content)
        self._optimizer = keras.optimizers.Adam(learning_rate=0.02, beta_1=0.99, epsilon=1e-1)
        self._optimizer.build([self.image])
        self._step = tf.function(self._one_step)

    def step(self) -> float:
        """Make one step; returns the loss of the picture before it."""
        return float(np.asarray(self._step()))

    def loss_of(self, image: Any) -> float:
        """The tutorial's objective for any picture (1, H, W, 3) in [0, 1]."""
        return float(np.asarray(self._loss(tf.constant(image))))

    def _features(self, image: Any) -> tuple[list[Any], list[Any]]:
        prepared = keras.applications.vgg19.preprocess_input(image * 255.0)
        outputs = self._model(prepared)
        split = len(STYLE_LAYERS)
        return [self._gram(value) for value in outputs[:split]], list(outputs[split:])

    @staticmethod
    def _gram(value: Any) -> Any:
        shape = tf.shape(value)
        products = tf.linalg.einsum("bijc,bijd->bcd", value, value)
        return products / tf.cast(shape[1] * shape[2], tf.float32)

    def _loss(self, image: Any) -> Any:
        grams, features = self._features(image)
        style = tf.add_n([tf.reduce_mean((a - b) ** 2) for a, b in zip(grams, self._targets[0], strict=True)])
        content = tf.add_n([tf.reduce_mean((a - b) ** 2) for a, b in zip(features, self._targets[1], strict=True)])
        loss = style * STYLE_WEIGHT / len(STYLE_LAYERS) + content * CONTENT_WEIGHT / len(CONTENT_LAYERS)
        return loss + TV_WEIGHT * tf.reduce_sum(tf.image.total_variation(image))

    def _one_step(self) -> Any:
        with tf.GradientTape() as tape:
            loss = self._loss(self.image)
        gradient = tape.gradient(loss, self.image)
        self._optimizer.apply_gradients([(gradient, self.image)])
        self.image.assign(tf.clip_by_value(self.image, 0.0, 1.0))
        return loss


class TutorialProcess:
    """A :class:`Tutorial` in a process whose TensorFlow nobody has told anything; for a ``with`` statement."""

    def __init__(self, content: Any, style: Any, kernels: Mapping[str, Any], device: str = "cpu") -> None:
        self._start = (content, style, dict(kernels), device)

    def __enter__(self) -> Self:
        told = os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._start), daemon=True)
        self._process.start()
        if told is not None:
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = told
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def step(self) -> float:
        """Make one step; returns the loss of the picture before it."""
        return float(self._ask("step"))

    def image(self) -> Any:
        """The picture as it stands, (1, H, W, 3)."""
        return self._ask("image")

    def loss_of(self, image: Any) -> float:
        """The tutorial's objective for any picture (1, H, W, 3) in [0, 1]."""
        return float(self._ask("loss_of", image))

    def _ask(self, what: str, *args: Any) -> Any:
        self._pipe.send((what, args))
        return self._pipe.recv()


def _serve(pipe: Connection, content: Any, style: Any, kernels: Mapping[str, Any], device: str) -> None:
    """Answer :class:`TutorialProcess` until it says None."""
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # the other process needs memory too
    tutorial = Tutorial(content, style, kernels)
    while (asked := pipe.recv()) is not None:
        what, args = asked
        pipe.send(np.asarray(tutorial.image) if what == "image" else getattr(tutorial, what)(*args))
