"""A network whose first blocks look at a picture strip by strip: exact, with a fraction of the memory.

Nearly all memory is taken by the features of the first blocks, which the way back needs. Here only what each of those
blocks hands on, after the pooling, is kept; the way back computes a block's features once more, strip by strip. Per
strip there are sums for the style, which add up to those of the whole picture, and from those follow the derivatives
that the way back needs: the two passes of Galerne et al., *Scaling Painting Style Transfer* (2024), applied to one
block at a time, so that a strip's margin is two or four rows in place of a hundred pixels. (Computing features
anew on the way back: Chen et al., *Training Deep Nets with Sublinear Memory Cost*, 2016.)

The later blocks are looked at in one piece. Against the network in one piece this costs one more forward pass of
the blocks in strips: with one block a tenth of a step's time, with three a third, with four nearly half.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tensorflow as tf

from nst_batch.transfer.frame import BARE, Frame, framed
from nst_batch.transfer.losses import content_loss, total_variation
from nst_batch.transfer.mask import halved
from nst_batch.transfer.network import Network, ranks
from nst_batch.transfer.objectives.family import Evaluations, ScaleObjective, Targets
from nst_batch.transfer.objectives.report import joined_report
from nst_batch.transfer.objectives.statistics import StatisticsFamily
from nst_batch.transfer.optimizers.optimizer import Optimizer, State
from nst_batch.transfer.spec import block_of
from nst_batch.transfer.strip_programs import (
    StripBlock,
    strip_blocks,
    trace_back,
    trace_judge,
    trace_judge_rest,
    trace_see,
    trace_see_rest,
    trace_step,
    trace_tv,
)
from nst_batch.transfer.strips import Strip, StripPlan, plan_strips
from nst_batch.transfer.tensors import (
    Feature,
    Features,
    Image,
    Nest,
    Plane,
    Program,
    Report,
    Scalar,
    Statistic,
    Statistics,
)

LAST_BLOCK = 5


@dataclass
class _Seen:
    """What a forward pass has seen: the input of each block in strips and of the rest, content features, style sums."""

    inputs: list[Feature]
    content: dict[str, Feature] = field(default_factory=dict)
    sums: dict[str, Statistic] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shares:
    """What multiplies each layer's loss in the total."""

    content: Mapping[str, Scalar]
    style: Mapping[str, Scalar]

    @classmethod
    def of(cls, family: StatisticsFamily, weights: Nest) -> _Shares:
        content, style, factors = weights
        return cls(
            dict(zip(family.content, tf.unstack(content * factors[0]), strict=True)),
            dict(zip(family.style, tf.unstack(style * factors[1]), strict=True)),
        )


