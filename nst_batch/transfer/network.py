"""One frozen network on one device: its kernels, and the traced programs that use them.

A warm worker keeps one of these from job to job. Programs are traced for any height and width, so their
number depends on layer lists and optimisers alone, and is bounded; so are the cached style statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from nst_batch.transfer.convolution import Convolution
from nst_batch.transfer.device import Device, choose_device
from nst_batch.transfer.frame import BARE, Frame, framed
from nst_batch.transfer.gpu_memory import memory_named
from nst_batch.transfer.locate import UNTRAINED
from nst_batch.transfer.losses import total_variation
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.objectives.family import Evaluations, Family, ScaleObjective, Targets
from nst_batch.transfer.objectives.report import joined_report
from nst_batch.transfer.objectives.statistics import StatisticsFamily, blend
from nst_batch.transfer.optimizers.optimizer import Optimizer, State
from nst_batch.transfer.precision import choose_precision
from nst_batch.transfer.spec import Precision
from nst_batch.transfer.tensors import Feature, Image, Nest, Plane, Program, Report, Statistic, Statistics
from nst_batch.transfer.vgg19 import Pooling, StyleContentModel, convolutions
from nst_batch.transfer.weights import Weights

PROGRAMS = 32  # traced programs kept; a job needs five, and up to 19 more where it goes over strips
STATISTICS = 32  # style images whose statistics are kept: about 2.5 MB each
IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)
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
        *,
        winograd: bool = True,
    ) -> None:
        """``pooling`` None: as the network was trained (max), average for the untrained one.

        ``winograd``: wide convolutions have half the products on a processor, and take more memory.
        """
        self.weights = weights
        self.device = device
        self.precision = precision
        self.pooling: Pooling = pooling or ("average" if weights.source == UNTRAINED else "max")
        self._winograd = winograd and device.kind == "cpu"
        with memory_named(device):
            self._convolutions = convolutions(weights.kernels, precision, device.convolution, winograd=self._winograd)
        self._programs = Bounded(PROGRAMS)
        self._statistics = Bounded(STATISTICS)
        self.on_progress: Callable[[], object] = lambda: None
        """Called as work gets on, within a step too: one of a picture of many strips takes minutes.

        What it raises ends the work; a model is then as after the last step that it emitted.
        """

    @cached_property
    def plain(self) -> Network:
        """The same without Winograd's convolutions."""
        if not self._winograd:
            return self
        network = Network(self.weights, self.device, self.precision, self.pooling, winograd=False)

        def got_on() -> object:
            return self.on_progress()

        network.on_progress = got_on
        return network

    def content_features(self, image: Image, family: StatisticsFamily) -> dict[str, Feature]:
        """As :class:`StatisticsView` says."""
        return self._got(dict(self.program(("content", family), self._trace_content, family)(image)))

    def style_statistics(
        self, image: Image, family: StatisticsFamily, key: Hashable | None = None, frames: Sequence[Frame] = (BARE,)
    ) -> dict[str, Statistic]:
        """As :class:`StatisticsView` says."""

        def compute(shown: Image) -> dict[str, Statistic]:
            return self._got(dict(self.program(("style", family), self._trace_style, family)(shown)))

        return self.remembered_style(image, family, key, frames, compute)

    def remembered_style(
        self,
        image: Image,
        family: StatisticsFamily,
        key: Hashable | None,
        frames: Sequence[Frame],
        compute: Callable[[Image], dict[str, Statistic]],
    ) -> dict[str, Statistic]:
        """The mean of what ``compute`` gives for a style image in each frame, asked once for each ``key`` given."""

        def mean() -> dict[str, Statistic]:
            return blend([compute(framed(image, frame)) for frame in frames], [1.0] * len(frames))

        if key is None:
            return mean()
        return dict(self._statistics.get((key, tuple(image.shape), type(family), family.style, frames), mean))

    def _got(self, found: dict[str, Any]) -> dict[str, Any]:
        """What was ``found`` is there, and not only asked for: on a processor a call has ended when it returns."""
        self.on_progress()
        return found

    def weighted_sums(self, image: Image, family: StatisticsFamily, plane: Plane) -> dict[str, Statistic]:
        """As :class:`StatisticsView` says."""
        return dict(self.program(("weighted", family), self._trace_weighted, family)(image, plane))

    def losses(self, image: Image, objective: ScaleObjective, targets: Targets) -> Report:
        """As :class:`View` says."""
        program = self.program(("losses", objective.family), self._trace_losses, objective.family)
        return program(image, targets.content, targets.style, objective.weights, _frame(targets))

    def advance(
        self, image: Image, state: State, objective: ScaleObjective, targets: Sequence[Targets], optimizer: Optimizer
    ) -> Evaluations:
        """As :class:`View` says."""
        family, count = objective.family, len(targets)
        key = ("advance", family, optimizer.key, ranks(state), count)
        program = self.program(key, self._trace_advance, family, optimizer, count, state)
        content, frames = [each.content for each in targets], [_frame(each) for each in targets]
        return Evaluations(*program(image, state, content, targets[0].style, objective.weights, frames))

    def traces(self) -> int:
        """How many graphs have been traced and are held; a warm worker's must not grow with jobs."""
        return sum(program.experimental_get_tracing_count() for program in self._programs)

    def program(self, key: Hashable, trace: Callable[..., Program], *args: Any) -> Program:
        """The traced program of that key, ``trace(*args)`` where it is not held."""
        return self._programs.get(key, lambda: trace(*args))

    def extractor(self, layers: Sequence[str], first_block: int = 1) -> StyleContentModel:
        """The features of these layers, with this network's kernels."""
        return StyleContentModel(
            self._convolutions, layers, pooling=self.pooling, precision=self.precision, first_block=first_block
        )

    def _trace_content(self, family: StatisticsFamily) -> Program:
        extract = self.extractor(family.content)
        return tf.function(extract, autograph=False, input_signature=[IMAGE])

    def _trace_style(self, family: StatisticsFamily) -> Program:
        extract = self.extractor(family.style)

        def statistics(image: Image) -> Statistics:
            features = extract(image)
            return family.statistics(family.sums(features), family.positions(features))

        return tf.function(statistics, autograph=False, input_signature=[IMAGE])

    def _trace_weighted(self, family: StatisticsFamily) -> Program:
        extract = self.extractor(family.style)

        def sums(image: Image, plane: Plane) -> Statistics:
            return family.sums(extract(image), position_weights(plane, family.style))

        return tf.function(sums, autograph=False, input_signature=[IMAGE, PLANE])

    def reporter(self, family: Family) -> Callable[..., Report]:
        """A picture, its targets' content and style, weights and frame -> the loss report."""
        extract = self.extractor(family.layers)

        def report(image: Image, content: Nest, style: Nest, weights: Nest, frame: Any) -> Report:
            shown = framed(image, frame)
            losses = family.losses(extract(shown), shown, content, style)
            return joined_report(*losses, total_variation(image), weights)

        return report

    def _trace_losses(self, family: Family) -> Program:
        signature = [IMAGE, *self.compared_specs(family), FRAME]
        return tf.function(self.reporter(family), autograph=False, input_signature=signature)

    def _trace_advance(self, family: Family, optimizer: Optimizer, count: int, state: State) -> Program:
        report_of = self.reporter(family)

        def advance(image: Image, state: State, content: Nest, style: Nest, weights: Nest, frames: Any) -> Evaluations:
            reports, proposals = [], []
            for kept, frame in zip(content, frames, strict=True):
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(image)
                    report = report_of(image, kept, style, weights, frame)
                    loss = report[-1]
                proposals.append(optimizer.step(state, image, loss, tape.gradient(loss, image)))
                reports.append(report)
                _, image, state = proposals[-1]
            return Evaluations.of(reports, proposals)

        content, style, weights = self.compared_specs(family)
        signature = [IMAGE, any_size(state), [content] * count, style, weights, [FRAME] * count]
        return tf.function(advance, autograph=False, input_signature=signature)

    def convolution(self, layer: str) -> Convolution:
        """One layer by itself."""
        return self._convolutions[layer]

    def filters(self, layer: str) -> int:
        """How many features the layer has at a position."""
        return self._convolutions[layer].filters

    def compared_specs(self, family: Family) -> tuple[Nest, Nest, Nest]:
        """The specs of its targets' content and style, and of weights."""
        content, style = family.target_specs(self.filters, self.precision)
        lengths = (*map(len, family.reported), 3)
        return content, style, tuple(tf.TensorSpec([length], tf.float32) for length in lengths)


def load_network(
    weights: Weights,
    *,
    precision: str = "auto",
    pooling: Pooling | None = None,
    device: Device | None = None,
) -> Network:
    """The network of ``weights`` on ``device`` (None: a GPU where there is one), its precision to suit it."""
    at = device or choose_device()
    return Network(weights, at, choose_precision(precision, has_bfloat16=at.has_bfloat16), pooling)


def _frame(targets: Targets) -> Any:
    return tf.constant(targets.frame, tf.int32)


def ranks(state: State) -> tuple[int, ...]:
    """What tells apart states of one optimiser that need programs of their own: bounds for all pixels, or for each."""
    return tuple(state[name].shape.rank for name in sorted(state))


def any_size(state: State) -> dict[str, Any]:
    """The specs of a state's tensors, pictures among them of any height and width."""

    def spec(value: Any) -> Any:
        shape = value.shape.as_list()
        if len(shape) >= 3:
            shape[-3:-1] = [None, None]
        return tf.TensorSpec(shape, value.dtype)

    return {name: spec(value) for name, value in state.items()}
