"""Control files: ``JOB.stop``, ``JOB.cancel`` and ``PAUSE`` at the inbox's root. Commands only write them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch import names
from nst_batch.errors import UsageError
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import keeps_one_place
from nst_batch.spool.disk.fs import FileSystem

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


def is_meant(file_name: str) -> bool:
    """Whether whoever put it at the inbox's root means the daemon to act on it."""
    return file_name == PAUSE_NAME or split(file_name) is not None


def job_of(file_name: str) -> str:
    """The job, folded, that a control file's name means; "" for any other file."""
    parts = split(file_name)
    return names.fold(parts[0]) if parts else ""


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


def consume(fs: FileSystem, inbox: Path, name: str, job_id: str, seen: Collection[str]) -> list[str]:
    """Remove every control file of a job that has its end, or it would act on the next one of that name.

    ``seen``: the control files of the last look, which may be spelled in another case. Returns those that may not be
    removed.
    """
    mine = {names.fold(name), names.fold(job_id)}
    exact = {f"{word}{suffix}" for word in (name, job_id) for suffix in _SUFFIXES}
    spelled = {file_name for file_name in seen if (parts := split(file_name)) and names.fold(parts[0]) in mine}
    return [file_name for file_name in sorted(exact | spelled) if not drop(fs, inbox / file_name)]


def drop(fs: FileSystem, path: Path) -> bool:
    """Remove a control file that has been acted on; whether none is there any more."""
    try:
        if fs.kind(path) in (None, "folder"):
            return True  # no control file
        fs.remove(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if not keeps_one_place(error):
            raise
        return False
    fs.step("control.removed")
    return True


def refuse_folder(path: Path, what: str) -> None:
    """UsageError where a folder stands where a control file belongs; ``what`` says what is not done for it."""
    if path.is_dir() and not path.is_symlink():  # a look for a message alone
        raise UsageError(
            "control_is_folder",
            f"{path} is a folder, which means nothing to the daemon: {what}",
            "give it another name",
        )


def write_control(fs: FileSystem, inbox: Path, name: str, action: Action) -> Path:
    """What the commands do: put the control file there."""
    path = inbox / f"{name}.{action}"
    refuse_folder(path, f"{name} cannot be told to {action}")
    fs.replace(path, b"", sync=True)
    return path
