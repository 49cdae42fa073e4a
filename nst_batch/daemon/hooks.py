"""Hooks: programs of the studio's own that are told what happens. They run beside the loop and never hold it up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch.beneath import Beneath
from nst_batch.child import end_group
from nst_batch.clock import duration
from nst_batch.config.keys import Hooks
from nst_batch.filenames import MANIFEST_NAME
from nst_batch.spool.claims.live_job import Ended

HookEvent = Literal["done", "failed", "empty", "trouble"]

LIMIT_SECONDS = 60.0  # a hook that takes longer is ended
AT_ONCE = 4
WAITING = 1000  # events whose turn has not come; where there are more, the oldest are dropped, and told
TOLD_BYTES = 300  # of what a hook that failed said last
_READ_BYTES = 1 << 16
_OF_THE_SERVICE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


@dataclass(frozen=True)
class Occasion:
    """What a hook is told of. ``job`` and ``folder`` are empty where it is not about a job."""

    event: HookEvent
    job: str = ""
    state: str = ""
    reason: str = ""
    folder: Path | None = None

    @classmethod
    def end_of(cls, ended: Ended) -> Occasion:
        """A job's end: ``done`` for one that left a picture, ``failed`` for one that did not."""
        event: HookEvent = "done" if ended.reason is None else "failed"
        return cls(event, ended.name, ended.state, ended.code, ended.folder)

    def environment(self) -> dict[str, str]:
        """What stands in the hook's environment, beside that of the daemon."""
        told = {
            "EVENT": self.event,
            "JOB": self.job,
            "STATE": self.state,
            "REASON": self.reason,
            "FOLDER": "" if self.folder is None else str(self.folder),
        }
        return {f"NST_BATCH_{key}": value for key, value in told.items()}


class HookRunner:
    """Starts what config.yaml names for an event, a few at once, and ends what takes too long.

    ``note`` tells a person what went wrong. A hook that fails, hangs or is missing changes nothing else.
    """

    def __init__(
        self, hooks: Hooks, note: Callable[[str], None], files: Beneath, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self.hooks = hooks
        self._note = note
        self._files = files
        self._limit = limit_seconds
        self._waiting: deque[Occasion] = deque()
        self._running: list[_Running] = []
        self._jobs_ended = False  # any, since the queue was last empty

    @property
    def running(self) -> tuple[_Running, ...]:
        """The hooks at work."""
        return tuple(self._running)

    @property
    def to_watch(self) -> tuple[_Running, ...]:
        """Those of them that are readable when there is something to be done about them."""
        return tuple(hook for hook in self._running if not hook.silent)

    def job_ended(self, ended: Ended) -> None:
        """A job has its end."""
        self._jobs_ended = True
        self.happened(Occasion.end_of(ended))

    def queue_seen(self, *, empty: bool) -> None:
        """Whether anything is left to be painted; that nothing is any more is told once."""
        if empty and self._jobs_ended:
            self._jobs_ended = False
            self.happened(Occasion("empty"))

    def trouble(self, code: str) -> None:
        """Something keeps the queue from going on."""
        self.happened(Occasion("trouble", reason=code))

    def happened(self, occasion: Occasion) -> None:
        """Run the hook for ``occasion``, if there is one, at the next :meth:`attend` that has room."""
        if not getattr(self.hooks, occasion.event):
            return
        if len(self._waiting) >= WAITING:
            self._note(f"hook {occasion.event}: more than {WAITING} wait for their turn; the oldest is dropped")
            self._waiting.popleft()
        self._waiting.append(occasion)

    def attend(self, now: float) -> None:
        """Take note of the hooks that have ended, end those that take too long, start those whose turn it is."""
        for hook in self.running:
            hook.listen()
            status = hook.process.poll()
            if status is None and now < hook.deadline:
                continue
            if status is None:
                hook.kill()
                how = "was ended" if hook.process.returncode is not None else "cannot be ended; it is left to itself"
                self._note(f"hook {hook.event}: took more than {duration(self._limit)} and {how}")
            elif status:
                self._note(f"hook {hook.event}: ended with {status}{hook.last_words}")
            hook.close()
            self._running.remove(hook)
        while self._waiting and len(self._running) < AT_ONCE:
            self._start(self._waiting.popleft(), now)

    def finish(self, beat: Callable[[], object], most_seconds: float) -> None:
        """Wait for what runs or waits, ``most_seconds`` at most; what is left then is ended. For the daemon's end."""
        deadline = time.monotonic() + most_seconds
        while (self._running or self._waiting) and (now := time.monotonic()) < deadline:
            beat()
            self.attend(now)
            for hook in self._running[:1]:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    hook.process.wait(min(0.5, max(0.0, deadline - now)))
        for hook in self._running:
            hook.kill()
            hook.close()
        self._running.clear()

    def _start(self, occasion: Occasion, now: float) -> None:
        command: tuple[str, ...] = getattr(self.hooks, occasion.event)
        environ = {key: value for key, value in os.environ.items() if key not in _OF_THE_SERVICE}
        try:
            with _manifest(self._files, occasion.folder) as job:
                process = subprocess.Popen(
                    command,
                    stdin=job,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**environ, **occasion.environment()},
                    cwd="/",
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            self._note(f"hook {occasion.event}: {command[0]} cannot be started: {error}")
            return
        self._running.append(_Running(occasion.event, process, now + self._limit))


class _Running:
    """One hook at work, and the end of what it says on standard error."""

    def __init__(self, event: HookEvent, process: subprocess.Popen[bytes], deadline: float) -> None:
        self.event = event
        self.process = process
        self.deadline = deadline
        self.silent = False  # it has closed its standard error, and may live on
        self._said = b""
        assert process.stderr is not None
        self._stderr = process.stderr
        os.set_blocking(self._stderr.fileno(), False)

    def fileno(self) -> int:
        """Readable when it says something, and at its end."""
        return self._stderr.fileno()

    @property
    def last_words(self) -> str:
        """``: …`` with the last line that it said, empty where it said nothing."""
        lines = self._said.decode("utf-8", "replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")

    def listen(self) -> None:
        """Take in what it has said, a piece at a time: one that never stops talking does not hold anything up."""
        with contextlib.suppress(BlockingIOError):
            piece = os.read(self.fileno(), _READ_BYTES)
            self.silent = not piece
            self._said = (self._said + piece)[-TOLD_BYTES:]

    def kill(self) -> None:
        """End it with whatever it has started."""
        end_group(self.process)

    def close(self) -> None:
        """Give the pipe back."""
        self._stderr.close()


@contextlib.contextmanager
def _manifest(files: Beneath, folder: Path | None) -> Iterator[int]:
    """job.json as a file to read from, /dev/null where there is none; no link on the way to it is followed."""
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY) if folder is None else files.open(folder / MANIFEST_NAME)
    except OSError:
        descriptor = os.open(os.devnull, os.O_RDONLY)  # moved away by somebody meanwhile
    try:
        yield descriptor
    finally:
        os.close(descriptor)
