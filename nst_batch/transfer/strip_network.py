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
from nst_batch.transfer.objective import Layers, Targets, block_of, joined_report, style_losses, style_statistics
from nst_batch.transfer.optimizers import Optimizer
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
    within,
)
from nst_batch.transfer.strips import Strip, StripPlan, plan_strips

LAST_BLOCK = 5


@dataclass
class _Seen:
    """What a forward pass has seen: the input of each block in strips and of the rest, content features, style sums."""

    inputs: list[Any]
    content: dict[str, Any] = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shares:
    """What multiplies each layer's loss in the total."""

    content: Mapping[str, Any]
    style: Mapping[str, Any]

    @classmethod
    def of(cls, layers: Layers, weights: Any) -> _Shares:
        content, style, factors = weights
        return cls(
            dict(zip(layers.content, tf.unstack(content * factors[0]), strict=True)),
            dict(zip(layers.style, tf.unstack(style * factors[1]), strict=True)),
        )


class StripNetwork:
    """``network`` with its first blocks in strips as ``strip_plan`` says; asked like the network itself."""

    def __init__(self, network: Network, strip_plan: StripPlan) -> None:
        self._network = network
        self._blocks = strip_plan.blocks
        self._view = strip_plan.view

    def content_features(self, image: Any, layers: Layers) -> dict[str, Any]:
        """As of :class:`Network`."""
        seen = self._see(image, layers)
        return {layer: seen.content[layer] for layer in layers.content}

    def style_statistics(
        self, image: Any, layers: Layers, key: Hashable | None = None, frames: Sequence[Frame] = (BARE,)
    ) -> dict[str, Any]:
        """As of :class:`Network`."""

        def compute(shown: Any) -> dict[str, Any]:
            return style_statistics(self._see(shown, layers).sums, _positions(shown, layers), layers)

        return self._network.remembered_style(image, layers, key, frames, compute)

    def weighted_sums(self, image: Any, layers: Layers, plane: Any) -> dict[str, Any]:
        """As of :class:`Network`."""
        return self._see(image, layers, plane=plane).sums

    def losses(self, image: Any, layers: Layers, targets: Targets, weights: Any) -> Any:
        """As of :class:`Network`."""
        shown = framed(image, targets.frame)
        seen = self._see(shown, layers)
        content = tf.stack([content_loss(seen.content[layer], targets.content[layer]) for layer in layers.content])
        statistics = style_statistics(seen.sums, _positions(shown, layers), layers)
        return joined_report(content, style_losses(statistics, layers, targets), total_variation(image), weights)

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
        """As of :class:`Network`."""
        step = self._network.program(("step", optimizer.key, ranks(state)), trace_step, optimizer, state)
        results = []
        for each in targets:
            report, gradient = self._evaluate(image, layers, each, weights)
            accepted, image, state = step(state, image, report[-1], gradient)
            results.append((report, accepted, image, state))
        return results

    def _evaluate(self, image: Any, layers: Layers, targets: Targets, weights: Any) -> tuple[Any, Any]:
        """The loss report, and the total's gradient at the picture."""
        shares = _Shares.of(layers, weights)
        shown = framed(image, targets.frame)
        seen = self._see(shown, layers, rest=False)
        content, style, upstream = self._judge_rest(seen.inputs[-1], layers, targets, shares, shown)
        content |= {layer: content_loss(features, targets.content[layer]) for layer, features in seen.content.items()}
        in_strips, by_sums = self._judge(seen.sums, layers, targets, shares, shown)
        style |= in_strips
        for strip_block in reversed(strip_blocks(layers, self._blocks)):
            seen.inputs.pop()  # each is held no longer than it is needed
            upstream = self._back(strip_block, seen.inputs[-1], targets, shares, by_sums, upstream)
        frame = tf.constant(targets.frame, tf.int32)
        tv, gradient = self._network.program("tv", trace_tv)(image, frame, upstream, weights[2][2])
        kept = tf.stack([content[layer] for layer in layers.content])
        painted = tf.stack([style[layer] for layer in layers.style])
        return joined_report(kept, painted, tv, weights), gradient

    # --- forward --------------------------------------------------------------------------------------------

    def _see(self, image: Any, layers: Layers, *, rest: bool = True, plane: Any = None) -> _Seen:
        """A forward pass, with or without the blocks in one piece; ``plane`` (1, H, W, 1) counts positions."""
        seen = _Seen([image])
        for strip_block in strip_blocks(layers, self._blocks):
            given = seen.inputs[-1]
            program = self._see_program(trace_see, strip_block, weighted=plane is not None)
            rows: list[tuple[Any, Any]] = []
            for strip in self._strips(strip_block, given):
                counted = () if plane is None else (plane[:, strip.core_start : strip.core_stop],)
                content, sums, handed_on = program(_rows_of(given, strip), tf.constant(strip.core), *counted)
                rows.append((content, handed_on))
                seen.sums |= {layer: seen.sums[layer] + s if layer in seen.sums else s for layer, s in sums.items()}
            for layer in strip_block.layers.content:
                seen.content[layer] = tf.concat([content[layer] for content, _ in rows], axis=1)
            seen.inputs.append(tf.concat([handed_on for _, handed_on in rows], axis=1) if strip_block.last else given)
            plane = None if plane is None else halved(plane)
        remaining = self._rest(layers)
        if rest and remaining.all:
            program = self._see_program(trace_see_rest, remaining, self._blocks + 1, weighted=plane is not None)
            content, sums = program(seen.inputs[-1], *(() if plane is None else (plane,)))
            seen.content |= content
            seen.sums |= sums
        return seen

    def _see_program(self, trace: Callable[..., Any], *args: Any, weighted: bool) -> Any:
        return self._network.program(("see", *args, weighted), partial(trace, self._network, *args, weighted=weighted))

    def _rest(self, layers: Layers) -> Layers:
        """The layers of the blocks in one piece."""
        return within(layers, self._blocks + 1, LAST_BLOCK)

    def _strips(self, strip_block: StripBlock, given: Any) -> tuple[Strip, ...]:
        _, height, width, _ = given.shape
        filters = self._network.filters(strip_block.extracted[-1])
        return plan_strips(height, self._view // (width * filters), strip_block.margin)

    # --- losses and the way back ----------------------------------------------------------------------------

    def _judge(
        self, sums: Mapping[str, Any], layers: Layers, targets: Targets, shares: _Shares, image: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """E of the style layers in strips, and the total's derivative by their sums."""
        own = within(layers, 1, self._blocks)
        if not own.style:
            return {}, {}
        program = self._network.program(("judge", own), trace_judge, self._network, own)
        styles, of_style = _only(targets.style, own.style), _only(shares.style, own.style)
        losses, by_sums = program(dict(sums), _positions(image, own), styles, of_style)
        return dict(losses), dict(by_sums)

    def _judge_rest(
        self, given: Any, layers: Layers, targets: Targets, shares: _Shares, image: Any
    ) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """The losses of the blocks in one piece, and the total's gradient at what they are given."""
        own, first = self._rest(layers), self._blocks + 1
        if not own.all:
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
        given: Any,
        targets: Targets,
        shares: _Shares,
        by_sums: Mapping[str, Any],
        upstream: Any,
    ) -> Any:
        """The total's gradient at a block's input, from that at what the block hands on."""
        program = self._network.program(("back", strip_block), trace_back, self._network, strip_block)
        parts = []
        own, of_content = _only(by_sums, strip_block.layers.style), _only(shares.content, strip_block.layers.content)
        for strip in self._strips(strip_block, given):
            core = slice(strip.core_start, strip.core_stop)
            content = {layer: targets.content[layer][:, core] for layer in strip_block.layers.content}
            below = upstream[:, core.start // 2 : core.stop // 2] if strip_block.last else upstream
            parts.append(program(_rows_of(given, strip), tf.constant(strip.core), content, own, of_content, below))
        return _overlapped(parts, self._strips(strip_block, given))


def _only(of: Mapping[str, Any], layers: tuple[str, ...]) -> dict[str, Any]:
    return {layer: of[layer] for layer in layers}


def _positions(image: Any, layers: Layers) -> dict[str, Any]:
    """The number of positions per style layer of a whole picture."""
    height, width = image.shape[1:3]
    halvings = {layer: block_of(layer) - 1 for layer in layers.style}
    return {layer: tf.constant((height >> by) * (width >> by), tf.float32) for layer, by in halvings.items()}


def _rows_of(given: Any, strip: Strip) -> Any:
    return given[:, strip.start : strip.stop]


def _overlapped(parts: list[Any], strips: tuple[Strip, ...]) -> Any:
    """The sum of what strips say of their rows, where the margins of one lie over the cores of its neighbours."""
    rows: list[Any] = []
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