class StripNetwork:
    """``network`` with its first blocks in strips as ``strip_plan`` says; asked like the network itself."""

    def __init__(self, network: Network, strip_plan: StripPlan) -> None:
        self._network = network
        self._blocks = strip_plan.blocks
        self._view = strip_plan.view

    def content_features(self, image: Image, family: StatisticsFamily) -> dict[str, Feature]:
        """As :class:`StatisticsView` says."""
        seen = self._see(image, family)
        return {layer: seen.content[layer] for layer in family.content}

    def style_statistics(
        self, image: Image, family: StatisticsFamily, key: Hashable | None = None, frames: Sequence[Frame] = (BARE,)
    ) -> dict[str, Statistic]:
        """As :class:`StatisticsView` says."""

        def compute(shown: Image) -> dict[str, Statistic]:
            return family.statistics(self._see(shown, family).sums, _positions(shown, family))

        return self._network.remembered_style(image, family, key, frames, compute)

    def weighted_sums(self, image: Image, family: StatisticsFamily, plane: Plane) -> dict[str, Statistic]:
        """As :class:`StatisticsView` says."""
        return self._see(image, family, plane=plane).sums

    def losses(self, image: Image, objective: ScaleObjective, targets: Targets) -> Report:
        """As :class:`StatisticsView` says."""
        family = _of_statistics(objective)
        shown = framed(image, targets.frame)
        seen = self._see(shown, family)
        content = tf.stack([content_loss(seen.content[layer], targets.content[layer]) for layer in family.content])
        style = family.style_losses(family.statistics(seen.sums, _positions(shown, family)), targets.style)
        return joined_report(content, style, total_variation(image), objective.weights)

    def advance(
        self, image: Image, state: State, objective: ScaleObjective, targets: Sequence[Targets], optimizer: Optimizer
    ) -> Evaluations:
        """As :class:`View` says."""
        step = self._network.program(("step", optimizer.key, ranks(state)), trace_step, optimizer, state)
        reports, proposals = [], []
        for each in targets:
            report, gradient = self._evaluate(image, _of_statistics(objective), each, objective.weights)
            proposals.append(step(state, image, report[-1], gradient))
            reports.append(report)
            _, image, state = proposals[-1]
        return Evaluations.of(reports, proposals)

    def _evaluate(
        self, image: Image, family: StatisticsFamily, targets: Targets, weights: Nest
    ) -> tuple[Report, Image]:
        """The loss report, and the total's gradient at the picture."""
        shares = _Shares.of(family, weights)
        shown = framed(image, targets.frame)
        seen = self._see(shown, family, rest=False)
        content, style, upstream = self._judge_rest(seen.inputs[-1], family, targets, shares, shown)
        content |= {layer: content_loss(features, targets.content[layer]) for layer, features in seen.content.items()}
        in_strips, by_sums = self._judge(seen.sums, family, targets, shares, shown)
        style |= in_strips
        for strip_block in reversed(strip_blocks(family, self._blocks)):
            seen.inputs.pop()  # each is held no longer than it is needed
            upstream = self._back(strip_block, seen.inputs[-1], targets, shares, by_sums, upstream)
        frame = tf.constant(targets.frame, tf.int32)
        tv, gradient = self._network.program("tv", trace_tv)(image, frame, upstream, weights[2][2])
        kept = tf.stack([content[layer] for layer in family.content])
        painted = tf.stack([style[layer] for layer in family.style])
        return joined_report(kept, painted, tv, weights), gradient

    # --- forward --------------------------------------------------------------------------------------------

    def _see(self, image: Image, family: StatisticsFamily, *, rest: bool = True, plane: Plane = None) -> _Seen:
        """A forward pass, with or without the blocks in one piece; ``plane`` (1, H, W, 1) counts positions."""
        seen = _Seen([image])
        for strip_block in strip_blocks(family, self._blocks):
            given = seen.inputs[-1]
            program = self._see_program(trace_see, strip_block, weighted=plane is not None)
            rows: list[tuple[Features, Feature]] = []
            for strip in self._strips(strip_block, given):
                counted = () if plane is None else (plane[:, strip.core_start : strip.core_stop],)
                content, sums, handed_on = program(_rows_of(given, strip), tf.constant(strip.core), *counted)
                self._network.on_progress()
                rows.append((content, handed_on))
                seen.sums |= {layer: seen.sums[layer] + s if layer in seen.sums else s for layer, s in sums.items()}
            for layer in strip_block.family.content:
                seen.content[layer] = tf.concat([content[layer] for content, _ in rows], axis=1)
            seen.inputs.append(tf.concat([handed_on for _, handed_on in rows], axis=1) if strip_block.last else given)
            plane = None if plane is None else halved(plane)
        remaining = self._rest(family)
        if rest and remaining.layers:
            program = self._see_program(trace_see_rest, remaining, self._blocks + 1, weighted=plane is not None)
            content, sums = program(seen.inputs[-1], *(() if plane is None else (plane,)))
            seen.content |= content
            seen.sums |= sums
        return seen

    def _see_program(self, trace: Callable[..., Program], *args: Any, weighted: bool) -> Program:
        return self._network.program(("see", *args, weighted), partial(trace, self._network, *args, weighted=weighted))

    def _rest(self, family: StatisticsFamily) -> StatisticsFamily:
        """The layers of the blocks in one piece."""
        return family.within(self._blocks + 1, LAST_BLOCK)

    def _strips(self, strip_block: StripBlock, given: Feature) -> tuple[Strip, ...]:
        _, height, width, _ = given.shape
        filters = self._network.filters(strip_block.extracted[-1])
        return plan_strips(height, self._view // (width * filters), strip_block.margin)

    # --- losses and the way back ----------------------------------------------------------------------------

    def _judge(
        self, sums: Statistics, family: StatisticsFamily, targets: Targets, shares: _Shares, image: Image
    ) -> tuple[dict[str, Scalar], dict[str, Statistic]]:
        """E of the style layers in strips, and the total's derivative by their sums."""
        own = family.within(1, self._blocks)
        if not own.style:
            return {}, {}
        program = self._network.program(("judge", own), trace_judge, self._network, own)
        styles, of_style = _only(targets.style, own.style), _only(shares.style, own.style)
        losses, by_sums = program(dict(sums), _positions(image, own), styles, of_style)
        return dict(losses), dict(by_sums)

    def _judge_rest(
        self, given: Feature, family: StatisticsFamily, targets: Targets, shares: _Shares, image: Image
    ) -> tuple[dict[str, Scalar], dict[str, Scalar], Feature]:
        """The losses of the blocks in one piece, and the total's gradient at what they are given."""
        own, first = self._rest(family), self._blocks + 1
        if not own.layers:
            return {}, {}, tf.zeros([])
        program = self._network.program(("judge", first, own), trace_judge_rest, self._network, own, first)
        content, style, gradient = program(
            given,
            _only(targets.content, own.content),
            _only(targets.style, own.style),
            _positions(image, own),
            _only(shares.content, own.content),
            _only(shares.style, own.style),
        )
        return dict(content), dict(style), gradient

    def _back(
        self,
        strip_block: StripBlock,
        given: Feature,
        targets: Targets,
        shares: _Shares,
        by_sums: Statistics,
        upstream: Feature,
    ) -> Feature:
        """The total's gradient at a block's input, from that at what the block hands on."""
        program = self._network.program(("back", strip_block), trace_back, self._network, strip_block)
        parts = []
        own, of_content = _only(by_sums, strip_block.family.style), _only(shares.content, strip_block.family.content)
        for strip in self._strips(strip_block, given):
            core = slice(strip.core_start, strip.core_stop)
            content = {layer: targets.content[layer][:, core] for layer in strip_block.family.content}
            below = upstream[:, core.start // 2 : core.stop // 2] if strip_block.last else upstream
            parts.append(program(_rows_of(given, strip), tf.constant(strip.core), content, own, of_content, below))
            self._network.on_progress()
        return _overlapped(parts, self._strips(strip_block, given))


def _of_statistics(objective: ScaleObjective) -> StatisticsFamily:
    if not isinstance(objective.family, StatisticsFamily):
        raise TypeError("what is no sum over positions is not looked at in strips")
    return objective.family


def _only(of: Mapping[str, Any], layers: tuple[str, ...]) -> dict[str, Any]:
    return {layer: of[layer] for layer in layers}


def _positions(image: Image, family: StatisticsFamily) -> dict[str, Scalar]:
    """The number of positions per style layer of a whole picture."""
    height, width = image.shape[1:3]
    halvings = {layer: block_of(layer) - 1 for layer in family.style}
    return {layer: tf.constant((height >> by) * (width >> by), tf.float32) for layer, by in halvings.items()}


def _rows_of(given: Feature, strip: Strip) -> Feature:
    return given[:, strip.start : strip.stop]


def _overlapped(parts: list[Feature], strips: tuple[Strip, ...]) -> Feature:
    """The sum of what strips say of their rows, where the margins of one lie over the cores of its neighbours."""
    rows: list[Feature] = []
    for n, (part, strip) in enumerate(zip(parts, strips, strict=True)):
        first, last = strip.core
        above = parts[n - 1][:, strips[n - 1].core[1] :] if n else part[:, :0]
        below = parts[n + 1][:, : strips[n + 1].core[0]] if n + 1 < len(parts) else part[:, :0]
        high, low = above.shape[1], below.shape[1]
        rows += [
            part[:, first : first + high] + above,
            part[:, first + high : last - low],
            part[:, last - low : last] + below,
        ]
    return tf.concat(rows, axis=1)
