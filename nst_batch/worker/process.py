"""The worker process: owns TensorFlow, OpenCV and one device, and stays warm from job to job.

It is started by :mod:`nst_batch.daemon.worker_process` and told what to do as in :mod:`nst_batch.protocol`. Everything
a job needs lies in its folder, so a worker knows nothing of inboxes and queues. It dies with its daemon: by a
parent-death signal, and by the end of its standard input where that signal is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Protocol

from nst_batch.errors import NstError
from nst_batch.filenames import JOB_LOCK_NAME
from nst_batch.images import ImageLimits
from nst_batch.protocol import Message, WorkerOptions, to_line

if TYPE_CHECKING:
    from nst_batch.worker.run_listener import Instruction, Progress, RunEnd

PR_SET_PDEATHSIG = 1
STEP_MESSAGE_SECONDS = 0.25  # a fast GPU makes hundreds of steps a second; a person reads four
ORPHANED_EXIT = 70


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its daemon ends, and end now where it already has."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died between fork and prctl: then no signal ever comes.
    if os.getppid() != parent:
        os._exit(ORPHANED_EXIT)


def claim_stdout() -> BinaryIO:
    """The pipe to the daemon; libraries that print to standard output write to standard error from now on."""
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return pipe


def offer_to_the_oom_killer() -> None:
    """Out of memory, let the kernel choose this process rather than the daemon, which would lose no work but time."""
    with contextlib.suppress(OSError):  # not every container lets a process say so
        Path("/proc/self/oom_score_adj").write_text("500")


class InstructionQueue:
    """What the daemon wants of the job at work; set by the reading thread, read at every step."""

    def __init__(self) -> None:
        self._jobs: list[Message] = []
        self._instruction: Instruction = "go"
        self._ended = False
        self._at_work = False
        self._holds_until = math.inf
        self._changed = threading.Condition()

    @property
    def busy(self) -> bool:
        """Whether there is a job, at work or still to begin."""
        with self._changed:
            return self._at_work or bool(self._jobs)

    def tell(self, message: Message) -> None:
        """Take in one message of the daemon."""
        with self._changed:
            match message["do"]:
                case "job":
                    self._jobs.append(message)
                    self._instruction = "stop" if message.get("stop") else "go"
                case "stop" | "cancel" | "yield" as instruction:
                    self._instruction = instruction
                case "end":
                    self._ended = True
                    self._instruction = "yield"
            self._changed.notify_all()

    def known_until(self, moment: float) -> None:
        """What is known now holds until then (monotonic): nothing goes on after it before this is called again."""
        with self._changed:
            self._holds_until = moment
            self._changed.notify_all()

    def instruction(self) -> Instruction:
        """What the running job should do now; waits where that may not be known any more."""
        with self._changed:
            self._changed.wait_for(lambda: time.monotonic() < self._holds_until)
            return self._instruction

    def next_job(self) -> Message | None:
        """Wait for a job; None when there is no more work."""
        with self._changed:
            self._at_work = False
            self._changed.wait_for(lambda: bool(self._jobs) or self._ended)
            self._at_work = not self._ended
            return None if self._ended else self._jobs.pop(0)


def listen(instructions: InstructionQueue) -> None:
    """Read the daemon's messages until it closes the pipe, which means that it is gone."""
    import json  # noqa: PLC0415

    for line in sys.stdin.buffer:
        instructions.tell(json.loads(line))
    # No finally, no at-exit: another daemon may already be recovering this job.
    os._exit(ORPHANED_EXIT)


def _listen_to_the_end(listen: Callable[[InstructionQueue], None], instructions: InstructionQueue) -> None:
    """A worker that hears nothing any more ends: nobody could stop it, or give it another job."""
    try:
        listen(instructions)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


class Pipe(Protocol):
    """What takes a message to the daemon."""

    def write(self, line: bytes, /) -> int | None:
        """Send one whole line."""


class Reporter:
    """Sends what a person or the daemon wants to know of a job at work."""

    wants_pictures = False

    def __init__(self, pipe: Pipe, step_seconds: float = STEP_MESSAGE_SECONDS) -> None:
        """``step_seconds``: no two steps are told within that time."""
        self._pipe = pipe
        self._step_seconds = step_seconds
        self._lock = threading.Lock()
        self._last_step = 0.0

    def say(self, what: str, **fields: object) -> None:
        """Send one message."""
        with self._lock:
            self._pipe.write(to_line({"say": what, **fields}))

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """Tell of a step, not more often than a person reads; an epoch's end is always told."""
        now = time.monotonic()
        if epoch_end or now - self._last_step >= self._step_seconds:
            self._last_step = now
            self.say("epoch" if epoch_end else "step", **progress._asdict())

    def picture(self, rgb: object) -> None:
        """Pictures go into the running folder, not through the pipe."""
        raise NotImplementedError


