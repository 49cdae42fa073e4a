"""Whatever number is too small or too large, its message tells both bounds, and the number as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from nst_batch.config.keys import Jobs, Limits, Watch
from nst_batch.config.load import parse_config
from nst_batch.config.slurm import Slurm
from nst_batch.errors import ProblemsError
from nst_batch.sidecar.settings import Patch

PARTS: dict[str, type[BaseModel]] = {"watch": Watch, "jobs": Jobs, "limits": Limits, "slurm": Slurm, "defaults": Patch}
OF_THEIR_OWN_READING = [
    ("watch.settle_seconds", "-1", "400d"),
    ("watch.rescan_seconds", "0", "400d"),
    ("watch.incomplete_after", "-1", "9e9"),
    ("jobs.backoff_seconds", "-1", "400d"),
    ("jobs.stall_timeout", "0", "400d"),
    ("jobs.checkpoint_seconds", "0", "400d"),
    ("slurm.time_limit", "-1", "400d"),
    ("slurm.warn_seconds", "0", "400d"),
]


def bounded() -> Iterator[tuple[str, float, float]]:
    """Every key with bounds: its path, and what is just outside them."""
    for part, model in PARTS.items():
        for key, field in model.model_fields.items():
            bounds = {
                name: getattr(item, name)
                for item in field.metadata
                for name in ("ge", "gt", "le", "lt")
                if getattr(item, name, None) is not None
            }
            if "le" in bounds:
                yield f"{part}.{key}", bounds["ge"] - 1 if "ge" in bounds else bounds["gt"], bounds["le"] + 1


def told(path: str, value: str) -> str:
    part, key = path.split(".")
    with pytest.raises(ProblemsError) as caught:
        parse_config(f"{part}:\n  {key}: {value}\n", Path("/srv/config.yaml"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (2, path)
    return problem.what


@pytest.mark.parametrize(("path", "below", "above"), list(bounded()))
def test_both_bounds_are_told(path: str, below: float, above: float) -> None:
    """Of every number in config.yaml, and of a sidecar's under `defaults`."""
    words = told(path, f"{below}")
    assert words == told(path, f"{above}").replace(f"not {above}", f"not {below}")
    assert any(f"{number}" in words for number in (below, below + 1))
    assert f"{above - 1}" in words or path == "slurm.gpus"
    assert told(path, "1e400").endswith("not 1e400")


@pytest.mark.parametrize(("path", "below", "above"), OF_THEIR_OWN_READING)
def test_so_are_those_of_a_duration(path: str, below: str, above: str) -> None:
    """In seconds and days."""
    for value in (below, above):
        assert "0 seconds" in told(path, value)
        assert "366 days, not " in told(path, value)
    assert told(path, "9e9").endswith("not 9e9")


@pytest.mark.parametrize(
    ("value", "fix"), [("1_000", "write 1000"), ("0o17", "write 15"), ("0x1F", "write 31"), ("007", "write 7")]
)
def test_numbers_of_other_languages_are_translated(value: str, fix: str) -> None:
    """They are text here."""
    with pytest.raises(ProblemsError) as caught:
        parse_config(f"limits: {{max_jobs: {value}}}\n", Path("/srv/config.yaml"))
    assert caught.value.message.endswith(f"not '{value}'; {fix}")


@pytest.mark.parametrize(
    ("path", "below", "above"), [each for each in bounded() if each[0][:6] in ("limits", "jobs.a", "slurm.")]
)
def test_the_reference_tells_them(path: str, below: float, above: float) -> None:
    """In the row of the key."""
    page = (Path(__file__).parents[2] / "docs/config.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| `{path.split('.')[1]}`[|,].*$|^\| `{path.split('.')[1]}`.*$", page, flags=re.M)
    assert f"{above - 1}" in row
    assert any(f"{number}" in row for number in (below, below + 1))
