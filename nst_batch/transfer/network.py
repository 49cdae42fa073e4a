"""One frozen network on one device: its kernels, and the traced programs that use them.

A warm worker keeps one of these from job to job. Programs are traced for any height and width, so their
number depends on layer lists and optimisers alone, and is bounded; so are the cached style statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from nst_batch.transfer.device import Device, choose_device, choose_precision
from nst_batch.transfer.frame import BARE, Frame, framed
from nst_batch.transfer.gpu_memory import memory_named
from nst_batch.transfer.locate import UNTRAINED
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.objective import (
    Layers,
    Targets,
    blend,
    content_targets,
    loss_report,
    style_positions,
    style_statistics,
    style_sums,
)
from nst_batch.transfer.optimizers import Optimizer
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.vgg19 import Pooling, StyleContentModel, convolutions
from nst_batch.transfer.weights import Weights

PROGRAMS = 32  # traced programs kept; a job needs five, and up to 19 more where it goes over strips
STATISTICS = 32  # style images whose statistics are kept: about 2.5 MB each
PICTURE = tf.TensorSpec([1, None, None, 3], tf.float32)
PLANE = tf.TensorSpec([1, None, None, 1], tf.float32)
FRAME = tf.TensorSpec([4], tf.int32)


class Bounded:
    """A mapping that forgets what was used longest ago."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items.values())

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The item of ``key``, made where it is not held."""
        if key not in self._items:
            self._items[key] = make()
            if len(self._items) > self._size:
                self._items.popitem(last=False)
        self._items.move_to_end(key)
        return self._items[key]


class Network:
    """The kernels in the compute precision, and the programs over them."""

    def __init__(
        self,
        weights: Weights,
        device: Device,
        precision: Precision = "float32",
        pooling: Pooling | None = None,
    ) -> None:
        """``pooling`` None: as the network was trained (max), average for the untrained one."""
        self.weights = weights
        self.device = device
        self.precision = precision
        self.pooling: Pooling = pooling or ("average" if weights.source == UNTRAINED else "max")
        with memory_named(device):
            self._convolutions = convolutions(weights.kernels, precision, device.convolution)
        self._programs = Bounded(PROGRAMS)
        self._statistics = Bounded(STATISTICS)

    def content_features(self, image: Any, layers: Layers) -> dict[str, Any]:
        """What the content layers say of ``image`` (1, H, W, 3)."""
        return dict(self.program(("content", layers), self._trace_content, layers)(image))

    def style_statistics(
        self, image: Any, layers: Layers, key: Hashable | None = None, frames: Sequence[Frame] = (BARE,)
    ) -> dict[str, Any]:
        """The statistics of a style image (1, H, W, 3) per style layer, the mean over ``frames``.

        Remembered where a key is given.
        """

        def compute(shown: Any) -> dict[str, Any]:
            return dict(self.program(("style", layers), self._trace_style, layers)(shown))

        return self.remembered_style(image, layers, key, frames, compute)

    def remembered_style(
        self,
        image: Any,
        layers: Layers,
        key: Hashable | None,
        frames: Sequence[Frame],
        compute: Callable[[Any], dict[str, Any]],
    ) -> dict[str, Any]:
        """The mean of what ``compute`` gives for a style image in each frame, asked once for each ``key`` given."""

        def mean() -> dict[str, Any]:
            return blend([compute(framed(image, frame)) for frame in frames], [1.0] * len(frames))

        if key is None:
            return mean()
        return dict(self._statistics.get((key, tuple(image.shape), layers.style, layers.moments, frames), mean))

    def weighted_sums(self, image: Any, layers: Layers, plane: Any) -> dict[str, Any]:
        """The style sums of ``image``, each position counted by its share of ``plane`` (1, H, W, 1)."""
        return dict(self.program(("weighted", layers), self._trace_weighted, layers)(image, plane))

    def losses(self, image: Any, layers: Layers, targets: Targets, weights: Any) -> Any:
        """The loss report of a picture, without a step."""
        program = self.program(("losses", layers), self._trace_losses, layers)
        return program(image, targets.content, targets.style, weights, _frame(targets))

    def advance(
        self,
        image: Any,
        state: Any,
        layers: Layers,
        targets: Sequence[Targets],
        weights: Any,
        *,
        optimizer: Optimizer,
    ) -> list[tuple[Any, Any, Any, Any]]:
        """An evaluation against each of ``targets``, which share their style, from ``image`` on.

        Of each: loss report, accepted, next picture, next state.
        """
        count = len(targets)
        key = ("advance", layers, optimizer.key, ranks(state), count)
        program = self.program(key, self._trace_advance, layers, optimizer, count, state)
        content, frames = [dict(each.content) for each in targets], [_frame(each) for each in targets]
        return list(program(image, state, content, targets[0].style, weights, frames))

    def traces(self) -> int:
        """How many graphs have been traced and are held; a warm worker's must not grow with jobs."""
        return sum(program.experimental_get_tracing_count() for program in self._programs)

    def program(self, key: Hashable, trace: Callable[..., Any], *args: Any) -> Any:
        """The traced program of that key, ``trace(*args)`` where it is not held."""
        return self._programs.get(key, lambda: trace(*args))

    def extractor(self, layers: Sequence[str], first_block: int = 1) -> StyleContentModel:
        """The features of these layers, with this network's kernels."""
        return StyleContentModel(
            self._convolutions, layers, pooling=self.pooling, precision=self.precision, first_block=first_block
        )

    def _trace_content(self, layers: Layers) -> Any:
        extract = self.extractor(layers.content)
        return tf.function(
            lambda image: content_targets(extract(image), layers), autograph=False, input_signature=[PICTURE]
        )

    def _trace_style(self, layers: Layers) -> Any:
        extract = self.extractor(layers.style)

        def statistics(image: Any) -> Any:
            features = extract(image)
            return style_statistics(style_sums(features, layers), style_positions(features, layers), layers)

        return tf.function(statistics, autograph=False, input_signature=[PICTURE])

    def _trace_weighted(self, layers: Layers) -> Any:
        extract = self.extractor(layers.style)

        def sums(image: Any, plane: Any) -> Any:
            return style_sums(extract(image), layers, position_weights(plane, layers))

        return tf.function(sums, autograph=False, input_signature=[PICTURE, PLANE])

    def _trace_losses(self, layers: Layers) -> Any:
        extract = self.extractor(layers.all)

        def losses(image: Any, content: Any, style: Any, weights: Any, frame: Any) -> Any:
            return loss_report(extract(framed(image, frame)), image, layers, Targets(content, style), weights)

        return tf.function(losses, autograph=False, input_signature=[PICTURE, *self.target_specs(layers), FRAME])

    def _trace_advance(self, layers: Layers, optimizer: Optimizer, count: int, state: Any) -> Any:
        extract = self.extractor(layers.all)

        def advance(image: Any, state: Any, content: Any, style: Any, weights: Any, frames: Any) -> Any:
            results = []
            for kept, frame in zip(content, frames, strict=True):
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(image)
                    shown = framed(image, frame)
                    report = loss_report(extract(shown), image, layers, Targets(kept, style), weights)
                    loss = report[-1]
                gradient = tape.gradient(loss, image)
                accepted, image, state = optimizer.step(state, image, loss, gradient)
                results.append((report, accepted, image, state))
            return results

        content, style, weights = self.target_specs(layers)
        signature = [PICTURE, any_size(state), [content] * count, style, weights, [FRAME] * count]
        return tf.function(advance, autograph=False, input_signature=signature)

    def filters(self, layer: str) -> int:
        """How many features the layer has at a position."""
        return int(self._convolutions[layer].kernel.shape[-1])

    def target_specs(self, layers: Layers) -> list[Any]:
        """The signature of content targets, style targets and weights."""
        width = {layer: self.filters(layer) for layer in layers.all}
        content = {n: tf.TensorSpec([1, None, None, width[n]], self.precision) for n in layers.content}
        style = {n: tf.TensorSpec([width[n] + layers.moments, width[n]], tf.float32) for n in layers.style}
        vectors = tuple(tf.TensorSpec([length], tf.float32) for length in (len(layers.content), len(layers.style), 3))
        return [content, style, vectors]


def load_network(
    weights: Weights,
    *,
    precision: str = "auto",
    pooling: Pooling | None = None,
    device: Device | None = None,
) -> Network:
    """The network of ``weights`` on ``device`` (None: a GPU where there is one), its precision to suit it."""
    at = device or choose_device()
    return Network(weights, at, choose_precision(precision, at), pooling)


def _frame(targets: Targets) -> Any:
    return tf.constant(targets.frame, tf.int32)


def ranks(state: Mapping[str, Any]) -> tuple[int, ...]:
    """What tells apart states of one optimiser that need programs of their own: bounds for all pixels, or for each."""
    return tuple(state[name].shape.rank for name in sorted(state))


def any_size(state: Mapping[str, Any]) -> dict[str, Any]:
    """The specs of a state's tensors, pictures among them of any height and width."""

    def spec(value: Any) -> Any:
        shape = value.shape.as_list()
        if len(shape) >= 3:
            shape[-3:-1] = [None, None]
        return tf.TensorSpec(shape, value.dtype)

    return {name: spec(value) for name, value in state.items()}
