"""What a check says, and what the checks ask of the machine."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch import machine_memory
from nst_batch.child import Answer, ask
from nst_batch.gpus import Gpus, device_faults, find_gpus

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """One finding. ``warn``: it works, but you may want to know; ``bad``: it keeps jobs from being done."""

    name: str
    state: State
    what: str
    advice: str = ""


class Machine:
    """The machine as the checks see it; tests put another in its place."""

    environ: Mapping[str, str] = os.environ
    has_network: bool = True  # for what is fetched at need

    def read(self, path: str) -> str:
        """The text of a file below /proc or /sys, empty where there is none."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def run(self, command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
        """Run a command to its end; None where it cannot be started or takes longer than ``seconds``.

        ``environ``: what it is told besides.
        """
        # TensorFlow's remarks at import would drown what is asked of it.
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        return ask(command, seconds, {**self.environ, **quiet, **(environ or {})})

    def python(self, script: str, seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
        """Run a script in a fresh interpreter like this one."""
        return self.run([sys.executable, "-c", script], seconds, environ)

    def memory_mb(self) -> tuple[float, float]:
        """What a worker can still get of its memory, and all there is (MB of 2²⁰ bytes); 0 where that is not known."""
        return machine_memory.free_mb(), machine_memory.total_mb()

    def has_command(self, name: str) -> bool:
        """Whether a command of this name can be found."""
        return shutil.which(name) is not None

    def gpus(self) -> Gpus:
        """The NVIDIA GPUs that may be used."""
        return find_gpus()

    def device_faults(self) -> str:
        """Which of the GPUs' device files cannot be opened, and why."""
        return device_faults()

    def inotify_error(self) -> str:
        """Why no further inotify instance can be had; empty where one can."""
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = int(library.inotify_init1(os.O_CLOEXEC))
        if descriptor < 0:
            return os.strerror(ctypes.get_errno())
        os.close(descriptor)
        return ""
