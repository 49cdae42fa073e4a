"""What a person is to be told with the next view of the inbox, each thing once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nst_batch.spool.inbox.readiness import FolderView

FEW = 5  # names in one note


class Notes:
    """Collects notes until they are taken."""

    def __init__(self) -> None:
        self._said: dict[str, Mapping[str, str]] = {}  # by kind of note
        self._said_once: set[str] = set()
        self._untold: list[str] = []
        self._standing: dict[str, list[str]] = {}  # by kind of note, all that is to be told of it, whether it is new

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

    def say_of(
        self, kind: str, found: Collection[str] | Mapping[str, str], one: str, many: str, *, in_other_words: bool = True
    ) -> None:
        """Tell of what is ``found``, all of it, by a line each (``one``, formatted) or, of many, by one for them all.

        A mapping has for each path what ``one`` is made of. What was found the last time as well, of this ``kind``, is
        told already, unless it has other words now and is to be told ``in_other_words``.
        """
        words = found if isinstance(found, Mapping) else dict(zip(found, found, strict=True))
        said = self._said.get(kind, {})
        self._said[kind] = words
        new = (path for path in words if path not in said or (in_other_words and said[path] != words[path]))
        self._untold += _lines({path: words[path] for path in new}, one, many)
        self._standing[kind] = _lines(words, one, many)

    def say_of_folders(self, folders: Collection[FolderView]) -> None:
        """Tell what may have been meant otherwise in files that speak for their folders, and what they leave out."""
        noted = {one.path: f"{one.path}: {one.note}" for one in folders if one.note}
        self.say_of("folder files", noted, "{}", "folder files may be meant otherwise")
        left = {one.path: f"{one.path}: {one.left_out}" for one in folders if one.left_out}
        many = "folder files leave out what is not read here; nst-batch check names it"
        # Once, though a camera's card is still being copied and there is more at each look.
        self.say_of("left out", left, "{}", many, in_other_words=False)

    def standing(self, *kinds: str) -> tuple[str, ...]:
        """What is found of these kinds at present, told before or not."""
        return tuple(line for kind in kinds for line in self._standing.get(kind, ()))


def _lines(words: Mapping[str, str], one: str, many: str) -> list[str]:
    if len(words) > FEW:
        return [f"{len(words)} {many}: {', '.join(sorted(words)[:FEW])} …"]
    return [one.format(words[path]) for path in sorted(words)]
