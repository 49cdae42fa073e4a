"""What docs/results.md promises, against what is written and returned."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nst_batch
from nst_batch import errors
from nst_batch.job import InputFacts, JobInput, JobSpec, Outcome, manifest, now_iso
from nst_batch.reasons import END_STATES, Reason
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.transfer.neural_style import Step
from nst_batch.worker.loss_log import log_entry

PAGE = (Path(nst_batch.__file__).parent.parent / "docs" / "results.md").read_text()


def fields(heading: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def written(**changes: Any) -> set[str]:
    spec = JobSpec(
        id="a.0001",
        name="dusk",
        title="dusk",
        output="",
        settings=resolve(Patch()),
        sidecar={},
        inputs=(JobInput(role="content", name="c.png", path="inputs/c.png"),),
        received_at=now_iso(0.0),
    )
    return set(json.loads(manifest(spec, Outcome(**changes), attempts=1)))


def test_every_field_of_job_json_is_promised_and_no_other() -> None:
    """Of a finished job and of a failed one together."""
    done = written(state="done", notes=("a note",))
    failed = written(state="failed", reason=Reason.of("image_missing", "c.png is not there"))
    assert done | failed == fields("job.json")


def test_the_parts_of_an_input_and_the_states_are_promised() -> None:
    """By their names."""
    for name in (*InputFacts.model_fields, *END_STATES):
        assert f"`{name}`" in PAGE


def test_every_field_of_a_step_is_promised_and_no_other() -> None:
    """As loss.json has it."""
    losses = {"content": 1.0, "style": 1.0, "tv": 1.0}
    layers = {"content_layers": {"block5_conv2": 1.0}, "style_layers": {"block1_conv1": 1.0}}
    size = {"scale": 1, "height": 8, "width": 8}
    step = Step(step=1, epoch=1, **size, total=3.0, **losses, weights=losses, **layers, seconds=0.1, epoch_end=True)
    assert set(log_entry(step)) == fields("loss.json")


def test_the_exit_codes_are_those_of_the_program() -> None:
    """Each in its row."""
    promised = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.M)}
    assert promised == {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
