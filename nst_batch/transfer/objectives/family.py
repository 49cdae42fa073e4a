"""The interface of every family of objectives, and an objective at one scale, which the step loop asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from nst_batch.transfer.frame import BARE, Frame
from nst_batch.transfer.objectives.families import FAMILIES
from nst_batch.transfer.objectives.report import Balance
from nst_batch.transfer.optimizers.optimizer import Optimizer, Proposal, State
from nst_batch.transfer.pyramid import Scale
from nst_batch.transfer.spec import Precision, TransferSpec
from nst_batch.transfer.tensors import Feature, Features, Image, Nest, Plane, Program, Report, Statistic, Vector

Picture = NDArray[np.float32]  # (H, W, 3) in [0, 1]


@dataclass(frozen=True)
class Targets:
    """What a picture is compared with when it is shown in ``frame``.

    ``content`` belongs to that frame; ``style`` is shared by all frames of a scale.
    """

    content: Nest
    style: Nest
    frame: Frame = BARE


class StyleSource(NamedTuple):
    """A style as it is looked at in one scale; by its ``key``, where there is one, the network remembers it."""

    picture: Image
    weight: float
    key: Hashable | None


@dataclass(frozen=True)
class ScaleSources:
    """Of what a family makes its objective at one scale: all pictures in the size in which they are looked at there.

    ``mask`` is 1 where the picture is painted; None paints all of it. ``frames``: in which pictures are shown.
    ``view``: how the network looks at a picture of so many pixels, in one piece or its first blocks in strips.
    """

    spec: TransferSpec
    scale: Scale
    content: Image
    styles: Sequence[StyleSource]
    mask: Plane | None
    frames: tuple[Frame, ...]
    network: WholeView
    view: Callable[[int], StatisticsView]


class Family(ABC):
    """A kind of objective, with what a generation asks of it. A frozen value: equal ones share their traces."""

    @classmethod
    @abstractmethod
    def of(cls, spec: TransferSpec) -> Self:
        """The family as ``spec`` asks for it."""

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """What it needs of the features."""

    @property
    @abstractmethod
    def reported(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What it reports: the names of its content losses and of its style losses."""

    def content_seen(self, content: Picture, styles: Sequence[tuple[Picture, float]]) -> Picture:  # noqa: ARG002
        """The content as it is compared and as the picture starts; ``styles`` with their weights."""
        return content

    @abstractmethod
    def at_scale(self, sources: ScaleSources, anchor: Image, number: int) -> ScaleObjective:
        """The objective of one scale: what it makes of the content and of each style.

        Where it follows the picture, as of ``anchor``, the one that is evaluated at ``number``.
        """

    @abstractmethod
    def target_specs(self, filters: Callable[[str], int], precision: Precision) -> tuple[Nest, Nest]:
        """The specs of its targets' ``content`` and ``style``; ``filters`` says how many a layer has."""

    @abstractmethod
    def losses(self, features: Features, shown: Image, content: Nest, style: Nest) -> tuple[Vector, Vector]:
        """L per content loss and E per style loss, as :attr:`reported`, of a picture shown in its frame."""


def make_family(spec: TransferSpec) -> Family:
    """The family that ``spec`` names."""
    module, name = FAMILIES[spec.family].home.split(".")
    family: type[Family] = getattr(import_module(f"{__package__}.{module}"), name)
    return family.of(spec)


class Evaluations(NamedTuple):
    """Of some pictures, each made from the one before: their losses, and the picture and the state that follow each."""

    reports: Nest  # (pictures, n): a Report each
    accepted: Nest  # (pictures,) bool: whether each is an iterate; None where all are
    images: list[Image]
    states: list[State]

    @classmethod
    def of(cls, reports: Sequence[Report], proposals: Sequence[Proposal]) -> Evaluations:
        """Of single ones."""
        import tensorflow as tf  # noqa: PLC0415 - the interface is read without it

        accepted, images, states = zip(*proposals, strict=True)
        return cls(tf.stack(reports), None if accepted[0] is None else tf.stack(accepted), list(images), list(states))


class View(Protocol):
    """How the network looks at pictures, for the families that can be looked at so."""

    def losses(self, image: Image, objective: ScaleObjective, targets: Targets) -> Report:
        """The loss report of a picture, without a step."""

    def advance(
        self, image: Image, state: State, objective: ScaleObjective, targets: Sequence[Targets], optimizer: Optimizer
    ) -> Evaluations:
        """An evaluation against each of ``targets``, which share their style, from ``image`` on."""


class WholeView(View, Protocol):
    """The network in one piece, and what a family needs for programs of its own."""

    precision: Precision
    on_progress: Callable[[], object]  # as work gets on, within a step too

    def program(self, key: Hashable, trace: Callable[..., Program], *args: Any) -> Program:
        """The traced program of that key, ``trace(*args)`` where it is not held."""

    def extractor(self, layers: Sequence[str]) -> Callable[[Image], Features]:
        """The features of these layers."""


class StatisticsView(View, Protocol):
    """What families of statistics (statistics.py) ask of a view besides."""

    def content_features(self, image: Image, family: Any) -> dict[str, Feature]:
        """What the content layers say of ``image``."""

    def style_statistics(
        self, image: Image, family: Any, key: Hashable | None = ..., frames: Sequence[Frame] = ...
    ) -> dict[str, Statistic]:
        """The statistics of a style image, the mean over ``frames``; remembered where a key is given."""

    def weighted_sums(self, image: Image, family: Any, plane: Plane) -> dict[str, Statistic]:
        """The style sums of ``image``, each position counted by its share of ``plane`` (1, H, W, 1)."""


@dataclass(frozen=True)
class ScaleObjective:
    """What the step loop asks, whatever the family; a number counts the scale's evaluated pictures from 0, its start.

    ``targets``: one a frame. ``draw``: the number of a picture -> that of its frame. ``renewed_every``: after so many
    pictures it wants to be made anew from the picture then evaluated; 0: never.
    """

    view: View
    family: Family
    targets: tuple[Targets, ...]
    balance: Balance
    draw: Callable[[int], int] = lambda _: 0
    renewed_every: int = 0

    def losses(self, image: Image, number: int) -> Report:
        """The loss report of a picture, without a step."""
        return self.view.losses(image, self, self._target(number))

    def advance(self, image: Image, state: State, numbers: Sequence[int], optimizer: Optimizer) -> Evaluations:
        """An evaluation for each number, from ``image`` on.

        An optimiser that searches along a line compares losses: for it, the frame is the same all through a scale.
        """
        targets = [self._target(number if optimizer.always_accepts else 0) for number in numbers]
        return self.view.advance(image, state, self, targets, optimizer)

    @cached_property
    def weights(self) -> Nest:
        """The balance as tensors."""
        return self.balance.tensors()

    def _target(self, number: int) -> Targets:
        return self.targets[self.draw(number) if len(self.targets) > 1 else 0]
