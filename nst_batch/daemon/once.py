"""``run --once``: when the inbox counts as empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nst_batch.errors import EXIT_JOB_FAILED, EXIT_NOT_NOW, EXIT_OK
from nst_batch.names import is_special
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.spool import Spool

Incomplete = Literal["wait", "fail", "leave"]

# What still settles is always waited for; what may not be read or taken never gets better by itself.
_WAITED_FOR = {
    "wait": {"settling", "missing", "unreadable", "untaken"},
    "fail": {"settling", "missing"},
    "leave": {"settling"},
}


@dataclass(frozen=True)
class Once:
    """What to do with pairs that are not complete."""

    incomplete: Incomplete = "wait"

    def end(
        self, view: InboxView, spool: Spool, blocked: str | None, *, failed: int = 0
    ) -> tuple[int | None, list[str]]:
        """While no job is at work: the exit code where the run ends, None where it goes on, and what to say then.

        ``blocked``: why the queue cannot go on; ``failed``: how many jobs have.
        """
        why = blocked or ("paused" if view.paused else None)
        if not (view.ready or view.broken):
            why = why or spool.only_held()
        if why:
            return EXIT_NOT_NOW, [f"ended before the inbox was empty: {why}"]
        waits = [pair for pair in view.waiting if pair.kind in _WAITED_FOR[self.incomplete]]
        if view.ready or view.broken or waits or spool.jobs():
            return None, []
        held = [pair for pair in view.waiting if pair.kind == "photograph" or is_special(pair.sidecar)]
        left = [f"ended without what waits for {pair.why}" for pair in held if self.incomplete != "leave"]
        return EXIT_JOB_FAILED if left or failed else EXIT_OK, left
