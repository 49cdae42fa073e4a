"""How fast this machine paints: first from what its processor multiplies, then from what it has painted.

What is learned are ratios: how many times longer a step took than the processor's rate lets expect, by kind of step and
number of pixels. A few numbers for each, of which the newest count most, so that they follow a machine that others use
as well. They are kept in the daemon's own folder, for reading only: nothing is ever decided by them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nst_batch.sidecar.presets import PRESETS
from nst_batch.sidecar.settings import Settings

STEP_FLOPS_A_PIXEL = 1.44e6  # VGG19 to its fifth block, forward and backward
# Of a matrix product's rate, what a step with Gram matrices reaches: over 1, for half of its products are saved.
SHARE_OF_RATE = {"cpu": 1.15}
SHARE_ELSEWHERE = 0.92
FIXED_SECONDS = {"cpu": 0.02, "gpu": 0.003}  # of a step, however small its picture
FAMILY_COST = {"gram": 1.0, "moments": 1.22, "neighbours": 1.27}  # of a step: margins and frames cost, and matches
LBFGS_COST = 1.13  # a step takes more than one evaluation now and then
FIRST_REST = 0.5  # seconds of a job outside its steps, before one is known
FIRST_TRACING = 4.0  # seconds in which a worker's first job of a kind makes its programs, before one is known
FIRST_GAP = 0.1  # seconds between two jobs
WORKER_START = 10.0  # seconds until a worker is ready
WINDOW_SECONDS = 10.0  # of steps, at most, that make one measurement
KEPT = 0.7  # of what older measurements weigh, at each newer one
NEAR = 1.0  # octaves of pixels within which a measurement tells of another size
FOLLOWED = 0.4  # of what a measurement differs from what was foretold, how much is everything's
OTHERS_WEIGH = 0.3  # a measurement of another kind of step tells something of the machine too
GUESS_WEIGHS = 0.02  # and the processor's rate, of which all the ratios are
MOST_KINDS, MOST_OCTAVES = 32, 64


def kind_of(device: str) -> str:
    """``cpu``, ``gpu`` or ``slurm``: workers of one kind are taken to be alike, ``gpu:0`` and ``gpu:1``."""
    return device.replace(":", " ").split(" ", 1)[0]


@dataclass(frozen=True)
class Recipe:
    """What a step's time hangs on beside its pixels."""

    device: str  # its kind
    family: str
    optimizer: str
    precision: str

    @classmethod
    def of(cls, settings: Settings, device: str) -> Recipe:
        """That of a job's settings on a worker's device."""
        family = PRESETS[settings.preset].family
        return cls(kind_of(device), family, settings.optimizer, settings.precision)

    @property
    def key(self) -> str:
        """Its name among the others."""
        return f"{self.device} {self.family} {self.optimizer} {self.precision}"


@dataclass
class _Mean:
    """A mean in which the newest counts most."""

    value: float
    weight: float

    def add(self, value: float, weight: float = 1.0) -> None:
        before = KEPT * self.weight
        self.value = (before * self.value + weight * value) / (before + weight)
        self.weight = before + weight


class Durations:
    """How long something takes on each kind of device."""

    def __init__(self, kept: object, first: float) -> None:
        """``kept``: as :meth:`facts` gave it; ``first``: what is foretold before one is known."""
        self._means = {device: _Mean(seconds, 1.0) for device, seconds in _numbers(kept)}
        self._first = first

    def facts(self) -> dict[str, float]:
        """All of it."""
        return {device: round(mean.value, 3) for device, mean in self._means.items()}

    def seconds(self, device: str) -> float:
        """What is to be expected there."""
        mean = self._means.get(kind_of(device))
        return self._first if mean is None else mean.value

    def learn(self, device: str, seconds: float) -> None:
        """It took so long."""
        kind, seconds = kind_of(device), max(0.0, seconds)
        if kind in self._means:
            self._means[kind].add(seconds)
        else:
            self._means[kind] = _Mean(seconds, 1.0)


