"""What is wrong with keys together, though each is right alone; told where they are written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from nst_batch.errors import Problem
from nst_batch.sidecar.presets import PRESETS, family_of
from nst_batch.sidecar.setting_values import MOST_SCALES
from nst_batch.sidecar.settings import Settings
from nst_batch.strict_yaml.models import problem_at
from nst_batch.strict_yaml.reader import Marked, Path


@dataclass(frozen=True)
class Conflict:
    """Keys that do not go together."""

    whats: Mapping[str, str]  # of each key, as it would be told of that one
    fix: str
    hangs_on: tuple[str, ...] = ()  # other keys, without which nobody can tell

    def told_of(self, written: Mapping[str, object]) -> tuple[str, str]:
        """The key that is to blame, the first of those that are ``written`` if any is, and what to say of it."""
        return next(((key, what) for key, what in self.whats.items() if key in written), next(iter(self.whats.items())))


def conflicts(settings: Settings, unsound: Collection[str] = ()) -> list[Conflict]:
    """The keys of ``settings`` that do not go together; ``unsound``: those of which nobody knows yet what is meant."""
    found = (_of_weights(settings), _of_epochs(settings), _of_optimizer(settings))
    return [each for each in found if each and not {*each.whats, *each.hangs_on} & {*unsound}]


def _of_weights(settings: Settings) -> Conflict | None:
    if settings.content_weight == 0 and settings.style_weight == 0:
        nothing = "which leaves nothing to optimise"
        whats = {
            "style_weight": f"is 0 and so is content_weight, {nothing}",
            "content_weight": f"is 0 and so is style_weight, {nothing}",
        }
        return Conflict(whats, "give one of them a weight")
    return None


def _of_epochs(settings: Settings) -> Conflict | None:
    if settings.scales_of_epochs is not None and not 1 <= settings.scales_of_epochs <= MOST_SCALES:
        return _numbers_of_epochs(settings)
    if settings.scales_of_epochs not in (None, settings.scales):
        closing = " before the closing one" * family_of(settings.preset).closing
        numbers = f"a number for each of {settings.scales_of_epochs} scales{closing}"
        whats = {
            "epochs": f"has {numbers}, and scales is {settings.scales}",
            "scales": f"is {settings.scales}, and epochs has {numbers}",
        }
        return Conflict(whats, f"write scales: {settings.scales_of_epochs}, or as many numbers", ("preset",))
    return None


def _of_optimizer(settings: Settings) -> Conflict | None:
    optimizer = PRESETS[settings.preset].optimizer
    if family_of(settings.preset).follows and settings.optimizer != optimizer:
        whats = {
            "optimizer": f"must be {optimizer} with preset {settings.preset}",
            "preset": f"is {settings.preset}, which wants optimizer {optimizer}, and that is {settings.optimizer}",
        }
        return Conflict(whats, f"write optimizer: {optimizer}")
    return None


def _numbers_of_epochs(settings: Settings) -> Conflict:
    """``epochs`` is a list for no number of scales that there can be."""
    closing = family_of(settings.preset).closing
    few, most = 1 + closing, MOST_SCALES + closing
    takes = f"takes {few} to {most}"
    each = "one for each scale" + " and one for the closing one" * closing
    given = (settings.scales_of_epochs or 0) + closing
    whats = {
        "epochs": f"has {given} number{'s' * (given > 1)}, and preset {settings.preset} {takes}, {each}",
        "preset": f"is {settings.preset}, which {takes} numbers, {each}, and epochs has {given}",
    }
    return Conflict(whats, f"write {few} to {most} numbers")


def conflict_problems(
    settings: Settings, marked: Marked, below: Path = (), words: str = "", unsound: Collection[str] = ()
) -> Iterator[Problem]:
    """Each conflict of ``settings`` at the line of a key that has a part in it.

    ``below``: the key of ``marked`` under which they stand; ``words``: the combination of what is varied, if anything
    is; ``unsound``: see :func:`conflicts`.
    """
    here = marked.data
    for part in below:
        here = here.get(str(part)) or {}
    varied = (here.get("vary") or {}) if words else {}
    for conflict in conflicts(settings, unsound):
        key, what = conflict.told_of({**here, **varied})
        place: Path = (*below, *(("vary",) if key in varied else ()), key)
        others = [_where(marked, below, other, words) for other in conflict.whats if other != key]
        told = f"{what} ({'; '.join(others)})"
        yield problem_at(marked, place, f"with {words}: {key} {told}" if words else told, conflict.fix)


def _where(marked: Marked, below: Path, key: str, words: str) -> str:
    """Where the other key of a conflict got its value."""
    for place in ((*below, "vary", key) if words else (*below, key), (*below, key)):
        if place in marked.lines:
            return f"{key}: line {marked.lines[place]}"
    return f"{key}: from the defaults"
