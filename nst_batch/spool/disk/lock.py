"""Locks that die with their process: one daemon an inbox, one worker a job.

``flock`` belongs to the open file and is kept by whoever inherits it, so every descriptor here is closed on
exec and nothing that forks without exec may hold one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from nst_batch.beneath import Beneath
from nst_batch.errors import NotNowError, SetupError
from nst_batch.filenames import OWN_FOLDER
from nst_batch.reasons import INBOX_TAKEN

LOCK_NAME = "lock"
MAX_TEXT = 500
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
LOCK_TRIES, LOCK_PAUSE_SECONDS = 4, 0.05  # who only asks whether it is held holds it for a moment


class Lock:
    """A held lock; :meth:`release` or the end of the process gives it back."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def is_on(self, fs: Beneath, path: Path) -> bool:
        """Whether the file at ``path`` is still the one that is locked."""
        if self._fd is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), fs.lstat(path))
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def try_lock(fs: Beneath, path: Path, text: str = "") -> Lock | None:
    """The lock on ``path``, made where it is not there; None while somebody else holds it.

    ``text`` says who holds it, for people. What is no regular file can be nobody's lock.
    """
    fd = _open_lock(fs, path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if text:
            with contextlib.suppress(OSError):  # it is for people only: a full disk has room for a lock
                os.ftruncate(fd, 0)
                os.pwrite(fd, text.encode(), 0)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return Lock(fd)


def _open_lock(fs: Beneath, path: Path) -> int:
    try:
        fd = fs.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.EACCES, errno.ENXIO, errno.ENODEV):
            raise
    else:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
    with fs.at(path) as (folder, name):
        os.rename(name, f"{name}-{secrets.token_hex(4)}", src_dir_fd=folder, dst_dir_fd=folder)
    return fs.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock on ``path``, made where it is not there; waits for whoever has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on ``path``."""
    try:
        # Only read: whoever asks may have no right to write, or the disk has become read-only.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return False
        raise
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder(inbox: Path) -> str | None:
    """Who holds the inbox: ``process 12 on host since …``; None where nobody does."""
    path = inbox / OWN_FOLDER / LOCK_NAME
    if not is_held(path):
        return None
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            text = os.read(fd, MAX_TEXT).decode(errors="replace").strip()
        finally:
            os.close(fd)
        if text:
            return text
    return "another process"


def lock_inbox(fs: Beneath, inbox: Path, wall: float) -> Lock:
    """The one daemon's lock on an inbox; NotNowError says who has it already, SetupError that none can be had."""
    since = datetime.fromtimestamp(wall).astimezone().isoformat(timespec="seconds")
    text = f"process {os.getpid()} on {socket.gethostname()} since {since}\n"
    for _ in range(LOCK_TRIES):
        try:
            lock = try_lock(fs, inbox / OWN_FOLDER / LOCK_NAME, text)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise _without_locks(inbox, error) from error
            raise
        if lock is not None:
            return lock
        time.sleep(LOCK_PAUSE_SECONDS)
    raise NotNowError(
        INBOX_TAKEN,
        f"{inbox} is worked on already, by {holder(inbox) or 'another process'}",
    )


def _without_locks(inbox: Path, error: OSError) -> SetupError:
    what = f"{inbox} lies on a file system without locks ({error.strerror}): nothing would keep two daemons apart"
    return SetupError("no_locks", what)
