"""All checks in the order to read them: what is quick first, what takes seconds last."""

from __future__ import annotations

from collections.abc import Iterator

from nst_batch.config.load import Config
from nst_batch.doctor import computing, folders
from nst_batch.doctor.check import Check, Machine
from nst_batch.doctor.cluster import cluster
from nst_batch.footing import Footing


def examine(config: Config, machine: Machine | None = None, footing: Footing | None = None) -> Iterator[Check]:
    """Each check as it is made. Nothing is changed, fetched or written for any of them."""
    machine = machine or Machine()
    yield _source(config)
    for name, why in config.hooks.faults():
        advice = "correct it, or make the program executable; what counts is the daemon's own user and PATH"
        yield Check("hooks", "warn", f"{name}: {why}", advice)
    yield from computing.system(footing or Footing.here())
    yield computing.python_version()
    yield computing.processor(machine)
    yield computing.memory(machine)
    yield folders.folder("inbox", config.inbox, write=True)
    yield folders.folder("outbox", config.outbox, write=True)
    for path in config.library:
        yield folders.folder("library", path, write=False)
    yield folders.free_space("inbox", config.inbox, config.limits.min_free_gb)
    yield folders.free_space("outbox", config.outbox, config.limits.min_free_gb)
    yield from folders.file_systems(config, machine)
    yield folders.watches(config, machine)
    yield computing.weights(config, machine)
    yield computing.opencv(machine)
    if config.executor == "slurm":
        yield from cluster(config, machine)
    yield from computing.tensorflow(config, machine)


def _source(config: Config) -> Check:
    if config.source is None:
        return Check("config", "ok", "no config.yaml here: the defaults apply, relative to this folder")
    return Check("config", "ok", str(config.source))
