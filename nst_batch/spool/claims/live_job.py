"""One claimed job as the rest of the program sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nst_batch.job import JobSpec
from nst_batch.reasons import EndState, Reason
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.disk.layout import Hold

STOPS_FIRST = 2_000_000  # above every priority


@dataclass(frozen=True)
class Job:
    """One job of a claim as it stands in the folders."""

    id: str
    name: str  # JOB
    title: str
    priority: int
    claim: str
    lane: str  # the inbox's first-level folder that it came from
    index: int
    arrival: str
    claim_folder: Path
    folder: Path
    running: Path
    spec: JobSpec | None  # None for a sidecar that could not be understood
    attempts: Attempts
    trouble: Reason | None = None
    outcome: Path | None = None
    orphaned: bool = False
    given: bool = False  # this daemon has handed it out
    checkpoint: bool = False  # it has been worked on, and there is a picture to go on from
    to_stop: bool = False  # it is to be handed out only to be published as it stands
    held: Hold | None = None  # a place of its own refuses; every other job goes on

    @property
    def now(self) -> bool:
        """Whether it is asked for at any hour; one that can only fail may do so at any."""
        return self.spec is None or self.spec.settings.now

    @property
    def rank(self) -> int:
        """Its priority; above every other while it is to be stopped, which takes a worker no time."""
        return STOPS_FIRST if self.to_stop else self.priority

    def is_held(self, mono: float) -> bool:
        """Whether it has to wait still."""
        return self.held is not None and mono < self.held.due


@dataclass(frozen=True)
class Ended:
    """A job that has its end, and the folder that is left of it."""

    id: str
    name: str
    title: str
    state: EndState
    reason: Reason | None  # None where there is a result
    folder: Path

    @property
    def code(self) -> str:
        """Why there is no result; "" where there is one."""
        return "" if self.reason is None else self.reason.code


@dataclass(frozen=True)
class Recovery:
    """What came of a start: jobs that got their end by it, and what a person may want to know."""

    ended: tuple[Ended, ...] = ()
    notes: tuple[str, ...] = ()
