"""Each place of the picture shall look like the most alike place of the style: the losses of NNST, and the family.

Kolkin, Kucera, Paris, Sýkora, Shechtman and Shakhnarovich, *Neural Neighbor Style Transfer* (2022, arXiv 2203.13215).
Features are (1, h, w, N_l) in float32 or bfloat16; rows are (positions, N_l) float32; distances are float32 scalars.

Two kinds of scales. In the first kind a place is the features of all layers at once (a hypercolumn), matched once, when
the scale begins, by a mixture of the picture so far and the content; in the closing one, at the result's size, each
layer is matched for itself by the picture alone, on another grid every few steps. Positions do not add up to anything
that could be summed over strips, so the picture is looked at in one piece.

Ours: at the same places the content layers are compared with the content's, or what is small is drawn away, a face's
eyes first; the content has the style's mean and covariance of colours, and the picture is held to them, for cosines do
not see how strong a colour is (the paper matches colours afterwards); a style is known by some thousand positions,
drawn once; matches of the closing scale hold for :data:`RENEWED_EVERY` steps; a reflected margin is around the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import tensorflow as tf

from nst_batch.transfer.color import match_color
from nst_batch.transfer.frame import FRAMES, framed
from nst_batch.transfer.network import FRAME, IMAGE, PLANE
from nst_batch.transfer.objectives.family import Family, Picture, ScaleObjective, ScaleSources, Targets, WholeView
from nst_batch.transfer.objectives.moments import moment_sums, moments
from nst_batch.transfer.objectives.report import Balance, normalised
from nst_batch.transfer.spec import Precision, TransferSpec, block_of
from nst_batch.transfer.tensors import Features, Image, Nest, Plane, Program, Rows, Scalar, Statistic, Vector

HYPERCOLUMN = "hypercolumn"  # the name of that loss in the log
COLORS = "colors"  # and of the loss beside it
SHARE_OF_COLORS = 0.1  # of the style loss
SHARE = 0.75  # of the content in what is matched with a style; the paper's α
COARSER = 4  # times the grid of hypercolumns is coarser than the picture
PLACES = 8192  # of a style, that hypercolumns are matched with
PLACES_OF_A_LAYER = 4096  # of a style, that a layer's features are matched with
GRID = 64  # positions of a layer, down and across, that are matched at a time
TURNS = 4  # a style is known turned by 0, 90, 180 and 270 degrees
RENEWED_EVERY = 10  # steps for which the matches of the closing scale hold
PIECE = 1024  # positions that are matched at a time
_NOTHING = 1e-12
_ONE = 1.0  # a position


@dataclass(frozen=True)
class Neighbours(Family):
    """``style``: each layer with its weight; ``closing``: layer by layer, where the others see hypercolumns."""

    content: tuple[str, ...]
    style: tuple[tuple[str, float], ...]
    closing: bool = False

    @classmethod
    def of(cls, spec: TransferSpec) -> Self:
        layers = normalised(spec.style_layers)
        return cls(tuple(spec.content_layers), tuple((layer, weight) for layer, weight in layers.items() if weight > 0))

    @property
    def matched(self) -> tuple[str, ...]:
        """The style layers by name."""
        return tuple(layer for layer, _ in self.style)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.matched + self.content))

    @property
    def reported(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.content, (*(self.matched if self.closing else (HYPERCOLUMN,)), COLORS)

    def content_seen(self, content: Picture, styles: Sequence[tuple[Picture, float]]) -> Picture:
        total = sum(weight for _, weight in styles)
        matched = [match_color(content, picture) * np.float32(weight / total) for picture, weight in styles]
        return np.asarray(np.sum(matched, axis=0), np.float32)

    def at_scale(self, sources: ScaleSources, anchor: Image, number: int) -> ScaleObjective:
        spec, scale = sources.spec, sources.scale
        family = replace(self, closing=scale.closing)
        matching = _Matching(family, sources.network, (spec.seed, scale.number), anchor, number)
        kept = matching.rows(sources.content)
        if scale.closing:
            shown = matching.rows(anchor)
        else:  # the first scale's picture has nothing to say yet
            shown = matching.rows(_mixed(sources.content, anchor, SHARE)) if scale.number > 1 else kept
        matched = [matching.matched(shown, style.picture) for style in sources.styles]
        shares = [style.weight / sum(each.weight for each in sources.styles) for style in sources.styles]
        aims = [
            tf.add_n([share * aim for share, aim in zip(shares, layer, strict=True)])
            for layer in zip(*matched, strict=True)
        ]
        palettes = [color_sums(framed(style.picture, matching.frame)) for style in sources.styles]
        colors = tf.add_n([share * each for share, each in zip(shares, palettes, strict=True)])
        named = dict(self.style) if scale.closing else {HYPERCOLUMN: 1.0}
        named = {name: (1.0 - SHARE_OF_COLORS) * weight for name, weight in named.items()} | {COLORS: SHARE_OF_COLORS}
        content, style = (weight * scale.height * scale.width for weight in (spec.content_weight, spec.style_weight))
        balance = Balance(normalised(spec.content_layers), named, content, style, spec.tv_weight)
        painted = tf.ones_like(sources.content[..., :1]) if sources.mask is None else sources.mask
        places = (matching.grid, [centred([kept[layer]]) for layer in self.content], framed(painted, matching.frame))
        targets = Targets(places, [*aims, moments(colors, _ONE)], matching.frame)
        renewed = RENEWED_EVERY if scale.closing else 0  # matches of the closing scale follow the picture
        return ScaleObjective(sources.network, family, (targets,), balance, renewed_every=renewed)

    def target_specs(self, filters: Callable[[str], int], precision: Precision) -> tuple[Nest, Nest]:  # noqa: ARG002 - rows are float32
        content, style = (
            [tf.TensorSpec([None, filters(layer)], tf.float32) for layer in layers]
            for layers in (self.content, self.matched)
        )
        return (_grid_specs(len(self.layers)), content, PLANE), [*style, tf.TensorSpec([4, 3], tf.float32)]

    def losses(self, features: Features, shown: Image, content: Nest, style: Sequence[Rows]) -> tuple[Vector, Vector]:
        grid, places, painted = content
        rows = self.rows(features, shown, grid)
        kept = [centred_distance(rows[layer], place) for layer, place in zip(self.content, places, strict=True)]
        mine, (*aims, colors) = [rows[layer] for layer in self.matched], style
        if self.closing:
            distances = [centred_distance(row, aim) for row, aim in zip(mine, aims, strict=True)]
        else:
            distances = [cosine_distance(mine, aims)]
        distances.append(color_distance(moments(color_sums(shown, painted), _ONE), colors))
        return tf.stack(kept) if kept else tf.zeros([0]), tf.stack(distances)

    def rows(self, features: Features, shown: Image, grid: Nest) -> dict[str, Rows]:
        """Per layer what is compared of a picture."""
        if self.closing:
            return grid_rows(features, self.layers, *grid)
        return hypercolumns(features, dict.fromkeys(self.layers, 1.0) | dict(self.style), _coarse_size(shown))

    def style_rows(self, features: Features, shown: Image) -> list[Rows]:
        """Per style layer all that can be matched of a style."""
        if self.closing:
            everything = ([1] * len(self.style), tf.zeros([len(self.style), 2], tf.int32))
            rows = grid_rows(features, self.matched, *everything)
        else:
            rows = hypercolumns(features, dict(self.style), _coarse_size(shown))
        return list(rows.values())


class _Matching:
    """What is matched at one scale: places of the picture, on a grid drawn by seed and number, with those of styles."""

    def __init__(
        self, family: Neighbours, network: WholeView, seed: tuple[int, int], anchor: Image, number: int
    ) -> None:
        self._family = family
        self._network = network
        self._seed = seed
        draw = np.random.default_rng((*seed, number))
        self.frame = FRAMES[int(draw.integers(len(FRAMES)))]
        self.grid = self._drawn_grid(anchor, draw)

    def rows(self, image: Image) -> dict[str, Rows]:
        """Per layer the rows of a picture."""
        program = self._network.program(("rows", self._family), self._trace_rows)
        return dict(program(image, tf.constant(self.frame, tf.int32), self.grid))

    def matched(self, shown: Mapping[str, Rows], style: Image) -> list[Rows]:
        """Per style layer the style's rows that are most alike to those of a picture."""
        known, rows = self._style_rows(style), [shown[layer] for layer in self._family.matched]
        if self._family.closing:
            keys = [centred([each]) for each in known]
            return [tf.gather(key, self._nearest(centred([row]), key)) for row, key in zip(rows, keys, strict=True)]
        found = self._nearest(centred(rows), centred(known))
        return [tf.gather(each, found) for each in known]

    def _drawn_grid(self, image: Image, draw: np.random.Generator) -> tuple[Any, Any]:
        """Of each layer every how manieth position is looked at, and from which on; not used by hypercolumns."""
        shortest = min(image.shape[1:3])
        steps = [max(1, round((shortest >> block_of(layer) - 1) / GRID)) for layer in self._family.layers]
        offsets = [[int(draw.integers(step)), int(draw.integers(step))] for step in steps]
        return tf.constant(steps, tf.int32), tf.constant(offsets, tf.int32)

    def _nearest(self, queries: Rows, keys: Rows) -> Any:
        self._network.on_progress()
        precision = self._network.precision
        return nearest(tf.cast(queries, precision), tf.cast(keys, precision), PIECE)

    def _style_rows(self, style: Image) -> list[Rows]:
        """Per layer the rows of some positions of the style in all its turns, the same for a seed and scale."""
        draw = np.random.default_rng(self._seed)
        parts = []
        program = self._network.program(("style rows", self._family), self._trace_style)
        for turn in range(TURNS):
            rows = program(tf.image.rot90(style, turn), tf.constant(FRAMES[turn % len(FRAMES)], tf.int32))
            self._network.on_progress()
            if self._family.closing:
                chosen = [_some(row.shape[0], PLACES_OF_A_LAYER // TURNS, draw) for row in rows]
            else:
                chosen = [_some(rows[0].shape[0], PLACES // TURNS, draw)] * len(rows)
            parts.append([tf.gather(row, some) for row, some in zip(rows, chosen, strict=True)])
        return [tf.concat(layer, axis=0) for layer in zip(*parts, strict=True)]

    def _trace_rows(self) -> Program:
        family, extract = self._family, self._network.extractor(self._family.layers)

        def rows(image: Image, frame: Any, grid: Any) -> dict[str, Rows]:
            shown = framed(image, frame)
            return family.rows(extract(shown), shown, grid)

        signature = [IMAGE, FRAME, _grid_specs(len(family.layers))]
        return tf.function(rows, autograph=False, input_signature=signature)

    def _trace_style(self) -> Program:
        family, extract = self._family, self._network.extractor(self._family.matched)

        def rows(image: Image, frame: Any) -> list[Rows]:
            shown = framed(image, frame)
            return family.style_rows(extract(shown), shown)

        return tf.function(rows, autograph=False, input_signature=[IMAGE, FRAME])


def hypercolumns(features: Features, weights: Mapping[str, float], size: Any) -> dict[str, Rows]:
    """The features of all layers at one grid of ``size`` (2,): per layer, rows of F_l · w_l / N_l."""
    rows = {}
    for layer, weight in weights.items():
        filters = features[layer].shape[-1]
        here = tf.image.resize(features[layer], size, method="bilinear") * (weight / filters)
        rows[layer] = tf.reshape(here, [-1, filters])
    return rows


def grid_rows(features: Features, layers: Sequence[str], steps: Any, offsets: Any) -> dict[str, Rows]:
    """Per layer its features at every ``steps[l]``-th row and column from ``offsets[l]``, as rows."""
    rows = {}
    for number, layer in enumerate(layers):
        every, (down, across) = steps[number], tf.unstack(offsets[number])
        here = features[layer][:, down::every, across::every]
        rows[layer] = tf.reshape(tf.cast(here, tf.float32), [-1, features[layer].shape[-1]])
    return rows


def cosine_distance(rows: Sequence[Rows], targets: Sequence[Rows]) -> Scalar:
    """mean_i (1 − cos(F_i, T_i)), F_i and T_i the i-th row of all layers, one behind the other; a scalar."""
    along = tf.add_n([tf.reduce_sum(f * t, axis=1) for f, t in zip(rows, targets, strict=True)])
    mine, theirs = (tf.add_n([tf.reduce_sum(tf.square(x), axis=1) for x in of]) for of in (rows, targets))
    return 1.0 - tf.reduce_mean(along * tf.math.rsqrt(mine * theirs + _NOTHING))


def centred_distance(rows: Rows, targets: Rows) -> Scalar:
    """mean_i (1 − cos(F_i − F̄, T_i)) of one layer, its targets centred already (:func:`centred`); a scalar."""
    return cosine_distance([rows - tf.reduce_mean(rows, axis=0)], [targets])


def color_sums(picture: Image, weights: Plane | None = None) -> Statistic:
    """The :func:`moment_sums` of a picture's colours, as of one pixel, each counted by its weight: (4, 3)."""
    count = tf.cast(tf.size(picture) / 3, tf.float32) if weights is None else tf.reduce_sum(weights)
    return tf.math.divide_no_nan(moment_sums(picture, weights), count)


def color_distance(found: Statistic, target: Statistic) -> Scalar:
    """‖C − C_A‖² / ‖C_A‖² + ‖μ − μ_A‖² / tr C_A of colours' covariances and means, (4, 3) :func:`moments`; a scalar."""
    squares = tf.square(found - target)
    spread = tf.reduce_sum(tf.square(target[:3])) + _NOTHING
    return tf.reduce_sum(squares[:3]) / spread + tf.reduce_sum(squares[3]) / (tf.linalg.trace(target[:3]) + _NOTHING)


def centred(rows: Sequence[Rows]) -> Rows:
    """Rows of all layers, one behind the other, less their mean and of length 1: (positions, Σ N_l)."""
    whole = tf.concat([each - tf.reduce_mean(each, axis=0) for each in rows], axis=1)
    return tf.math.l2_normalize(whole, axis=1, epsilon=_NOTHING)


def nearest(queries: Rows, keys: Rows, piece: int) -> Any:
    """Of each query (q, C) the number of the key (k, C) with the largest product, ``piece`` queries at a time."""
    found = [
        tf.argmax(tf.matmul(queries[begin : begin + piece], keys, transpose_b=True), axis=1, output_type=tf.int32)
        for begin in range(0, queries.shape[0], piece)
    ]
    return tf.concat(found, axis=0)


def _coarse_size(shown: Image) -> Any:
    """Of the grid of hypercolumns, for a picture in its margin."""
    return tf.shape(shown)[1:3] // COARSER


def _mixed(content: Image, picture: Image, share: float) -> Image:
    """What is matched: so large a share of the content, and of the picture with the content's finest band."""
    size = [max(1, side // 2) for side in content.shape[1:3]]
    coarse = tf.image.resize(content, size, antialias=True)
    finest = content - tf.image.resize(coarse, content.shape[1:3])
    return tf.clip_by_value(share * content + (1.0 - share) * (picture + finest), 0.0, 1.0)


def _some(of: int, most: int, draw: np.random.Generator) -> Any:
    """``most`` of so many numbers, or all of them."""
    return tf.constant(draw.permutation(of)[:most], tf.int32)


def _grid_specs(layers: int) -> tuple[Any, Any]:
    """Of every how manieth row and column of each layer, and from which on."""
    return tf.TensorSpec([layers], tf.int32), tf.TensorSpec([layers, 2], tf.int32)
