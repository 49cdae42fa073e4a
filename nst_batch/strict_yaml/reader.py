"""YAML text to plain data, strictly, with the line of every key.

PyYAML parses; what its events mean is decided here, because its own reading is not safe for files that
anyone may drop: a double key is silently the last one, ``on`` is true, ``1:30`` is 90, ``1e3`` is text, deep
nesting raises RecursionError and a few aliases hold gigabytes. Here an alias, an anchor, a tag, a second
document, a key twice, a nesting beyond :data:`MAX_DEPTH` and a file over its limit are errors with a line.

Plain scalars follow YAML 1.2 and no further: ``true`` and ``false`` are booleans, decimal numbers are
numbers, nothing and ``null`` are None, all else is text. Keys are always text.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from nst_batch.characters import ODD_SPACES, visible
from nst_batch.errors import Problem, ProblemsError
from nst_batch.strict_yaml.mistakes import colon_problem, syntax_problem

MAX_DEPTH = 20
MAX_PROBLEMS = 100  # of one file: a megabyte of complaints helps nobody

Path = tuple[str | int, ...]

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u300c\u300d\u300e\u300f"
_COMMENT = re.compile(r"[ \t]+#")
_RICH_TEXT = "{\\rtf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,29})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True)
class Marked:
    """A file's data and the line of each key. ``source`` is the name that messages use."""

    data: dict[str, Any]
    source: str = ""
    lines: dict[Path, int] = field(default_factory=dict)
    commented: frozenset[str] = frozenset()  # texts without quotes that a comment follows on their line
    written: Mapping[Path, str] = field(default_factory=dict)  # numbers and booleans that are shown otherwise
    problems: tuple[Problem, ...] = ()  # of single keys and values, beside which all others can be read

    def line(self, path: Path) -> int:
        """The line, from 1, of the key or item at ``path``, or of the nearest above it; 0 for none."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 0

    def as_written(self, path: Path, what: str) -> str:
        """``what`` is said of the value at ``path``, where it ends with that value: as it stands in the file."""
        text = self.written.get(path)
        if text is None:
            return what
        value: Any = self.data
        for part in path:
            value = value[part]
        said = f"not {shown(value)}"
        return f"{what.removesuffix(said)}not {_cut(text)}" if what.endswith(said) else what


class _ReadingError(Exception):
    """Reading cannot go on after this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def load(text: bytes | str, *, max_kb: float, source: str, kind: str = "sidecar") -> Marked:
    """The data of ``text``, a mapping at the top (an empty file is an empty mapping).

    Raises ProblemsError and nothing else, whatever the bytes: its code is ``<kind>_too_large`` or
    ``<kind>_invalid``.
    """
    marked = load_to_check(text, max_kb=max_kb, source=source, kind=kind)
    if marked.problems:
        raise problems_error(f"{kind}_invalid", source, [*marked.problems])
    return marked


def load_to_check(text: bytes | str, *, max_kb: float, source: str, kind: str = "sidecar") -> Marked:
    """As :func:`load`; but what is wrong with single keys (one that stands twice) is for the check to tell.

    So it is told together with what is wrong with all others. Of a key that stands twice the data has the first.
    """
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > max_kb * 1024:
        problem = Problem(0, "", f"the file is larger than {max_kb:g} KiB, and no more than that is read")
        raise ProblemsError(f"{kind}_too_large", source, (problem,))
    reader = _Reader()
    try:
        plain = _decode(text)
        data = reader.document(plain)
    except _ReadingError as fatal:
        raise problems_error(f"{kind}_invalid", source, [*reader.problems, fatal.problem]) from None
    return Marked(
        data, source, reader.lines, frozenset(reader.commented), reader.written, tuple(dict.fromkeys(reader.problems))
    )


def problems_error(code: str, source: str, problems: list[Problem]) -> ProblemsError:
    """All of ``problems`` in the order of their lines, as one error; no more than MAX_PROBLEMS of them."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.line)
    if len(ordered) > MAX_PROBLEMS:
        rest = Problem(0, "", f"more than {MAX_PROBLEMS} problems", "the others show once these are corrected")
        ordered = [*ordered[:MAX_PROBLEMS], rest]
    return ProblemsError(code, source, tuple(ordered))


def shown(value: object) -> str:
    """``value`` as a message shows it: short, on one line, as YAML would have it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    if isinstance(value, str):
        quote = '"' if "'" in value and '"' not in value else "'"
        text = f"{quote}{visible(value)}{quote}"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def key_text(path: Path) -> str:
    """``path`` as a message shows it, its parts kept short."""
    parts = (str(part) for part in path)
    return ".".join(part if len(part) <= 60 else part[:57] + "..." for part in parts)


