"""JOB names for everything in the inbox, in a time that grows with the number of names and not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from nst_batch import names
from nst_batch.beneath import Beneath

SECOND_NS = 1_000_000_000
COARSE_SECONDS = 3.0  # after which a folder's time is another one wherever it has changed


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
    """The names in one folder, folded; it is listed again only when it has changed, and only new names are folded.

    Where times are told in whole seconds (vfat, SFTP), or two of them, another change within that time would not show:
    there a folder that has changed is listed for a while.
    """

    def __init__(self, files: Beneath, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._folder = folder
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._trusted_from = 0.0  # by the clock: what was listed since then is what the stamp says
        self._listed = 0.0
        self._keys: dict[str, str] = {}

    def names(self) -> frozenset[str]:
        """What is there now; nothing where the folder is not."""
        try:
            status = self._files.lstat(self._folder)
            stamp, now = (status.st_ino, status.st_mtime_ns), self._clock()
            if stamp != self._stamp:
                self._trusted_from = now + (0.0 if status.st_mtime_ns % SECOND_NS else COARSE_SECONDS)
            if stamp != self._stamp or self._listed < self._trusted_from:
                before = self._keys
                found = self._files.names(self._folder)
                self._keys = {name: before.get(name) or key_of(name) for name in found}
                self._stamp, self._listed = stamp, now
        except FileNotFoundError:
            self._stamp, self._keys = None, {}
        return frozenset(self._keys.values())
