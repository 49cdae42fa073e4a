"""``run --once``: when the inbox counts as empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.spool import Spool

Incomplete = Literal["wait", "fail", "leave"]

# What still settles is always waited for; what may not be read or taken never gets better by itself.
_WAITED_FOR = {"wait": {"settling", "missing", "unreadable"}, "fail": {"settling", "missing"}, "leave": {"settling"}}


@dataclass(frozen=True)
class Once:
    """What to do with pairs that are not complete."""

    incomplete: Incomplete = "wait"

    def end(self, view: InboxView, spool: Spool, blocked: str | None) -> tuple[str, bool]:
        """While no job is at work: why to end before the inbox is empty ("": no reason), and whether it is empty."""
        why = blocked or ("paused" if view.paused else None)
        if not (view.ready or view.broken):
            why = why or spool.only_held()
        waits = [pair for pair in view.waiting if pair.kind in _WAITED_FOR[self.incomplete]]
        return why or "", not (view.ready or view.broken or waits or spool.jobs())
