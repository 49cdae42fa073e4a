"""What a person is to be told with the next view of the inbox, each thing once."""

from __future__ import annotations

from collections.abc import Collection

FEW = 5  # names in one note


class Notes:
    """Collects notes until they are taken."""

    def __init__(self) -> None:
        self._said: dict[str, set[str]] = {}  # by kind of note
        self._said_once: set[str] = set()
        self._untold: list[str] = []

    def take(self) -> tuple[str, ...]:
        """What is to be told now."""
        notes, self._untold = tuple(self._untold), []
        return notes

    def say(self, text: str) -> None:
        """Have something told."""
        self._untold.append(text)

    def say_once(self, text: str) -> None:
        """As :meth:`say`, unless the same was said before."""
        if text not in self._said_once:
            self._said_once.add(text)
            self.say(text)

    def say_of(self, kind: str, found: Collection[str], one: str, many: str) -> None:
        """Tell of what is ``found``, all of it, by a line each (``one``, formatted) or, of many, by one for them all.

        What was found the last time as well, of this ``kind``, is told already.
        """
        said = self._said.get(kind, set())
        new = sorted(set(found) - said)
        self._said[kind] = set(found)
        if len(new) > FEW:
            self.say(f"{len(new)} {many}: {', '.join(new[:FEW])} …")
        else:
            for path in new:
                self.say(one.format(path))
