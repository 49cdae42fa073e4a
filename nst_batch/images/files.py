"""Open an image file: a regular one, not through a link, not beyond the limit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nst_batch.errors import JobError

MEGA = 1_000_000

_NOT_A_FILE_ADVICE = "drop the picture itself, as an ordinary file"


@dataclass(frozen=True)
class ImageLimits:
    """How large an input may be: megapixels (10⁶ pixels) and megabytes (10⁶ bytes) of the file."""

    max_megapixels: float = 50.0
    max_file_mb: float = 100.0


@contextmanager
def open_regular(path: str | os.PathLike[str], limits: ImageLimits) -> Iterator[BinaryIO]:
    """The file, open for reading in binary.

    The last part of ``path`` is never followed as a link, and opening never waits (a pipe would block for
    ever). Raises JobError: image_missing, image_not_a_file, image_no_permission, image_unreadable,
    image_file_too_large, image_truncated (an empty file).
    """
    name = Path(path).name
    try:
        # O_NONBLOCK: a pipe without a writer would hold the worker for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _cannot_open(name, error) from error
    try:
        _check(name, os.fstat(handle), limits)
        file = os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
    with file:
        yield file


def read_all(file: BinaryIO, name: str, limits: ImageLimits) -> bytes:
    """The file's bytes; a file that grows beyond the limit while it is read is refused too."""
    most = int(limits.max_file_mb * MEGA)
    try:
        data = file.read(most + 1)
    except OSError as error:
        raise _cannot_open(name, error) from error
    if len(data) > most:
        raise too_large(name, len(data), limits)
    return data


def read_again(file: BinaryIO) -> bytes:
    """The file's bytes from its start, wherever it was read to."""
    file.seek(0)
    return file.read()


def _check(name: str, status: os.stat_result, limits: ImageLimits) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise JobError("image_not_a_file", f"{name}: is {_kind(status.st_mode)}", _NOT_A_FILE_ADVICE)
    if status.st_size == 0:
        raise JobError("image_truncated", f"{name}: the file is empty", "copy the picture again, whole")
    if status.st_size > limits.max_file_mb * MEGA:
        raise too_large(name, status.st_size, limits)


def too_large(name: str, size: int, limits: ImageLimits) -> JobError:
    """The error of a file of ``size`` bytes, which is over the limit."""
    return JobError(
        "image_file_too_large",
        f"{name}: {size / MEGA:.1f} MB, the limit is {limits.max_file_mb:g} MB",
        "save it smaller, or raise limits.max_file_mb in config.yaml",
    )


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _cannot_open(name: str, error: OSError | ValueError) -> JobError:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT  # ValueError: a NUL in the name
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return JobError("image_missing", f"{name}: no such file", "check the name, or put the file there")
    if number == errno.ELOOP:
        return JobError("image_not_a_file", f"{name}: is a symbolic link", _NOT_A_FILE_ADVICE)
    if number == errno.ENXIO:
        return JobError("image_not_a_file", f"{name}: is a socket or a device", _NOT_A_FILE_ADVICE)
    if number in (errno.EACCES, errno.EPERM):
        advice = "let the daemon's user read it (chmod a+r, or the group of the inbox)"
        return JobError("image_no_permission", f"{name}: may not be read", advice, retry=True)
    return JobError("image_unreadable", f"{name}: {error}", "look at the disk it lies on", retry=True)
