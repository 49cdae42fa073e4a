"""The primitives: each is one thing that happens to a disk. A test records, refuses or stops them by a subclass."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nst_batch.spool.copying import UnreadableError, copy_content

RENAME_NOREPLACE = 1
AT_FDCWD = -100

Content = bytes | Sequence[bytes | memoryview]  # of a file; in pieces where it is too large to be copied together


class Identity(NamedTuple):
    """What tells one state of a file from another. The device is left out: it changes with each mount."""

    ino: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """The identity in a stat."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class ChangedError(Exception):
    """A file is not, or is no longer, the one that was seen."""


class NotRegularError(Exception):
    """A file was expected and a folder, a device or something else stands there."""


class Primitives:
    """What :class:`nst_batch.spool.fs.FileSystem` is made of.

    ``on_progress()`` is called as long work gets on: after each piece of a copy and after each file of a tree.
    """

    def __init__(self) -> None:
        self.on_progress: Callable[[], object] = lambda: None

    def write_new(self, path: Path, data: Content, *, sync: bool = True) -> None:
        """Create ``path`` with ``data`` and, by default, fsync it; FileExistsError where it stands already."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with _about(path):
                for piece in (data,) if isinstance(data, bytes) else data:
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(fd, view) :]
                if sync:
                    os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """``rename``: replaces a file at the target."""
        os.rename(source, target)  # noqa: PTH104 - the primitive itself

    def rename_noreplace(self, source: Path, target: Path) -> None:
        """``rename`` that refuses an existing target with FileExistsError.

        Some file systems (NFS, many FUSE ones, vfat) lack RENAME_NOREPLACE. There a folder's name is reserved
        by ``mkdir`` first, so that for a moment an empty folder is seen, and a file's by ``link``. Only where
        hard links are missing too is there a gap between looking and renaming.
        """
        try:
            _renameat2(source, target)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            self._rename_reserved(source, target)

    def _rename_reserved(self, source: Path, target: Path) -> None:
        if stat.S_ISDIR(source.lstat().st_mode):
            self.mkdir(target)
            try:
                self.rename(source, target)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
                raise
            return
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            self.rename(source, target)
        else:
            self.remove(source)

    def mkdir(self, path: Path) -> None:
        """Make one folder; FileExistsError where anything stands there."""
        path.mkdir()

    def remove(self, path: Path) -> None:
        """Remove a file or link; one that is gone already is no error."""
        path.unlink(missing_ok=True)

    def rmdir(self, path: Path) -> bool:
        """Remove a folder if it is empty; says whether it is gone."""
        try:
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    def rmtree(self, path: Path) -> None:
        """Remove a folder and all in it, following no link; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def fsync_dir(self, path: Path) -> None:
        """Make the names in a folder durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with _about(path):
                os.fsync(fd)
        except OSError as error:
            # Some FUSE and network file systems have no fsync of folders; there is nothing better to do there.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        finally:
            os.close(fd)

    def fsync_file(self, path: Path) -> None:
        """Make what is in a regular file durable; links and others are passed over."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return
            raise
        try:
            with _about(path):
                os.fsync(fd)
        finally:
            os.close(fd)

    def copy_new(self, source: Path, target: Path, expected: Identity | None, *, sync: bool = True) -> Identity:
        """Copy a regular file to a new name with its mtime, sharing blocks where the file system can.

        A link is never followed. Raises :class:`NotRegularError`, and :class:`ChangedError` where the file is
        not ``expected`` or changed while it was read; :class:`UnreadableError` where reading it fails;
        FileExistsError where the target stands.
        """
        source_fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(source_fd)
            before = Identity.of(status)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(f"{source} is not a file")
            if expected is not None and before != expected:
                raise ChangedError(f"{source} changed since it was seen")
            target_fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                with _about(target):
                    whole = self._copy_content(source, source_fd, target_fd, status.st_size)
                    os.utime(target_fd, ns=(status.st_atime_ns, status.st_mtime_ns))
                    if sync:
                        os.fsync(target_fd)
            finally:
                os.close(target_fd)
            if not whole or Identity.of(os.fstat(source_fd)) != before:
                raise ChangedError(f"{source} changed while it was copied")
            return before
        finally:
            os.close(source_fd)

    def _copy_content(self, source: Path, source_fd: int, target_fd: int, size: int) -> bool:
        try:
            return copy_content(source_fd, target_fd, size, self.on_progress)
        except UnreadableError as error:
            raise UnreadableError(error.errno, error.strerror, str(source)) from error

    def symlink(self, points_to: str, target: Path) -> None:
        """Make a link that says ``points_to``."""
        target.symlink_to(points_to)


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """What goes wrong with an open file names it: a person wants to know which disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _renameat2(source: Path, target: Path) -> None:
    call = getattr(_libc(), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    done = call(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), ctypes.c_uint(RENAME_NOREPLACE))
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(source), None, str(target))
