"""For what sidecars wait, told once of each; of many at once how many they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from nst_batch.clock import Moment
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import Ready, Waiting

MANY = 20  # sidecars that are named of those that come together; of more there is one line
TOGETHER_SECONDS = 60.0  # what comes without a pause is summed up so often
UNTOLD = ("settling", "defaults")  # it passes by itself, or what is to blame is told once for all


class _Told(NamedTuple):
    """What has been said of a sidecar, as it was then; flat, for there may be tens of thousands."""

    size: int
    mtime_ns: int
    why: str
    is_named: bool  # or it is one of those that were only counted

    def is_of(self, entry: Entry) -> bool:
        """Whether the same file lies there. Its number says nothing: it hangs on defaults, and some disks change it."""
        return (entry.size, entry.mtime_ns) == (self.size, self.mtime_ns)


class ToldWaits:
    """Follows the views of the inbox.

    A look is made in slices, and each tells of thousands that they are about to be read, again too wherever something
    came that they may wait for: they have not ceased to wait. So what is said of a sidecar is forgotten only when
    another file, or none, lies there. What comes together, slice by slice or file by file, is one round; its end is the
    first view in which nothing new is about to come, and only then is it known how many wait.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._seen: tuple[Waiting, ...] = ()
        self._told: dict[str, _Told] = {}
        self._counted = 0  # of them not named, at the end of the last round
        self._named = 0  # in this round
        self._round_ends: float | None = None  # monotonic, at the latest; None between two

    def tell(self, view: InboxView, at: Moment) -> None:
        """Say of each sidecar for what it waits, and until when, where that is not told yet."""
        if view.waiting is self._seen:
            return
        self._seen = view.waiting
        if self._round_ends is None:
            self._round_ends = at.mono + TOGETHER_SECONDS
        # What is tried again stands among the ready for one look.
        kept, new, comes = self._still(view.ready), [], False
        for pair in view.waiting:
            told = self._told_of(pair)
            if pair.kind not in UNTOLD and (told is None or told.why != pair.why):
                new.append(pair)
            elif told is not None:
                kept[pair.sidecar] = told
            else:
                comes = comes or pair.kind == "settling"
        self._told = kept
        for pair in new:
            self._take_in(pair)
        if not comes or at.mono >= self._round_ends:
            self._end_round()

    def _told_of(self, pair: Waiting | Ready) -> _Told | None:
        told = self._told.get(pair.sidecar)
        return told if told is not None and told.is_of(pair.entry) else None

    def _still(self, pairs: tuple[Ready, ...]) -> dict[str, _Told]:
        return {pair.sidecar: told for pair in pairs if (told := self._told_of(pair)) is not None}

    def _take_in(self, pair: Waiting) -> None:
        is_named = self._named < MANY
        if is_named:
            self._named += 1
            until = "" if pair.until is None else f", until {datetime.fromtimestamp(pair.until):%d %b %H:%M}"
            self._say(f"{pair.sidecar} waits{until}: {pair.why.removeprefix(f'{pair.sidecar}: ')}")
        self._told[pair.sidecar] = _Told(pair.entry.size, pair.entry.mtime_ns, pair.why, is_named)

    def _end_round(self) -> None:
        """Say how many wait beside those that were named, where they have become more."""
        more = sum(not told.is_named for told in self._told.values())
        if more > self._counted:
            wait = "more sidecar waits" if more == 1 else "more sidecars wait"
            self._say(f"{more:,} {wait}; nst-batch status says for what")
        self._counted, self._named, self._round_ends = more, 0, None
