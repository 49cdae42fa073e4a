"""What stops the spool as a whole, as against what fails one job: a disk that refuses, an inbox that is gone."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from nst_batch.errors import NotNowError
from nst_batch.reasons import DISK_READONLY, NO_PERMISSION

_BLOCKS = {
    errno.ENOSPC: ("disk_full", "the disk is full", "make room; the queue goes on by itself"),
    errno.EDQUOT: ("disk_full", "the disk quota is used up", "make room; the queue goes on by itself"),
    errno.EFBIG: ("disk_full", "files may not grow that large", "raise the limit on their size (ulimit -f)"),
    errno.EROFS: (DISK_READONLY, "the file system is read-only", "mount it writable; the queue goes on by itself"),
    errno.EACCES: (NO_PERMISSION, "no permission", "let the daemon's user read and write there"),
    errno.EPERM: (NO_PERMISSION, "not permitted", "let the daemon's user read and write there"),
    errno.EIO: ("disk_error", "the disk reports an error", "look at the disk; the queue goes on by itself"),
    errno.ESTALE: ("disk_error", "the network file system has gone stale", "mount it again"),
    errno.ENOTCONN: ("disk_error", "the network file system is not connected", "mount it again"),
    errno.ETIMEDOUT: ("disk_error", "the network file system does not answer", "look at its server"),
    errno.EHOSTDOWN: ("disk_error", "the network file system's server is down", "look at its server"),
    errno.ENOMEM: ("no_memory", "the machine has no memory left", "end other programs; the queue goes on by itself"),
    errno.EAGAIN: ("no_memory", "the machine has no process left to give", "raise the limit on processes"),
    errno.EMFILE: ("no_descriptors", "too many open files", "raise the limit on open files"),
    errno.ENFILE: ("no_descriptors", "too many open files on this machine", "raise the limit on open files"),
}

_BY_ITSELF = "; the queue goes on by itself"

# Of a name that a disk does not take: a character that vfat and exfat keep for themselves, more bytes than it holds.
NAME_REFUSED = (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ)
# What keeps one file where it is: the sticky bit, chattr +i, a mount of its own, a program that runs from it; its name.
_ONE_PLACES = {
    *(errno.EPERM, errno.EACCES, errno.EBUSY, errno.ETXTBSY, errno.EROFS, errno.EISDIR, errno.ENOTEMPTY),
    *NAME_REFUSED,
}


# What a disk says of itself, whoever may write there: it is full, it fails, or its network does.
_A_DISKS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS),
    *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN),
}
LET_US_WRITE = "let the daemon's user write there"

ONE_PLACES_CODES = (DISK_READONLY, NO_PERMISSION)  # what one place may refuse with, as told above


class SpoolBlocked(NotNowError):  # noqa: N818 - a state the queue is in, not only an error
    """The disk refuses: the queue pauses, nothing is lost, and the same call may do later."""


class InboxLost(NotNowError):  # noqa: N818 - as above
    """The inbox is gone, unmounted or another one; it never reads as an empty one."""


def blocked_by(error: OSError) -> SpoolBlocked | None:
    """The pause that ``error`` asks for; None where it is not the disk's doing."""
    known = _BLOCKS.get(error.errno or 0)
    if known is None:
        return None
    code, what, advice = known
    where = error.filename2 or error.filename
    return SpoolBlocked(code, f"{where}: {what}" if where else what, advice)


def pause_for(error: OSError) -> SpoolBlocked:
    """The pause for anything that the system refuses. What nobody foresaw pauses too: it must not end the daemon."""
    where = error.filename or "the disk"
    return blocked_by(error) or SpoolBlocked("disk_error", f"{where}: {error.strerror}")


def is_one_files(error: OSError) -> bool:
    """Whether what kept a file from being read is that file's own trouble: a bad sector, not a network that is down."""
    return error.errno == errno.EIO or blocked_by(error) is None


def keeps_one_place(error: OSError) -> bool:
    """Whether what kept a file from being moved or removed may be that file's own trouble, or its folder's."""
    return error.errno in _ONE_PLACES


def is_a_disks(error: OSError) -> bool:
    """Whether a disk as a whole refuses, and not one file or folder of it."""
    return error.errno in _A_DISKS


def remedy(error: OSError) -> str:
    """What a person can do about what one place refuses."""
    if error.errno in NAME_REFUSED:
        name = Path(os.fsdecode(error.filename2 or error.filename or "")).name
        return f"its disk takes no file of the name {name}; cancel the job, and drop it with another name"
    if not is_a_disks(error):
        return LET_US_WRITE
    return _BLOCKS[error.errno or 0][2].removesuffix(_BY_ITSELF)


@contextlib.contextmanager
def one_place_only() -> Iterator[None]:
    """Pass over what only this one place refuses."""
    try:
        yield
    except OSError as error:
        if not keeps_one_place(error):
            raise


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Turn what the disk refuses into :class:`SpoolBlocked`; every other error passes."""
    try:
        yield
    except OSError as error:
        pause = blocked_by(error)
        if pause is None:
            raise
        raise pause from error


@contextlib.contextmanager
def command_guard(what: str = "") -> Iterator[None]:
    """As :func:`guard`, for a command: nothing goes on by itself, and it is its own user who may not.

    ``what`` could not be done, and where, in place of the name that the system had at hand.
    """
    try:
        with guard():
            yield
    except SpoolBlocked as blocked:
        message = f"{what}: {blocked.message.rpartition(': ')[2]}" if what else blocked.message
        advice = f"{blocked.advice.removesuffix(_BY_ITSELF)}, then give the command again"
        if blocked.code == NO_PERMISSION:
            advice = "give the command as a user who may write there"
        raise SpoolBlocked(blocked.code, message, advice) from blocked
