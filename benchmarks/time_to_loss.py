"""How soon is the tutorial's loss reached? TensorFlow's tutorial and ours side by side, on the tutorial's objective.

    python -m benchmarks.time_to_loss [--images FOLDER --contents A.jpg --styles C.jpg D.jpg] [--size 256]

Each contestant of ours descends on the tutorial's weights, layers and losses. In a round the tutorial makes
``ROUND`` steps and each of ours ``OURS``; the tutorial judges every picture of ours by its own loss, in float32 and
outside the time. What a round costs is told in tutorial's steps of the same round, so that a busy machine slows
both sides alike; seconds are that times the tutorial's median step. Ours count from the first thing that a generation
makes, its start and its targets with it. Told are the steps and the time to the
tutorial's loss after 300 steps, and to 1.05 times its loss after 1,000; who has not got there when the tutorial ends
goes on alone, to the end of its steps. Without --images: the pairs that the project draws. Needs trained weights
(``NST_BATCH_WEIGHTS`` or the Keras cache).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nst_batch.transfer.device import choose_device, prepare_tensorflow

prepare_tensorflow()

from benchmarks.quality.pairs import Pair, at_size, drawn_pairs, pairs_in  # noqa: E402 - TensorFlow is told to be quiet first
from benchmarks.tutorial import (  # noqa: E402
    CONTENT_LAYERS,
    CONTENT_WEIGHT,
    STYLE_LAYERS,
    STYLE_WEIGHT,
    TV_WEIGHT,
    TutorialProcess,
)
from nst_batch.transfer import NeuralStyleModel  # noqa: E402
from nst_batch.transfer.network import Network, load_network  # noqa: E402
from nst_batch.transfer.objectives.family import ScaleObjective, Targets  # noqa: E402
from nst_batch.transfer.objectives.gram import Gram  # noqa: E402
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, TransferSpec  # noqa: E402
from nst_batch.transfer.weights import find_weights  # noqa: E402

ROUND = 10  # the tutorial's steps
OURS = 5  # each of ours
EARLY, LATE, LATE_SLACK = 300, 1000, 1.05
SAME = 0.02  # bfloat16's features


@dataclass(frozen=True)
class Way:
    """One way to descend: an optimiser, and the steps of each scale, coarse to fine."""

    optimizer: AdamSpec | LbfgsSpec
    steps: int  # of each scale
    scales: int = 1
    init: Literal["content", "patches"] = "content"


HASTY = AdamSpec(learning_rate=0.02, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
WAYS = {
    "adam": Way(HASTY, 400),
    "lbfgs": Way(LbfgsSpec(), 900),
    "lbfgs, patches": Way(LbfgsSpec(), 900, init="patches"),
    "adam, 3 scales": Way(HASTY, 200, 3),
    "lbfgs, 3 scales": Way(LbfgsSpec(), 200, 3),
}


@dataclass
class Contestant:
    """A run of ours: what it has cost so far, and what the tutorial says of its pictures."""

    begin: Callable[[], NeuralStyleModel]
    model: NeuralStyleModel = field(init=False)
    steps: Iterator[Any] = field(init=False)
    made: int = 0
    cost: float = 0.0  # in tutorial's steps
    ended: bool = False
    judged: list[tuple[int, float, float]] = field(default_factory=list)  # steps, cost, loss

    def play(self, unit: float, tutorial: TutorialProcess, shape: tuple[int, ...]) -> None:
        """A few steps, and what is said of those at full size; ``unit``: seconds of a tutorial's step."""
        pictures: list[tuple[int, float, Any]] = []
        begun = time.perf_counter()
        if not self.made:
            self.model = self.begin()
            self.steps = self.model.steps()
        for _ in range(OURS):
            self.ended = next(self.steps, None) is None
            if self.ended:
                break
            self.made += 1
            pictures.append((self.made, self.cost + (time.perf_counter() - begun) / unit, self.model.image()))
        self.cost += (time.perf_counter() - begun) / unit
        for made, cost, picture in pictures:
            if picture[np.newaxis].shape == shape:
                self.judged.append((made, cost, tutorial.loss_of(picture[np.newaxis])))

    def reached(self, loss: float) -> tuple[int, float] | None:
        """Steps and cost at which the tutorial's loss of its picture was first no greater than ``loss``."""
        return next(((made, cost) for made, cost, found in self.judged if found <= loss), None)


