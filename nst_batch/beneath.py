"""Paths beneath a few root folders, looked up at the moment of use without following any link.

Whoever may write in the inbox may turn a folder of it into a link at any time. So a path is never given to the system
as a whole: the folder that holds its last name is opened beneath its root, by one call where the kernel has it
(``openat2``, Linux 5.6) and folder by folder elsewhere, and what happens then happens to a name in that open folder.
A link, or a file, on the way is NotADirectoryError: nothing that could be reached lies there.

The roots themselves are opened by name, links followed: the folders above them are the administrator's. One may be
pinned: it is kept open, and stays the very folder that it was, whatever has its name by now.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

SYS_OPENAT2 = 437  # on every architecture but alpha
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x02, 0x04, 0x08
FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_TO_BE_HAD = (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)  # an old kernel, or a filter of system calls
Kind = Literal["file", "folder", "link", "other"]
WHAT_IS_NO_FILE = {"folder": "a folder", "link": "a symbolic link", "other": "a pipe, a socket or a device"}
MOST_KEPT = 64  # folders kept open at a time
MOST_LEVELS = 16  # of a job's folder that are looked into; it has two
DEEPEST = 100  # folders in each other below the inbox or a library; of what lies deeper nobody asks
_TRIES = 100  # openat2 gives up, and says so, where a folder was renamed while it looked


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library, for what Python has no call for."""
    return ctypes.CDLL(None, use_errno=True)


def open_folder(root: int, parts: tuple[str, ...]) -> int:
    """The folder at ``parts`` beneath the open folder ``root``, as a descriptor to look names up in (``O_PATH``).

    NotADirectoryError where one of them is a link, a file or ``..``; FileNotFoundError, PermissionError as ever.
    """
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not parts:
        return os.open(".", FOLDER, dir_fd=root)
    try:
        return openat2(root, "/".join(parts))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EXDEV):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
        if error.errno not in _NOT_TO_BE_HAD:
            raise OSError(error.errno, error.strerror) from error
    return _open_by_steps(root, parts)


