"""A sidecar with all it names, as one look found it: ready, waiting (why, until when) or broken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nst_batch.reasons import Reason
from nst_batch.sidecar.expand import JobRequest
from nst_batch.sidecar.resolver import FileRef
from nst_batch.spool.claims.rota import lane_of
from nst_batch.spool.inbox.listing import Entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a sidecar asks for, as far as its images can be found.

    ``jobs`` are those whose images are there. ``lacking`` is the one that stands for all that cannot be made
    while images are missing; it fails when the time is up.
    """

    jobs: tuple[JobRequest, ...]
    missing: Mapping[str, str] = field(default_factory=dict)  # as the sidecar has it: what was probably meant
    lacking: JobRequest | None = None
    sidecar: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    now: bool = False  # at any hour

    def files(self) -> set[FileRef]:
        """The distinct images that are to be copied."""
        return {item.file for job in self.all_jobs() for item in job.inputs if item.file.is_taken}

    def all_jobs(self) -> tuple[JobRequest, ...]:
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
    def priority(self) -> int:
        """Higher first."""
        return self.wanted.priority

    @property
    def lane(self) -> str:
        """The inbox's first-level folder that it lies in."""
        return lane_of(self.sidecar)

    @property
    def now(self) -> bool:
        """Whether it is asked for at any hour."""
        return self.wanted.now

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


UNTAKEN = ("untaken", "given_up")  # kinds of sidecars that may not be read, or not taken
LET_IT = "let the daemon's user move it, or take it away"
NOT_TO_BE_TAKEN = "no permission to take files out of"  # how it begins why such a sidecar waits


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sidecar that cannot be claimed yet.

    ``kind``: ``settling``; ``missing`` or ``unreadable``, of its images; ``untaken``: it may not be read, or not taken;
    ``given_up``: likewise, and its time is up, so that it has failed for it, and is taken as soon as it can be;
    ``defaults``: a file that speaks for its folder is to blame, which is told once for all; or ``photograph``: that
    file makes no sidecar of this one that can be understood.
    """

    sidecar: str
    entry: Entry
    names: tuple[str, ...]
    kind: str
    why: str
    until: float | None  # wall clock; when this changes by itself


@dataclass(frozen=True, slots=True)
class FolderView:
    """A ``folder.yaml`` or ``defaults.yaml``, for people.

    ``why`` it cannot be gone by, "" where it can: as others are told, its path first.
    """

    path: str
    is_hot: bool
    why: str
    pending: int  # photographs that are to be painted
    painted: int  # that have been, whether they lie there still or not
    failed: int = 0  # likewise, of which a job has failed or was cancelled, and that were not put back and painted
    problems: tuple[str, ...] = ()  # every mistake in it, of which ``why`` has the first
    note: str = ""  # what may have been meant otherwise
    styles: str = ""  # which images beside it are no photographs, where that may surprise
    left_out: str = ""  # files that people keep among their photographs, and that are not read here

    def told(self, what: str) -> str:
        """``why``, or one of ``problems``, for where the path stands already."""
        return what.removeprefix(f"{self.path}: ")


@dataclass(frozen=True, slots=True)
class Broken:
    """A sidecar that cannot be understood, or could not be taken before its time was up, and then it stays there."""

    sidecar: str
    entry: Entry
    digest: bytes
    title: str
    name: str  # JOB
    reason: Reason
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the inbox came to."""

    ready: tuple[Ready, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    broken: tuple[Broken, ...] = ()
    next_change: float = math.inf  # monotonic; when something changes by the passing of time alone
    complete: bool = True  # every sidecar in the inbox has been read, or has failed for it that it cannot be