def memory_mb() -> float:
    """The most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(options: WorkerOptions, reporter: Reporter, listen: Callable[[InstructionQueue], None] = listen) -> int:
    """Work until told to end; the exit code is 0 unless the worker cannot work at all.

    ``listen``, on a thread of its own, carries the daemon's messages over. A worker that outlives its daemon takes no
    lock: whoever gave it the machine says whether it lives, and a lock is not seen on every file system.
    """
    instructions = InstructionQueue()
    # systemd and a terminal's Ctrl-C signal the whole group: the daemon decides what becomes of the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: instructions.tell({"do": "end"}))
    threading.Thread(target=_listen_to_the_end, args=(listen, instructions), daemon=True).start()
    try:
        # Imported here: TensorFlow takes seconds, and the parent-death signal must stand before that.
        from nst_batch.worker.job_run import JobRun  # noqa: PLC0415
        from nst_batch.worker.session import DeviceSession  # noqa: PLC0415

        limits = ImageLimits(max_megapixels=options.max_megapixels, max_file_mb=options.max_file_mb)
        session = DeviceSession.open(options.weights, options.device, limits, options.checkpoint_seconds, options.note)
        able: Message = {"rate": session.rate(), "precision": session.precision("auto")}
        able["memory_mb"] = session.place.room.total_mb
    except NstError as error:
        reporter.say("fault", reason=asdict(error.reason))
        return error.exit_code
    reporter.say("ready", device=session.device, weights=session.weights.source, **able)

    def run(claim: Path, folder: Path, running: Path, last_for_memory: bool) -> RunEnd:
        # The outbox is others' to write to as well: what they turn into a link leads nowhere.
        session.files.keep_beneath(claim.parent, running.parents[1])
        return JobRun(session, claim, folder, running, instructions, reporter, last_for_memory=last_for_memory).run()

    while not session.spent and (message := instructions.next_job()) is not None:
        do_job(run, message, reporter, locked=bool(options.parent))
    return 0


def do_job(
    run: Callable[[Path, Path, Path, bool], RunEnd], message: Message, reporter: Reporter, *, locked: bool = True
) -> None:
    """Do one job while its lock is held, and say how it ended; ``run`` takes the first arguments of a ``JobRun``."""
    from nst_batch.spool.disk.lock import hold  # noqa: PLC0415

    claim, folder, running = (Path(message[name]) for name in ("claim", "folder", "running"))
    reporter.say("taken", job=message["job"])
    try:
        with hold(folder / JOB_LOCK_NAME) if locked else contextlib.nullcontext():
            state = run(claim, folder, running, message["last_for_memory"])
    except OSError as error:
        refusal = _refusal(error, folder, running)
        if refusal is None:
            raise
        reporter.say("refused", reason=asdict(refusal.reason))
    else:
        if state == "yielded":
            reporter.say("yielded")
        else:
            reporter.say("finished", state=state, memory_mb=memory_mb())


def _refusal(error: OSError, folder: Path, running: Path) -> NstError | None:
    """Why nothing can be written, where that is no fault of the job; None where it may be one."""
    from nst_batch.spool.disk.blocked import SpoolBlocked, blocked_by, is_one_files  # noqa: PLC0415

    for place in (folder, running):
        if not place.is_dir():
            return SpoolBlocked("folder_gone", f"{place} is gone; unmounted, or removed?")
    return None if is_one_files(error) else blocked_by(error)


def main() -> int:
    """Entry point of ``python -m nst_batch.worker.process OPTIONS``."""
    options = WorkerOptions.model_validate_json(sys.argv[1])
    die_with_parent(options.parent)
    offer_to_the_oom_killer()
    return serve(options, Reporter(claim_stdout()))


def run_and_exit(main: Callable[[], int]) -> NoReturn:
    """Run a worker's ``main`` and end this process with its exit code, or with 1 where it raised."""
    try:
        code = main()
    except BaseException:
        # Said here and ended below: the reading thread would make Python's own way out a second crash.
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # TensorFlow's own clean-up at exit can hang on a GPU; nothing of ours is left to be written.
    os._exit(code)


if __name__ == "__main__":
    run_and_exit(main)
