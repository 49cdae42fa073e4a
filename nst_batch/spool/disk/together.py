"""Pieces of work that wait for the disk together: a group commit.

A disk takes little longer to keep thirty files at once than to keep one. So each piece goes on by itself until it has
to wait for the disk; once all of them have to, what they wait for is synced at once, and they go on. To each of them
its own order is what it would be alone. And what one has asked for by then is durable before any of them goes on: a
folder which one has made and another has found there is durable for both.

The pieces are threads for the sake of their stacks alone. One runs at a time, always in the same order: nothing that
they share needs a lock, and a run can be repeated.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

SYNCS_AT_ONCE = 32


class Abandoned(BaseException):
    """Another piece has failed: this one ends where it waits, as it would if the program were killed there."""


class Together:
    """A group of pieces, to be :meth:`run` once; :meth:`wait` is what a piece calls in place of ``os.fsync``."""

    def __init__(self, acts: Sequence[Callable[[], object]]) -> None:
        self._pieces = [_Piece(act) for act in acts]
        self._at = self._pieces[0]  # the piece that runs

    def run(self, beat: Callable[[], object]) -> float:
        """Every piece to its end; the seconds that the disk took. ``beat()`` after each wait.

        What one raises passes, and the others are left there.
        """
        going, waited = self._pieces, 0.0
        try:
            with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
                while going:
                    for piece in going:
                        self._at = piece
                        piece.go_on()
                    going = [piece for piece in going if not piece.over]
                    begun = time.monotonic()
                    _sync_all(going, pool)
                    waited += time.monotonic() - begun
                    beat()
            return waited
        finally:
            for piece in self._pieces:
                self._at = piece
                piece.end()

    def wait(self, fd: int) -> None:
        """Called by a piece: until the disk has what is open there. OSError where it refuses."""
        self._at.wait(fd)


class _Piece:
    """One piece of work: a thread that runs only between :meth:`go_on` and its next :meth:`wait`."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._may_go, self._has_stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._abandoned = False
        self._error: BaseException | None = None
        self.over = False
        self.fd = -1  # what it waits for
        self.refusal: OSError | None = None  # and what came of that
        self._thread: threading.Thread | None = None

    def go_on(self) -> None:
        """Let it run until it waits or ends; raises what it ended with."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="side by side", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # as the system says it of a process
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._thread = thread
        self._may_go.release()
        self._has_stopped.acquire()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Have it end, wherever it is."""
        self._abandoned = True
        self._may_go.release()
        if self._thread is not None:
            self._thread.join()

    def wait(self, fd: int) -> None:
        self.fd = fd
        self._pause(self._has_stopped)
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal

    def _pause(self, stopped: threading.Semaphore) -> None:
        if not self._abandoned:
            stopped.release()
            self._may_go.acquire()
        if self._abandoned:
            raise Abandoned

    def _run(self) -> None:
        try:
            self._may_go.acquire()
            if not self._abandoned:
                self._act()
        except Abandoned:
            pass
        except BaseException as error:  # it is raised where the piece was let go on
            self._error = error
        finally:
            self.over = True
            self._has_stopped.release()


def _sync_all(pieces: Sequence[_Piece], pool: ThreadPoolExecutor) -> None:
    """Sync what they wait for, each file and folder once."""
    wanted: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        status = os.fstat(piece.fd)
        wanted.setdefault((status.st_dev, status.st_ino), []).append(piece)
    groups = list(wanted.values())
    try:
        refusals = list(map(_sync, groups) if len(groups) == 1 else pool.map(_sync, groups))
    except RuntimeError:  # no thread is to be had: one after the other
        refusals = list(map(_sync, groups))
    for group, refusal in zip(groups, refusals, strict=True):
        for piece in group:
            piece.refusal = None if refusal is None else OSError(refusal.errno, refusal.strerror)


def _sync(group: Sequence[_Piece]) -> OSError | None:
    try:
        os.fsync(group[0].fd)
    except OSError as error:
        return error
    return None
