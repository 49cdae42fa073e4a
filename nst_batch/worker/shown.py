"""What a finished job leaves for people beside its picture: its page, and the sidecar that makes it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nst_batch.filenames import INPUT_FOLDER, LOSS_NAME, PAGE_NAME
from nst_batch.job import JobSpec, Outcome, manifest
from nst_batch.report.again import NAME, sidecar_again
from nst_batch.report.job_page import job_page
from nst_batch.spool.disk.fs import FileSystem


def show(files: FileSystem, running: Path, spec: JobSpec, outcome: Outcome) -> Outcome:
    """Write both into the running folder, once all else is known; the outcome with the page among its outputs.

    A folder without ``input/`` (of ``stylize``) gets no sidecar.
    """
    outcome = outcome.model_copy(update={"outputs": tuple(sorted({*outcome.outputs, PAGE_NAME}))})
    given = running / INPUT_FOLDER
    was_given = files.is_folder(given)
    again = sidecar_again(spec, outcome.precision) if was_given else None
    name = ""
    if again is not None:
        name = _place(files, given, again)
        files.write_durable(given / name, again.encode())
    page = job_page(
        json.loads(manifest(spec, outcome, attempts=0)),
        json.loads(files.read(running / LOSS_NAME)),
        [_input(files, spec, outcome, index, given) for index in range(len(spec.inputs))],
        again,
        again_name=f"{INPUT_FOLDER}/{name}",
        in_outbox=spec.output if was_given else None,
    )
    files.write_durable(running / PAGE_NAME, page.encode("utf-8", "replace"))
    return outcome


def _place(files: FileSystem, given: Path, again: str) -> str:
    """A name for the sidecar that no image or sidecar of the person's own has; an earlier run's own is replaced."""
    name, number = NAME, 2
    head = again.partition("\n")[0].encode()
    while (kind := files.kind(given / name)) and not (kind == "file" and files.read(given / name).startswith(head)):
        name, number = f"again-{number}.yaml", number + 1
    return name


def _input(files: FileSystem, spec: JobSpec, outcome: Outcome, index: int, given: Path) -> dict[str, Any]:
    item = spec.inputs[index]
    facts = next((each for each in outcome.inputs if (each.role, each.name) == (item.role, item.name)), None)
    return {
        "role": item.role,
        "name": item.name,
        "weight": item.weight,
        "file": f"{INPUT_FOLDER}/{item.name}" if files.kind(given / item.name) == "file" else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
    }
