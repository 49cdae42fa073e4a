"""A sidecar with all it names, as one look found it: ready, waiting (why, until when) or broken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from nst_batch.reasons import Reason
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.settings import Settings
from nst_batch.spool.claims.rota import lane_of
from nst_batch.spool.inbox.listing import Entry


@dataclass(frozen=True, slots=True)
class Source:
    """One image as found: relative to the inbox, or absolute where it lies in a library."""

    path: str
    library: bool = False


@dataclass(frozen=True, slots=True)
class WantedInput:
    """One image that a job names.

    ``ref`` is the file's name as a message calls it; ``source`` is None where the file is missing, or is none
    that could be copied. ``refusal`` says why it cannot be used, though it is there.
    """

    role: Role
    ref: str
    source: Source | None
    weight: float = 1.0
    refusal: Reason | None = None
    hint: str = ""  # what was probably meant, where the file is missing


@dataclass(frozen=True, slots=True)
class WantedJob:
    """One job that a sidecar asks for."""

    title: str
    output: str
    settings: Settings
    inputs: tuple[WantedInput, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a sidecar asks for, as far as its images can be found.

    ``jobs`` are those whose images are there. ``lacking`` is the one that stands for all that cannot be made
    while images are missing; it fails when the time is up.
    """

    jobs: tuple[WantedJob, ...]
    missing: tuple[str, ...] = ()  # as the sidecar has them
    lacking: WantedJob | None = None
    sidecar: dict[str, Any] = field(default_factory=dict)
    priority: int = 0

    def sources(self) -> set[Source]:
        """The distinct images found."""
        return {item.source for job in self.all_jobs() for item in job.inputs if item.source is not None}

    def all_jobs(self) -> tuple[WantedJob, ...]:
        """The jobs, and after them the one for what is missing."""
        return self.jobs if self.lacking is None else (*self.jobs, self.lacking)


@dataclass(frozen=True, slots=True)
class Used:
    """What an expansion looked at, so that it is done again only when one of these changes."""

    paths: tuple[str, ...] = ()  # relative to the inbox
    folders: tuple[str, ...] = ()  # of the inbox: what comes or goes there matters
    library: bool = False  # a library was searched, of which no listing tells


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
    def lane(self) -> str:
        """The inbox's first-level folder that it lies in."""
        return lane_of(self.sidecar)

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
    until: float | None  # wall clock; when this changes by itself


@dataclass(frozen=True, slots=True)
class Broken:
    """A sidecar that cannot be understood."""

    sidecar: str
    entry: Entry
    digest: bytes
    title: str
    name: str  # JOB
    reason: Reason


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the inbox came to."""

    ready: tuple[Ready, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    broken: tuple[Broken, ...] = ()
    next_change: float = math.inf  # monotonic; when something changes by the passing of time alone
    complete: bool = True  # every sidecar in the inbox has been read
