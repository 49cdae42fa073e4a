"""Checks of a cluster: whether Slurm would take a worker as config.yaml asks for it, and what its nodes can see.

Nothing is submitted: ``sbatch --test-only`` asks the controller whether it would take it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.daemon.slurm.commands import LIMIT_SECONDS, options_of
from nst_batch.doctor.check import Check, Machine
from nst_batch.doctor.folders import existing, file_system
from nst_batch.names import typed
from nst_batch.spool.inbox.polling import is_network

COMMANDS = ("sbatch", "squeue", "scancel")


def cluster(config: Config, machine: Machine) -> Iterator[Check]:
    """Slurm's commands and its word, then where the files lie that its nodes need."""
    missing = [name for name in COMMANDS if not machine.has_command(name)]
    if missing:
        advice = "install Slurm's commands here (Debian: slurm-client), or put their folder on the PATH"
        yield Check("Slurm", "bad", f"{', '.join(missing)} not on the PATH", advice)
    else:
        yield _word(config, machine)
    yield _seen_by_nodes(config, machine)


def _word(config: Config, machine: Machine) -> Check:
    answer = machine.run(["sbatch", "--test-only", *options_of(config.slurm), "--wrap=true"], LIMIT_SECONDS)
    ping = "scontrol ping tells whether its controller is there; without munge no command is heard"
    if answer is None:
        return Check("Slurm", "bad", f"sbatch gave no answer within {duration(LIMIT_SECONDS)}", ping)
    said = [line.strip().removeprefix("sbatch: ") for line in answer.err.splitlines() if line.strip()]
    if answer.status != 0:
        what = "; ".join(line.removeprefix("error: ") for line in said) or f"sbatch ended with {answer.status}"
        return Check("Slurm", "bad", f"takes no worker: {what}", f"correct slurm: in config.yaml; {ping}")
    return Check("Slurm", "ok", f"takes a worker: {said[-1] if said else 'sbatch --test-only is content'}")


def _seen_by_nodes(config: Config, machine: Machine) -> Check:
    """Nodes need the folders, the weights and the program at the same paths."""
    places = [config.inbox, config.outbox, Path(sys.prefix)]
    if config.weights not in ("auto", "untrained"):
        places.append(Path(config.weights))
    mounts = machine.read("/proc/self/mountinfo")
    kinds = {place: file_system(existing(place), mounts) for place in places}
    own = {place: kind for place, kind in kinds.items() if not is_network(kind)}
    if not own:
        return Check("shared files", "ok", f"{', '.join(dict.fromkeys(kinds.values()))}: nodes may have it as well")
    what = ", ".join(f"{place} ({kind or 'unknown'})" for place, kind in own.items())
    partition = f"--partition={typed(config.slurm.partition)} " if config.slurm.partition else ""
    advice = (
        "right where this machine is the file server; srun "
        f"{partition}ls -d {typed(*own)} asks a node whether it sees the same"
    )
    return Check("shared files", "warn", f"on a disk of this machine's own: {what}", advice)