def scalar(text: str) -> Any:
    """What a plain (unquoted) scalar means; see the module's head."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.fullmatch(text) and len(text) <= 40:
        return float(text)
    return text


def stands_plain(text: str) -> bool:
    """Whether a text is read as itself where it stands without quotes, spaces of every kind around it left out."""
    return isinstance(scalar(text), str) and text == text.strip() and not _in_curly_quotes(text)


def _in_curly_quotes(text: str) -> bool:
    return len(text) > 1 and text[0] in _CURLY and text[-1] in _CURLY


def _decode(text: bytes | str) -> str:
    """Text without a byte order mark, every character of it one that YAML allows."""
    if isinstance(text, bytes):
        if text and not text.strip(b"\0"):
            what = "the file holds zero bytes alone, as after a power cut"
            raise _ReadingError(Problem(0, "", what, "write it again"))
        if other := _other_encoding(text):
            raise _ReadingError(Problem(1, "", f"the file is {other}", "save it as UTF-8"))
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            what = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise _ReadingError(Problem(line, "", what, "save the file as UTF-8")) from None
    text = text.removeprefix("\ufeff")
    if text.startswith(_RICH_TEXT):
        raise _ReadingError(Problem(1, "", "the file is rich text", "save it as plain text"))
    bad = _NOT_TEXT.search(text)
    if bad:
        line = len(_BREAK.findall(text, 0, bad.start())) + 1
        zero = " (a zero byte)" if bad.group() == "\0" else ""
        what = f"the character U+{ord(bad.group()):04X}{zero} is not text"
        raise _ReadingError(Problem(line, "", what, "is this a YAML file? remove the character"))
    return text


def _other_encoding(data: bytes) -> str:
    """Which other encoding of Unicode ``data`` is text in; "" for none."""
    for name, marks in (("UTF-32", (b"\xff\xfe\0\0", b"\0\0\xfe\xff")), ("UTF-16", (b"\xff\xfe", b"\xfe\xff"))):
        if data.startswith(marks):
            return name
        for order in ("le", "be") if b"\0" in data[:4] else ():
            with contextlib.suppress(UnicodeDecodeError):
                text = data.decode(f"{name}-{order}")
                # Any two bytes are a letter of some script; those that are meant are mostly of the plainest.
                if not _NOT_TEXT.search(text) and 2 * sum(char < "\x80" for char in text) > len(text):
                    return name
    return ""


class _Reader:
    """Turns the events of one document into data, collecting problems and lines on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {}
        self.commented: set[str] = set()
        self.written: dict[Path, str] = {}
        self._rows: list[str] = []
        self._last = 0  # line of the last event, for errors that have none

    def document(self, text: str) -> dict[str, Any]:
        """The one document of ``text``; raises _ReadingError where reading cannot go on."""
        self._rows = _BREAK.split(text)
        events = self._events(text)
        documents = 0
        data: Any = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    line = _line(event)
                    raise _ReadingError(Problem(line, "", "a second document", "one file holds one; remove the '---'"))
            elif isinstance(event, yaml.NodeEvent):
                line = _line(event)
                data = self._node(event, events, ())
        if data is not None and not isinstance(data, dict):
            what = f"the file holds {shown(data)} where 'key: value' lines are meant"
            fix = "write a colon and a space where = stands" if "=" in text else ""
            raise _ReadingError(colon_problem(self._rows) or Problem(line, "", what, fix))
        return data if data is not None else {}

    def _events(self, text: str) -> Iterator[Any]:
        try:
            for event in yaml.parse(text, Loader=LOADER):
                self._last = _line(event)
                yield event
        except yaml.MarkedYAMLError as error:
            raise _ReadingError(syntax_problem(error, self._rows)) from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # ValueError: the parser in Python makes characters of any escape, "\UFFFFFFFF" too.
            what = str(error).splitlines()[0] if str(error) else "not YAML"
            raise _ReadingError(Problem(self._last, "", what)) from None

    def _node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        line = _line(event)
        key = key_text(path)
        if isinstance(event, yaml.AliasEvent):
            fix = 'a text that begins with * is put in quotes: "*.jpg"'
            self.problems.append(Problem(line, key, f"the alias *{str(event.anchor)[:40]} is not allowed here", fix))
            return None
        if event.anchor is not None:
            fix = "remove it, or put a text that begins with & in quotes"
            self.problems.append(Problem(line, key, f"the anchor &{event.anchor[:40]} is not allowed here", fix))
        if event.tag is not None:
            fix = "remove it, or put a text that begins with ! in quotes"
            self.problems.append(Problem(line, key, f"the tag {shown(event.tag)} is not allowed here", fix))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, line, path)
        if len(path) >= MAX_DEPTH:
            raise _ReadingError(Problem(line, "", f"nested deeper than {MAX_DEPTH} levels"))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _scalar(self, event: Any, line: int, path: Path) -> Any:
        text: str = event.value
        key = key_text(path)
        if _SURROGATE.search(text):
            self.problems.append(Problem(line, key, "holds half of a character (a lone surrogate)"))
            return ""
        if event.style or not event.implicit[0]:
            return text
        # As YAML itself does with plain spaces around a text without quotes.
        text = text.strip(ODD_SPACES)
        if _in_curly_quotes(text):
            what = f"the quotes of {shown(text)} are curly ones, which are letters here"
            self.problems.append(Problem(line, key, what, "write straight ones"))
            text = text[1:-1]
        end = event.end_mark
        if end.line < len(self._rows) and _COMMENT.match(self._rows[end.line], end.column):
            self.commented.add(text)
        value = scalar(text)
        if text and not isinstance(value, str) and shown(value) != text:
            self.written[path] = text
        return value

    def _sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            place = (*path, len(items))
            self.lines[place] = _line(event)
            items.append(self._node(event, events, place))
        return items

    def _mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, path)
            place = (*path, key)
            twice = key in entries
            if twice:
                line = _line(event)
                what = f"stands here a second time, first on line {self.lines[place]}"
                self.problems.append(Problem(line, key_text(place), what, "keep one of them"))
            else:
                self.lines[place] = _line(event)
            value = self._node(next(events), events, place)
            if not twice:
                entries[key] = value
        return entries

    def _key(self, event: Any, path: Path) -> str:
        """The text of a mapping's key; ``_node`` has its say about aliases, anchors and tags."""
        if isinstance(event, yaml.ScalarEvent):
            self._node(event, iter(()), path)
            if _SURROGATE.search(event.value):
                return ""
            key: str = event.value if event.style else event.value.strip(ODD_SPACES)
            return key[1:-1] if not event.style and _in_curly_quotes(key) else key
        line = _line(event)
        raise _ReadingError(Problem(line, "", "a key must be one word of text", "put values with { } [ ] * in quotes"))


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
