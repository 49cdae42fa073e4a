"""Jobs that have had their ends so lately that whoever writes a control file for one may not know it yet.

A control file that comes too late fits no job any more, and would act on the next one of that name. The names stand in
a small file in the daemon's own folder as well: one that has been killed is followed by one that knows them.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from pathlib import Path

from nst_batch import names
from nst_batch.spool.disk.copying import write_all
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import DamagedError, read_own

ENDED_NAME = "ended"
NEWS_SECONDS = 30.0  # for which people may not know yet that a job has its end, from the first look after it


class EndNews:
    """The names and ids, folded, of those jobs."""

    def __init__(self, fs: FileSystem, path: Path) -> None:
        """``path``: of the file."""
        self._fs = fs
        self._path = path
        self._until: dict[str, float] = {}  # monotonic

    def restore(self) -> None:
        """Take over what an earlier daemon has put down, which is news still, however long ago it was."""
        with contextlib.suppress(DamagedError, OSError):
            text = (read_own(self._fs, self._path) or b"").decode(errors="replace")
            self._until |= dict.fromkeys(filter(None, text.split("\n")), math.inf)

    def add(self, name: str, job_id: str) -> None:
        """A job has its end: to be called before that is recorded, or a kill in between would leave it untold."""
        words = (names.fold(name), names.fold(job_id))
        self._until |= dict.fromkeys(words, math.inf)
        # No end waits for a disk that refuses this, nor for one that is slow.
        with contextlib.suppress(OSError):
            fd = self._fs.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                write_all(fd, b"\n" + _lines(words))  # a disk that was full may have torn what came before
            finally:
                os.close(fd)

    def look(self, mono: float) -> None:
        """A look at the inbox is made: what is news from now on, and what is none any more."""
        before = self._until
        self._until = {word: min(until, mono + NEWS_SECONDS) for word, until in before.items() if until > mono}
        if len(self._until) < len(before):
            with contextlib.suppress(OSError):
                self._fs.replace(self._path, _lines(self._until))

    def has(self, word: str) -> bool:
        """Whether a folded name or id is such a job's."""
        return word in self._until


def _lines(words: Iterable[str]) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()
