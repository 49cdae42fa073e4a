"""The primitives: each is one thing that happens to a disk. A test records, refuses or stops them by a subclass."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nst_batch.beneath import Beneath, kind_of, libc
from nst_batch.spool.disk.copying import UnreadableError, copy_content, write_all
from nst_batch.spool.disk.removing import remove_tree
from nst_batch.spool.disk.together import Together

RENAME_NOREPLACE = 1

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


HARD_LINK = "it has another name elsewhere (a hard link) and is not for everybody to read; put a copy there"


def is_private_elsewhere(status: os.stat_result) -> bool:
    """Whether a file may be somebody's private one that another has given a second name, to have it published.

    Linux lets nobody but its owner give it one (fs.protected_hardlinks); where that is off, only the daemon's own
    rights would stand between the file and the result that all may read.
    """
    return status.st_nlink > 1 and not status.st_mode & stat.S_IROTH


class ChangedError(Exception):
    """A file is not, or is no longer, the one that was seen."""


class NotRegularError(Exception):
    """A file was expected and a folder, a device or something else stands there."""


def of_one_file(error: Exception) -> str:
    """What kept one file from being copied, and where."""
    return f"{error.filename} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


class Primitives(Beneath):
    """What :class:`nst_batch.spool.disk.fs.FileSystem` is made of.

    No link is followed below a root, neither to nor from.

    ``on_progress()`` is called as long work gets on: after each piece of a copy and after each file of a tree.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_progress: Callable[[], object] = lambda: None
        self.waited = 0.0  # seconds, for the disk to have things durable
        self._together: Together | None = None

    def side_by_side(self, acts: Sequence[Callable[[], object]]) -> None:
        """Pieces of work that have nothing to do with each other, which wait for the disk together.

        What one of them raises passes; the others are left where they wait then, as they would be by a kill.
        """
        if len(acts) < 2:
            for act in acts:
                act()
            return
        self._together = Together(acts)
        try:
            self.waited += self._together.run(self.on_progress)
        finally:
            self._together = None

    def sync(self, fd: int) -> None:
        """Wait until the disk has what is in an open file, or the names in an open folder."""
        if self._together is not None:
            self._together.wait(fd)
            return
        begun = time.monotonic()
        os.fsync(fd)
        self.waited += time.monotonic() - begun

    def write_new(self, path: Path, data: Content, *, sync: bool = True) -> None:
        """Create ``path`` with ``data`` and, by default, fsync it; FileExistsError where it stands already."""
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with _about(path):
                for piece in (data,) if isinstance(data, bytes) else data:
                    write_all(fd, piece)
                if sync:
                    self.sync(fd)
        finally:
            os.close(fd)

    def let_all_read(self, path: Path) -> None:
        """Give everybody the right to read a file, whatever the umask is; on a disk that keeps no rights it stays."""
        fd = self.open(path, os.O_RDONLY)
        try:
            with contextlib.suppress(PermissionError):
                os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """``rename``: replaces a file at the target."""
        with self.at(source) as (old, name), self.at(target) as (new, new_name), _between(source, target):
            os.rename(name, new_name, src_dir_fd=old, dst_dir_fd=new)
        self.forget_folders(source)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        """``rename`` that refuses an existing target with FileExistsError.

        Some file systems (NFS, many FUSE ones, vfat) lack RENAME_NOREPLACE. There a folder is renamed once nothing is
        seen at the target: an empty folder that somebody makes there in between is replaced, which loses nothing (one
        of our own to keep the name would be seen, as a result with nothing in it). A file gets its new name by
        ``link``; only where hard links are missing too can a file be replaced between looking and renaming. Killed
        before the old name is removed, it has both: the same call again removes the old one.
        """
        try:
            with self.at(source) as (old, name), self.at(target) as (new, new_name), _between(source, target):
                renameat2(old, name, new, new_name)
            self.forget_folders(source)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            self._rename_if_free(source, target)

    def _rename_if_free(self, source: Path, target: Path) -> None:
        if self.kind(target) is not None:
            if self._has_both_names(source, target):
                self.remove(source)
                return
            raise name_taken(target)
        if self.kind(source) == "folder":
            try:
                self.rename(source, target)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) and self.kind(target) is not None:
                    raise name_taken(target) from error
                raise
            return
        try:
            with self.at(source) as (old, name), self.at(target) as (new, new_name), _between(source, target):
                os.link(name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            if self.kind(target) is not None:
                raise name_taken(target) from None
            self.rename(source, target)
        else:
            self.remove(source)

    def _has_both_names(self, source: Path, target: Path) -> bool:
        """Whether one file goes by two names; not where a file system takes both for one."""
        one, other = self.lstat(source), self.lstat(target)
        return stat.S_ISREG(one.st_mode) and one.st_nlink > 1 and os.path.samestat(one, other)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        """Make one folder; FileExistsError where anything stands there."""
        with self.at(path) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder)

    def remove(self, path: Path) -> None:
        """Remove a file or link; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError), self.at(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def rmdir(self, path: Path) -> bool:
        """Remove a folder if it is empty; says whether it is gone."""
        try:
            with self.at(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
            self.forget_folders(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    def rmtree(self, path: Path) -> None:
        """Remove a folder and all in it, or whatever stands there; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError), self.at(path) as (folder, name):
            if kind_of(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode) == "folder":
                self.forget_folders(path)
                remove_tree(folder, name)
            else:
                os.unlink(name, dir_fd=folder)

    def fsync_dir(self, path: Path) -> None:
        """Make the names in a folder durable."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with _about(path):
                self.sync(fd)
        except OSError as error:
            # Some FUSE and network file systems have no fsync of folders; there is nothing better to do there.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        finally:
            os.close(fd)

    def fsync_file(self, path: Path) -> None:
        """Make what is in a regular file durable; links and others are passed over."""
        try:
            fd = self.open(path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return
            raise
        try:
            with _about(path):
                self.sync(fd)
        finally:
            os.close(fd)

    def copy_new(
        self, source: Path, target: Path, expected: Identity | None, *, sync: bool = True, strangers: bool = False
    ) -> Identity:
        """Copy a regular file to a new name, with its mtime if that may be set, sharing blocks where that can be.

        A link is never followed. Raises :class:`NotRegularError`, and :class:`ChangedError` where the file is
        not ``expected`` or changed while it was read; :class:`UnreadableError` where reading it fails;
        FileExistsError where the target stands. What ``strangers`` gave and is private elsewhere cannot be read either.
        """
        source_fd = self.open(source)
        try:
            status = os.fstat(source_fd)
            before = Identity.of(status)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(f"{source} is not a file")
            if strangers and is_private_elsewhere(status):
                raise UnreadableError(errno.EIO, HARD_LINK, str(source))
            if expected is not None and before != expected:
                raise ChangedError(f"{source} changed since it was seen")
            target_fd = self.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                with _about(target):
                    whole = copy_content(source_fd, target_fd, status.st_size, self.on_progress, str(source))
                    with contextlib.suppress(PermissionError):  # a share shows our own files as another user's
                        os.utime(target_fd, ns=(status.st_atime_ns, status.st_mtime_ns))
                    if sync:
                        self.sync(target_fd)
            finally:
                os.close(target_fd)
            if not whole or Identity.of(os.fstat(source_fd)) != before:
                raise ChangedError(f"{source} changed while it was copied")
            return before
        finally:
            os.close(source_fd)

    def symlink(self, points_to: str, target: Path) -> None:
        """Make a link that says ``points_to``; a file with that text where the file system has no links."""
        try:
            with self.at(target) as (folder, name):
                os.symlink(points_to, name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            self.write_new(target, os.fsencode(points_to))


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """What goes wrong with an open file names it: a person wants to know which disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextlib.contextmanager
def _between(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(source), str(target)
        raise


def name_taken(path: Path) -> FileExistsError:
    """As the system says it."""
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def renameat2(old: int, name: str, new: int, new_name: str) -> None:
    call = getattr(libc(), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    done = call(old, os.fsencode(name), new, os.fsencode(new_name), ctypes.c_uint(RENAME_NOREPLACE))
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
