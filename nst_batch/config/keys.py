"""The keys of config.yaml as a person writes them, each with its own reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from nst_batch.config.schedule import Schedule
from nst_batch.config.slurm import Slurm
from nst_batch.config.values import (
    DURATION_SCHEMA,
    Duration,
    Folder,
    Hook,
    PositiveDuration,
    absolute,
    home_fault,
    program_fault,
    read_duration,
)
from nst_batch.sidecar.keys import Defaults
from nst_batch.strict_yaml.models import Expected, Fault, StrictModel, faults_error
from nst_batch.strict_yaml.reader import shown


def _read_backoff(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise faults_error(Fault("must hold at least one duration"))
    found, faults = [], []
    for place, item in enumerate(items):
        try:
            found.append(read_duration(item))
        except PydanticCustomError as error:
            path = (place,) if items is value else ()
            faults += [replace(fault, path=path) for fault in (error.context or {})["faults"]]
    if faults:
        raise faults_error(*faults)
    return tuple(found)


def _names_gpu(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith(("GPU-", "MIG-"))
    return type(value) is int and value >= 0


def _read_device(value: object) -> str | tuple[int | str, ...]:
    if value in ("auto", "cpu", "gpu"):
        return str(value)
    whole = isinstance(value, list) and value and all(_names_gpu(item) for item in value)
    if not isinstance(value, list) or not whole or len(set(value)) < len(value):
        what = f"must be auto, cpu, gpu or a list of different GPU numbers or UUIDs such as [0, 1], not {shown(value)}"
        raise faults_error(Fault(what, f"write [{value}]" if type(value) is int else ""))
    return tuple(value)


def _read_library(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise faults_error(Fault(f"must be a list of folders, not {shown(value)}", "write it as [folder]"))
    faults = [
        Fault(f"must be a folder's name, not {shown(item)}", "", (place,))
        for place, item in enumerate(value)
        if item is not None and not (isinstance(item, str) and item)
    ]
    faults += [
        Fault(fault, "write the whole path", (place,))
        for place, item in enumerate(value)
        if isinstance(item, str) and (fault := home_fault(item))
    ]
    if faults:
        raise faults_error(*faults)
    return tuple(absolute(item, info) for item in value if item is not None)  # which is told already


class Watch(StrictModel):
    """When dropped files are taken."""

    settle_seconds: Annotated[Duration, Field(description="how long files must be still before they are taken")] = 5.0
    rescan_seconds: Annotated[
        PositiveDuration, Field(description="how often the inbox is listed, whatever the events say")
    ] = 30.0
    incomplete_after: Annotated[
        Duration, Field(description="how long a sidecar waits for missing images before it fails")
    ] = 3600.0
    polling: Annotated[
        bool | Literal["auto"],
        BeforeValidator(lambda value: value if isinstance(value, bool) or value == "auto" else _polling_fault(value)),
        WithJsonSchema({"enum": ["auto", True, False]}),
        Field(description="poll instead of relying on events: auto does so on network file systems"),
    ] = "auto"


def _polling_fault(value: object) -> object:
    raise faults_error(Fault(f"must be auto, true or false, not {shown(value)}"))


class Jobs(StrictModel):
    """How often a job is tried, and when a worker is given up."""

    attempts: Annotated[int, Field(ge=1, le=100, description="runs before a job fails")] = 3
    backoff_seconds: Annotated[
        tuple[float, ...],
        BeforeValidator(_read_backoff),
        WithJsonSchema({"type": "array", "items": DURATION_SCHEMA, "minItems": 1}),
        Field(description="pause before the second run, the third, …; the last one repeats"),
    ] = (60.0, 300.0)
    stall_timeout: Annotated[PositiveDuration, Field(description="a job without a step for so long is ended")] = 600.0
    checkpoint_seconds: Annotated[PositiveDuration, Field(description="how often a running job's state is saved")] = (
        60.0
    )


class Limits(StrictModel):
    """What is refused, and when no job starts."""

    max_megapixels: Annotated[float, Field(gt=0, le=10_000, description="of an image")] = 50.0
    max_file_mb: Annotated[float, Field(gt=0, le=100_000, description="of an image's file")] = 100.0
    max_sidecar_kb: Annotated[float, Field(gt=0, le=1024, description="of a sidecar")] = 64.0
    max_jobs: Annotated[int, Field(ge=1, le=9999, description="of one sidecar")] = 1000
    max_priority: Annotated[
        int, Field(ge=-1_000_000, le=1_000_000, description="of a sidecar; a higher one counts as this")
    ] = 1_000_000
    min_free_gb: Annotated[
        float,
        Field(ge=0, le=1_000_000, description="free disk space without which no job starts"),
    ] = 2.0

    @property
    def max_sidecar_bytes(self) -> int:
        """As ``max_sidecar_kb`` (KiB) has it."""
        return int(self.max_sidecar_kb * 1024)


class Hooks(StrictModel):
    """Programs that are told what happens; an empty list names none."""

    done: Annotated[Hook, Field(description="when a job has left a picture (done or stopped)")] = ()
    failed: Annotated[Hook, Field(description="when a job has failed or was cancelled")] = ()
    empty: Annotated[Hook, Field(description="when the last job of the queue has its end")] = ()
    trouble: Annotated[Hook, Field(description="when something keeps the queue from going on")] = ()

    def faults(self) -> Iterator[tuple[str, str]]:
        """Each hook whose program this user cannot run, and why."""
        for name in type(self).model_fields:
            command = getattr(self, name)
            if command and (why := program_fault(command[0])):
                yield name, why


def _read_weights(value: str, info: ValidationInfo) -> str:
    return value if value in ("auto", "untrained") else str(absolute(value, info))


def _read_metrics(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value:
        return None if value == "" else value
    if not value.endswith(".prom") or value.rpartition("/")[2] == ".prom" or "\0" in value:
        what = f"must be the path of a file that ends in .prom, not {shown(value)}: node_exporter reads no other"
        raise faults_error(Fault(what))
    return absolute(value, info)


_FOLDER = Expected("a folder's name, as text")


class ConfigFile(StrictModel):
    """Every key of config.yaml: paths are absolute, durations in seconds, once they have been read."""

    inbox: Annotated[Folder, Field(description="where people drop pairs"), _FOLDER] = Path("inbox")
    outbox: Annotated[Folder, Field(description="where results go"), _FOLDER] = Path("outbox")
    library: Annotated[
        tuple[Path, ...],
        BeforeValidator(_read_library),
        WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
        Field(description="folders with style images, only read"),
    ] = ()
    weights: Annotated[
        str,
        Field(min_length=1, description="auto, untrained, or the path of a Keras notop h5 file"),
        AfterValidator(_read_weights),
        Expected("auto, untrained or a path, as text"),
    ] = "auto"
    device: Annotated[
        str | tuple[int | str, ...],
        BeforeValidator(_read_device),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": ["auto", "cpu", "gpu"]},
                    {
                        "type": "array",
                        "items": {
                            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^(GPU|MIG)-"}]
                        },
                        "minItems": 1,
                        "uniqueItems": True,
                    },
                ]
            }
        ),
        Field(description="auto (every GPU, else the CPU), cpu, gpu, or GPU numbers or UUIDs"),
    ] = "auto"
    defaults: Annotated[Defaults, Field(description="any sidecar key but content, style, vary and title")] = Field(
        default_factory=Defaults
    )
    after: Annotated[Literal["archive", "keep", "delete"], Field(description="what becomes of the images")] = "archive"
    watch: Annotated[Watch, Field(description="when dropped files are taken")] = Field(default_factory=Watch)
    jobs: Annotated[Jobs, Field(description="how often a job is tried")] = Field(default_factory=Jobs)
    limits: Annotated[Limits, Field(description="what is refused")] = Field(default_factory=Limits)
    hooks: Annotated[Hooks, Field(description="programs that are told what happens")] = Field(default_factory=Hooks)
    metrics: Annotated[
        Path | None,
        BeforeValidator(_read_metrics),
        WithJsonSchema({"type": "string"}),
        Field(
            description="a Prometheus textfile NAME.prom that is kept up to date; empty: none",
            json_schema_extra={"default": ""},
        ),
        Expected("the path of a file NAME.prom, as text"),
    ] = None
    schedule: Annotated[
        Schedule, Field(description="the hours at which jobs may run, a window or a list of such; empty: always")
    ] = ()
    executor: Annotated[
        Literal["local", "slurm"],
        Field(description="where jobs are painted: by workers of this machine, or by a Slurm cluster's"),
    ] = "local"
    slurm: Annotated[Slurm, Field(description="what is asked of the cluster")] = Field(default_factory=Slurm)
