"""When each job of the queue will be done: what each takes, one after the other on so many workers."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

WILL_FAIL = "will fail: "  # how it begins what is told of a sidecar that takes no worker's time


class Line:
    """Waiting jobs, placed one after the other on whichever worker is free first."""

    def __init__(
        self,
        left: Sequence[float | None],
        now: float,
        opens: float | None = None,
        breaks: Sequence[tuple[float, float]] = (),
        *,
        is_held: bool = False,
    ) -> None:
        """``left``: in how many seconds each worker is free. ``now`` and ``opens`` are in seconds since 1970.

        What waits until just ``opens`` waits for the schedule, and begins one after the other then. ``breaks``: of the
        schedule, in which jobs rest (config/schedule.py). ``is_held``: no job begins for now, and nobody knows for how
        long.
        """
        self._opens = opens
        self._later = [] if opens is None else [max(0.0, opens - now)] * len(left)
        self._is_held = is_held
        self._breaks = breaks
        self._is_known = None not in left
        self._free = [seconds or 0.0 for seconds in left]
        heapq.heapify(self._free)
        self._last, self._now = max(self._free), now
        self._placed = self._held_up = 0

    def placed(self, waiting: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Each job as it comes, with its ``done_at`` where it has ``seconds`` and that can be told."""
        for entry in waiting:
            seconds = entry["seconds"]
            if seconds is not None:
                self._placed += 1
                self._is_known = self._is_known and not self._is_held
                workers = self._later if self._waits_for_hours(entry) else self._free
                begin = heapq.heappop(workers)
                heapq.heappush(workers, begin + seconds)
                # One that is to be tried again later leaves its worker to others until then.
                end = max(begin, (entry["until"] or 0.0) - self._now) + seconds
                self._last = max(self._last, end)
                done = self._moment(end)
                entry["done_at"] = round(done) if self._is_known and done is not None else None
            elif entry["held_up"]:
                self._held_up += 1
            elif not entry["why"].startswith(WILL_FAIL):
                self._is_known = False
            yield entry

    def _waits_for_hours(self, entry: dict[str, Any]) -> bool:
        return self._opens is not None and entry["until"] == self._opens

    @property
    def is_held_up(self) -> bool:
        """Whether all that waits waits for what no worker can do: an image, a folder that may be written."""
        return self._held_up > 0 and not self._placed

    @property
    def empty_at(self) -> float | None:
        """When the last of those placed is done, in seconds since 1970; None where that is not known."""
        return self._moment(self._last) if self._is_known else None

    def _moment(self, seconds: float) -> float | None:
        """When so many seconds from now have passed outside the breaks to come; None where that is too far away."""
        moment = self._now + seconds
        for begin, end in self._breaks:
            if moment <= begin:
                break
            moment += end - begin
        return moment if moment < math.inf else None
