"""Why the queue waits, told once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from nst_batch.spool.disk.blocked import InboxLost, SpoolBlocked


class QueueBlock:
    """What keeps the queue from going on; ``note`` and ``warn`` tell a person, ``on_new`` gets each new kind's code."""

    def __init__(self, note: Callable[[str], None], warn: Callable[[str], None], on_new: Callable[[str], None]) -> None:
        self._note = note
        self._warn = warn
        self._on_new = on_new
        self._told: set[str] = set()  # codes
        self.reason: str | None = None  # None where nothing does

    def met(self, code: str, reason: str) -> None:
        """The queue waits. Each kind of reason is told once, wherever on the disk it turns up next."""
        if code not in self._told:
            self._told.add(code)
            self._warn(f"the queue waits: {reason}")
            self._on_new(code)
        self.reason = reason

    @contextlib.contextmanager
    def instead(self, *, at_once: bool = False) -> Iterator[None]:
        """Where the disk does not let us go on, wait in place of an error: the folders still say what is to be done.

        With ``at_once`` the error passes: nobody is there to wait for better times.
        """
        try:
            yield
        except (SpoolBlocked, InboxLost) as error:
            if at_once:
                raise
            self.met(error.code, error.in_one_line)

    def gone(self) -> None:
        """The queue goes on."""
        if self.reason is not None:
            self._note("the queue goes on")
            self._told.clear()
            self.reason = None
