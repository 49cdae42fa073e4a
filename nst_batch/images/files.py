"""Open an image file: a regular one, not through a link, not beyond the limit, and no header without end."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from nst_batch.errors import JobError

MEGA = 1_000_000
_HEADER_BYTES, _HEADER_READS, _HEADER_SECONDS = 16 * MEGA, 20_000, 3.0  # EXIF, profiles and depth maps take up to 10 MB

_NOT_FILES = {errno.EISDIR: "a folder", errno.ELOOP: "a symbolic link", errno.ENXIO: "a socket or a device"}


@dataclass(frozen=True)
class ImageLimits:
    """How large an input may be: megapixels (10⁶ pixels) and megabytes (10⁶ bytes) of the file."""

    max_megapixels: float = 50.0
    max_file_mb: float = 100.0


@dataclass(frozen=True)
class Header:
    """What a picture's file says of itself.

    ``width`` and ``height`` in pixels, upright. ``bits`` per sample: 8, 16, 32, and less or between for
    palettes, line art and 10- or 12-bit files. ``orientation``: how the decoder's pixels are to be turned,
    EXIF's 1 to 8. ``more``: it holds more pictures. ``pixel_bytes``: of one pixel of a TIFF, all channels, else 0.
    """

    format: str
    width: int
    height: int
    bits: int
    orientation: int = 1
    more: bool = False
    pixel_bytes: int = 0


def read_regular(path: str | os.PathLike[str], limits: ImageLimits) -> bytes:
    """The file's bytes; of one that grows beyond the limit while it is read, too.

    The last part of ``path`` is never followed as a link, and opening never waits (a pipe would block for
    ever). Raises JobError: image_missing, image_not_a_file, image_no_permission, image_unreadable,
    image_file_too_large, image_truncated (an empty file).
    """
    name = Path(path).name
    most = int(limits.max_file_mb * MEGA)
    try:
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                kind = "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device"
                raise JobError("image_not_a_file", f"{name}: is {kind}")
            data = file.read(most + 1) if status.st_size <= most else b""
    except (OSError, ValueError) as error:
        raise _cannot_open(name, error) from error
    if max(status.st_size, len(data)) > most:
        raise too_large(name, max(status.st_size, len(data)), limits)
    if not data:
        raise JobError("image_truncated", f"{name}: the file is empty")
    return data


def _opened(path: str, _: int) -> int:  # O_NONBLOCK: a pipe without a writer would hold the worker for ever
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


class Sparing(io.BytesIO):
    """A file's bytes, of which a header's reader gets so much and no more: bytes, reads, seconds of its own work.

    Programs write headers of a few hundred reads. Files made to be slow hold a million of parts, comments that
    are read byte by byte, or metadata that is put together piece by piece.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._bytes, self._reads, self._until = _HEADER_BYTES, _HEADER_READS, time.thread_time() + _HEADER_SECONDS

    def read(self, size: int | None = -1) -> bytes:
        """As of any file. JobError image_unreadable where it is too much."""
        data = super().read(size)
        self._reads -= 1
        self._bytes -= len(data) if len(data) < MEGA else 0  # all at once: by a decoder that is no Python
        if min(self._reads, self._bytes) < 0 or time.thread_time() > self._until:
            what = "its header has no end: too many parts, or too much before the pixels"
            raise JobError("image_unreadable", what)
        return data


def too_large(name: str, size: int, limits: ImageLimits) -> JobError:
    """The error of a file of ``size`` bytes, which is over the limit."""
    return JobError("image_file_too_large", f"{name}: {size / MEGA:.1f} MB, the limit is {limits.max_file_mb:g} MB")


def _cannot_open(name: str, error: OSError | ValueError) -> JobError:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT  # ValueError: a NUL in the name
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return JobError("image_missing", f"{name}: no such file", "check the name, or put the file there")
    if number in _NOT_FILES:
        return JobError("image_not_a_file", f"{name}: is {_NOT_FILES[number]}")
    if number in (errno.EACCES, errno.EPERM):
        return JobError("image_no_permission", f"{name}: may not be read", retry=True)
    return JobError("image_unreadable", f"{name}: {error}", "look at the disk it lies on", retry=True)
