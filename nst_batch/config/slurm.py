"""The key ``slurm`` of config.yaml: what is asked of the cluster for each worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from nst_batch.config.values import Duration, PositiveDuration, Words
from nst_batch.strict_yaml.models import Expected, Fault, StrictModel, faults_error
from nst_batch.strict_yaml.reader import shown

_OWN_OPTIONS = (
    *("--job-name", "-J", "--output", "-o", "--error", "-e", "--chdir", "-D", "--input", "-i", "--open-mode"),
    *("--requeue", "--signal", "--array", "-a", "--wrap", "--wait", "-W", "--parsable", "--quiet", "-Q", "--test-only"),
)


def _not_ours(value: object) -> object:
    """Options of sbatch that decide what this program has to decide would break it quietly."""
    items = value if isinstance(value, list) else []
    for place, item in enumerate(items):
        if isinstance(item, str) and any(map(_means(item), _OWN_OPTIONS)):
            raise faults_error(Fault(f"must not hold {shown(item)}: that one is nst_batch's own", "", (place,)))
    return value


def _means(item: str) -> Callable[[str], bool]:
    """Whether sbatch would take it for an option: by its whole name, by the beginning of one, or as ``-JNAME``."""
    name = item.split("=", maxsplit=1)[0]
    if item.startswith("--"):
        return lambda option: len(name) > len("--") and option.startswith(name)
    return lambda option: len(option) == len("-J") and item.startswith(option)


class Slurm(StrictModel):
    """One allocation, which holds one worker."""

    partition: Annotated[str, Field(description="where workers run; empty: the cluster's default")] = ""
    account: Annotated[str, Field(description="who is charged; empty: the user's default")] = ""
    gpus: Annotated[
        int,
        Field(ge=0, le=1, description="1: each worker has a GPU; 0: it paints on the CPU"),
        Expected("0 or 1: a worker uses one GPU"),
    ] = 1
    cpus: Annotated[int, Field(ge=0, le=4096, description="processors a worker; 0: the cluster's default")] = 0
    memory: Annotated[
        str,
        Field(pattern=r"^([0-9]+[KMGT]?)?$", description="a worker's main memory, as 16G; empty: the cluster's"),
        Expected("an amount as sbatch has it, such as 16G"),
    ] = ""
    time_limit: Annotated[Duration, Field(description="of one allocation; 0: the partition's own")] = 0.0
    warn_seconds: Annotated[
        PositiveDuration, Field(description="so long before the limit a worker saves its state and gives its job back")
    ] = 120.0
    max_queued: Annotated[
        int,
        Field(ge=1, le=100_000, description="allocations in Slurm's queue at a time, running ones included"),
    ] = 10
    arguments: Annotated[
        Words,
        BeforeValidator(_not_ours),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
        Field(description="more options for sbatch, each as text"),
    ] = ()
    setup: Annotated[
        str, Field(description="shell lines that a node runs before the worker, such as module load cuda")
    ] = ""

    @model_validator(mode="after")
    def _warned_in_time(self) -> Slurm:
        """A warning that comes before a worker is up only ends it."""
        if self.time_limit and self.warn_seconds >= self.time_limit:
            what = f"must be shorter than time_limit, which is {self.time_limit:g} seconds"
            raise faults_error(Fault(what, "leave time_limit out, or make it longer", ("warn_seconds",)))
        return self
