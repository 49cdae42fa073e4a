"""The content of one file into another, as fast as the file system allows, and whose fault it is where that fails."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable

FICLONE = 0x40049409
COPY_CHUNK = 1 << 24  # a slow disk takes a second or two over it, and is heard to get on
READ_CHUNK = 1 << 20


class UnreadableError(OSError):
    """The file that was to be copied cannot be read; the disk that is written to has done nothing wrong."""


def write_all(target: int, data: bytes | memoryview) -> None:
    """Write to an open file, to the last byte: of what does not fit a disk takes some, and then says so. OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def copy_content(source: int, target: int, size: int, on_progress: Callable[[], object], name: str) -> bool:
    """Copy ``size`` bytes; False where the source turned out to be shorter. UnreadableError, which has its ``name``."""
    # Sharing blocks and copying within the kernel only save time, and do not say which of the two files is at
    # fault: what they refuse, or end early without an error, is read and written below.
    with contextlib.suppress(OSError):
        fcntl.ioctl(target, FICLONE, source)
        return True
    done = 0
    with contextlib.suppress(OSError):
        while done < size:
            count = os.copy_file_range(source, target, min(COPY_CHUNK, size - done), done, done)
            if count == 0:
                break
            done += count
            on_progress()
    os.lseek(source, done, os.SEEK_SET)
    os.lseek(target, done, os.SEEK_SET)
    while done < size:
        try:
            chunk = os.read(source, READ_CHUNK)
        except OSError as error:
            raise UnreadableError(error.errno, error.strerror, name) from error
        if not chunk:
            return False
        write_all(target, chunk)
        done += len(chunk)
        on_progress()
    return True
