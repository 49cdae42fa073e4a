"""One generation: a content picture, styles and a spec in, a stream of steps out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nst_batch.transfer.box import Box
from nst_batch.transfer.errors import DamagedCheckpointError, LossNotFiniteError
from nst_batch.transfer.gpu_memory import memory_named
from nst_batch.transfer.network import Network
from nst_batch.transfer.objectives.families import FAMILIES
from nst_batch.transfer.objectives.family import Evaluations, Picture, ScaleObjective
from nst_batch.transfer.objectives.report import Balance
from nst_batch.transfer.optimizers.choose import make_optimizer
from nst_batch.transfer.optimizers.optimizer import State
from nst_batch.transfer.pyramid import Scale, plan_scales, resize
from nst_batch.transfer.source_images import SourceImages
from nst_batch.transfer.spec import TransferSpec
from nst_batch.transfer.strips import StripPlan
from nst_batch.transfer.tensors import Image


@dataclass(frozen=True)
class Step:
    """The losses of the picture after one step. ``total`` = Σ weights · (content, style, tv), exactly.

    ``content`` = Σ w_l L_l and ``style`` = Σ w_l E_l, w_l summing to 1 over their layers. ``step`` and
    ``epoch`` count from 1 over the whole job, ``scale`` from 1, the coarsest. ``seconds`` is optimisation so
    far, over all runs.
    """

    step: int
    epoch: int
    scale: int
    height: int
    width: int
    total: float
    content: float
    style: float
    tv: float
    weights: Mapping[str, float]
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    seconds: float
    epoch_end: bool


@dataclass
class _Progress:
    """Where the generation stands; all of it goes into a checkpoint beside the tensors."""

    step: int = 0  # emitted, over the job
    epoch: int = 0  # finished, over the job
    scale: int = 0  # index of the scale at work
    done: int = 0  # steps of that scale
    renewed: int = 0  # the number of the scale's picture from which its objective was made
    ended: bool = False  # that scale is flat and ends before its last step
    epoch_start: float = math.nan  # the total at which the epoch at work began
    seconds: float = 0.0


class NeuralStyleModel:
    """Owns one generation and emits its steps.

    ``content`` is (H, W, 3) float32 RGB in [0, 1], at least as large as the result. ``styles`` are (picture,
    weight) pairs; a style picture is looked at in its own size at the last scale, smaller at coarser ones.
    ``style_keys`` (one a style, such as a content hash) let the network remember their statistics between
    jobs. ``init_image`` is the start where ``spec.init`` is ``image``. ``mask`` (H, W) float32 in [0, 1] is 1 where the
    picture is painted and 0 where the content stays as it is; None paints all of it. A scale or style of which
    ``strip_plan`` says that it goes strip by strip takes longer and gives the same within rounding.
    """

    def __init__(
        self,
        content: Picture,
        styles: Sequence[tuple[Picture, float]],
        spec: TransferSpec,
        network: Network,
        *,
        init_image: Picture | None = None,
        mask: Picture | None = None,
        style_keys: Sequence[Hashable | None] | None = None,
        strip_plan: Callable[[int], StripPlan | None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.spec = spec
        self.scales: tuple[Scale, ...] = plan_scales(
            spec.height, spec.width, spec.scales, spec.epochs, closing=FAMILIES[spec.family].closing
        )
        self._network = network
        self._optimizer = make_optimizer(spec.optimizer)
        self._clock = clock
        self._at = _Progress()
        with self._memory_named(self.scales[-1]):
            self._sources = SourceImages(
                content,
                styles,
                spec,
                network,
                init_image=init_image,
                mask=mask,
                style_keys=style_keys,
                strip_plan=strip_plan,
            )
            box = self._sources.box(self.scales[0])
            self._image = _within(box, self._sources.start(self.scales[0]))
            self._state = self._optimizer.init(self._image, box, self._steps_of(self.scales[0]))
            self._anchor = self._image  # what an objective that follows the picture was made from

    @property
    def total_steps(self) -> int:
        """The steps of the whole job, where no scale ends early."""
        return self.spec.total_epochs * self.spec.steps_per_epoch

    @property
    def in_strips(self) -> bool:
        """Whether the last scale is looked at in strips."""
        return self._sources.in_strips(self.scales[-1])

    def image(self) -> Picture:
        """The picture that the last emitted step speaks of, (H, W, 3) float32 in [0, 1], its scale's size."""
        return np.asarray(self._image[0], np.float32)

    def steps(self) -> Iterator[Step]:
        """Run to the end, emitting each step. Raises :class:`LossNotFiniteError`.

        Between two steps the caller may look at :meth:`image`, keep :meth:`state`, or stop for good.
        """
        while True:
            scale = self.scales[self._at.scale]
            if not self._at.ended and self._at.done < self._steps_of(scale):
                yield from self._run(scale)
            if self._at.scale + 1 == len(self.scales):
                return
            self._enter(self._at.scale + 1)

    def run(self, on_step: Callable[[Step], object] = lambda _: None) -> Picture:
        """Run to the end, telling ``on_step`` of each step; the finished picture, (H, W, 3) float32 in [0, 1].

        Raises :class:`LossNotFiniteError`, and whatever ``on_step`` raises, which ends the run.
        """
        for step in self.steps():
            on_step(step)
        return self.image()

    def seconds_left(self) -> float:
        """An estimate of the time to the end, from the steps so far; NaN before the first."""
        per = self.spec.steps_per_epoch
        cost = [scale.height * scale.width * scale.epochs * per for scale in self.scales]
        here = self.scales[self._at.scale]
        spent = sum(cost[: self._at.scale]) + here.height * here.width * self._at.done
        if not spent:
            return math.nan
        left = sum(cost[self._at.scale :]) - here.height * here.width * self._at.done
        return self._at.seconds * left / spent

    def state(self) -> dict[str, NDArray[Any] | int | float | bool]:
        """Everything that :meth:`restore` needs to go on from the last emitted step, bit by bit on a CPU."""
        tensors = {f"optimizer/{name}": np.asarray(value) for name, value in self._state.items()}
        anchor = {"anchor": np.asarray(self._anchor)} if FAMILIES[self.spec.family].follows else {}
        return {**vars(self._at), "image": np.asarray(self._image), **anchor, **tensors}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state` of a model made of the same pictures, spec and network.

        Raises :class:`DamagedCheckpointError`, and changes nothing, where it is none; one of another version may be.
        """
        self._refuse_foreign(state)
        self._at = _Progress(**{name: state[name] for name in vars(self._at) if name in state})
        with self._memory_named(self.scales[self._at.scale]):
            self._image = tf.constant(state["image"])
            self._anchor = tf.constant(state.get("anchor", state["image"]))
            prefix = "optimizer/"
            self._state = {
                name.removeprefix(prefix): tf.constant(value)
                for name, value in state.items()
                if name.startswith(prefix)
            }

    def _refuse_foreign(self, state: Mapping[str, Any]) -> None:
        wanted = set(self.state())
        # Versions before did not know when an objective was renewed, and had none that is.
        known_later = set() if FAMILIES[self.spec.family].follows else {"renewed"}
        odd = sorted(wanted - set(state) - known_later) or sorted(set(state) - wanted)
        if odd:
            more = f" and {len(odd) - 1} more parts" if len(odd) > 1 else ""
            raise DamagedCheckpointError(f"it is of another version, by its {odd[0]}{more}")
        shape, number = np.shape(state["image"]), int(state["scale"])
        sizes = [(1, scale.height, scale.width, 3) for scale in self.scales]
        if not 0 <= number < len(sizes) or shape != sizes[number]:
            raise DamagedCheckpointError(
                "it is of another version: its picture has no place among the scales of this one"
            )

    def _steps_of(self, scale: Scale) -> int:
        return scale.epochs * self.spec.steps_per_epoch

    def _run(self, scale: Scale) -> Iterator[Step]:
        """The steps of one scale. The first evaluation is of the picture it starts (or goes on) from."""
        with self._memory_named(scale):
            objective = self._sources.objective(scale, self._anchor, self._at.renewed)
        for number, (image, state, report, accepted) in enumerate(self._evaluations(scale, objective)):
            if not accepted:
                continue
            total = objective.balance.total(report)
            if not math.isfinite(total):
                raise LossNotFiniteError(self._at.step + 1, self._network.precision)
            if number == 0:
                if math.isnan(self._at.epoch_start):
                    self._at.epoch_start = total
                continue
            self._image, self._state = image, state
            yield self._advance(scale, objective.balance, report, total)
            if self._at.ended:
                return

    def _evaluations(
        self, scale: Scale, objective: ScaleObjective
    ) -> Iterator[tuple[Image, State, NDArray[Any], bool]]:
        """Pictures of the scale as the optimiser asks for them; each: state before it, losses, accepted."""
        image, state = self._image, self._state
        first, last = True, self._steps_of(scale)
        while self._at.done < last:
            number = self._at.done + (not first)  # of the picture that comes next, counted from the scale's start
            with self._timed(scale):
                every = objective.renewed_every
                if every and number % every == 0 and number not in (self._at.renewed, last):
                    self._anchor, self._at.renewed = image, number
                    objective = self._sources.objective(scale, image, number)
                if number == last and self._optimizer.always_accepts:
                    found = Evaluations(objective.losses(image, number)[tf.newaxis], None, [image], [state])
                else:
                    numbers = range(number, number + self._count(number, first, objective))
                    found = objective.advance(image, state, numbers, self._optimizer)
                reports = np.asarray(found.reports)  # waits for the device, so that its time is counted
            self._network.on_progress()  # L-BFGS may look at many pictures before it accepts one
            accepted = repeat(True) if found.accepted is None else np.asarray(found.accepted)
            for report, is_iterate, *later in zip(reports, accepted, found.images, found.states, strict=False):
                yield image, state, report, bool(is_iterate)
                (image, state), first = later, False

    def _count(self, number: int, first: bool, objective: ScaleObjective) -> int:
        """Evaluations in one call: several where the device gains by it, never across an epoch's end."""
        if objective.renewed_every:
            return 1
        per = self.spec.steps_per_epoch
        room = per - number % per if first else -number % per
        most = self._network.device.steps_per_call
        return most if room >= most else 1

    def _memory_named(self, scale: Scale) -> AbstractContextManager[None]:
        return memory_named(self._network.device, scale.height, scale.width)

    @contextmanager
    def _timed(self, scale: Scale) -> Iterator[None]:
        """Add the time inside to the seconds of optimisation; memory that runs out gets its name."""
        begin = self._clock()
        try:
            with self._memory_named(scale):
                yield
        finally:
            self._at.seconds += self._clock() - begin

    def _advance(self, scale: Scale, joined: Balance, report: NDArray[Any], total: float) -> Step:
        """Count one more step, decide whether its epoch was flat, and describe it."""
        at = self._at
        at.step += 1
        at.done += 1
        epoch_end = at.done % self.spec.steps_per_epoch == 0
        epoch = at.epoch + 1
        if epoch_end:
            at.epoch = epoch
            gain = 1.0 - total / at.epoch_start if at.epoch_start > 0.0 else 0.0
            at.ended = self.spec.stop_when_flat > 0.0 and gain < self.spec.stop_when_flat
            at.epoch_start = total
        content, style, tv = joined.losses(report)
        layers = [float(value) for value in report]
        return Step(
            step=at.step,
            epoch=epoch,
            scale=scale.number,
            height=scale.height,
            width=scale.width,
            total=total,
            content=content,
            style=style,
            tv=tv,
            weights=joined.factors,
            content_layers=dict(zip(joined.content_layers, layers, strict=False)),
            style_layers=dict(zip(joined.style_layers, layers[len(joined.content_layers) :], strict=False)),
            seconds=at.seconds,
            epoch_end=epoch_end,
        )

    def _enter(self, index: int) -> None:
        """Go up to the scale of that index, picture and optimiser state enlarged."""
        scale = self.scales[index]
        with self._memory_named(scale):
            box = self._sources.box(scale)
            self._image = _within(box, resize(self._image, scale.height, scale.width))
            self._state = self._optimizer.resize(self._state, self._image, box, self._steps_of(scale))
        at = self._at
        at.scale, at.done, at.renewed, at.ended, at.epoch_start = index, 0, 0, False, math.nan
        self._anchor = self._image


def _within(box: Box | None, image: Image) -> Image:
    return image if box is None else tf.clip_by_value(image, *box)
