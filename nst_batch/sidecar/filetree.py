"""Names below a folder, as they are found without following a link: on the disk or in a listing of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from nst_batch.beneath import DEEPEST, Beneath, Kind
from nst_batch.characters import is_text, latin, loose


class Tree(Protocol):
    """Names below a root, as they are found without following a link. Paths are relative, with / between."""

    @property
    def root(self) -> Path: ...

    def kind(self, path: str) -> str | None:
        """What lies at ``path``, whose folders are known to be folders; None for nothing."""

    def names(self, folder: str) -> Mapping[str, str]:
        """Each name in ``folder`` ("" for the root) with its kind; empty where it is no folder."""

    def alike(self, folder: str, name: str) -> tuple[str, ...]:
        """The names in ``folder`` that differ from ``name`` by what is hard to see at most.

        That is case, composition, the kind of a space, spaces around it, letters of another script that look the same.
        """


class _Alike:
    """A tree's index of names that look the same; made once a folder."""

    def __init__(self) -> None:
        self._alike: dict[str, dict[str, tuple[str, ...]]] = {}

    def names(self, folder: str) -> Mapping[str, str]:
        raise NotImplementedError

    def alike(self, folder: str, name: str) -> tuple[str, ...]:
        """See :class:`Tree`."""
        if folder not in self._alike:
            index: dict[str, tuple[str, ...]] = {}
            for each in self.names(folder):
                key = _looks(each)
                index[key] = (*index.get(key, ()), each)
            self._alike[folder] = index
        return self._alike[folder].get(_looks(name), ())


def _looks(name: str) -> str:
    return latin(loose(name)).casefold().strip()


class DiskTree(_Alike):
    """The disk itself; a folder is listed once in the life of the object."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self._files = Beneath()
        self._files.keep_beneath(root)
        self._names: dict[str, dict[str, str]] = {}

    def kind(self, path: str) -> str | None:
        """See :class:`Tree`. PermissionError where a folder on the way may not be searched."""
        try:
            return self._files.kind(self.root / path)
        except PermissionError:
            raise
        except OSError:  # nothing there, or a name that cannot be: too long, below a file
            return None

    def names(self, folder: str) -> Mapping[str, str]:
        """See :class:`Tree`. Names that are not UTF-8 are left out: no sidecar or job.json can hold them."""
        if folder not in self._names:
            self._names[folder] = self._list(folder)
        return self._names[folder]

    def _list(self, folder: str) -> dict[str, str]:
        found: dict[str, str] = {}
        if folder.count("/") >= DEEPEST:
            return found
        try:
            with self._files.scan(self.root / folder) as entries:
                for entry in entries:
                    if entry.name.isascii() or is_text(entry.name):
                        found[entry.name] = _kind_of_entry(entry)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENAMETOOLONG):  # a link by now; too deep for a path
                raise
            return {}
        return found


class HasKind(Protocol):
    """An entry of a listing."""

    @property
    def kind(self) -> str: ...


class ListingTree(_Alike):
    """A listing of everything below a root, links not followed: path to an entry with its ``kind``."""

    def __init__(self, root: Path, entries: Mapping[str, HasKind]) -> None:
        super().__init__()
        self.root = root
        self._entries = entries
        self._names: dict[str, dict[str, str]] | None = None

    def kind(self, path: str) -> str | None:
        """See :class:`Tree`."""
        entry = self._entries.get(path)
        return entry.kind if entry else None

    def names(self, folder: str) -> Mapping[str, str]:
        """See :class:`Tree`. The first call sorts the whole listing by folder."""
        if self._names is None:
            self._names = {}
            for path, entry in self._entries.items():
                above, _, name = path.rpartition("/")
                self._names.setdefault(above, {})[name] = entry.kind
        return self._names.get(folder, {})


def _kind_of_entry(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
