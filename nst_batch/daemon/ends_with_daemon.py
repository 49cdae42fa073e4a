"""What a pool says whose workers end with their daemon, where one of a cluster has more to say."""

from __future__ import annotations

from collections.abc import Callable

from nst_batch.spool.claims.live_job import Job


class EndsWithDaemon:
    """Nothing waits elsewhere, and nothing is taken over from an earlier daemon."""

    @property
    def queued(self) -> dict[str, str]:
        """How the jobs stand that were handed out and have not begun: there are none."""
        return {}

    def jobs_in_hand(self) -> frozenset[str]:
        """Ids of the jobs that workers had before this daemon began: none."""
        return frozenset()

    def adopt(self, find: Callable[[str], Job | None]) -> None:
        """Nothing is taken over."""

    def call_back(self) -> None:
        """No job begins for now: one that has a worker has begun."""
