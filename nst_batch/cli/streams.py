"""Standard streams that are not there, or that nobody can write to: the work goes on without them.

A service's log may lie on a full disk, its reader may have died or hang, a launcher may have closed all three streams.
None of that is worth a night's work. Nor may a file of ours get the number of a closed stream: libraries write there.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Callable
from typing import TextIO, cast

ROOM_SECONDS = 1.0  # for which a line waits for a reader that is slow
PIECE_BYTES = select.PIPE_BUF  # what a pipe with room takes without waiting


class Lenient(io.TextIOBase):
    """A text stream on a file descriptor that never raises and never waits for long; what cannot be written is lost.

    Once there is room again it says how many lines are missing.
    """

    def __init__(self, fd: int, encoding: str = "utf-8") -> None:
        self._fd = fd
        self._encoding = encoding
        self._lost = 0
        self._is_stuck = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the stream had it that this one stands for."""
        return self._encoding

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Whether a person is at the other end."""
        return os.isatty(self._fd)

    def writable(self) -> bool:
        """It always takes what it is given."""
        return True

    def write(self, text: str) -> int:
        """Write at once, or not at all; characters that are no text (of file names) are escaped."""
        if self._lost and self._put(f"({self._lost} lines could not be written here)\n"):
            self._lost = 0
        if self._lost or not self._put(text):
            self._lost += text.count("\n")
        return len(text)

    def _put(self, text: str) -> bool:
        data = text.encode(self._encoding, "backslashreplace")
        with contextlib.suppress(OSError):
            while data:
                if not self._has_room():
                    return False
                data = data[os.write(self._fd, data[:PIECE_BYTES]) :]
            return True
        return False

    def _has_room(self) -> bool:
        """Whether a write would not wait. A reader that hangs is waited for once, not at every line."""
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        self._is_stuck = not poller.poll(0 if self._is_stuck else ROOM_SECONDS * 1000)
        return not self._is_stuck


class Owing(io.TextIOBase):
    """Standard output that remembers what it refused, for the command's end: what was asked for is done till then.

    A reader that has gone is told at once, as ever: it has enough.
    """

    def __init__(self, stream: TextIO, *, is_closed: bool = False) -> None:
        """``is_closed``: there was none to write to, and nothing that is written to ``stream`` comes to anybody."""
        self._stream = stream
        self._is_closed = is_closed
        self.refusal = ""  # why it has not taken all; "" where it has

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the stream has it that this one stands for."""
        return self._stream.encoding

    def fileno(self) -> int:
        """The descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether a person is at the other end."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It always takes what it is given."""
        return True

    def write(self, text: str) -> int:
        """Write, unless it has refused something: what follows a gap would be taken for all."""
        if text and self._is_closed:
            self.refusal = "it is closed"
        self._keep(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Have it written by now."""
        self._keep(self._stream.flush)

    def _keep(self, act: Callable[[], object]) -> None:
        if self.refusal:
            return
        try:
            act()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.refusal = error.strerror or str(error)
            drop_output(self._stream)


def drop_output(stream: TextIO) -> None:
    """Have what it holds still go nowhere: Python would complain once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def output_refused() -> str:
    """Why standard output has not taken all that was told there; "" where it has."""
    return sys.stdout.refusal if isinstance(sys.stdout, Owing) else ""


def make_output_owing(*, closed: bool) -> None:
    """Have all results written by an :class:`Owing` stream from now on; ``closed``: there was none to write to."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has not our letters
    with contextlib.suppress(OSError, ValueError):  # one that is no file, as in a test, stays
        sys.stdout.fileno()
        sys.stdout = cast("TextIO", Owing(sys.stdout, is_closed=closed))


def open_missing() -> frozenset[int]:
    """Put /dev/null where a standard stream was closed, before anything else gets its number; which were."""
    missing = set()
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            missing.add(fd)
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            if nowhere != fd:
                os.dup2(nowhere, fd)
                os.close(nowhere)
    sys.stdin = sys.stdin or _reopened(0, "r")
    sys.stdout = sys.stdout or _reopened(1, "w")
    sys.stderr = sys.stderr or _reopened(2, "w")
    return frozenset(missing)


def _reopened(fd: int, mode: str) -> TextIO:
    return cast("TextIO", open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


def make_log_lenient() -> None:
    """Have all that is told on standard error, by whomever, written by a :class:`Lenient` stream from now on."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with contextlib.suppress(OSError, ValueError):  # one that is no file, as in a test, stays
        sys.stderr = cast("TextIO", Lenient(sys.stderr.fileno(), sys.stderr.encoding))
