"""What the spool writes down in a claim's folder. Names and places are in :mod:`nst_batch.spool.disk.layout`.

claims/CLAIM/claim.json        the intent: written durably before the sidecar is renamed in
claims/CLAIM/sidecar/NAME      the sidecar; once it is here the claim stands
claims/CLAIM/inputs/0001-NAME  copies of the distinct images
claims/CLAIM/copied            every image has been copied; without images there is neither this nor ``inputs``
claims/CLAIM/jobs/0001/        one job: spec.json, attempts.json, lock, checkpoints, outcome.json, publish.json
claims/CLAIM/jobs/0001.done    that job has its end (Done as JSON); the folder goes away
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from nst_batch.job import JobInput, JobSpec, with_reason
from nst_batch.reasons import EndState, Reason
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.settings import Settings
from nst_batch.spool.disk.layout import INPUTS_FOLDER, Component, one_component
from nst_batch.spool.disk.primitives import Identity

Kind = Literal["file", "link"]


def _relative(text: str) -> str:
    for part in text.split("/"):
        one_component(part)
    return text


def _inside_or_root(text: str) -> str:
    return _relative(text) if text else text


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
    trouble: Reason | None = None  # known to fail before it was ever run


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
    # Of a hot folder's photograph: its path, and what tells the styles and settings that it is painted with. Its
    # sidecar came from nowhere and goes nowhere, and of its images it alone leaves the inbox.
    photograph: Annotated[str, AfterValidator(_inside_or_root)] = ""
    hot: tuple[str, ...] = ()
    seen: Identity | None = None  # what the photograph was, of which there may be no copy: too large, not to be read
    # Of a sidecar that could not be taken, and fails for it: what it was. It stays where it is.
    stays: Identity | None = None
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

    @property
    def is_own(self) -> bool:
        """Whether the claim's sidecar was written by us, so that it goes back nowhere."""
        return bool(self.hot) or self.stays is not None

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
            sidecar_name=self.sidecar_name,
            jobs=len(self.jobs),
        )

    def _stored(self, item: InputRecord) -> str:
        return "" if item.source is None else self.sources[item.source].stored


class Publish(_Record):
    """Where a job's running folder, or ``source`` in its place, is about to go; written durably before its rename."""

    target: Relative  # below the outbox
    state: EndState
    reason: Reason | None = None
    # Where the job was never worked on: the folder, below the outbox, in which its end was put together.
    source: Annotated[str, AfterValidator(_inside_or_root)] = ""
    # Where the target lies on another file system: the whole copy beside it, then renamed.
    via: Annotated[str, AfterValidator(_inside_or_root)] = ""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("ending"), dict):
            return {**with_reason(data["ending"]), **data}
        return data


class Done(_Record):
    """What remains of a job that has its end."""

    state: EndState
    target: str = ""  # below the outbox


def digest_of(text: bytes) -> str:
    """What tells a sidecar from another one at the same place: of its bytes as ``read_sidecar`` gives them."""
    return hashlib.sha256(text).hexdigest()
