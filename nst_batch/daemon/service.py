"""What a service is to its machine: systemd's notify protocol, and signals that only set flags.

The protocol is sd_notify(3): datagrams of ``KEY=value`` lines to the unix socket that ``NOTIFY_SOCKET``
names. Without that variable, as in a terminal, every message is a no-op.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, Self

from nst_batch.characters import visible

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

SEND_SECONDS = 1.0  # a service manager that takes longer is not worth stopping the work for
BEAT_SECONDS = 0.2
STATUS_BYTES = 500  # what `systemctl status` can show of a line


class Notifier:
    """Sends state to the service manager; every method returns whether the message went out, none raises."""

    def __init__(self, address: str | None) -> None:
        self._address = address or ""
        self._beat_due = 0.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The notifier for this process's own service manager, if it has one."""
        return cls(environ.get("NOTIFY_SOCKET"))

    @property
    def active(self) -> bool:
        """Whether there is anyone to tell: an absolute path, or ``@name`` for an abstract socket."""
        return self._address[:1] in ("/", "@") and len(self._address) > 1

    def ready(self) -> bool:
        """Start-up is done."""
        return self._send("READY=1")

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``: the job, its epoch, the queue."""
        return self._send(*_status(text or "-"))

    def watchdog(self) -> bool:
        """Work is getting on. To be called on real progress only, never from a thread of its own.

        Thousands of calls a second are one message every now and then.
        """
        now = time.monotonic()
        if now < self._beat_due:
            return True
        self._beat_due = now + BEAT_SECONDS
        return self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> bool:
        """The current start, stop or run time limit shall not strike within the next ``seconds``."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def stopping(self, status: str) -> bool:
        """The end has begun: checkpoint, put the job back, leave."""
        return self._send("STOPPING=1", *_status(status))

    def _send(self, *lines: str) -> bool:
        if not self.active:
            return False
        # A leading @ stands for the zero byte of an abstract socket's name.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(lines).encode("utf-8", "replace")
        try:
            # Opened anew each time: a service manager that was restarted has a new socket at the same name.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_SECONDS)
                sender.sendto(message, address)
        except (OSError, ValueError):  # ValueError: a path longer than a socket's may be
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    line = visible(" ".join(text.split())).encode("utf-8", "replace")[:STATUS_BYTES].decode("utf-8", "ignore")
    return (f"STATUS={line}",) if line else ()


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds between two :meth:`Notifier.watchdog`: half of what ``WATCHDOG_USEC`` allows.

    None where no watchdog is set, or where ``WATCHDOG_PID`` names another process than this one.
    """
    watched = environ.get("WATCHDOG_PID")
    try:
        if watched is not None and int(watched) != os.getpid():
            return None
        limit = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return limit / 2_000_000 if limit > 0 else None


def farewell(giving_back: int, busy: int, asked_by: str) -> str:
    """What a daemon says that was told to end, with ``busy`` jobs at work, of which some are given back to it."""
    if giving_back:
        jobs = "the running job is" if giving_back == 1 else f"{giving_back} running jobs are"
        return f"ending: {jobs} put back with a checkpoint, to go on at the next start; {asked_by} again ends at once"
    kept = "what the cluster has goes on there" if busy else "what waits stays in the inbox"
    return f"ending: {kept}"


class Waker:
    """A pipe to itself: :meth:`wake`, from a thread or a signal handler, ends a select() on it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The end to select on; readable once woken, until :meth:`drain`."""
        return self._reader

    def wake(self) -> None:
        """Make the next, or the current, select() return. After :meth:`close` it does nothing."""
        if self._writer < 0:
            return
        with contextlib.suppress(BlockingIOError):  # a full pipe is awake already
            os.write(self._writer, b"!")

    def drain(self) -> None:
        """Forget all calls of :meth:`wake` so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        """Give the descriptors back. Safe to call twice."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        if reader >= 0:
            os.close(writer)
            os.close(reader)


class Signals:
    """SIGTERM, SIGINT and SIGHUP as flags, for as long as the ``with`` block lasts. Main thread only.

    The first SIGTERM or SIGINT sets ``stop_asked``: checkpoint, put the job back, end. A second one sets
    ``at_once``. SIGHUP asks for a reload where a service manager sends it; ``hangup="stop"`` is for a
    terminal, where it means that the terminal is gone. A handler sets a flag and wakes the loop, no more.
    """

    def __init__(self, *, hangup: Literal["reload", "stop"] = "reload") -> None:
        self.waker = Waker()
        self._hangup = hangup
        self._before: dict[signal.Signals, Any] = {}
        self._reload = False
        self.stop_asked = False
        self.asked_by = ""  # Ctrl-C, or the signal's name
        self.at_once = False

    def __enter__(self) -> Self:
        """Install the handlers."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Put the former handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()
        self.waker.close()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._hangup == "reload":
            self._reload = True
        elif self.stop_asked:
            self.at_once = True
        else:
            self.stop_asked = True
            self.asked_by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.waker.wake()

    def take_reload(self) -> bool:
        """Whether a reload was asked for since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def wait(self, timeout: float, *others: FileDescriptorLike) -> None:
        """Sleep until a signal, a :meth:`Waker.wake`, one of ``others`` readable, or ``timeout`` seconds.

        A signal from before the call ends it at once.
        """
        # poll() rather than select(): the latter fails from descriptor 1024 on.
        poller = select.poll()
        for each in (self.waker, *others):
            poller.register(each, select.POLLIN)
        poller.poll(max(0, round(timeout * 1000 + 0.5)))
        self.waker.drain()
