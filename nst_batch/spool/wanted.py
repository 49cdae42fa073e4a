"""What a sidecar asks for, as the spool needs to know it: jobs, the images they name, what is missing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from nst_batch.resolver import Role
from nst_batch.settings import Settings

EndState = Literal["done", "stopped", "failed", "cancelled"]


class Moment(NamedTuple):
    """A point in time, passed in by whoever has a clock."""

    mono: float  # seconds on a clock that never jumps
    wall: float  # seconds since the epoch

    @classmethod
    def now(cls) -> Moment:
        """The present, for whoever runs the loop."""
        return cls(time.monotonic(), time.time())


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended and, where it was not done, why and what to do."""

    state: EndState
    code: str = ""
    message: str = ""
    advice: str = ""

    @classmethod
    def cancelled(cls) -> Ending:
        """The ending of a job that a person dropped."""
        return cls("cancelled", "cancelled", "cancelled by a control file", "use retry to put it back")


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
    refusal: Ending | None = None
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


class Reading(Protocol):
    """How sidecars are understood; the scanner knows no YAML."""

    def parse(self, path: str, text: bytes) -> Any:
        """The request in a sidecar; raises NstError (ProblemsError) where it cannot be understood."""
        ...

    def expand(self, path: str, request: Any, entries: Any) -> tuple[Wanted, Used]:
        """The jobs of a request, with the images found among the inbox's ``entries``; raises NstError."""
        ...
