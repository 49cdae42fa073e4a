"""A sidecar with all it names, as one look found it: ready, waiting (why, until when) or broken."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nst_batch.errors import NstError
from nst_batch.spool.listing import Entry
from nst_batch.spool.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Ready:
    """A sidecar that can be claimed: everything it names is there and still, or its time is up."""

    sidecar: str  # path relative to the inbox
    entry: Entry
    digest: bytes  # of its text as it was read
    wanted: Wanted
    names: tuple[str, ...]  # JOB of each job
    expired: bool = False  # images are missing still, and their jobs fail
    unreadable: tuple[str, ...] = ()  # images that the daemon may not read, and their jobs fail
    refused: bool = False  # none of its jobs can be done

    @property
    def titles(self) -> tuple[str, ...]:
        """The title of each job."""
        return tuple(job.title for job in self.wanted.all_jobs())

    @property
    def priority(self) -> int:
        """Higher first."""
        return self.wanted.priority

    @property
    def arrival(self) -> int:
        """When the sidecar arrived, in nanoseconds since the epoch."""
        return self.entry.ctime_ns

    @property
    def hopeless(self) -> bool:
        """Whether it is known that no worker can do any of its jobs, or some cannot and time is up."""
        return self.expired or self.refused

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts by priority, then arrival."""
        return (-self.wanted.priority, self.entry.ctime_ns, self.sidecar)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sidecar that cannot be claimed yet. ``kind``: ``settling``, ``missing``, ``unreadable``."""

    sidecar: str
    names: tuple[str, ...]
    kind: str
    why: str
    until: float | None  # wall clock; when this will be settled by itself


@dataclass(frozen=True, slots=True)
class Broken:
    """A sidecar that cannot be understood."""

    sidecar: str
    entry: Entry
    digest: bytes
    title: str
    name: str  # JOB
    error: NstError


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the inbox came to."""

    ready: tuple[Ready, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    broken: tuple[Broken, ...] = ()
    next_change: float = math.inf  # monotonic; when something changes by the passing of time alone
    settled: bool = True  # every sidecar in the inbox has been read
