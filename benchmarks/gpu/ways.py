"""Ways of running the engine's step: as the engine does it, several steps a call, of one shape, compiled by XLA.

Each way makes the same step of the same arithmetic (Adam, classic's layers, Gram matrices); only how TensorFlow is
asked differs. A launch returns as soon as the device has been told, and its result is read by :func:`waited`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.tutorial import CONTENT_LAYERS, STYLE_LAYERS
from nst_batch.transfer.frame import BARE
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.family import ScaleObjective, Targets
from nst_batch.transfer.objectives.gram import Gram
from nst_batch.transfer.optimizers.adam import Adam
from nst_batch.transfer.spec import AdamSpec, TransferSpec

FAMILY = Gram(CONTENT_LAYERS, STYLE_LAYERS)


@dataclass(frozen=True)
class Way:
    """``engine``: the program that the engine itself uses; else one traced here, of a fixed shape."""

    name: str
    steps: int  # a call
    engine: bool = False
    loop: bool = False  # a while_loop in place of the steps one after another
    xla: bool = False


WAYS = (
    Way("engine, 1 a call", 1, engine=True),
    Way("engine, as it is", 0, engine=True),
    Way("fixed shape, 10 in a row", 10),
    Way("fixed shape, loop of 10", 10, loop=True),
    Way("XLA, 1 a call", 1, xla=True),
    Way("XLA, loop of 10", 10, loop=True, xla=True),
)


class Bench:
    """One picture of noise at one size, ready to be stepped in any of the ways."""

    def __init__(self, network: Network, height: int, width: int) -> None:
        generator = np.random.default_rng(1)
        content, style = (tf.constant(generator.random((1, height, width, 3), np.float32)) for _ in range(2))
        self._network = network
        self._targets = Targets(network.content_features(content, FAMILY), network.style_statistics(style, FAMILY))
        even = dict.fromkeys(STYLE_LAYERS, 1.0)
        spec = TransferSpec(height, width, dict.fromkeys(CONTENT_LAYERS, 1.0), even, 100.0, 1e4, 5.0)
        balance = FAMILY.balance(spec, self._targets, height * width)
        self._objective = ScaleObjective(network, FAMILY, (self._targets,), balance)
        self._optimizer = Adam(AdamSpec())
        self._image = content
        self._state = self._optimizer.init(content)

    def launcher(self, way: Way) -> tuple[Callable[[], Any], int]:
        """A function that starts one call, and how many steps that makes."""
        if way.engine:
            return self._engine(way.steps or self._network.device.steps_per_call)
        program = tf.function(self._traced(way), autograph=False, jit_compile=way.xla or None)
        at = [self._image, self._state]

        def launch() -> Any:
            reports, *at[:] = program(
                *at, dict(self._targets.content), dict(self._targets.style), self._objective.weights
            )
            return reports

        return launch, way.steps

    def _engine(self, count: int) -> tuple[Callable[[], Any], int]:
        at = [self._image, self._state]

        def launch() -> Any:
            found = self._objective.advance(*at, range(count), self._optimizer)
            at[:] = found.images[-1], found.states[-1]
            return found.reports

        return launch, count

    def _traced(self, way: Way) -> Callable[..., Any]:
        report_of = self._network.reporter(FAMILY)

        def one(image: Any, state: Any, content: Any, style: Any, weights: Any) -> tuple[Any, Any, Any]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                report = report_of(image, content, style, weights, BARE)
                loss = report[-1]
            gradient = tape.gradient(loss, image)
            _, image, state = self._optimizer.step(state, image, loss, gradient)
            return report, image, state

        def in_a_row(image: Any, state: Any, *targets: Any) -> Any:
            reports = []
            for _ in range(way.steps):
                report, image, state = one(image, state, *targets)
                reports.append(report)
            return tf.stack(reports), image, state

        def looped(image: Any, state: Any, *targets: Any) -> Any:
            length = len(CONTENT_LAYERS) + len(STYLE_LAYERS) + 2

            def body(number: Any, image: Any, state: Any, reports: Any) -> Any:
                report, image, state = one(image, state, *targets)
                return number + 1, image, state, tf.tensor_scatter_nd_update(reports, [[number]], report[tf.newaxis])

            start = (tf.constant(0), image, state, tf.zeros([way.steps, length]))
            _, image, state, reports = tf.while_loop(lambda number, *_: number < way.steps, body, start)
            return reports, image, state

        return looped if way.loop else in_a_row


def waited(result: Any) -> Any:
    """The result's numbers, which are there when the device has got so far."""
    return np.asarray(result)
