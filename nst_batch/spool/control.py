"""Control files: ``JOB.stop``, ``JOB.cancel`` and ``PAUSE`` at the inbox's root. Commands only write them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch import names
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.layout import Job

PAUSE_NAME = "PAUSE"
Action = Literal["stop", "cancel"]
_SUFFIXES: Mapping[str, Action] = {".stop": "stop", ".cancel": "cancel"}


@dataclass(frozen=True)
class Control:
    """One control file, and the job it means: a claimed one, or one of a sidecar that waits."""

    action: Action
    path: Path
    name: str  # as the file has it: JOB or an id
    job: Job | None = None
    sidecar: str | None = None


def split(file_name: str) -> tuple[str, Action] | None:
    """The job and the action that a file's name means; None for any other file."""
    for suffix, action in _SUFFIXES.items():
        if file_name.lower().endswith(suffix) and len(file_name) > len(suffix):
            return file_name[: -len(suffix)], action
    return None


def match(
    root_names: Iterable[str], inbox: Path, jobs: Iterable[Job], waiting: Mapping[str, str]
) -> tuple[tuple[Control, ...], tuple[str, ...]]:
    """The control files that fit a job, and the names of those that fit none.

    ``waiting``: JOB, folded, to the sidecar that it comes from.
    """
    found = [(file_name, parts) for file_name in root_names if (parts := split(file_name)) is not None]
    if not found:
        return (), ()
    by_name: dict[str, Job] = {}
    for job in jobs:
        by_name[names.fold(job.name)] = job
        by_name[names.fold(job.id)] = job
    fitting: list[Control] = []
    others: list[str] = []
    for file_name, (name, action) in found:
        key = names.fold(name)
        if key in by_name:
            fitting.append(Control(action, inbox / file_name, name, job=by_name[key]))
        elif key in waiting:
            fitting.append(Control(action, inbox / file_name, name, sidecar=waiting[key]))
        else:
            others.append(file_name)
    return tuple(fitting), tuple(others)


def consume(fs: FileSystem, inbox: Path, name: str, job_id: str) -> None:
    """Remove every control file of a job that has its end, or it would act on the next one of that name."""
    mine = {names.fold(name), names.fold(job_id)}
    for file_name in os.listdir(inbox):  # noqa: PTH208 - names alone
        parts = split(file_name)
        if parts is not None and names.fold(parts[0]) in mine:
            fs.remove(inbox / file_name)
            fs.step("control.removed")


def write_control(fs: FileSystem, inbox: Path, name: str, action: Action) -> Path:
    """What the commands do: put the control file there."""
    path = inbox / f"{name}.{action}"
    fs.replace(path, b"", sync=True)
    return path