def tutorial_spec(way: Way, network: Network, content: Any, style: Any) -> TransferSpec:
    """The tutorial's objective in our terms: the weights with which the engine's factors are the tutorial's.

    Its content loss is a mean of squares, ours half their sum; its style loss a mean over N² Gram entries, ours that
    divided by 4; its sum over the style layers is divided by their number, ours has weights that add up to 1.
    """
    relative = TransferSpec(
        *content.shape[1:3],
        dict.fromkeys(CONTENT_LAYERS, 1.0),
        dict.fromkeys(STYLE_LAYERS, 1.0),
        content_weight=1.0,
        style_weight=1.0,
        tv_weight=TV_WEIGHT,
        optimizer=way.optimizer,
        scales=way.scales,
        init=way.init,
        epochs=way.scales,
        steps_per_epoch=way.steps,
    )
    targets = _targets(relative, network, content, style)
    factors = Gram.of(relative).balance(relative, targets, pixels(content)).factors
    (features,) = targets.content.values()
    return replace(
        relative,
        content_weight=CONTENT_WEIGHT * 2.0 / float(np.prod(features.shape)) / factors["content"],
        style_weight=STYLE_WEIGHT * 4.0 / factors["style"],
    )


def _targets(spec: TransferSpec, network: Network, content: Any, style: Any) -> Targets:
    family = Gram.of(spec)
    return Targets(network.content_features(content, family), network.style_statistics(style, family))


def pixels(picture: Any) -> int:
    """Of (1, H, W, 3)."""
    return int(picture.shape[1] * picture.shape[2])


def check_objective(spec: TransferSpec, network: Network, content: Any, style: Any, tutorial: TutorialProcess) -> None:
    """Ends the bench where ours is not the tutorial's objective, on a picture that is neither content nor style."""
    probe = np.float32(0.5) * (content + content[:, ::-1])
    targets = _targets(spec, network, content, style)
    family = Gram.of(spec)
    objective = ScaleObjective(network, family, (targets,), family.balance(spec, targets, pixels(content)))
    ours = float(objective.losses(probe, 0)[-1])
    theirs = tutorial.loss_of(probe)
    if abs(ours / theirs - 1.0) > SAME:
        raise SystemExit(f"the objectives differ: ours is {ours:.6g} where the tutorial's is {theirs:.6g}")


def race(pair: Pair, size: int, last: int, ways: Sequence[str], network: Network) -> None:
    """One pair: every way against the tutorial; prints its rows."""
    content, style = (at_size(picture(), size)[np.newaxis] for picture in (pair.content, pair.style))
    specs = {name: tutorial_spec(WAYS[name], network, content, style) for name in ways}

    def begin(spec: TransferSpec) -> NeuralStyleModel:
        return NeuralStyleModel(content[0], [(style[0], 1.0)], spec, network)

    for spec in specs.values():  # traces every program once, a GPU's of several steps a call too
        begin(replace(spec, steps_per_epoch=2 * OURS)).run()
    contestants = {name: Contestant(partial(begin, spec)) for name, spec in specs.items()}
    losses: list[float] = []  # of the tutorial's picture before each step
    units: list[float] = []
    with TutorialProcess(content, style, network.weights.kernels, network.device.kind) as tutorial:
        check_objective(specs[ways[0]], network, content, style, tutorial)
        losses.append(tutorial.step())  # traced; not timed, but counted
        while len(losses) <= last:
            begun = time.perf_counter()
            losses.extend(tutorial.step() for _ in range(ROUND))
            units.append((time.perf_counter() - begun) / ROUND)
            for one in contestants.values():
                if not one.ended:
                    one.play(units[-1], tutorial, content.shape)
        second = statistics.median(units)
        for one in contestants.values() if last >= LATE else ():
            while not one.ended and one.reached(LATE_SLACK * losses[LATE]) is None:
                one.play(second, tutorial, content.shape)
    for mark, slack in ((EARLY, 1.0), (LATE, LATE_SLACK)):
        if mark < len(losses):
            show(pair, mark, slack * losses[mark], second, contestants)


def show(pair: Pair, mark: int, loss: float, second: float, contestants: dict[str, Contestant]) -> None:
    """The rows of one goal."""
    print(f"{pair.name}, to loss {loss:.5g}: the tutorial {mark} steps, {mark * second:.0f} s", flush=True)
    for name, one in contestants.items():
        found = one.reached(loss)
        if found is None:
            least = min((value for *_, value in one.judged), default=float("nan"))
            print(f"    {name:16} not reached in {one.made} steps; its least loss was {least:.5g}", flush=True)
            continue
        steps, cost = found
        print(
            f"    {name:16} {steps:4} steps {cost * second:7.1f} s  {mark / cost:5.1f} × sooner"
            f"  ({mark / steps:.1f} × fewer steps)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--contents", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--styles", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--size", type=int, default=256, help="long side in pixels")
    parser.add_argument("--steps", type=int, default=LATE, help="the tutorial's; 300 leaves out the later goal")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    pairs = pairs_in(asked.images, asked.contents, asked.styles) if asked.images else drawn_pairs()
    device = choose_device(asked.device)
    network = load_network(find_weights(asked.weights), precision=asked.precision, device=device)
    print(f"{device.name}, ours in {network.precision}, {asked.size} px", flush=True)
    for pair in pairs:
        race(pair, asked.size, asked.steps, asked.ways, network)


if __name__ == "__main__":
    main()
