"""``vary: {style_weight: [0.5, 1, 2], color: [style, content]}``: a job of each combination, named by it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from nst_batch.errors import Problem
from nst_batch.names import FORBIDDEN, normal, stem
from nst_batch.sidecar.conflicts import conflict_problems
from nst_batch.sidecar.setting_values import WORDS
from nst_batch.sidecar.settings import Patch, Settings, resolve
from nst_batch.strict_yaml.models import ENOUGH, Expected, Fault, check, faults_error, meant, plain_schema, problem_at
from nst_batch.strict_yaml.reader import Marked, shown

NOT_VARIED = frozenset(("priority", "now"))  # of the sidecar as a whole
KEYS = tuple(key for key in Patch.model_fields if key not in NOT_VARIED)
_IMAGES = ("content", "path_content", "style", "path_style")  # of which a list makes a job of each by itself
_WHOLE = (*sorted(NOT_VARIED), "title", "output", "path_output")
_LONGEST = 32  # characters of a value within a title; a longer one goes by its place in the list


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination; ``words`` says which in a title, "" where nothing is varied."""

    words: str
    settings: Settings


def _read_vary(value: object) -> object:
    """A mapping key: list of values, as far as that can be told without the values' own reading."""
    if not isinstance(value, dict) or not value:
        what = "an empty one" if value == {} else shown(value)
        raise faults_error(Fault(f"must be a mapping of keys, each with a list of values, not {what}"))
    faults = [fault for key, values in value.items() if (fault := _fault(key, values))]
    if faults:
        raise faults_error(*faults[:ENOUGH])
    return value


def _fault(key: object, values: object) -> Fault | None:
    if key in _WHOLE:
        return Fault(f"{key} is the whole sidecar's and cannot be varied", "write it beside vary", (str(key),))
    if key in _IMAGES:
        what = f"{key} is not varied: a list of images makes a job of each by itself"
        return Fault(what, f"write it beside vary, as {key}: [a.jpg, b.jpg]", (str(key),))
    if key not in KEYS:
        return Fault(f"{shown(key)} is no key that can be varied", meant(key, KEYS), (str(key),))
    if not isinstance(values, list) or not values:
        what = "an empty one" if values == [] else shown(values)
        return Fault(f"must be a list of values, not {what}", "write them in [ ]", (str(key),))
    seen: set[str] = set()
    for place, value in enumerate(values):
        if repr(value) in seen:
            return Fault(f"names {shown(value)} a second time", "keep one of them", (key, place))
        seen.add(repr(value))
    return None


def vary_schema() -> dict[str, Any]:
    """Each key's own schema, as a list."""
    schema = plain_schema(Patch, "")
    lists = {
        key: {"type": "array", "items": schema["properties"][key], "minItems": 1, "uniqueItems": True} for key in KEYS
    }
    return {"type": "object", "properties": lists, "additionalProperties": False, "minProperties": 1}


Vary = Annotated[
    dict[str, list[Any]] | None,
    BeforeValidator(_read_vary),
    WithJsonSchema(vary_schema()),
    Field(description="keys, each with a list of values: a job of each combination, named by it"),
    Expected("a mapping of keys, each with a list of values"),
]


def count(vary: Mapping[str, Sequence[Any]]) -> int:
    """How many combinations there are; 1 where nothing is varied."""
    return math.prod(len(values) for values in vary.values())


def sound_lists(vary: object, problems: Collection[Problem]) -> dict[str, list[Any]]:
    """The keys of what stands as ``vary``, with their values, but for those whose lists ``problems`` are told of."""
    told = {".".join(each.key.split(".")[:2]) for each in problems}
    lists = vary.items() if isinstance(vary, dict) else ()
    return {key: values for key, values in lists if f"vary.{key}" not in told and _fault(key, values) is None}


def _read(
    vary: Mapping[str, Sequence[Any]], marked: Marked, reader: type[Patch]
) -> Iterator[tuple[str, int, Patch | None, list[Problem]]]:
    """Each value: its key, its place in the list, what was read, and what is wrong with it."""
    for key, values in vary.items():
        for place, value in enumerate(values):
            read, faults = check(reader, _alone(marked, key, place, value))
            yield key, place, read, [_within(each, marked, key, place) for each in faults]


def variants(
    model: Patch,
    vary: Mapping[str, Sequence[Any]],
    defaults: Sequence[Patch],
    marked: Marked,
    reader: type[Patch],
    unsound: Collection[str],
    most: int,
) -> tuple[tuple[Variant, ...], list[Problem]]:
    """Every combination in order, the first key outermost, and what is wrong with any.

    ``model`` is the rest of the sidecar but for keys that are ``unsound``, of which something is told already;
    ``reader`` reads each value as it would that key beside ``vary``. No more than ``most`` combinations are looked at.
    """
    problems = [
        problem_at(marked, (key,), "stands under vary as well", "keep one of them")
        for key in vary
        if key in marked.data
    ]
    choices: dict[str, list[tuple[str, str, Any]]] = {key: [] for key in vary}
    for key, place, read, faults in _read(vary, marked, reader):
        if len(problems) > ENOUGH:
            break
        problems += faults
        if read is not None:
            choices[key].append((key, f"{key}={_words(key, vary[key][place], place)}", getattr(read, key)))
    # What goes with no value that can be read is told of; the other keys may be at odds nevertheless.
    unsound = {*unsound, *(key for key, values in choices.items() if key in marked.data or not values)}
    found: list[Variant] = []
    for combination in itertools.islice(itertools.product(*filter(None, choices.values())), most):
        words = " ".join(each for _, each, _ in combination)
        settings = resolve(model.model_copy(update={key: value for key, _, value in combination}), *defaults)
        problems += conflict_problems(settings, marked, words=words, unsound=unsound)
        found.append(Variant(words, settings))
        if len(problems) > ENOUGH:
            break
    return tuple(found), problems


def _alone(marked: Marked, key: str, place: int, value: object) -> Marked:
    """One value as if it stood beside vary."""
    above = ("vary", key, place)
    written = {(key, *path[3:]): text for path, text in marked.written.items() if path[:3] == above}
    return Marked({key: value}, marked.source, written=written)


def _within(problem: Problem, marked: Marked, key: str, place: int) -> Problem:
    """A value's own problem, told where the value stands."""
    where = f"vary.{key}.{place}{problem.key.removeprefix(key)}"
    return replace(problem, line=marked.line(("vary", key, place)), key=where)


def _words(key: str, value: object, place: int) -> str:
    """A value as it stands in a title: short, and nothing that a file name may not hold."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = "+".join(f"{name}×{weight}" for name, weight in value.items())
    elif isinstance(value, list):
        text = "+".join(map(str, value))
    else:
        text = stem(str(value)) if key in WORDS and value not in WORDS[key] else str(value)  # type: ignore[index]
    text = normal("".join("_" if char in FORBIDDEN else char for char in text))
    return text if len(text) <= _LONGEST else f"#{place + 1}"
