"""The schedule at work: outside its hours running jobs are asked back, and only those asked for ``now`` are begun."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from nst_batch.clock import Moment
from nst_batch.config.schedule import Hours, breaks_after, closed_until, open_until, zone_at
from nst_batch.daemon.executor import Worker
from nst_batch.report.markup import clock
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.inbox.readiness import Ready


class OpenHours:
    """What the schedule says of this moment. ``schedule`` may be set anew."""

    def __init__(self, schedule: Sequence[Hours], note: Callable[[str], None]) -> None:
        self.schedule = schedule
        self.closed_until: float | None = None  # seconds since the epoch; None: open
        self.zone: str | None = None  # for which that hour was written, where it is another than the machine's
        self._note = note
        self._asked_back: dict[str, Job] = {}  # by id

    def attend(self, busy: Iterable[Worker], at: Moment) -> float:
        """Ask back what may not run now, and say so; when to attend again at the latest (monotonic)."""
        was_closed = self.closed_until is not None
        self.closed_until = closed_until(self.schedule, at.wall)
        self.zone = None if self.closed_until is None else zone_at(self.schedule, self.closed_until)
        if self.closed_until is None:
            if was_closed:
                self._note("the hours of the schedule have begun")
            until = open_until(self.schedule, at.wall)
            return math.inf if until is None else at.mono + until - at.wall
        opens = clock(self.closed_until, at.wall, self.zone)
        if not was_closed:
            self._note(f"outside the hours of the schedule: jobs wait for {opens}")
        before, self._asked_back = self._asked_back, {}
        for worker in busy:
            job = worker.job
            if job is None or job.now:
                continue
            if before.get(job.id) is not job:
                worker.tell({"do": "yield"})
                how = "ends its step and waits" if worker.at_work else "leaves the cluster's queue and waits"
                self._note(f"{job.name}: {how} for {opens}")
            self._asked_back[job.id] = job
        return at.mono + self.closed_until - at.wall

    def breaks(self, at: Moment) -> tuple[tuple[float, float], ...]:
        """The breaks to come, as :func:`breaks_after` has them."""
        return breaks_after(self.schedule, at.wall)

    def let(self, asked: Job | Ready) -> bool:
        """Whether it may begin now."""
        return self.closed_until is None or asked.now