class Pace:
    """What is known of the machine's speed. Times are in seconds, ``rate`` in operations a second."""

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        """``facts``: those of an earlier daemon, as :meth:`facts` gave them; what makes no sense is left out."""
        kept = facts or {}
        self._rates = {device: rate for device, rate in _numbers(kept.get("rates")) if rate > 0}
        self.rests = Durations(kept.get("rests"), FIRST_REST)  # of a job beside its steps: reading, preparing, saving
        self.tracings = Durations(kept.get("tracings"), FIRST_TRACING)  # what a worker's first job of a kind adds
        self.gaps = Durations(kept.get("gaps"), FIRST_GAP)  # of a worker, from one job to the next
        self._ratios: dict[str, dict[int, _Mean]] = {}
        self._drift = 0.0  # how much slower everything is of late, as a logarithm: others use the machine too
        steps = kept.get("steps")
        for kind, ratios in list(steps.items())[:MOST_KINDS] if isinstance(steps, dict) else ():
            self._ratios[str(kind)] = {
                int(octave): _Mean(ratio, 1.0)
                for octave, ratio in _numbers(ratios)[:MOST_OCTAVES]
                if octave.isdecimal() and abs(ratio) < 20
            }

    def facts(self) -> dict[str, Any]:
        """All of it, to be kept over a restart."""
        return {
            "rates": dict(self._rates),
            "rests": self.rests.facts(),
            "tracings": self.tracings.facts(),
            "gaps": self.gaps.facts(),
            "steps": {
                kind: {str(octave): round(mean.value + self._drift, 4) for octave, mean in ratios.items()}
                for kind, ratios in self._ratios.items()
            },
        }

    def knows(self, device: str) -> bool:
        """Whether anything can be foretold there."""
        return kind_of(device) in self._rates

    def rate_is(self, device: str, rate: float) -> None:
        """What a device multiplies."""
        if rate > 0:
            self._rates[kind_of(device)] = rate

    def step_seconds(self, recipe: Recipe, pixels: float) -> float:
        """How long one step takes."""
        at, guess = math.log2(max(1.0, pixels)), self._guess(recipe, pixels)
        total, weight = 0.0, GUESS_WEIGHS
        for kind, ratios in self._ratios.items():
            if not kind.startswith(recipe.device):
                continue
            share = 1.0 if kind == recipe.key else OTHERS_WEIGH
            for octave, mean in ratios.items():
                near = share * mean.weight * (math.exp(-(((octave / 2 - at) / NEAR) ** 2)) + 0.01)
                total += near * mean.value
                weight += near
        return guess * math.exp(total / weight + self._drift)

    def learn_step(self, recipe: Recipe, pixels: float, seconds: float, weight: float = 1.0) -> None:
        """A step took so long."""
        if seconds <= 0 or recipe.device not in self._rates:
            return
        ratio = math.log(seconds / self._guess(recipe, pixels))
        self._drift += FOLLOWED * weight * math.log(seconds / self.step_seconds(recipe, pixels))
        ratio -= self._drift
        ratios = self._ratios.setdefault(recipe.key, {})
        octave = round(2 * math.log2(max(1.0, pixels)))  # half ones
        if octave in ratios:
            ratios[octave].add(ratio, weight)
        elif len(ratios) < MOST_OCTAVES and len(self._ratios) <= MOST_KINDS:
            ratios[octave] = _Mean(ratio, weight)

    def _guess(self, recipe: Recipe, pixels: float) -> float:
        """By the device's rate alone."""
        cost = FAMILY_COST.get(recipe.family, 1.0)
        cost *= LBFGS_COST if recipe.optimizer == "lbfgs" else 1.0
        rate = self._rates.get(recipe.device, math.inf) * SHARE_OF_RATE.get(recipe.device, SHARE_ELSEWHERE)
        return FIXED_SECONDS.get(recipe.device, 0.0) + cost * STEP_FLOPS_A_PIXEL * pixels / rate


def _numbers(found: object) -> list[tuple[str, float]]:
    """The finite numbers of a mapping that somebody else may have written."""
    items = found.items() if isinstance(found, dict) else ()
    return [(str(key), float(value)) for key, value in items if type(value) in (int, float) and math.isfinite(value)]
