"""Nearest neighbours at one scale: what is matched with what, and the programs over it.

Two kinds of scales. In the first kind a place is the features of all layers at once (a hypercolumn), matched once, when
the scale begins, by a mixture of the picture so far and the content; in the closing one, at the result's size, each
layer is matched for itself by the picture alone, on another grid every few steps. Positions do not add up to anything
that could be summed over strips, so the picture is looked at in one piece.

Ours: the content has the style's mean and covariance of colours when it is matched, in place of a matching of colours
afterwards; a style is known by some thousand positions, drawn once; matches of the closing scale hold for
:data:`RENEWED_EVERY` steps; the picture is shown in a reflected margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_batch.transfer.frame import FRAMES, framed
from nst_batch.transfer.losses import total_variation
from nst_batch.transfer.network import FRAME, PICTURE, Network, any_size, ranks
from nst_batch.transfer.objective import Balance, joined_report
from nst_batch.transfer.objectives.neighbours import (
    COARSER,
    centred,
    centred_distance,
    cosine_distance,
    grid_rows,
    hypercolumns,
    nearest,
)
from nst_batch.transfer.optimizers import Optimizer
from nst_batch.transfer.pyramid import Scale
from nst_batch.transfer.spec import TransferSpec

HYPERCOLUMN = "hypercolumn"  # the name of that loss in the log
PLACES = 8192  # of a style, that hypercolumns are matched with
PLACES_OF_A_LAYER = 4096  # of a style, that a layer's features are matched with
GRID = 64  # positions of a layer, down and across, that are matched at a time
TURNS = 4  # a style is known turned by 0, 90, 180 and 270 degrees
RENEWED_EVERY = 10  # steps for which the matches of the closing scale hold
PIECE = 1024  # positions that are matched at a time

Styles = Sequence[tuple[Any, float]]


class NeighbourObjective:
    """A :class:`ScaleObjective`, its matches those of ``anchor``, the picture that was evaluated at ``number``."""

    def __init__(
        self, network: Network, spec: TransferSpec, scale: Scale, content: Any, styles: Styles, anchor: Any, number: int
    ) -> None:
        """``content`` and ``anchor`` (1, H, W, 3) of the scale's size; ``styles`` in theirs, each with its weight."""
        self._network = network
        self._closing = scale.closing
        total = sum(spec.style_layers.values())
        self._layers = {layer: weight / total for layer, weight in spec.style_layers.items() if weight > 0}
        self._seed = (spec.seed, scale.number)
        named = self._layers if scale.closing else {HYPERCOLUMN: 1.0}
        self.balance = Balance({}, named, 0.0, spec.style_weight * scale.height * scale.width, spec.tv_weight)
        self._weights = self.balance.tensors()
        draw = np.random.default_rng((*self._seed, number))
        self._frame = tf.constant(FRAMES[int(draw.integers(len(FRAMES)))], tf.int32)
        self._grid = self._drawn_grid(anchor, draw)
        share = spec.content_weight if scale.number > 1 else 1.0  # the first scale's picture has nothing to say yet
        shown = anchor if scale.closing else _mixed(content, anchor, share)
        shares = [weight / sum(weight for _, weight in styles) for _, weight in styles]
        matched = [self._matched(self._rows(shown), picture) for picture, _ in styles]
        self._targets = [
            tf.add_n([share * rows for share, rows in zip(shares, layer, strict=True)])
            for layer in zip(*matched, strict=True)
        ]

    @property
    def renewed_every(self) -> int:
        """Matches of the closing scale follow the picture."""
        return RENEWED_EVERY if self._closing else 0

    def losses(self, image: Any, number: int) -> Any:  # noqa: ARG002 - its frame is that of its matches
        """The loss report of a picture: a distance per style layer, or that of hypercolumns; tv; the total."""
        program = self._network.program(self._key("losses"), self._trace_losses)
        return program(image, self._frame, self._grid, self._targets, self._weights)

    def advance(
        self, image: Any, state: Any, numbers: Sequence[int], optimizer: Optimizer
    ) -> list[tuple[Any, Any, Any, Any]]:
        """As :class:`ScaleObjective` says."""
        key = self._key("advance", optimizer.key, ranks(state))
        program = self._network.program(key, self._trace_advance, optimizer, state)
        results = []
        for _ in numbers:
            results.append(program(image, state, self._frame, self._grid, self._targets, self._weights))
            _, _, image, state = results[-1]
        return results

    # --- matching -------------------------------------------------------------------------------------------

    def _drawn_grid(self, image: Any, draw: np.random.Generator) -> tuple[Any, Any]:
        """Of each layer every how manieth position is looked at, and from which on; not used by hypercolumns."""
        shortest = min(image.shape[1:3])
        steps = [max(1, round((shortest >> block) / GRID)) for block in self._halvings()]
        offsets = [[int(draw.integers(step)), int(draw.integers(step))] for step in steps]
        return tf.constant(steps, tf.int32), tf.constant(offsets, tf.int32)

    def _halvings(self) -> list[int]:
        return [int(layer[5]) - 1 for layer in self._layers]

    def _rows(self, image: Any) -> list[Any]:
        program = self._network.program(self._key("rows"), self._trace_rows)
        return list(program(image, self._frame, self._grid))

    def _matched(self, rows: Sequence[Any], style: Any) -> list[Any]:
        """Per layer the style's rows that are most alike to those of the picture."""
        known = self._style_rows(style)
        if self._closing:
            keys = [centred([each]) for each in known]
            return [tf.gather(key, self._nearest(centred([row]), key)) for row, key in zip(rows, keys, strict=True)]
        found = self._nearest(centred(rows), centred(known))
        return [tf.gather(each, found) for each in known]

    def _nearest(self, queries: Any, keys: Any) -> Any:
        precision = self._network.precision
        return nearest(tf.cast(queries, precision), tf.cast(keys, precision), PIECE)

    def _style_rows(self, style: Any) -> list[Any]:
        """Per layer the rows of some positions of the style in all its turns, the same for a seed and scale."""
        draw = np.random.default_rng(self._seed)
        parts = []
        program = self._network.program(self._key("style", self._closing), self._trace_style)
        for turn in range(TURNS):
            rows = program(tf.image.rot90(style, turn), tf.constant(FRAMES[turn % len(FRAMES)], tf.int32))
            if self._closing:
                chosen = [_some(row.shape[0], PLACES_OF_A_LAYER // TURNS, draw) for row in rows]
            else:
                chosen = [_some(rows[0].shape[0], PLACES // TURNS, draw)] * len(rows)
            parts.append([tf.gather(row, some) for row, some in zip(rows, chosen, strict=True)])
        return [tf.concat(layer, axis=0) for layer in zip(*parts, strict=True)]

    # --- programs -------------------------------------------------------------------------------------------

    def _key(self, *what: Any) -> tuple[Any, ...]:
        return ("neighbours", self._closing, tuple(self._layers.items()), *what)

    def _signature(self) -> list[Any]:
        """Of a picture, its frame and its grid."""
        layers = len(self._layers)
        return [PICTURE, FRAME, (tf.TensorSpec([layers], tf.int32), tf.TensorSpec([layers, 2], tf.int32))]

    def _compared(self) -> list[Any]:
        """Of targets and weights."""
        targets = [tf.TensorSpec([None, self._network.filters(layer)], tf.float32) for layer in self._layers]
        named = len(self.balance.style_layers)
        return [targets, tuple(tf.TensorSpec([length], tf.float32) for length in (0, named, 3))]

    def _trace_rows(self) -> Any:
        see = _seen_rows(self._network, self._layers, closing=self._closing)
        return tf.function(see, autograph=False, input_signature=self._signature())

    def _trace_style(self) -> Any:
        extract, layers, closing = self._network.extractor(tuple(self._layers)), self._layers, self._closing

        def see(image: Any, frame: Any) -> Any:
            features = extract(framed(image, frame))
            if not closing:
                return hypercolumns(features, layers, _coarse_size(image))
            return [tf.reshape(tf.cast(features[n], tf.float32), [-1, features[n].shape[-1]]) for n in layers]

        return tf.function(see, autograph=False, input_signature=[PICTURE, FRAME])

    def _trace_losses(self) -> Any:
        report = _reporter(self._network, self._layers, closing=self._closing)
        return tf.function(report, autograph=False, input_signature=[*self._signature(), *self._compared()])

    def _trace_advance(self, optimizer: Optimizer, state: Any) -> Any:
        report_of = _reporter(self._network, self._layers, closing=self._closing)

        def advance(image: Any, state: Any, frame: Any, grid: Any, targets: Any, weights: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                report = report_of(image, frame, grid, targets, weights)
                loss = report[-1]
            return (report, *optimizer.step(state, image, loss, tape.gradient(loss, image)))

        picture, frame, grid = self._signature()
        signature = [picture, any_size(state), frame, grid, *self._compared()]
        return tf.function(advance, autograph=False, input_signature=signature)


def _seen_rows(network: Network, layers: Mapping[str, float], *, closing: bool) -> Any:
    """A picture, its frame and grid -> rows per layer."""
    extract = network.extractor(tuple(layers))

    def see(image: Any, frame: Any, grid: Any) -> Any:
        features = extract(framed(image, frame))
        if closing:
            return grid_rows(features, tuple(layers), *grid)
        return hypercolumns(features, layers, _coarse_size(image))

    return see


def _reporter(network: Network, layers: Mapping[str, float], *, closing: bool) -> Any:
    """A picture, its frame and grid, targets and weights -> the loss report."""
    see = _seen_rows(network, layers, closing=closing)

    def report(image: Any, frame: Any, grid: Any, targets: Any, weights: Any) -> Any:
        rows = see(image, frame, grid)
        if closing:
            distances = [centred_distance(row, target) for row, target in zip(rows, targets, strict=True)]
        else:
            distances = [cosine_distance(rows, targets)]
        return joined_report(tf.zeros([0]), tf.stack(distances), total_variation(image), weights)

    return report


def _coarse_size(image: Any) -> Any:
    """The grid of hypercolumns: a fourth of the picture's size, its margin with it."""
    return (tf.shape(image)[1:3] + sum(FRAMES[0][:2])) // COARSER


def _mixed(content: Any, picture: Any, share: float) -> Any:
    """What is matched: so large a share of the content, and of the picture with the content's finest band."""
    size = [max(1, side // 2) for side in content.shape[1:3]]
    coarse = tf.image.resize(content, size, antialias=True)
    finest = content - tf.image.resize(coarse, content.shape[1:3])
    return tf.clip_by_value(share * content + (1.0 - share) * (picture + finest), 0.0, 1.0)


def _some(of: int, most: int, draw: np.random.Generator) -> Any:
    """``most`` of so many numbers, or all of them."""
    return tf.constant(draw.permutation(of)[:most], tf.int32)
