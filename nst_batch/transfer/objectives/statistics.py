"""Families that compare the content's features, and a style by a statistic of its features: a sum over positions.

The sums of a picture's parts add up to its own, so a picture can be looked at in strips, and a part of it painted.

The factors make the user's weights mean the same at every size and for every choice of layers. With n the
number of pixels, P_l the content's features and A_l the style's Gram matrices:

- content: content_weight · n / Σ w_l ½ ‖P_l‖²: the share of the content's features that is lost;
- style: style_weight · n / Σ w_l ‖A_l / M_l‖² / (4 N_l²): the style loss relative to that of no style at all;
- tv: tv_weight, since tv is itself a sum over pixels.

Each term, and so the gradient at one pixel, is then the same at every size.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import tensorflow as tf

from nst_batch.transfer.frame import frame_number, framed
from nst_batch.transfer.losses import content_loss, positions
from nst_batch.transfer.mask import position_weights
from nst_batch.transfer.objectives.family import Family, ScaleObjective, ScaleSources, StatisticsView, Targets
from nst_batch.transfer.objectives.report import Balance, normalised
from nst_batch.transfer.spec import Precision, TransferSpec, block_of
from nst_batch.transfer.tensors import Feature, Features, Image, Nest, Plane, Scalar, Statistic, Statistics, Vector

_NOTHING = 1e-12  # a content or style without any features (relative to one pixel) does not divide by nought


@dataclass(frozen=True)
class StatisticsFamily(Family):
    """The layers of one objective, in order; what of a style layer is compared is the subclass's."""

    content: tuple[str, ...]
    style: tuple[str, ...]

    rows: ClassVar[int] = 0  # of a statistic, beside those of a matrix (N, N)
    relative: ClassVar[bool] = False  # every style layer counts by its relative error

    @staticmethod
    @abstractmethod
    def layer_sums(features: Feature, weights: Plane | None = None) -> Statistic:
        """A sum over positions that holds the statistic, each counted by its weight where there are weights."""

    @staticmethod
    @abstractmethod
    def layer_statistic(sums: Statistic, count: Scalar) -> Statistic:
        """The statistic, as of one position, from the sums over so many."""

    @staticmethod
    @abstractmethod
    def layer_raw(statistic: Statistic) -> Statistic:
        """The sums of one position that have this statistic."""

    @staticmethod
    @abstractmethod
    def layer_loss(found: Statistic, target: Statistic) -> Scalar:
        """E of one layer."""

    # --- the interface of every family ----------------------------------------------------------------------

    @classmethod
    def of(cls, spec: TransferSpec) -> Self:
        return cls(tuple(spec.content_layers), tuple(spec.style_layers))

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.content + self.style))

    @property
    def reported(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.content, self.style

    def at_scale(self, sources: ScaleSources, anchor: Image, number: int) -> ScaleObjective:  # noqa: ARG002 - it does not follow the picture
        spec, scale, content = sources.spec, sources.scale, sources.content
        statistics = [
            sources.view(picture.shape[1] * picture.shape[2]).style_statistics(picture, self, key, sources.frames)
            for picture, _, key in sources.styles
        ]
        blended = blend(statistics, [style.weight for style in sources.styles])
        view = sources.view(scale.height * scale.width)
        targets = tuple(
            Targets(view.content_features(framed(content, frame), self), blended, frame) for frame in sources.frames
        )
        balance = self.balance(spec, targets[0], scale.height * scale.width)
        if sources.mask is not None:
            stays = 1.0 - sources.mask
            targets = self._beside_what_stays(view, content, stays, targets)
            share = 1.0 - float(tf.reduce_mean(stays)) or 1.0  # where all stays nothing moves, however strong it is
            balance = replace(balance, style=balance.style / share)
        draw = partial(frame_number, spec.seed, scale.number, steps_per_epoch=spec.steps_per_epoch)
        return ScaleObjective(view, self, targets, balance, draw)

    def target_specs(self, filters: Callable[[str], int], precision: Precision) -> tuple[Nest, Nest]:
        width = {layer: filters(layer) for layer in self.layers}
        content = {name: tf.TensorSpec([1, None, None, width[name]], precision) for name in self.content}
        style = {name: tf.TensorSpec([width[name] + self.rows, width[name]], tf.float32) for name in self.style}
        return content, style

    def losses(self, features: Features, shown: Image, content: Features, style: Statistics) -> tuple[Vector, Vector]:  # noqa: ARG002 - the features say it all
        kept = tf.stack([content_loss(features[layer], content[layer]) for layer in self.content])
        return kept, self.style_losses(self.statistics(self.sums(features), self.positions(features)), style)

    # --- its parts, of which strips make the same -----------------------------------------------------------

    def within(self, first: int, last: int) -> Self:
        """The layers of blocks ``first`` to ``last``."""
        content, style = (tuple(n for n in of if first <= block_of(n) <= last) for of in (self.content, self.style))
        return replace(self, content=content, style=style)

    def sums(self, features: Features, weights: Mapping[str, Plane] | None = None) -> dict[str, Statistic]:
        """Per style layer :meth:`layer_sums`; ``weights`` count positions, None counts each once."""
        return {name: self.layer_sums(features[name], weights[name] if weights else None) for name in self.style}

    def positions(self, features: Features) -> dict[str, Scalar]:
        """The number of positions per style layer."""
        return {layer: positions(features[layer]) for layer in self.style}

    def statistics(self, sums: Statistics, counts: Mapping[str, Scalar]) -> dict[str, Statistic]:
        """Per style layer the statistic of a picture whose :meth:`sums` these are, over so many positions."""
        return {layer: self.layer_statistic(sums[layer], counts[layer]) for layer in self.style}

    def style_losses(self, statistics: Statistics, targets: Statistics) -> Vector:
        """E per style layer."""
        return tf.stack([self.layer_loss(statistics[layer], targets[layer]) for layer in self.style])

    def balance(self, spec: TransferSpec, targets: Targets, pixels: int) -> Balance:
        """The layer weights and factors of ``spec`` for the ``targets`` of a scale of so many pixels."""
        content = normalised(spec.content_layers)
        energies = {layer: float(content_loss(targets.content[layer], 0.0)) for layer in content}
        nothing = {layer: tf.zeros_like(statistic) for layer, statistic in targets.style.items()}
        norms = dict(zip(self.style, self.style_losses(nothing, targets.style).numpy().tolist(), strict=True))
        style = dict(spec.style_layers)
        if self.relative:
            style = {layer: weight / max(norms[layer], _NOTHING) for layer, weight in style.items()}
        style = normalised(style)
        content_scale = sum(weight * energies[layer] for layer, weight in content.items())
        style_scale = sum(weight * norms[layer] for layer, weight in style.items())
        return Balance(
            content,
            style,
            spec.content_weight * pixels / max(content_scale, _NOTHING * pixels),
            spec.style_weight * pixels / max(style_scale, _NOTHING),
            spec.tv_weight,
        )

    def beside(self, style: Statistics, kept: Statistics, stays: Mapping[str, Plane]) -> dict[str, Statistic]:
        """The target of a whole picture of which a part stays as it is (mask.py), per style layer.

        ``style`` is the statistic of the style, ``kept`` the content's sums over the positions that stay, each counted
        by the share of it that ``stays``.
        """
        found = {}
        for layer in self.style:
            whole = (1.0 - tf.reduce_mean(stays[layer])) * self.layer_raw(style[layer])
            whole += kept[layer] / tf.cast(tf.size(stays[layer]), tf.float32)
            found[layer] = self.layer_statistic(whole, 1.0)
        return found

    def _beside_what_stays(
        self, view: StatisticsView, content: Image, stays: Plane, targets: tuple[Targets, ...]
    ) -> tuple[Targets, ...]:
        """The targets when what does not stay alone takes on the style."""
        styles = []
        for each in targets:
            plane = framed(stays, each.frame)
            sums = view.weighted_sums(framed(content, each.frame), self, plane)
            styles.append(self.beside(each.style, sums, position_weights(plane, self.style)))
        style = blend(styles, [1.0] * len(styles))
        return tuple(replace(each, style=style) for each in targets)


def blend(statistics: Sequence[Statistics], weights: Sequence[float]) -> dict[str, Statistic]:
    """The weighted mean of several statistics of each layer, such as those of several style images."""
    shares = [weight / sum(weights) for weight in weights]
    return {
        layer: tf.add_n([share * one[layer] for share, one in zip(shares, statistics, strict=True)])
        for layer in statistics[0]
    }
