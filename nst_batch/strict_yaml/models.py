"""YAML data against a pydantic model, with every fault in plain words, its line, and the key that was meant.

A person reads "must be a whole number from 1 to 10000, not 'ten'" and not the checker's own terms: what a field
takes is put into words by its type and its bounds, or where they do not say enough by an :class:`Expected`. A value
with parts (a list of layers) is read by a function that raises :func:`faults_error` with one :class:`Fault` a part.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from nst_batch.characters import latin, lookalikes
from nst_batch.errors import Problem
from nst_batch.strict_yaml.reader import MAX_PROBLEMS, Marked, Path, key_text, scalar, shown

Model = TypeVar("Model", bound=BaseModel)

ENOUGH = 5 * MAX_PROBLEMS

UNKNOWN_KEY = "unknown key"
_UNIT = re.compile(r"\s*(?:px|%|pixels?)$", re.IGNORECASE)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
# 1_000, 0x1F, 0o17 and 007: numbers elsewhere, in YAML 1.1 for one, and text here.
_OTHER_DIGITS = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+(?:_[0-9]+)*")
_WORDS = {bool: "true or false", str: "text", int: "a whole number", float: "a number"}
_TYPOS_OF_BOOL = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no conversions but whole numbers to fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Expected:
    """What a field takes, completing "must be …"; ``choices`` are the words among which one may be meant."""

    phrase: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One thing wrong within a value: what, the fix, where below its key, and its own code if it has one."""

    what: str
    fix: str = ""
    path: Path = ()
    code: str = ""


def common_code(problems: Iterable[Problem], otherwise: str) -> str:
    """The code that all of ``problems`` share, or ``otherwise``."""
    codes = {problem.code for problem in problems}
    return next(iter(codes)) if len(codes) == 1 and "" not in codes else otherwise


def faults_error(*faults: Fault) -> PydanticCustomError:
    """What a field's own reading raises: all that is wrong with its value."""
    return PydanticCustomError("faults", "{words}", {"words": faults[0].what, "faults": faults})


def nearest(word: object, choices: Iterable[str]) -> str:
    """The one of ``choices`` that is close to ``word`` or alone holds it as a word, else ""."""
    by_case = {choice.lower(): choice for choice in choices}
    asked = str(word).lower()[:100]
    if latin(asked) in by_case:
        return by_case[latin(asked)]
    close = [choice for choice in by_case if asked in choice.split("_")]
    if len(close) != 1:
        close = difflib.get_close_matches(asked, by_case, n=1, cutoff=0.6)
    return by_case[close[0]] if close else ""


def meant(word: object, choices: Iterable[str]) -> str:
    """``did you mean 'epochs'?`` where one of ``choices`` is :func:`nearest` to ``word``, else ""."""
    asked = str(word).lower()[:100]
    found = nearest(word, choices)
    if found and latin(asked) != asked and latin(asked) == found.lower():
        return f"write {found!r} in plain letters: it holds {lookalikes(asked)}"
    return f"did you mean {found!r}?" if found else ""


def written_plainly(value: object, takes: Callable[[Any], bool]) -> str:
    """``write 512`` where 512.0, ``512px`` or ``1,024`` stands for a number that would be right, else ""."""
    number = value
    if isinstance(value, str):
        text = _UNIT.sub("", value.strip()[:40])
        number = scalar(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text.replace(",", "."))
        if isinstance(number, str) and _OTHER_DIGITS.fullmatch(text):
            number = int(text, 0) if text[:2].strip("0123456789_") else int(text)
    if isinstance(number, float) and number.is_integer() and not takes(number):
        number = int(number)
    is_meant = type(number) in (int, float) and number is not value and takes(number)
    return f"write {number}" if is_meant else ""


def check(model: type[Model], marked: Marked, context: object = None) -> tuple[Model | None, list[Problem]]:
    """``marked`` as a ``model``, or None and every problem it has; ``context`` is for the fields' own reading."""
    found, problems = _checked(model, marked, context)
    problems = [*marked.problems, *untold(marked, problems)]
    return (None if problems else found), problems


