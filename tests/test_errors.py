"""What goes wrong, in words for a person: what, where, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nst_batch.config.load import parse_config
from nst_batch.errors import Problem, ProblemsError
from nst_batch.sidecar.expand import parse_sidecar


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            Problem(3, "epocs", "unknown key", "did you mean 'epochs'?"),
            "line 3, epocs: unknown key; did you mean 'epochs'?",
        ),
        (Problem(2, "", "a second document"), "line 2: a second document"),
        (Problem(0, "style", "is required and missing"), "style: is required and missing"),
        (Problem(0, "", "the file is larger than 64 KiB"), "the file is larger than 64 KiB"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, said: str) -> None:
    """Its place as far as there is one, what it is, and the fix."""
    assert str(problem) == said


def test_a_sidecars_problems_ask_for_a_correction() -> None:
    """Wherever it lies: once it has failed, its job says where that is."""
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar("content: a.jpg\n", "dusk.yaml")
    assert caught.value.advice == "correct dusk.yaml and try again"


def test_a_configs_problems_ask_for_a_correction_in_place() -> None:
    """A config stays where it is."""
    with pytest.raises(ProblemsError) as caught:
        parse_config("x: 1\n", Path("config.yaml"))
    assert caught.value.advice == "correct config.yaml and try again"


def test_how_large_a_file_is_is_only_said_where_it_is_known() -> None:
    """Of a sidecar over the limit no more than the limit is ever read."""
    with pytest.raises(ProblemsError) as caught:
        parse_sidecar(b"content: a.jpg\nstyle: b.jpg\n#" + b"x" * 64 * 1024, "dusk.yaml")
    assert str(caught.value) == "dusk.yaml: the file is larger than 64 KiB, and no more than that is read"
