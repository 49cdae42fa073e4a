"""Whose turn it is: jobs of equal priority are taken from the inbox's first-level folders one after another.

So one person's grid of five hundred does not hold up the rest. Files that lie directly in the inbox, and what ``retry``
or ``again`` has put back there, count as one folder. The rota is kept in memory: after a restart everybody has the same
turn again.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from nst_batch.spool.disk.layout import AGAIN_PREFIX, RETRY_PREFIX


class Placed(Protocol):
    """What waits: a job, or a pair from which jobs will come."""

    @property
    def priority(self) -> int: ...

    @property
    def lane(self) -> str: ...


Item = TypeVar("Item", bound=Placed)


def lane_of(path: str) -> str:
    """The first-level folder of a path relative to the inbox; "" for the inbox itself."""
    first, below, _ = path.partition("/")
    return first if below and not first.startswith((RETRY_PREFIX, AGAIN_PREFIX)) else ""


class Rota:
    """Remembers which folder was served when."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        self._turns = 0

    def place(self, priority: int, lane: str, arrival: int, sidecar: str) -> tuple[int, int, int, str]:
        """Sorts what waits: by priority, the folder that has not been served for longest, arrival, name."""
        return (-priority, self._served.get(lane, 0), arrival, sidecar)

    def serve(self, lane: str) -> None:
        """A job from this folder has been handed out."""
        self._turns += 1
        self._served[lane] = self._turns

    def in_order(self, items: Iterable[Item]) -> Iterator[Item]:
        """Items of several folders, each folder's in order of arrival, in the order in which they will be taken."""
        queues: defaultdict[int, defaultdict[str, deque[Item]]] = defaultdict(lambda: defaultdict(deque))
        for item in items:
            queues[item.priority][item.lane].append(item)
        served, turn = dict(self._served), self._turns
        for priority in sorted(queues, reverse=True):
            lanes = queues[priority]
            # Among folders that were never served, the one whose first file came first.
            due = [(served.get(lane, 0), rank, lane) for rank, lane in enumerate(lanes)]
            heapq.heapify(due)
            while due:
                _, rank, lane = heapq.heappop(due)
                yield lanes[lane].popleft()
                turn += 1
                served[lane] = turn
                if lanes[lane]:
                    heapq.heappush(due, (turn, rank, lane))
