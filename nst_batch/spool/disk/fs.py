"""The file-system boundary: every change that the spool makes to a disk goes through one object.

The order of writes, fsyncs and renames is what keeps a night's queue alive, so it is made of few primitives
(:mod:`nst_batch.spool.disk.primitives`) that a test can record, refuse or stop at: a subclass sees each of them,
``on_step`` is called at each named point between them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from nst_batch.names import unique_name
from nst_batch.spool.disk.blocked import one_place_only
from nst_batch.spool.disk.copying import READ_CHUNK, UnreadableError
from nst_batch.spool.disk.layout import unique_file
from nst_batch.spool.disk.primitives import HARD_LINK, Content, Identity, Primitives, is_private_elsewhere, name_taken


class FileSystem(Primitives):
    """What is made of the primitives.

    ``on_step(name)`` is called after each named step of the spool; what it raises passes, which is how a test
    stops the spool there.
    """

    def __init__(self, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self._on_step = on_step
        self._left_over: dict[Path, Callable[[], object]] = {}  # what a disk that refused has kept, and how it goes

    def step(self, name: str) -> None:
        """Say that the spool has come to the step ``name``, such as ``claim.renamed``."""
        if self._on_step is not None:
            self._on_step(name)

    def write_durable(self, path: Path, data: Content) -> None:
        """Replace ``path`` whole: written aside, fsynced, renamed, and the folder fsynced."""
        self.replace(path, data, sync=True)
        self.fsync_dir(path.parent)

    def replace(self, path: Path, data: Content, *, sync: bool = False, for_all: bool = False) -> None:
        """Replace ``path`` whole, so that a reader sees the old or the new one; not durable by itself.

        ``for_all``: everybody may read it. A folder that stands at a file's place is moved aside.
        """
        with self._aside(path) as aside:
            self.write_new(aside, data, sync=sync)
            if for_all:
                self.let_all_read(aside)
            try:
                self.rename(aside, path)
            except IsADirectoryError:
                self.rename(path, path.with_name(f"{path.name}-{secrets.token_hex(4)}"))
                self.rename(aside, path)

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, durably; no error where it stands."""
        if not self.is_folder(path):
            self.make_folder(path.parent)
            self.make_one_folder(path)

    def make_one_folder(self, path: Path) -> None:
        """As :meth:`make_folder` in a folder that must be there: FileNotFoundError where it has gone."""
        if self.is_folder(path):
            return
        with contextlib.suppress(FileExistsError):
            self.mkdir(path)
        if not self.is_folder(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        self.fsync_dir(path.parent)

    def copy_file(
        self,
        source: Path,
        target: Path,
        expected: Identity | None = None,
        *,
        sync: bool = True,
        strangers: bool = False,
    ) -> None:
        """Copy to ``target``, which appears whole or not at all; a link is copied as a link.

        Errors as :meth:`copy_new`; an existing target is replaced.
        """
        with self._aside(target) as aside:
            if self.kind(source) == "link":
                self.symlink(self.readlink(source), aside)
            else:
                self.copy_new(source, aside, expected, sync=sync, strangers=strangers)
            self.rename(aside, target)
            self.on_progress()

    @contextlib.contextmanager
    def _aside(self, path: Path) -> Iterator[Path]:
        """A name beside ``path`` to write to first; nothing is left of it where that fails."""
        aside = beside(path)
        try:
            yield aside
        except BaseException as error:
            try:
                Primitives.remove(self, aside)
            except OSError:
                self._left_over[aside] = partial(self.remove, aside)
            if isinstance(error, OSError) and error.filename == str(aside):
                error.filename = str(path)  # a hidden name, another one each time, says nothing to a person
            raise

    def move_file(self, source: Path, target: Path, *, is_free: bool = False) -> None:
        """Rename, refusing an existing target; across file systems a copy, fsynced and whole, then removal.

        ``is_free``: nobody else can put anything there, so that one step does on every file system.
        """
        try:
            (self.rename if is_free else self.rename_noreplace)(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if self.kind(target) is not None:
                raise name_taken(target) from error
            self.copy_file(source, target)
            self.fsync_dir(target.parent)
            self.step("move.copied")
            self.remove(source)
        self.fsync_dir(target.parent)
        self.fsync_dir(source.parent)

    def move_beside(self, source: Path, wanted: Path) -> Path:
        """Move a file to ``wanted`` or, where something stands there, to a name with a number beside it."""
        taken: set[str] = set()
        while True:
            target = wanted.with_name(unique_file(wanted.name, taken))
            try:
                self.move_file(source, target)
            except FileExistsError:
                continue
            return target

    def rename_free(self, source: Path, folder: Path, name: str) -> Path:
        """Rename into a folder, as ``name`` or with the first number that is free; the path there."""
        refused: list[str] = []  # a network's listing may be an old one
        while True:
            target = folder / unique_name(name, [*self.names(folder), *refused])
            try:
                self.rename_noreplace(source, target)
            except FileExistsError:
                refused.append(target.name)  # somebody took it between the look and the rename
                continue
            return target

    def fsync_tree(self, root: Path) -> None:
        """Make a folder and all in it durable, files before the folders that name them."""
        for folder, others in self.walk(root):
            for name in others:
                if self.kind(folder / name) == "file":
                    self.fsync_file(folder / name)
                    self.on_progress()
            self.fsync_dir(folder)

    def discard(self, path: Path, trash: Path) -> None:
        """Remove a folder so that it is seen whole or not at all: renamed into ``trash`` first."""
        self.make_folder(trash)
        discarded = trash / secrets.token_hex(8)
        try:
            self.rename(path, discarded)
        except FileNotFoundError:
            return

        def remove() -> None:
            # It alone: of what else lies there the disk may not know yet that it is gone from its place.
            self.fsync_dir(path.parent)
            self.rmtree(discarded)

        self._left_over[discarded] = remove
        self.fsync_dir(path.parent)
        self.step("discard.renamed")
        self.clear_away(discarded)

    def rmtree(self, path: Path) -> None:
        """As the primitive; what is made in that place from now on is nothing left over."""
        super().rmtree(path)
        self._left_over.pop(path, None)

    def clear_away(self, path: Path, remove: Callable[[], object] | None = None) -> None:
        """Remove what is of no use any more, whole or by ``remove()``; what the disk refuses is done again later.

        By :meth:`clear_left_overs`, which the sweep calls. Whoever makes something else of that name removes it first.
        """
        try:
            (remove or partial(self.rmtree, path))()
        except OSError:
            self._left_over.setdefault(path, remove or partial(self.rmtree, path))
        else:
            self._left_over.pop(path, None)

    def clear_left_overs(self) -> None:
        """Remove what a disk that refused has kept; what it keeps still is tried again the next time."""
        for path, remove in list(self._left_over.items()):
            self.clear_away(path, remove)

    def empty(self, folder: Path, but: Collection[str] = ()) -> None:
        """Remove whatever lies in a folder, ``but`` for these names and what may not be removed; none is empty."""
        for name in set(self.names_in(folder)).difference(but):
            with one_place_only():
                self.rmtree(folder / name)


def beside(path: Path) -> Path:
    """A hidden, unused name in the same folder, short enough for every file system."""
    return path.with_name(f".{secrets.token_hex(6)}.tmp")


def free_bytes(path: Path) -> int:
    """What an ordinary user can still write on the file system of ``path``."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def read_sidecar(fs: FileSystem, path: Path, limit: int) -> bytes:
    """The first ``limit + 1`` bytes of a sidecar, so that one over the limit is seen to be; a link's own text.

    UnreadableError where it is not a file by now, or one that somebody has elsewhere and that is not for all to see.
    """
    try:
        file = fs.reader(path)
    except OSError:
        if fs.kind(path) == "link":
            return os.fsencode(fs.readlink(path))
        raise
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(errno.EIO, "it is no file", str(path))
        if is_private_elsewhere(status):
            raise UnreadableError(errno.EIO, HARD_LINK, str(path))
        return file.read(limit + 1)


def digest_of_file(fs: FileSystem, path: Path) -> str:
    """The hash of a file's bytes, in hex; "" where it cannot be read."""
    sum_of = hashlib.sha256()
    try:
        with fs.reader(path) as file:
            while piece := file.read(READ_CHUNK):
                sum_of.update(piece)
                fs.on_progress()
    except OSError:
        return ""
    return sum_of.hexdigest()
