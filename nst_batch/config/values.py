"""Readers of single values in config.yaml: durations, paths, and programs with their arguments."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from nst_batch.strict_yaml.models import Fault, faults_error, written_plainly
from nst_batch.strict_yaml.reader import scalar, shown

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_IN_WORDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?|rs?)?|d(?:ays?)?)\.?")
_LONGEST_DAYS = 366


def read_duration(value: object) -> float:
    """Seconds of a number or of ``10m``, ``1h``, ``2d``."""
    return _seconds(value, f"from 0 seconds to {_LONGEST_DAYS} days", lambda seconds: seconds >= 0)


def _seconds(value: object, bounds: str, is_long_enough: Callable[[float], bool]) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        words = _IN_WORDS.fullmatch(value.lower()) if isinstance(value, str) else None
        fix = f"write {words[1]}{words[2][0]}" if words else written_plainly(value, lambda _: True)
        if isinstance(value, str) and type(scalar(value)) in (int, float):
            fix = "remove the quotes"
        raise faults_error(Fault(f"must be seconds or a duration such as 10m, 1h or 2d, not {shown(value)}", fix))
    if not (is_long_enough(seconds) and seconds <= _LONGEST_DAYS * 86400.0):
        raise faults_error(Fault(f"must be {bounds}, not {shown(value)}"))
    return seconds


def duration_seconds(text: str) -> float | None:
    """Seconds of a duration on a command line, written as in config.yaml; None where ``text`` is none."""
    match = _DURATION.fullmatch(text)
    if match:
        return float(match[1]) * _UNITS[match[2]]
    return float(text) if text.isdecimal() else None


def _read_positive_duration(value: object) -> float:
    return _seconds(value, f"longer than 0 seconds, at most {_LONGEST_DAYS} days", lambda seconds: seconds > 0)


DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*[smhd]$"},
    ]
}
Duration = Annotated[float, BeforeValidator(read_duration), WithJsonSchema(DURATION_SCHEMA)]
PositiveDuration = Annotated[float, BeforeValidator(_read_positive_duration), WithJsonSchema(DURATION_SCHEMA)]


_SHELL = re.compile(r"[|&;<>$`*?]")  # what only a shell makes something of
_PLAIN = re.compile(r"[A-Za-z0-9_./@%+=:-]*[A-Za-z0-9_./@%+=-]")  # what needs no quotes within [ ]


def _read_words(value: object) -> tuple[str, ...]:
    """A list of texts, as a program is given its arguments."""
    if isinstance(value, str) and value.strip():
        raise faults_error(Fault(f"must be a list of words, each as text, not {shown(value)}", _as_words(value)))
    if not isinstance(value, (list, tuple)):
        raise faults_error(Fault(f"must be a list of words, each as text, not {shown(value)}"))
    faults = [
        Fault(
            f"must be text, not {shown(item)}", "" if isinstance(item, (list, dict)) else "put it in quotes", (place,)
        )
        for place, item in enumerate(value)
        if not isinstance(item, str)
    ]
    faults += [
        Fault("must not hold a zero byte", "", (place,))
        for place, item in enumerate(value)
        if isinstance(item, str) and "\0" in item
    ]
    if faults:
        raise faults_error(*faults)
    return tuple(value)


def _as_words(text: str) -> str:
    """``write it as [rm, -rf, x]``: the words that a shell would make of ``text``."""
    if _SHELL.search(text):
        return f"no shell reads it, so ask one: [sh, -c, {json.dumps(text, ensure_ascii=False)}]"
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        return "write it as [program, argument]"
    quoted = (word if _is_plain(word) else json.dumps(word, ensure_ascii=False) for word in words)
    return f"write it as [{', '.join(quoted)}]"


def _is_plain(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None and scalar(word) == word and word != "-"


Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_read_words),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


def home_fault(name: str) -> str:
    """Why the ``~`` or ``~user`` that a path begins with is no folder; "" where it is one, or there is none."""
    try:
        Path(name).expanduser()
    except RuntimeError:
        user = name.partition("/")[0]
        why = f"there is no user {user[1:]} here" if user != "~" else "this user has no home folder"
        return f"{shown(name)} means nothing: {why}"
    return ""


def absolute(name: str | Path, info: ValidationInfo) -> Path:
    """``name`` from the folder of config.yaml (the context), ``~`` being the user's home; links stay as they are."""
    assert isinstance(info.context, Path)
    if fault := home_fault(str(name)):
        raise faults_error(Fault(fault, "write the whole path"))
    path = Path(name).expanduser()
    return Path(os.path.normpath(info.context / path))


def _read_folder(value: object, info: ValidationInfo) -> object:
    """An absolute path; what is no text is left for pydantic to refuse."""
    return absolute(value, info) if value and isinstance(value, str | Path) else value


Folder = Annotated[
    Path,
    BeforeValidator(_read_folder),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(validate_default=True),
]


def _place_program(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """A program that is named by a path (with a ``/``) with its whole path; others are on the PATH."""
    if command and not command[0]:
        raise faults_error(Fault("must be a program's name, not ''", "", (0,)))
    return (str(absolute(command[0], info)), *command[1:]) if command and "/" in command[0] else command


Hook = Annotated[Words, AfterValidator(_place_program)]


def program_fault(program: str) -> str:
    """Why a hook's program cannot be run by this user, with its PATH; "" where it can."""
    if shutil.which(program):
        return ""
    if "/" not in program:
        return f"{program} is not on the PATH"
    if not os.path.lexists(program):
        return f"{program} is not there"
    return f"{program} is a folder" if Path(program).is_dir() else f"{program} may not be run by this user"
