"""JOB names for everything in the inbox, in a time that grows with the number of names and not with its square."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nst_batch import names
from nst_batch.beneath import Beneath


def key_of(name: str) -> str:
    """``name`` folded; the very same text where that is equal."""
    folded = names.fold(name)
    return name if folded == name else folded


class Namer:
    """Gives names that are not taken; equality as in :mod:`nst_batch.names`."""

    def __init__(self, taken: Iterable[str]) -> None:
        """``taken`` are folded names."""
        self.taken = set(taken)
        self._next: dict[str, int] = {}  # by folded base: every number below is taken

    def name(self, base: str) -> str:
        """``base``, or with ``-2``, ``-3`` … the first that is free; it is taken from now on."""
        key = names.fold(base)
        number = self._next.get(key, 1)
        while (folded := key if number == 1 else f"{key}-{number}") in self.taken:
            number += 1
        self._next[key] = number + 1
        self.taken.add(folded)
        return base if number == 1 else f"{base}-{number}"


class FolderNames:
    """The names in one folder, folded; it is listed again only when it has changed, and only new names are folded."""

    def __init__(self, files: Beneath, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, str] = {}

    def names(self) -> frozenset[str]:
        """What is there now; nothing where the folder is not."""
        try:
            status = self._files.lstat(self._folder)
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp != self._stamp:
                before = self._keys
                found = self._files.names(self._folder)
                self._keys = {name: before.get(name) or key_of(name) for name in found}
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._keys = None, {}
        return frozenset(self._keys.values())
