"""Who is told what a running daemon does."""

from __future__ import annotations

from typing import Protocol

from nst_batch.daemon.events import Phased, Stepped
from nst_batch.spool.claims.live_job import Ended, Job


class Listener(Protocol):
    """A terminal's bars, or a line an event."""

    def note(self, text: str) -> None:
        """Something a person may want to know."""

    def warn(self, text: str) -> None:
        """Something a person may have to see to."""

    def queue(self, running: int, waiting: int, done: int, failed: int) -> None:
        """How many jobs there are of each kind."""

    def started(self, job: Job) -> None:
        """A job was handed to a worker."""

    def stepped(self, event: Stepped) -> None:
        """A job got on."""

    def phased(self, event: Phased) -> None:
        """A job is at something that is not a step."""

    def ended(self, ended: Ended) -> None:
        """A job has its end: published, failed or cancelled."""
