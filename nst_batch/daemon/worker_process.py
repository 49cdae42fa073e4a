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
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch.config.load import Config
from nst_batch.daemon.devices import WorkerDevice
from nst_batch.machine_memory import oom_kills
from nst_batch.protocol import LineReader, Message, WorkerOptions, to_line
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem

LOG_TAIL_BYTES = 4000
GO_SECONDS, KILL_SECONDS = 2.0, 5.0  # to end by itself, and once it is killed
WORKER_COMMAND = (sys.executable, "-m", "nst_batch.worker.process")


def worker_options(config: Config, *, parent: int, device: str, note: str = "") -> WorkerOptions:
    """What a worker is started with; ``parent`` 0 for one that outlives the daemon."""
    return WorkerOptions(
        parent=parent,
        weights=str(config.weights),
        device=device,
        max_megapixels=config.limits.max_megapixels,
        max_file_mb=config.limits.max_file_mb,
        checkpoint_seconds=config.jobs.checkpoint_seconds,
        note=note,
    )


def job_message(job: Job) -> Message:
    """What hands a job to a worker, wherever that runs."""
    return {
        "do": "job",
        "job": job.id,
        "claim": str(job.claim_folder),
        "folder": str(job.folder),
        "running": str(job.running),
        "stop": job.to_stop,
        "last_for_memory": job.attempts.is_last_for_memory,
    }


def log_tail(log: int, *, since: int = 0) -> str:
    """The end of what a worker wrote to standard error, an open file, from byte ``since`` on."""
    try:
        begin = max(since, os.fstat(log).st_size - LOG_TAIL_BYTES)
        return os.pread(log, LOG_TAIL_BYTES, begin).decode(errors="replace").strip()
    except OSError as error:
        return f"(its log could not be read: {error.strerror})"


def last_words(said: str) -> str:
    """``: …`` with the last line of what a worker wrote to standard error; "" where it wrote nothing."""
    lines = said.strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""


class WorkerProcess:
    """One worker process and what it is doing. ``command`` is what starts it, but for its options.

    Its log is opened once, by ``files``: whatever has its folder's name later is neither written to nor read.
    """

    def __init__(
        self,
        device: WorkerDevice,
        options: WorkerOptions,
        files: FileSystem,
        log: Path,
        now: float,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        """OSError where the log cannot be written, or the process not be started."""
        self.device = device
        self.options = options
        self.outdated = False  # its options are not those of the config any more
        self.job: Job | None = None
        self.progress: Message = {}
        self.ready = False
        self.compiles = False  # it was told that its GPU's code is being compiled
        self.ending = False
        self.lost = False  # it was killed and has not gone: see reap()
        self.last_beat = now  # monotonic; when it last showed that it gets on
        self.jobs_done = 0
        self.memory_mb = 0.0
        self.fault: Message | None = None
        self.fits: dict[str, int] | None = None  # the sizes that the memory does for, where the job's may be too much
        self._kills_before = oom_kills()
        self.details: Message = {}
        self._said_to_start = 0  # bytes of the log
        self._log = files.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        weakref.finalize(self, os.close, self._log)
        self.process = subprocess.Popen(
            [*command, options.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
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
    def at_work(self) -> bool:
        """Whether it has a job."""
        return self.job is not None

    @property
    def idle(self) -> bool:
        """Ready and without a job."""
        return self.ready and self.job is None and not self.ending

    def give(self, job: Job, now: float) -> None:
        """Hand a job to an idle worker."""
        self.job, self.progress, self.last_beat, self.fits = job, {}, now, None
        self._kills_before = oom_kills()
        self.tell(job_message(job))

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
                    with contextlib.suppress(OSError):
                        self._said_to_start = os.fstat(self._log).st_size
                case "step" | "epoch":
                    self.progress = message
                case "fault":
                    self.fault = message
                case "fits":
                    self.fits = {key: message[key] for key in ("size", "style_size") if key in message}
                case "finished":
                    self.jobs_done += 1
                    self.memory_mb = message["memory_mb"]
        return messages

    @property
    def closed(self) -> bool:
        """It has closed its pipe: it is gone or going."""
        return self._reader.at_end

    def reap(self) -> ProcessEnd | None:
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
        # What it said while it started, TensorFlow's remarks for one, is not why a worker dies that was ready.
        return ProcessEnd(code, log_tail(self._log, since=self._said_to_start), killed_for_memory)

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
        return log_tail(self._log)


@dataclass(frozen=True)
class ProcessEnd:
    """How a worker ended: an exit code, or minus the number of a signal as subprocess has it."""

    code: int
    stderr: str
    out_of_memory: bool = False  # the kernel ended it for want of memory

    @property
    def kind(self) -> Literal["exit", "signal"]:
        """Whether a signal ended it."""
        return "signal" if self.code < 0 else "exit"

    @property
    def last_words(self) -> str:
        """See :func:`last_words`."""
        return last_words(self.stderr)

    @property
    def is_unfit(self) -> bool:
        """Whether this machine can never run it."""
        return self.code == -signal.SIGILL

    def __str__(self) -> str:
        """``was killed by SIGSEGV`` or ``ended with exit code 1``."""
        if self.out_of_memory:
            return "was ended by the kernel, for the machine has run out of memory"
        if self.code < 0:
            try:
                name = signal.Signals(-self.code).name
            except ValueError:
                name = f"signal {-self.code}"
            lacks = ", for this processor lacks an instruction: TensorFlow's packages want AVX"
            return f"was killed by {name}" + (lacks if self.is_unfit else "")
        return f"ended with exit code {self.code}"
