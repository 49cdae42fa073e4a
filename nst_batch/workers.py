"""The daemon's side of its workers: start them, feed them, listen to them, end and replace them.

One worker owns one device. The daemon never imports what a worker needs, so that whatever kills a worker
(a segfault, the out-of-memory killer, a hang that is ended here) kills nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from nst_batch.errors import SetupError
from nst_batch.gpus import MASK, Gpu, Gpus, nvidia_on_the_bus
from nst_batch.memory import oom_kills
from nst_batch.messages import LineReader, Message, to_line
from nst_batch.transfer.errors import DEVICE_MISSING
from nst_batch.worker import WorkerOptions

STDERR_TAIL_BYTES = 4000
GO_SECONDS, KILL_SECONDS = 2.0, 5.0  # to end by itself, and once it is killed
WORKER_COMMAND = (sys.executable, "-m", "nst_batch.worker")

Job = TypeVar("Job")


@dataclass(frozen=True)
class Device:
    """Where a worker runs: ``cpu``, or a GPU (``gpu:0``).

    One that is not ``insisted`` on may turn out to be of no use; ``note`` says why another one was taken instead.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    insisted: bool = True
    note: str = ""

    @property
    def is_gpu(self) -> bool:
        """Whether it is one."""
        return self.name != "cpu"

    @property
    def cuda_name(self) -> str:
        """What CUDA and its driver know it by."""
        return self.environment.get(MASK, "")


def choose_devices(wanted: str | tuple[int | str, ...], gpus: Gpus) -> tuple[Device, ...]:
    """One device a worker: every GPU asked for, else the CPU.

    ``wanted`` is config.yaml's ``device``. A GPU that was asked for by number or UUID is tried even where none such
    shows, so that the worker says what is wrong with it; but none that is not this process's to use: SetupError. With
    ``auto`` a listed GPU is only a hint that there is one: see :mod:`nst_batch.roster`.
    """
    if wanted == "cpu":
        return (cpu(),)
    if wanted == "auto":
        return tuple(gpu(one, insisted=False) for one in gpus.found) or (cpu(_unused_card(gpus)),)
    if isinstance(wanted, str):
        return tuple(gpu(one) for one in gpus.found or _unlisted(0, gpus))
    found = [one for each in wanted for one in gpus.select(each) or _unlisted(each, gpus)]
    return tuple(gpu(one) for one in dict.fromkeys(found))


def _unlisted(wanted: int | str, gpus: Gpus) -> tuple[Gpu, ...]:
    if gpus.mask is not None:
        raise SetupError(
            DEVICE_MISSING,
            f"device: GPU {wanted} is not one of those that this process may use ({MASK}={gpus.mask})",
            "correct device: in config.yaml, or what the program is started with",
        )
    return (Gpu(wanted) if isinstance(wanted, int) else Gpu(0, wanted),)


def _unused_card(gpus: Gpus) -> str:
    """Why a machine with an NVIDIA card paints on its CPU; empty where it has none, or where it was taken away."""
    if gpus.mask is not None or not nvidia_on_the_bus():
        return ""
    return (
        "painted on the CPU: an NVIDIA card is in this machine, but its driver shows no device (/dev/nvidia0); "
        "install or load it (does nvidia-smi show the GPU?)"
    )


def cpu(note: str = "") -> Device:
    """The processor; GPUs are hidden, so that TensorFlow does not open them."""
    return Device("cpu", {MASK: "-1"}, note=note)


def gpu(one: Gpu, *, insisted: bool = True) -> Device:
    """One GPU; TensorFlow sees this one alone."""
    return Device(one.name, {MASK: one.cuda_name, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, insisted)


class Worker(Generic[Job]):
    """One worker process and what it is doing. ``command`` is what starts it, but for its options."""

    def __init__(
        self,
        device: Device,
        options: WorkerOptions,
        log: Path,
        now: float,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self.device = device
        self.job: Job | None = None
        self.progress: Message = {}
        self.ready = False
        self.ending = False
        self.lost = False  # it was killed and has not gone: see reap()
        self.last_beat = now  # monotonic; when it last showed that it gets on
        self.jobs_done = 0
        self.memory_mb = 0.0
        self.fault: Message | None = None
        self.fits: int | None = None  # the size that the memory does for, where the job's may be too much
        self._kills_before = oom_kills()
        self.details: Message = {}
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, options.model_dump_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1" if device.is_gpu else "2", **device.environment},
                close_fds=True,
                # Ctrl-C in a terminal reaches the whole group: the daemon decides what becomes of a job.
                start_new_session=True,
            )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._reader = LineReader(self.process.stdout.fileno())

    def fileno(self) -> int:
        """The descriptor to wait on."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def idle(self) -> bool:
        """Ready and without a job."""
        return self.ready and self.job is None and not self.ending

    def give(self, job: Job, message: Message, now: float) -> None:
        """Hand a job to an idle worker."""
        self.job, self.progress, self.last_beat, self.fits = job, {}, now, None
        self._kills_before = oom_kills()
        self.tell(message)

    def tell(self, message: Message) -> None:
        """Say something to the worker; a worker that has died is noticed by its pipe, not here."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(to_line(message))
            self.process.stdin.flush()

    def end(self) -> None:
        """Ask it to finish: a running job is put back with a checkpoint."""
        self.ending = True
        self.tell({"do": "end"})

    def read(self, now: float) -> list[Message]:
        """What it has said; every message is a sign of life."""
        messages = self._reader.read()
        for message in messages:
            self.last_beat = now
            match message["say"]:
                case "ready":
                    self.ready = True
                    self.details = message
                case "step" | "epoch":
                    self.progress = message
                case "fault":
                    self.fault = message
                case "fits":
                    self.fits = message["size"]
                case "finished":
                    self.jobs_done += 1
                    self.memory_mb = message["memory_mb"]
        return messages

    @property
    def closed(self) -> bool:
        """It has closed its pipe: it is gone or going."""
        return self._reader.at_end

    def reap(self) -> Death | None:
        """Wait for a worker that is gone or must go, and say how it ended; None where it cannot be ended.

        A process in the kernel's uninterruptible sleep, mostly for a driver or a disk, goes when the kernel lets it.
        """
        code = self._waited(GO_SECONDS)
        if code is None:
            self.kill()
            code = self._waited(KILL_SECONDS)
        if code is None:
            return None
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        killed_for_memory = code == -signal.SIGKILL and oom_kills() > self._kills_before
        return Death(code, self.stderr_tail(), killed_for_memory)

    def _waited(self, seconds: float) -> int | None:
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def stderr_tail(self) -> str:
        """The end of what it wrote to standard error, for a report of its death."""
        try:
            with self._log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - STDERR_TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError as error:
            return f"(its log {self._log} could not be read: {error.strerror})"


@dataclass(frozen=True)
class Death:
    """How a worker ended: an exit code, or minus the number of a signal as subprocess has it."""

    code: int
    stderr: str
    out_of_memory: bool = False  # the kernel ended it for want of memory

    @property
    def kind(self) -> Literal["exit", "signal"]:
        """Whether a signal ended it."""
        return "signal" if self.code < 0 else "exit"

    def __str__(self) -> str:
        """``was killed by SIGSEGV`` or ``ended with exit code 1``."""
        if self.out_of_memory:
            return "was ended by the kernel, for the machine has run out of memory"
        if self.code < 0:
            try:
                name = signal.Signals(-self.code).name
            except ValueError:
                name = f"signal {-self.code}"
            return f"was killed by {name}"
        return f"ended with exit code {self.code}"