def untold(marked: Marked, problems: Iterable[Problem]) -> list[Problem]:
    """``problems`` but those of keys in which reading has found one: what stands there may be meant otherwise.

    That there is no such key is said in any case.
    """
    read = {problem.key for problem in marked.problems}
    above = {key[:end] for key in read for end, char in enumerate(key) if char == "."}

    def is_told(key: str) -> bool:
        return key in read or key in above or any(key[:end] in read for end, char in enumerate(key) if char == ".")

    return [each for each in problems if (each.what == UNKNOWN_KEY and each.key) or not is_told(each.key)]


def sound_part(
    model: type[Model], marked: Marked, problems: Iterable[Problem], below: str = ""
) -> tuple[Model, frozenset[str]]:
    """What stands in ``marked`` (under its key ``below``) but for the keys of which ``problems`` are told; and those.

    With them are the keys that unknown ones were probably meant as. No key of ``model`` may be required.
    """
    here = marked.data.get(below) if below else marked.data
    head, names = f"{below}." if below else "", key_names(model)
    unsound: set[str] = set()
    for problem in problems:
        key = problem.key.removeprefix(head).split(".")[0] if problem.key.startswith(head) else ""
        unsound |= {key, nearest(key, names)} if problem.what == UNKNOWN_KEY else {key}
    known = {key: value for key, value in here.items() if key in names} if isinstance(here, dict) else {}
    try:
        return model.model_validate({key: known[key] for key in known.keys() - unsound}), frozenset(unsound)
    except ValidationError as error:  # of a file of nonsense not every problem is told
        unsound |= {str(details["loc"][0]) for details in error.errors(include_url=False)}
    return model.model_validate({key: known[key] for key in known.keys() - unsound}), frozenset(unsound)


def _checked(model: type[Model], marked: Marked, context: object) -> tuple[Model | None, list[Problem]]:
    problems = [_empty_problem(marked, place) for place in _empty_places(marked.data)]
    try:
        found = model.model_validate(marked.data, context=context)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if details["input"] is None and details["type"] != "missing":
                continue  # said already
            if len(problems) > ENOUGH:
                break  # a file of nonsense: looking for what was meant takes time
            problems.extend(_problems(model, details, marked))
        return None, list(dict.fromkeys(problems))
    return found, problems


def problem_at(marked: Marked, path: Path, what: str, fix: str = "", code: str = "") -> Problem:
    """A problem of the key at ``path``, with its line."""
    return Problem(marked.line(path), key_text(path), marked.as_written(path, what), fix, code)


def _empty_places(data: object, path: Path = ()) -> Iterator[Path]:
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    for key, value in items:
        if value is None:
            yield (*path, key)
        else:
            yield from _empty_places(value, (*path, key))


def _empty_problem(marked: Marked, path: Path) -> Problem:
    fix = "give it one or remove the line; a text with { } or # goes in quotes"
    return problem_at(marked, path, "has no value", fix)


def _problems(model: type[BaseModel], details: ErrorDetails, marked: Marked) -> Iterator[Problem]:
    place: Path = tuple(details["loc"])
    owner, known, field = _field_at(model, place)
    here = place[:known]
    kind, value = details["type"], details["input"]
    if kind == "faults":
        for fault in details["ctx"]["faults"]:
            yield problem_at(marked, (*here, *fault.path), fault.what, fault.fix, fault.code)
    elif kind == "missing":
        yield problem_at(marked, here, "is required")
    elif kind == "extra_forbidden":
        yield problem_at(marked, place, UNKNOWN_KEY, meant(place[-1], key_names(owner)))
    elif field is None:
        yield problem_at(marked, here, f"must be a mapping of keys, not {shown(value)}")
    else:
        yield _expected_problem(field, marked, here, place[known:], value)


