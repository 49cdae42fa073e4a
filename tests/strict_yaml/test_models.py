"""yamlmodels: a pydantic model's complaints in plain words, with lines; and its schema as a person writes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, Field

from nst_batch.errors import Problem
from nst_batch.strict_yaml.models import (
    Expected,
    Fault,
    StrictModel,
    check,
    common_code,
    faults_error,
    meant,
    plain_schema,
)
from nst_batch.strict_yaml.reader import load


def read_pair(value: Any) -> Any:
    if value != [1, 2]:
        raise faults_error(Fault("is not one", path=(0,)), Fault("is not two", "write 2", (1,), "odd"))
    return tuple(value)


class Inner(StrictModel):
    depth: Annotated[int, Field(ge=1, le=9, description="how deep")] = 1


class Outer(StrictModel):
    name: Annotated[str, Field(description="who")]
    mode: str | None = None
    flag: bool | None = None
    way: Literal["up", "down", "across"] | None = None
    part: Annotated[float | None, Field(gt=0, le=10)] = None
    most: Annotated[int, Field(ge=1, le=9), Expected("a digit above 0")] = 1
    pair: Annotated[tuple[int, ...] | None, BeforeValidator(read_pair)] = None
    inner: Annotated[Inner, Field(description="more")] = Field(default_factory=Inner)


def problems(text: str) -> list[str]:
    found, wrong = check(Outer, load(text, max_kb=1, source="a"))
    assert found is None
    return [str(problem) for problem in wrong]


def test_right():
    """Right data is the model; what is not written has its default."""
    found, wrong = check(Outer, load("name: a\npair: [1, 2]\ninner: {depth: 3}", max_kb=1, source="a"))
    assert wrong == []
    assert (found.name, found.pair, found.inner.depth, found.mode) == ("a", (1, 2), 3, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flag: true", "name: is required"),
        ("name: 5", "line 1, name: must be text, not 5; put it in quotes"),
        ("name: a\nflag: on", "line 2, flag: must be true or false, not 'on'; write true"),
        ("name: a\nway: Up", "line 2, way: must be up, down or across, not 'Up'; did you mean 'up'?"),
        ("name: a\npart: 0", "line 2, part: must be a number above 0, at most 10, not 0"),
        ("name: a\nmost: 0", "line 2, most: must be a digit above 0, not 0"),
        ("name: a\nflg: true", "line 2, flg: unknown key; did you mean 'flag'?"),
        ("name: a\ninner: {deth: 1}", "line 2, inner.deth: unknown key; did you mean 'depth'?"),
        (
            "name: a\ninner: {depth: '3'}",
            "line 2, inner.depth: must be a whole number from 1 to 9, not '3'; remove the quotes",
        ),
        ("name: a\ninner: {depth: 3.0}", "line 2, inner.depth: must be a whole number from 1 to 9, not 3.0; write 3"),
        *(
            (
                f"name: a\ninner: {{depth: '{text}'}}",
                f"line 2, inner.depth: must be a whole number from 1 to 9, not {said}",
            )
            for text, said in (
                ("3px", "'3px'; write 3"),
                ("5 %", "'5 %'; write 5"),
                ("7,0", "'7,0'; write 7"),
                ("1,024", "'1,024'"),
            )
        ),
        ("name: a\ninner: [1]", "line 2, inner: must be a mapping of keys, not a list"),
        ("name: a\npair: [1, 3]", "line 2, pair.1: is not two; write 2"),
    ],
)
def test_words(text, said):
    """Each kind of complaint is one plain line."""
    assert said in problems(text)


def test_nothing_is_no_value():
    """A key without a value is told as such, once, even where None would be a default."""
    (said,) = problems("name: a\nmode:\n")
    assert said.startswith("line 2, mode: has no value")


def test_codes():
    """Problems share a code only where all of them have the same one."""
    odd, even, none = (
        Problem(1, "a", "x", code="odd"),
        Problem(2, "b", "x", code="even"),
        Problem(3, "c", "x"),
    )
    assert common_code([odd, odd], "other") == "odd"
    assert common_code([odd, even], "other") == "other"
    assert common_code([odd, none], "other") == "other"
    assert common_code([none], "other") == "other"


def test_meant():
    """A near word is named whatever its case; a far one is not guessed."""
    assert meant("EPOCS", ("epochs", "size")) == "did you mean 'epochs'?"
    assert meant("zzz", ("epochs", "size")) == ""
    letters = "U+0441 cyrillic small letter es, U+043E cyrillic small letter o"
    assert meant("\u0441\u043entent", ("content",)) == f"write 'content' in plain letters: it holds {letters}"


def test_a_file_of_nonsense_is_refused_quickly():
    """Thousands of unknown keys do not each get a search for what was meant."""
    _, wrong = check(Outer, load("".join(f"nam{n}: 1\n" for n in range(5000)), max_kb=64, source="a"))
    assert 100 < len(wrong) < 1000


def test_schema():
    """The schema speaks of what a person writes: no null, no default of None, no titles made by machine."""
    schema = plain_schema(Outer, "outer")
    assert schema["title"] == "outer"
    assert schema["properties"]["mode"] == {"type": "string"}
    assert schema["properties"]["name"] == {"type": "string", "description": "who"}
    assert "title" not in schema["$defs"]["Inner"]