def kind_of(mode: int) -> Kind:
    """What a mode says that lies there; ``other`` is a device, a pipe or a socket."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def openat2(root: int, path: str) -> int:
    how = _OpenHow(FOLDER, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    for _ in range(_TRIES):
        fd = libc().syscall(SYS_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code))


def _open_by_steps(root: int, parts: tuple[str, ...]) -> int:
    fd = os.dup(root)
    for part in parts:
        try:
            deeper = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _close_all(pinned: dict[str, tuple[int, bool]]) -> None:
    while pinned:
        os.close(pinned.popitem()[1][0])


class _At:
    """The context of :meth:`Beneath.at`; a class, for it is entered a hundred times for each job."""

    __slots__ = ("_beneath", "_folder", "_is_mine", "_text")

    def __init__(self, beneath: Beneath, text: str) -> None:
        self._beneath = beneath
        self._text = text

    def __enter__(self) -> tuple[int, str]:
        try:
            self._folder, name, self._is_mine = self._beneath.folder_of(self._text)
            if name == "..":
                if self._is_mine:
                    os.close(self._folder)
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        except OSError as error:
            self._name(error)
            raise
        return self._folder, name

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._is_mine:
            os.close(self._folder)
        if isinstance(error, OSError):
            self._name(error)

    def _name(self, error: OSError) -> None:
        if error.filename is None or "/" not in os.fsdecode(error.filename):
            error.filename = self._text


class Beneath:
    """Looking at files beneath the roots. Without any root, a path is taken as it is, on the word of who gave it."""

    def __init__(self) -> None:
        self._roots: list[str] = []
        self._pinned: dict[str, tuple[int, bool]] = {}  # each with whether it was a root before
        self._kept: dict[str, int] = {}  # folders by their path, while :meth:`keeping_open`
        self._keeping = 0
        weakref.finalize(self, _close_all, self._pinned)  # descriptors end with whom they belong to
        self.owner = os.geteuid()  # of the files that we make, as the file system of the pinned folder shows it
        self.owners: dict[str, int] = {}  # likewise of other roots, by their path

    def keep_beneath(self, *roots: Path) -> None:
        """From now on every path must lie beneath one of these, the deepest of which counts."""
        self._roots = sorted({*self._roots, *map(str, roots)}, key=len, reverse=True)

    def pin(self, root: Path, fd: int) -> None:
        """Keep an open folder as a root, whatever has its name by now."""
        self.unpin(root)
        self._pinned[str(root)] = (fd, str(root) in self._roots)
        self.keep_beneath(root)

    def unpin(self, root: Path) -> None:
        """Let go of a root that is kept open; one that was none before is none any more."""
        fd, was_root = self._pinned.pop(str(root), (None, True))
        if not was_root:
            self._roots.remove(str(root))
        if fd is not None:
            os.close(fd)

    def pinned(self, root: Path) -> int | None:
        """The descriptor of a root that is kept open."""
        return self._pinned.get(str(root), (None, True))[0]

    def owner_of(self, path: Path) -> int:
        """Whose the files that we make there are shown to be."""
        text = str(path)
        return next((uid for root, uid in self.owners.items() if text.startswith(f"{root}/")), self.owner)

    @contextlib.contextmanager
    def keeping_open(self) -> Iterator[None]:
        """Folders that are looked up are kept open until this ends, so that thousands of files cost one look-up.

        Each was found beneath its root within that time; it may be elsewhere by now, as after any look-up.
        """
        self._keeping += 1
        try:
            yield
        finally:
            self._keeping -= 1
            if not self._keeping:
                self.forget_folders()

    def forget_folders(self, below: Path | None = None) -> None:
        """Look up again what is kept open, where ``below`` is given that folder and all in it."""
        if below is None:
            stale = list(self._kept)
        elif self._kept:
            text = str(below)
            stale = [path for path in self._kept if path == text or path.startswith(f"{text}/")]
        else:
            return
        for path in stale:
            os.close(self._kept.pop(path))

    def at(self, path: Path) -> _At:
        """A context: the open folder that holds ``path``, and its name there; what goes wrong names the whole path."""
        return _At(self, str(path))

    def folder_of(self, text: str) -> tuple[int, str, bool]:
        """The open folder that holds a path, the name there, and whether the caller is to close it."""
        above, _, name = text.rpartition("/")
        kept = self._kept.get(above)
        if kept is not None and name and text not in self._roots:
            return kept, name, False
        root = next((root for root in self._roots if text == root or text.startswith(f"{root}/")), None)
        if root is None and not self._roots:
            return os.open(above or ("/" if text.startswith("/") else "."), FOLDER), name, True
        if root is None or text == root:
            return *self._open_root(Path(text)), True
        folder = self._open_beneath(root, tuple(text[len(root) + 1 :].split("/")[:-1]))
        is_kept = self._keeping > 0 and len(self._kept) < MOST_KEPT  # none makes room: it may be in use
        if is_kept:
            self._kept[above] = folder
        return folder, name, not is_kept

    def _open_root(self, path: Path) -> tuple[int, str]:
        """A root, or what lies above one."""
        text = str(path).rstrip("/")
        if not any(root == text or root.startswith(f"{text}/") for root in self._roots):
            raise NotADirectoryError(errno.ENOTDIR, "not beneath a folder that we work in")
        try:
            return self._open_beneath(str(path), ()), "."
        except FileNotFoundError:
            return os.open(path.parent, FOLDER), path.name  # it is about to be made

    def _open_beneath(self, root: str, parts: tuple[str, ...]) -> int:
        if root in self._pinned:
            return open_folder(self._pinned[root][0], parts)
        fd = os.open(root, FOLDER)
        try:
            return open_folder(fd, parts)
        finally:
            os.close(fd)

    # --- looking ----------------------------------------------------------------------------------------

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """A descriptor of what lies at ``path``; a link is refused (ELOOP), a pipe is not waited for."""
        with self.at(path) as (folder, name):
            return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=folder)

    def reader(self, path: Path) -> BinaryIO:
        """The file at ``path``, opened as by :meth:`open`, to read from and to be closed."""
        fd = self.open(path)
        try:
            return open(fd, "rb")  # noqa: PTH123 - a descriptor
        except OSError as error:  # of a folder
            os.close(fd)
            error.filename = str(path)
            raise

    def read(self, path: Path) -> bytes:
        """All that the file at ``path`` holds, opened as by :meth:`open`."""
        with self.reader(path) as file:
            return file.read()

    def lstat(self, path: Path) -> os.stat_result:
        """What lies at ``path`` itself."""
        with self.at(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def kind(self, path: Path) -> Kind | None:
        """What lies there; None for nothing."""
        try:
            mode = self.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return kind_of(mode)

    def is_folder(self, path: Path) -> bool:
        """Whether a real folder lies there; where nothing is kept beneath roots, a link to one is one."""
        return self.kind(path) == "folder" if self._roots else path.is_dir()

    def names(self, path: Path) -> list[str]:
        """The names in a folder, in order."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))  # noqa: PTH208 - of a descriptor
        except OSError as error:
            error.filename = str(path)
            raise
        finally:
            os.close(fd)

    def names_in(self, path: Path) -> list[str]:
        """As :meth:`names`; none where no folder is there."""
        try:
            return self.names(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextlib.contextmanager
    def scan(self, path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        """The entries of a folder, each to be looked at (``stat(follow_symlinks=False)``) before this ends."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(fd) as entries:
                yield entries
        finally:
            os.close(fd)

    def readlink(self, path: Path) -> str:
        """The text of a link."""
        with self.at(path) as (folder, name):
            return os.readlink(name, dir_fd=folder)

    def may(self, path: Path, mode: int) -> bool:
        """Whether ``path``, which is no link, may be read (os.R_OK), written to, searched."""
        with contextlib.suppress(OSError), self.at(path) as (folder, name):
            return os.access(name, mode, dir_fd=folder, follow_symlinks=False)
        return False

    def walk(self, root: Path, levels: int = MOST_LEVELS) -> Iterator[tuple[Path, list[str]]]:
        """Every folder from the deepest up to ``root``, each with the names in it that are no folders.

        What lies more than ``levels`` below, or has no path that the system would take, is not ours and is passed over.
        """
        others = []
        for name in self.names(root):
            try:
                is_folder = self.kind(root / name) == "folder"
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                continue
            if not is_folder:
                others.append(name)
            elif levels:
                yield from self.walk(root / name, levels - 1)
        yield root, others


def folders_below(top: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk`` from Python 3.12 on, which no depth upsets: each folder, the names of folders and of others in it.

    What is taken out of the list of folders is not entered, nor are links; what cannot be read is passed over.
    """
    pending = [str(top)]
    while pending:
        folder = pending.pop()
        folders: list[str] = []
        others: list[str] = []
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
            yield folder, folders, others
            pending += [f"{folder}/{name}" for name in folders]
