"""When each job of the queue will be done: what each takes, one after the other on so many workers, in their hours."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

WILL_FAIL = "will fail: "  # how it begins what is told of a sidecar that takes no worker's time
Span = tuple[float, float]


class Asked(NamedTuple):
    """A job that waits: how long it takes, when it may begin (seconds since 1970), and whether that is at any hour."""

    seconds: float
    not_before: float = 0.0
    now: bool = False


class Before(NamedTuple):
    """What a worker has before it: seconds (None: nobody knows) of a job, or until it is ready for one.

    A job that is for the schedule's hours alone (not ``now``) is asked back when they end, and goes on with the next.
    """

    seconds: float | None
    now: bool = True


class Line:
    """Waiting jobs, each on whichever worker is free first; outside the schedule's hours those asked for now alone."""

    def __init__(
        self, workers: Sequence[Before], now: float, closed: Sequence[Span] = (), *, is_held: bool = False
    ) -> None:
        """``now`` is in seconds since 1970, and so is ``closed``: when the schedule lets no job run, in order.

        ``is_held``: no job begins for now, and nobody knows for how long.
        """
        self._workers, self._now, self._closed = workers, now, closed
        self._is_held = is_held
        self._is_known = all(each.seconds is not None for each in workers)
        self._ends: Iterator[float] = iter(())
        self._last, self._placed, self._held_up = now, 0, 0

    def placed(self, waiting: Iterable[dict[str, Any]], asked: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        """Each job as it comes, with its ``done_at`` where it has ``seconds`` and that can be told.

        ``asked``: those that have ``seconds``, in the same order.
        """
        self._ends = self._plan(asked)
        for entry in waiting:
            if entry["seconds"] is not None:
                self._placed += 1
                self._is_known = self._is_known and not self._is_held
                end = next(self._ends)
                entry["done_at"] = round(end) if self._is_known and end < math.inf else None
            elif entry["held_up"]:
                self._held_up += 1
            elif not entry["why"].startswith(WILL_FAIL):
                self._is_known = False
            yield entry

    @property
    def is_held_up(self) -> bool:
        """Whether all that waits waits for what no worker can do: an image, a folder that may be written."""
        return self._held_up > 0 and not self._placed

    @property
    def empty_at(self) -> float | None:
        """When the last of those placed is done, in seconds since 1970; None where that is not known, or too far away.

        To be asked once all are placed.
        """
        return self._last if self._is_known and self._last < math.inf else None

    def _plan(self, asked: Sequence[Asked]) -> Iterator[float]:
        """When each is done, ``inf`` where that is too far away to be told.

        What runs within the hours alone is as good as first in the line.
        """
        rests = [Asked(each.seconds or 0.0) for each in self._workers if not each.now]
        free = [self._now + (each.seconds or 0.0 if each.now else 0.0) for each in self._workers]
        ends = _ends(free, [*rests, *asked], self._closed)
        self._last = max([self._last, *(each for each, worker in zip(free, self._workers, strict=True) if worker.now)])
        self._last = max([self._last, *ends])
        return iter(ends[len(rests) :])


def _ends(free: Sequence[float], asked: Sequence[Asked], closed: Sequence[Span]) -> list[float]:
    """When each of ``asked`` is done by workers who are free then: the first that may begin is taken first."""
    left, ends = [each.seconds for each in asked], [math.inf] * len(asked)
    later = [(each.not_before, number) for number, each in enumerate(asked)]
    workers, in_hours, at_any = list(free), list[int](), list[int]()  # numbers of those that may begin
    heapq.heapify(workers)
    heapq.heapify(later)
    spans = list(closed)
    while workers and (later or in_hours or at_any):
        moment = heapq.heappop(workers)  # never before the last one
        while later and later[0][0] <= moment:
            number = heapq.heappop(later)[1]
            heapq.heappush(at_any if asked[number].now else in_hours, number)
        while spans and spans[0][1] <= moment:
            spans.pop(0)
        begin, end = spans[0] if spans else (math.inf, math.inf)
        is_open = moment < begin
        which = at_any if not is_open or not in_hours or (at_any and at_any[0] < in_hours[0]) else in_hours
        if not which:
            opening = end if in_hours and not is_open else math.inf
            again = min(opening, later[0][0] if later else math.inf)
            if again < math.inf:
                heapq.heappush(workers, again)
            continue
        number = heapq.heappop(which)
        done = moment + left[number]
        if which is in_hours and done > begin:  # it rests until the hours come again
            left[number] -= begin - moment
            heapq.heappush(later, (begin, number))  # no other worker has it before then
            heapq.heappush(workers, begin)
        else:
            ends[number] = done
            heapq.heappush(workers, done)
    return ends
