"""The keys that a sidecar must have, and those that have two names."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import replace

from nst_batch.errors import Problem
from nst_batch.strict_yaml.models import UNKNOWN_KEY, meant, problem_at
from nst_batch.strict_yaml.reader import Marked

ALIASES = {"path_content": "content", "path_style": "style", "path_output": "output"}
REQUIRED = tuple((alias, name) for alias, name in ALIASES.items() if name != "output")
_MISSPELT = 0.75  # two words that are so alike (difflib) are one, with a slip in it


def _missing(marked: Marked) -> tuple[str, ...]:
    """The required keys that are missing."""
    return tuple(name for alias, name in REQUIRED if not {name, alias} & marked.data.keys())


def of_what_is_missing(problem: Problem, marked: Marked) -> Problem:
    """An unknown key that is near one that is missing was meant as that one, whatever else it is near to."""
    near = meant(problem.key, _missing(marked)) if problem.what == UNKNOWN_KEY else ""
    return replace(problem, fix=near) if near else problem


def alias_problems(marked: Marked, unknown: Collection[str]) -> list[Problem]:
    """What is missing, and what is said twice by two names.

    ``unknown``: keys that there are not; one that is all but a missing one is that one, misspelt.
    """
    problems: list[Problem] = []
    for alias, name in ALIASES.items():
        if alias in marked.data and name in marked.data:
            problems.append(problem_at(marked, (alias,), f"says the same as {name}", "keep one of them"))
    for name in _missing(marked):
        if difflib.get_close_matches(name, unknown, n=1, cutoff=_MISSPELT):
            continue
        what = "is required and missing"
        problems.append(Problem(0, name, what, f"add a line such as '{name}: picture.jpg'"))
    return problems
