"""What the spool writes down in a claim's folder, and where each thing lies.

claims/CLAIM/claim.json        the intent: written durably before the sidecar is renamed in
claims/CLAIM/sidecar/NAME      the sidecar; once it is here the claim stands
claims/CLAIM/inputs/0001-NAME  copies of the distinct images
claims/CLAIM/copied            every image has been copied
claims/CLAIM/jobs/0001/        one job: spec.json, attempts.json, lock, checkpoints, outcome.json, publish.json
claims/CLAIM/jobs/0001.done    that job has its end (Done as JSON); the folder goes away
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from nst_batch.job import JobInput, JobSpec
from nst_batch.resolver import Role
from nst_batch.settings import Settings
from nst_batch.spool.copying import UnreadableError
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.primitives import HARD_LINK, Identity, is_private_elsewhere
from nst_batch.spool.wanted import Ending, EndState

CLAIM_NAME = "claim.json"
SIDECAR_FOLDER = "sidecar"
INPUTS_FOLDER = "inputs"
LEAVING_FOLDER = "leaving"
COPIED_NAME = "copied"
JOBS_FOLDER = "jobs"
ATTEMPTS_NAME = "attempts.json"
PUBLISH_NAME = "publish.json"
LOCK_NAME = "lock"
CHECKPOINT_PREFIX = "checkpoint"
DONE_SUFFIX = ".done"

Kind = Literal["file", "link"]


def _component(text: str) -> str:
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise ValueError("must be one name")
    return text


def _relative(text: str) -> str:
    for part in text.split("/"):
        _component(part)
    return text


def _inside_or_root(text: str) -> str:
    return _relative(text) if text else text


Component = Annotated[str, AfterValidator(_component)]  # a record names nothing beyond the folder it speaks of
Relative = Annotated[str, AfterValidator(_relative)]
Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class SourceRecord(_Record):
    """One distinct image of a claim: where it lay, what it was, and its copy's name in the claim's folder."""

    path: str  # relative to the inbox, or absolute where it lies in a library
    library: bool
    kind: Kind
    ino: int
    size: int
    mtime_ns: int
    stored: Relative  # its copy, relative to the claim's folder

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if not self.library:
            _relative(self.path)
        elif not self.path.startswith("/") or (not self.path.isprintable() and "\0" in self.path):
            raise ValueError("a library's image has an absolute path")
        if not self.stored.startswith(f"{INPUTS_FOLDER}/") or self.stored.count("/") != 1:
            raise ValueError("a copy lies in the claim's own folder of inputs")
        return self

    @property
    def identity(self) -> Identity:
        """What the image was when it was claimed."""
        return Identity(self.ino, self.size, self.mtime_ns)

    @property
    def base_name(self) -> str:
        """The image's own name."""
        return self.path.rpartition("/")[2]


class InputRecord(_Record):
    """One image of one job. ``name`` is the file's name in the result's input folder."""

    role: Role
    name: Component
    ref: str  # as the sidecar has it
    weight: float
    source: int | None  # index into the claim's sources; None where it was missing


class JobRecord(_Record):
    """One job of a claim."""

    index: Count  # from 1
    name: Component
    title: Component
    output: Annotated[str, AfterValidator(_inside_or_root)]
    settings: Settings | None  # None where the sidecar could not be understood
    inputs: tuple[InputRecord, ...] = ()
    trouble: Ending | None = None  # known to fail before it was ever run


class ClaimRecord(_Record):
    """The intent of a claim, all that is needed to finish or undo it."""

    id: Component
    origin: Relative  # the sidecar's path relative to the inbox
    arrival_ns: int
    received_at: str
    after: Literal["archive", "keep", "delete"]
    sidecar_name: Component
    sidecar_digest: str
    sidecar: dict[str, Any]
    priority: int
    sources: tuple[SourceRecord, ...] = ()
    jobs: tuple[JobRecord, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        used = {item.source for job in self.jobs for item in job.inputs if item.source is not None}
        if not used <= set(range(len(self.sources))):
            raise ValueError("a job has an image that the claim does not have")
        if len({job.index for job in self.jobs}) != len(self.jobs) or not self.jobs:
            raise ValueError("its jobs are not numbered one by one")
        return self

    def job_id(self, job: JobRecord) -> str:
        """The id of one of its jobs."""
        return f"{self.id}.{job.index:04d}"

    def spec(self, job: JobRecord) -> JobSpec | None:
        """What a worker needs of ``job``; None for a sidecar that could not be understood."""
        if job.settings is None:
            return None
        inputs = tuple(
            JobInput(role=item.role, name=item.name, path=self._stored(item), weight=item.weight) for item in job.inputs
        )
        return JobSpec(
            id=self.job_id(job),
            name=job.name,
            title=job.title,
            output=job.output,
            settings=job.settings,
            sidecar=self.sidecar,
            inputs=inputs,
            received_at=self.received_at,
        )

    def _stored(self, item: InputRecord) -> str:
        return "" if item.source is None else self.sources[item.source].stored


class Publish(_Record):
    """Where a job's running folder is about to go; written durably before the rename that takes it there."""

    target: Relative  # below the outbox
    ending: Ending
    # Where the target lies on another file system: the whole copy beside it, then renamed.
    via: Annotated[str, AfterValidator(_inside_or_root)] = ""


class Done(_Record):
    """What remains of a job that has its end."""

    state: EndState
    target: str = ""  # below the outbox


def sidecar_digest(fs: FileSystem, path: Path, limit: int) -> str:
    """What tells a sidecar from another one at the same place: by the bytes that are ever read of it."""
    return digest_of(read_sidecar(fs, path, limit))


def digest_of(text: bytes) -> str:
    """The digest of a sidecar's bytes as :func:`read_sidecar` gives them."""
    return hashlib.sha256(text).hexdigest()


def read_sidecar(fs: FileSystem, path: Path, limit: int) -> bytes:
    """The first ``limit + 1`` bytes of a sidecar, so that one over the limit is seen to be; a link's own text.

    UnreadableError where it is not a file by now, or one that somebody has elsewhere and that is not for all to see.
    """
    try:
        fd = fs.open(path)
    except OSError:
        if fs.kind(path) == "link":
            return os.fsencode(fs.readlink(path))
        raise
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(errno.EIO, "it is no file", str(path))
        if is_private_elsewhere(status):
            raise UnreadableError(errno.EIO, HARD_LINK, str(path))
        return file.read(limit + 1)
