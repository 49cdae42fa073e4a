"""Child processes that nobody waits for without bound.

One in the kernel's uninterruptible sleep, mostly for a driver or a disk that has gone, takes no signal: nvidia-smi of a
GPU that has fallen off the bus is the usual one. It is left to itself and goes when the kernel lets it; so is one that
has become another user's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GO_SECONDS = 1.0  # a killed process is gone within that, or the kernel holds it

_left: list[subprocess.Popen[Any]] = []  # killed and not gone; kept, so that they are reaped in the end


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit status (negative: the signal), and what it wrote."""

    status: int
    out: str
    err: str


def ask(command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
    """Run a command to its end; None where it cannot be started or takes longer than ``seconds``."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
        )
    except OSError:
        return None
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return None
    return Answer(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def end_group(process: subprocess.Popen[Any]) -> None:
    """As :func:`end`, with whatever it has started: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the second of what has become another user
        os.killpg(process.pid, signal.SIGKILL)
    end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill it and wait for it, not for long."""
    _left[:] = [other for other in _left if other.poll() is None]
    with contextlib.suppress(PermissionError):  # one that has become another user: sudo
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GO_SECONDS)
    if process.returncode is None:
        _left.append(process)
