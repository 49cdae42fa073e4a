"""The keys of config.yaml as a person writes them, each with its own reading."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from nst_batch.config.schedule import Schedule
from nst_batch.sidecar.keys import InboxPatch, Output
from nst_batch.strict_yaml.models import Expected, Fault, StrictModel, faults_error, one_of
from nst_batch.strict_yaml.reader import shown

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_IN_WORDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?|rs?)?|d(?:ays?)?)\.?")
_LONGEST = 366 * 86400.0


def _read_duration(value: object) -> float:
    """Seconds of a number or of ``10m``, ``1h``, ``2d``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        words = _IN_WORDS.fullmatch(value.lower()) if isinstance(value, str) else None
        fix = f"write {words[1]}{words[2][0]}" if words else ""
        raise faults_error(Fault(f"must be seconds or a duration such as 10m, 1h or 2d, not {shown(value)}", fix))
    if not 0 <= seconds <= _LONGEST:
        raise faults_error(Fault(f"must be from 0 seconds to a year, not {shown(value)}"))
    return seconds


def _read_positive_duration(value: object) -> float:
    seconds = _read_duration(value)
    if seconds == 0:
        raise faults_error(Fault("must be longer than 0"))
    return seconds


_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*[smhd]$"},
    ]
}
Duration = Annotated[float, BeforeValidator(_read_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[float, BeforeValidator(_read_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]


def _read_backoff(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise faults_error(Fault("must hold at least one duration"))
    return tuple(_read_duration(item) for item in items)


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


def _read_library(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise faults_error(Fault(f"must be a list of folders, not {shown(value)}", "write it as [folder]"))
    faults = [
        Fault(f"must be a folder's name, not {shown(item)}", "", (place,))
        for place, item in enumerate(value)
        if not isinstance(item, str) or not item
    ]
    if faults:
        raise faults_error(*faults)
    return tuple(value)


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

    attempts: Annotated[
        int,
        Field(ge=1, le=100, description="runs before a job fails"),
        Expected("a whole number from 1 to 100"),
    ] = 3
    backoff_seconds: Annotated[
        tuple[float, ...],
        BeforeValidator(_read_backoff),
        WithJsonSchema({"type": "array", "items": _DURATION_SCHEMA, "minItems": 1}),
        Field(description="pause before the second run, the third, …; the last one repeats"),
    ] = (60.0, 300.0)
    stall_timeout: Annotated[PositiveDuration, Field(description="a job without a step for so long is ended")] = 600.0
    checkpoint_seconds: Annotated[PositiveDuration, Field(description="how often a running job's state is saved")] = (
        60.0
    )


class Limits(StrictModel):
    """What is refused, and when no job starts."""

    max_megapixels: Annotated[
        float, Field(gt=0, le=10_000, description="of an image"), Expected("a number above 0, at most 10000")
    ] = 50.0
    max_file_mb: Annotated[
        float,
        Field(gt=0, le=100_000, description="of an image's file"),
        Expected("a number above 0, at most 100000"),
    ] = 100.0
    max_sidecar_kb: Annotated[
        float, Field(gt=0, le=1024, description="of a sidecar"), Expected("a number above 0, at most 1024")
    ] = 64.0
    max_jobs: Annotated[
        int, Field(ge=1, le=9999, description="of one sidecar"), Expected("a whole number from 1 to 9999")
    ] = 1000
    max_priority: Annotated[
        int,
        Field(ge=-1_000_000, le=1_000_000, description="of a sidecar; a higher one counts as this"),
        Expected("a whole number from -1000000 to 1000000"),
    ] = 1_000_000
    min_free_gb: Annotated[
        float,
        Field(ge=0, le=1_000_000, description="free disk space without which no job starts"),
        Expected("a number of at least 0"),
    ] = 2.0


def _read_command(value: object) -> tuple[str, ...]:
    items = tuple(value) if isinstance(value, (list, tuple)) else None
    if items is None or not all(isinstance(item, str) for item in items) or (items and not items[0]):
        fix = f"write it as [{value}]" if isinstance(value, str) and value else ""
        what = f"must be a list, the program and its arguments, each as text, not {shown(value)}"
        raise faults_error(Fault(what, fix))
    if any("\0" in item for item in items):
        raise faults_error(Fault("must not hold a zero byte"))
    return items


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_read_command),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


class Hooks(StrictModel):
    """Programs that are told what happens; an empty list names none."""

    done: Annotated[Command, Field(description="when a job has left a picture (done or stopped)")] = ()
    failed: Annotated[Command, Field(description="when a job has failed or was cancelled")] = ()
    empty: Annotated[Command, Field(description="when the last job of the queue has its end")] = ()
    trouble: Annotated[Command, Field(description="when something keeps the queue from going on")] = ()


def _check_metrics(value: str) -> str:
    if value and (not value.endswith(".prom") or value.rpartition("/")[2] == ".prom" or "\0" in value):
        what = f"must be the path of a file that ends in .prom, not {shown(value)}: node_exporter reads no other"
        raise faults_error(Fault(what))
    return value


class Defaults(InboxPatch):
    """What sidecars that do not say otherwise ask for: any of their keys but content, style and title."""

    output: Output = None
    path_output: Annotated[Output, Field(description="another name of output")] = None


_FOLDER = Expected("a folder's name, as text")


class ConfigFile(StrictModel):
    """Every key of config.yaml, as a person writes it."""

    inbox: Annotated[str, Field(min_length=1, description="where people drop pairs"), _FOLDER] = "inbox"
    outbox: Annotated[str, Field(min_length=1, description="where results go"), _FOLDER] = "outbox"
    library: Annotated[
        tuple[str, ...],
        BeforeValidator(_read_library),
        WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
        Field(description="folders with style images, only read"),
    ] = ()
    weights: Annotated[
        str,
        Field(min_length=1, description="auto, untrained, or the path of a Keras notop h5 file"),
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
    defaults: Annotated[Defaults, Field(description="any sidecar key but content, style, title")] = Field(
        default_factory=Defaults
    )
    after: Annotated[
        Literal["archive", "keep", "delete"],
        Field(description="what becomes of the images"),
        one_of("archive", "keep", "delete"),
    ] = "archive"
    watch: Annotated[Watch, Field(description="when dropped files are taken")] = Field(default_factory=Watch)
    jobs: Annotated[Jobs, Field(description="how often a job is tried")] = Field(default_factory=Jobs)
    limits: Annotated[Limits, Field(description="what is refused")] = Field(default_factory=Limits)
    hooks: Annotated[Hooks, Field(description="programs that are told what happens")] = Field(default_factory=Hooks)
    metrics: Annotated[
        str,
        AfterValidator(_check_metrics),
        Field(description="a Prometheus textfile NAME.prom that is kept up to date; empty: none"),
        Expected("the path of a file NAME.prom, as text"),
    ] = ""
    schedule: Annotated[
        Schedule, Field(description="the hours at which jobs may run, a window or a list of such; empty: always")
    ] = ()
