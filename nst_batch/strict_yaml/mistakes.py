"""What a person may have meant where a text is not YAML: the parser's complaint, its line, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from nst_batch.characters import ODD_SPACES, called, visible
from nst_batch.errors import Problem

_NO_KEY = re.compile(rf"[ \t]*(?P<key>[A-Za-z_]+)(?P<colon>:(?=[^ \t])|\uff1a)(?P<after>[{ODD_SPACES}]?)")
# A value that YAML would read as something else than text, for how it begins; of a list, where more follows it.
_INDICATOR = re.compile(
    r"[ \t]*(?:- +)?(?:[A-Za-z_]+: +|- +)"
    r"(?P<text>[&*!|>@`%,\]}][^#]*?|(?:\[[^\]]*\]|\{[^}]*\})[ \t]*[^ \t#][^#]*?)[ \t]*(?:#.*)?"
)
_KEY_ROW = re.compile(r"[A-Za-z_]+:(?: |$)")
_CLOSING = {"[": "]", "{": "}"}
# A value whose quote is not closed on its line, a doubled or escaped one aside.
_OPEN_QUOTE = re.compile(
    r"""[ \t]*(?:- +)*(?:[A-Za-z_]+: +)?[\[{]?(?:(?P<quote>")(?:[^"\\]|\\.)*|(?P<single>')(?:[^']|'')*)"""
)
_ADVICE = (  # of PyYAML's and libyaml's words, what a person can do about them
    ("mapping values are not allowed", "put a value that holds a colon in quotes, and check the indentation"),
    ("cannot start any token", "put the value in quotes"),
    ("scanning an alias", 'a glob is put in quotes: "*.jpg"'),
    ("scanning a directive", "put a text that begins with % in quotes"),
    (
        "could not find expected ':'",
        "write 'key: value', and check quotes and indentation of the lines around",
    ),
    ("expected key", "check the indentation, and put values with { } [ ] : # in quotes"),
    ("block end", "check the indentation, and put values with { } [ ] : # in quotes"),
    ("document start", "put values with { } [ ] : # in quotes"),
    ("unexpected end of stream", "close the quotes"),
    ("quoted scalar", "check the quotes; in \"…\" a backslash is written twice, in '…' once"),
    ("flow mapping", "close the brace, or put the value in quotes"),
    ("flow sequence", "close the bracket, or put the value in quotes"),
)


def syntax_problem(error: yaml.MarkedYAMLError, rows: Sequence[str]) -> Problem:
    """The parser's complaint with its line, and advice where its words are known."""
    colon = colon_problem(rows)
    if colon:
        return colon
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    if opened := _left_open(error, rows, line):
        return opened
    words = " ".join(part for part in (error.context, error.problem) if part)
    row = rows[line - 1] if 0 < line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return Problem(line, "", "a tab where only spaces may indent", "use spaces")
    unquoted = _INDICATOR.fullmatch(row)
    if unquoted:
        text = unquoted["text"]
        what = f"a text that begins with {text[0]} means something else to YAML"
        return Problem(line, "", what, f'put it in quotes: "{visible(text)}"')
    fix = next((advice for known, advice in _ADVICE if known in words), "")
    return Problem(line, "", f"not YAML: {words}", fix)


def _left_open(error: yaml.MarkedYAMLError, rows: Sequence[str], line: int) -> Problem | None:
    """A quote or bracket that is not closed: the parser complains far below, where the next one or the file ends."""
    row = rows[line - 1] if 0 < line <= len(rows) else ""
    is_over = not any(rest.strip() for rest in rows[max(0, line - 1) :])
    mark = error.context_mark
    if mark is not None and mark.line + 1 < line and "flow" in str(error.context) and (is_over or _KEY_ROW.match(row)):
        bracket = rows[mark.line][mark.column : mark.column + 1]
        if bracket in _CLOSING:
            fix = f"close the bracket with {_CLOSING[bracket]}, or put the value in quotes"
            return Problem(mark.line + 1, "", f"not YAML: the {bracket} that opens here is not closed", fix)
    for above in range(min(line, len(rows)), 0, -1):
        begun = _OPEN_QUOTE.fullmatch(rows[above - 1])
        if begun is None:
            continue
        quote = begun["quote"] or begun["single"]
        closing = next((below for below in rows[above:] if quote in below), None)
        if closing is None or (above < line and _KEY_ROW.match(closing)):
            return Problem(
                above, "", f"not YAML: the {quote} that opens here is not closed", "close the quotes on this line"
            )
    return None


def colon_problem(rows: Sequence[str]) -> Problem | None:
    """A colon that makes no key of the word before it: a wide one, or one without a plain space after it."""
    for line, row in enumerate(rows, start=1):
        found = _NO_KEY.match(row)
        if found:
            colon, after = found["colon"], found["after"]
            wrong = colon if colon != ":" else after
            what = f"{called(wrong)} where a plain one is meant" if wrong else f"no space after {found['key']}:"
            return Problem(line, "", what, f"write '{found['key']}: …'")
    return None
