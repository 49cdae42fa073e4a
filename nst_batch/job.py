"""One job as data: what a worker is given, what came of it, and the manifest (job.json) that says so.

:class:`JobSpec` lies as ``spec.json`` in the job's folder and is all a worker needs beside the images.
:class:`Outcome` is what a worker leaves there as ``outcome.json``; the daemon publishes by it.
"""

from __future__ import annotations

import functools
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from nst_batch.filenames import SPEC_NAME
from nst_batch.reasons import WITH_RESULT, EndState, Reason
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.settings import Settings, priority_note


class JobInput(BaseModel):
    """One image of a job. ``path`` is relative to the claim's folder; ``name`` is as the person gave it."""

    model_config = ConfigDict(frozen=True)

    role: Role
    name: str
    path: str
    weight: float = 1.0


class JobSpec(BaseModel):
    """What a worker is given: one generation with every setting resolved."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str  # JOB: the title, with -2, -3 ... where a live or failed job has it already
    title: str
    output: str  # folder below the outbox, "" for the outbox itself
    settings: Settings
    sidecar: dict[str, Any]  # as parsed
    inputs: tuple[JobInput, ...]
    received_at: str  # ISO 8601 with zone
    # Of what it is one: the sidecar's own name, and how many jobs that makes; an older version did not say.
    sidecar_name: str = ""
    jobs: int = 1


class InputFacts(BaseModel):
    """What job.json says of an input; a size is unknown (None) where the image could not be read."""

    role: str
    name: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


class Outcome(BaseModel):
    """What came of one run of a job.

    One that left no picture says why; ``retry`` says that another run may do better, ``cut`` which image looked cut
    short, by its name in the job.
    """

    model_config = ConfigDict(frozen=True)

    state: EndState
    reason: Reason | None = None
    retry: bool = False
    cut: str | None = None
    outputs: tuple[str, ...] = ()
    final: str | None = None
    inputs: tuple[InputFacts, ...] = ()
    weights: dict[str, str | None] = {}
    device: str | None = None
    precision: str | None = None
    versions: dict[str, str] = {}
    started_at: str | None = None
    finished_at: str | None = None
    seconds: float = 0.0
    steps_done: int = 0
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        return with_reason(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.reason is None) != (self.state in WITH_RESULT):
            raise ValueError("a reason belongs to what has no result, and to nothing else")
        return self


def with_reason(record: dict[str, Any]) -> dict[str, Any]:
    """``record`` with the three parts of a reason in one, where an earlier version wrote them side by side."""
    if not record.get("code") or "reason" in record:
        return record
    return {**record, "reason": {key: record.get(key, "") for key in ("code", "message", "advice")}}


def now_iso(moment: float | None = None) -> str:
    """ISO 8601 with the local zone, whole milliseconds; ``moment`` is in seconds since the epoch."""
    stamp = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return stamp.astimezone().isoformat(timespec="milliseconds")


@functools.cache
def versions() -> dict[str, str]:
    """The versions of this program and of what a picture depends on, without importing any of them."""
    found = {"python": platform.python_version()}
    for package in ("nst-batch", "tensorflow", "keras", "numpy", "opencv-python", "Pillow"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def manifest(spec: JobSpec | None, outcome: Outcome, *, attempts: int, fallback: dict[str, Any] | None = None) -> str:
    """The text of job.json.

    ``spec`` is None for a sidecar that could not be understood; ``fallback`` then gives ``title``, ``id`` and
    ``received_at``.
    """
    known: dict[str, Any] = (
        {"title": spec.title, "id": spec.id, "received_at": spec.received_at}
        if spec
        else {"title": None, "id": None, "received_at": None, **(fallback or {})}
    )
    body: dict[str, Any] = {
        "title": known["title"],
        "id": known["id"],
        "state": outcome.state,
        "sidecar": spec.sidecar if spec else None,
        "settings": spec.settings.model_dump(mode="json") if spec else None,
        "inputs": [facts.model_dump(mode="json") for facts in outcome.inputs],
        "outputs": list(outcome.outputs),
        "final": outcome.final,
        "weights": outcome.weights or None,
        "device": outcome.device,
        "precision": outcome.precision,
        "versions": outcome.versions or versions(),
        "received_at": known["received_at"],
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at or now_iso(),
        "seconds": round(outcome.seconds, 3),
        "steps_done": outcome.steps_done,
        "attempts": attempts,
    }
    if outcome.reason is not None:
        body["reason"] = outcome.reason.code
        body["advice"] = outcome.reason.advice
        body["message"] = outcome.reason.message
    if spec and spec.jobs > 1:
        body["of"] = {"sidecar": spec.sidecar_name, "jobs": spec.jobs}
    capped = priority_note(spec.sidecar, spec.settings) if spec else ""
    if notes := [*outcome.notes, *filter(None, [capped])]:
        body["notes"] = notes
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def load_spec(folder: Path) -> JobSpec:
    """The spec of the job in ``folder``; raises OSError or pydantic's ValidationError."""
    return JobSpec.model_validate_json((folder / SPEC_NAME).read_bytes())
