"""Why the queue waits, told once."""

from __future__ import annotations

from collections.abc import Callable


class Hindrance:
    """What keeps the queue from going on; ``note`` tells a person, ``on_new`` is given the code of each new kind."""

    def __init__(self, note: Callable[[str], None], on_new: Callable[[str], None]) -> None:
        self._note = note
        self._on_new = on_new
        self._told: set[str] = set()  # codes
        self.reason: str | None = None  # None where nothing does

    def met(self, code: str, reason: str) -> None:
        """The queue waits. Each kind of reason is told once, wherever on the disk it turns up next."""
        if code not in self._told:
            self._told.add(code)
            self._note(f"the queue waits: {reason}")
            self._on_new(code)
        self.reason = reason

    def gone(self) -> None:
        """The queue goes on."""
        if self.reason is not None:
            self._note("the queue goes on")
            self._told.clear()
            self.reason = None
