"""``KEY=VALUE`` words of a command line, each value read as in a sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nst_batch.errors import Problem, ProblemsError, UsageError
from nst_batch.sidecar.required import ALIASES
from nst_batch.sidecar.settings import Patch
from nst_batch.strict_yaml.models import check
from nst_batch.strict_yaml.reader import Marked, Path, load, problems_error

_OPTION = "--set"
# What `stylize` takes as words of its own.
_WORDS_OF = {
    "content": "the first word of the command",
    "style": "the second word of the command",
    "output": "the third word of the command",
    "title": "--title",
    "vary": "for several jobs of one sidecar; run stylize once for each value",
}


def patch_from_pairs(pairs: Sequence[str], elsewhere: Mapping[str, str] = _WORDS_OF) -> Patch:
    """The words of ``--set KEY=VALUE`` as a patch; ``elsewhere``: how keys are set that are set otherwise.

    Raises UsageError with every problem at once.
    """
    data: dict[str, Any] = {}
    written: dict[Path, str] = {}
    problems: list[Problem] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            problems.append(Problem(0, pair, "is not KEY=VALUE", "write for example size=256"))
            continue
        try:
            said = load(f"{key.strip()}: {value}", max_kb=64, source=_OPTION)
            data |= said.data
            written |= said.written
        except ProblemsError as error:
            problems += [replace(problem, line=0, key=key) for problem in error.problems]
    marked = Marked(data, _OPTION, written=written)
    patch, more = check(Patch, marked)
    for each in more:
        how = elsewhere.get(ALIASES.get(each.key, each.key))
        problems.append(replace(each, what=f"is not set so: it is {how}", fix="") if how else each)
    if patch is None or problems:
        words = problems_error("usage", _OPTION, problems).message.split("\n")
        raise UsageError("usage", words, "docs/sidecar.md explains every key")
    return patch