def _expected_problem(field: FieldInfo, marked: Marked, here: Path, rest: Path, value: object) -> Problem:
    expected = expected_of(field)
    if expected is None:
        inner = _model_of(field)
        phrase = "a mapping of keys" if inner else "of another type"
        return problem_at(marked, here, f"must be {phrase}, not {shown(value)}")
    fix = meant(value, expected.choices) if isinstance(value, str) else ""
    if isinstance(value, str) and "true or false" in expected.phrase and value.lower() in _TYPOS_OF_BOOL:
        fix = f"write {_TYPOS_OF_BOOL[value.lower()]}"
    elif "text" in expected.phrase and not isinstance(value, (str, list, dict)):
        fix = "put it in quotes"
    elif (
        "number" in expected.phrase and isinstance(value, float) and math.isinf(value) and "at least" in expected.phrase
    ):
        fix = "nothing can be reckoned with so large a number"
    elif "number" in expected.phrase and isinstance(value, float):
        fix = written_plainly(value, partial(_takes, field))
    elif "number" in expected.phrase and isinstance(value, str) and type(scalar(value)) in (int, float):
        fix = "remove the quotes"
    elif "number" in expected.phrase and isinstance(value, str):
        fix = written_plainly(value, partial(_takes, field))
    parts = tuple(part for part in rest if isinstance(part, int))
    return problem_at(marked, (*here, *parts), f"must be {expected.phrase}, not {shown(value)}", fix)


def expected_of(field: FieldInfo) -> Expected | None:
    """What a field takes: as it says itself, else by its choices or its bounds."""
    said = next((item for item in field.metadata if isinstance(item, Expected)), None)
    kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else [field.annotation]
    kind, *others = [kind for kind in kinds if kind is not NoneType]
    if said is not None or others:
        return said
    if get_origin(kind) is Literal:
        *first, last = choices = get_args(kind)
        return Expected(f"{', '.join(first)} or {last}", choices)
    if kind not in _WORDS:
        return None
    words = _WORDS[kind]
    match {name: getattr(item, name) for item in field.metadata for name in ("ge", "gt", "le") if hasattr(item, name)}:
        case {"ge": low, "le": high}:
            words += f" from {low} to {high}"
        case {"gt": low, "le": high}:
            words += f" above {low}, at most {high}"
        case {"ge": low}:
            words += f" of at least {low}"
    return Expected(words)


def _takes(field: FieldInfo, value: object) -> bool:
    """Whether a field would have accepted ``value``."""
    try:
        TypeAdapter(field.rebuild_annotation()).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _field_at(model: type[BaseModel], place: Path) -> tuple[type[BaseModel], int, FieldInfo | None]:
    """The innermost model on the way of ``place``, how many of its parts are keys, and the field there.

    In a list of models the number of one is a part of the way too.
    """
    owner, field = model, None
    for count, part in enumerate(place):
        if isinstance(part, int) and field is not None and _is_list_of_models(field):
            continue
        field = _by_name(owner).get(str(part))
        if field is None:
            return owner, count, None
        inner = _model_of(field)
        if inner is None:
            return owner, count + 1, field
        owner = inner
    return owner, len(place), field


def _by_name(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def key_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys a person may write."""
    return tuple(_by_name(model))


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, None where it holds plain values."""
    kinds = [field.annotation, *get_args(field.annotation)] if get_origin(field.annotation) else [field.annotation]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _is_list_of_models(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple and _model_of(field) is not None


def plain_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a person writes: no nulls, no machine-made titles."""
    schema: dict[str, Any] = _without_nulls(model.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _without_nulls(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_nulls(item) for item in part]
    if not isinstance(part, dict):
        return part
    clean: dict[str, Any] = {}
    for key, value in part.items():
        made_by_machine = (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
        if key == "anyOf":
            kinds = [_without_nulls(kind) for kind in value if kind != {"type": "null"}]
            clean = {**kinds[0], **clean} if len(kinds) == 1 else {**clean, key: kinds}
        elif not made_by_machine:
            clean[key] = _without_nulls(value)
    return clean
