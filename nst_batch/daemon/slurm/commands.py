"""Slurm's own commands, run beside the loop: a controller that is slow, or away, holds nothing up.

Plain ``sbatch``, ``squeue`` and ``scancel``: what they print is documented and has been stable for a decade, and a
command that ends says for certain whether the controller has answered.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from nst_batch.child import end_group
from nst_batch.clock import duration
from nst_batch.config.slurm import Slurm

LIMIT_SECONDS = 60.0  # a command that takes longer is ended; Slurm's own patience with a controller is 10 s a try
QUEUE_FORMAT = "%A|%j|%T|%N|%r"
LIVE = frozenset(
    "PENDING RUNNING CONFIGURING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT REQUEUED REQUEUE_HOLD "  # noqa: SIM905
    "REQUEUE_FED RESIZING RESV_DEL_HOLD SPECIAL_EXIT".split()
)


@dataclass(frozen=True)
class QueueEntry:
    """One of Slurm's jobs: its number, name, state in Slurm's words, node ("" before it has one), why it waits."""

    slurm_id: str
    name: str
    state: str
    node: str
    why: str

    @property
    def lives(self) -> bool:
        """Whether something of it may still run, now or later."""
        return self.state in LIVE


class Command:
    """One command at work. What it prints goes to files without names, so that no pipe can fill."""

    def __init__(self, arguments: Sequence[str], now: float, given: str = "") -> None:
        """``given`` is its standard input. OSError where it cannot be started."""
        self._arguments = arguments
        self._deadline = now + LIMIT_SECONDS
        self._out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by done()
        self._err: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by done()
        with tempfile.TemporaryFile() as input_file:
            input_file.write(given.encode())
            input_file.seek(0)
            self._process = subprocess.Popen(
                arguments, stdin=input_file, stdout=self._out, stderr=self._err, start_new_session=True
            )

    def done(self, now: float) -> CommandEnd | None:
        """How it ended; None while it runs. To be called until it has."""
        code = self._process.poll()
        if code is None and now < self._deadline:
            return None
        if code is None:
            end_group(self._process)  # sites put scripts of their own in front of Slurm's
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        why = "" if code == 0 else _reason(self._arguments[0], code, texts[1])
        return CommandEnd(texts[0], why)


@dataclass(frozen=True)
class CommandEnd:
    """What a command printed, and why it failed ("" where it did not)."""

    text: str
    why: str


def _reason(command: str, code: int | None, said: str) -> str:
    if code is None:
        return f"{command} took more than {duration(LIMIT_SECONDS)}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"{command} ended with exit code {code}"


def submit(settings: Slurm, name: str, script: str, now: float) -> Command:
    """Ask for one allocation that runs ``script``; prints its number."""
    return Command(["sbatch", "--parsable", f"--job-name={name}", *options_of(settings)], now, script)


def options_of(settings: Slurm) -> list[str]:
    """What sbatch is told of an allocation, whatever its name."""
    options = {
        "partition": settings.partition,
        "account": settings.account,
        "gres": f"gpu:{settings.gpus}" if settings.gpus else "",
        "cpus-per-task": settings.cpus or "",
        "mem": settings.memory,
        "time": math.ceil(settings.time_limit / 60) if settings.time_limit else "",  # in minutes
    }
    return [
        "--chdir=/",
        "--output=/dev/null",  # the script itself opens its log, once it knows whose folder it is in
        "--no-requeue",  # what becomes of the job is this daemon's to decide
        f"--signal=B:TERM@{settings.warn_seconds:.0f}",
        *(f"--{key}={value}" for key, value in options.items() if value != ""),
        *settings.arguments,
    ]


def ask_queue(now: float) -> Command:
    """Ask what has become of this user's jobs, those that ended of late included."""
    return Command(["squeue", "--me", "--states=all", "--noheader", f"--format={QUEUE_FORMAT}"], now)


def cancel(slurm_id: str, name: str, now: float) -> Command:
    """End one of Slurm's jobs, wherever it stands: a controller that has lost its state gives numbers anew."""
    return Command(["scancel", f"--name={name}", slurm_id], now)


def queue_entries(text: str) -> list[QueueEntry]:
    """What :func:`ask_queue` printed, without what is none of its lines."""
    rows = (line.strip().split("|") for line in text.splitlines())
    return [QueueEntry(*(part.strip() for part in row)) for row in rows if len(row) == 5]
