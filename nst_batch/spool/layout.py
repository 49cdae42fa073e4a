"""Where everything lies, and the one job as the rest of the program sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from nst_batch import names
from nst_batch.job import JobSpec
from nst_batch.spool.attempts import Attempts
from nst_batch.spool.listing import OWN_FOLDER
from nst_batch.spool.wanted import Ending, EndState

MARKER_NAME = "inbox-id"
RUNNING_MARKER = ".nst_batch"  # in a running folder: it is ours; taken out before the folder is published
NEW_PREFIX = ".new-"
SHOWN_PREFIX = ".nst_batch_"  # in the outbox: copies of what the daemon tells, for other users than its own
MAX_NAME_BYTES = 255
STORED_NAME_BYTES = 200


@dataclass(frozen=True)
class Places:
    """The folders of one inbox and its outbox."""

    inbox: Path
    outbox: Path

    @property
    def own(self) -> Path:
        """The daemon's own folder."""
        return self.inbox / OWN_FOLDER

    @property
    def claims(self) -> Path:
        """One folder a claim."""
        return self.own / "claims"

    @property
    def retries(self) -> Path:
        """Where ``retry`` puts a job together before it goes into the inbox."""
        return self.own / "retry"

    @property
    def trash(self) -> Path:
        """Folders on their way out, on the inbox's file system."""
        return self.own / "trash"

    @property
    def damaged(self) -> Path:
        """What was found damaged and could not be gone on with; for people to look at."""
        return self.own / "damaged"

    @property
    def marker(self) -> Path:
        """What tells this inbox from another one at the same path."""
        return self.own / MARKER_NAME

    @property
    def running(self) -> Path:
        """One folder a job at work."""
        return self.outbox / "running"

    @property
    def failed(self) -> Path:
        """One folder a job that could not be done or was cancelled."""
        return self.outbox / "failed"

    @property
    def out_trash(self) -> Path:
        """Folders on their way out, on the outbox's file system."""
        return self.running / ".trash"


@dataclass(frozen=True)
class Hold:
    """Why something has to wait that only a place of its own keeps from being done, and when it is tried again."""

    why: str
    due: float  # monotonic


@dataclass(frozen=True)
class Job:
    """One job of a claim as it stands in the folders."""

    id: str
    name: str  # JOB
    title: str
    output: str
    priority: int
    claim: str
    index: int
    arrival: str
    claim_folder: Path
    folder: Path
    running: Path
    spec: JobSpec | None  # None for a sidecar that could not be understood
    attempts: Attempts
    trouble: Ending | None = None
    outcome: Path | None = None
    orphaned: bool = False
    given: bool = False  # this daemon has handed it out
    held: Hold | None = None  # a place of its own refuses; every other job goes on

    def is_held(self, mono: float) -> bool:
        """Whether it has to wait still."""
        return self.held is not None and mono < self.held.due


@dataclass(frozen=True)
class HandOut:
    """A job in a worker's hands."""

    job: Job
    folder: Path
    running: Path
    attempt: int
    checkpoint: bool
    last_for_memory: bool = False  # should memory run out again, the job fails and says how large it could be


@dataclass(frozen=True)
class Ended:
    """A job that has its end, and the folder that is left of it."""

    id: str
    name: str
    title: str
    state: EndState
    code: str
    message: str
    advice: str
    folder: Path


class ManifestWriter(Protocol):
    """Gives the bytes of job.json for a job that ends without a worker's word."""

    def __call__(self, spec: JobSpec | None, ending: Ending, *, attempts: int, fallback: dict[str, object]) -> bytes:
        """``fallback`` holds ``title``, ``id`` and ``received_at``, also where there is no spec."""
        ...


def claim_id(arrival_ns: int, random: str) -> str:
    """``YYYYMMDD-HHMMSS-ffffff-xxxx`` in UTC: unique by ``random``, sorts by arrival."""
    return f"{datetime.fromtimestamp(arrival_ns / 1e9, UTC):%Y%m%d-%H%M%S-%f}-{random}"


def unique_file(name: str, taken: set[str]) -> str:
    """``name``, or with ``-2``, ``-3`` … before its suffix; ``taken`` holds folded names and gets the new one."""
    dot = name.rfind(".")
    stem, suffix = (name[:dot], name[dot:]) if dot > 0 else (name, "")
    candidate, number = shorten(name, MAX_NAME_BYTES), 2
    while names.fold(candidate) in taken:
        mark = f"-{number}"
        candidate = shorten(stem, MAX_NAME_BYTES - len((mark + suffix).encode())) + mark + suffix
        number += 1
    taken.add(names.fold(candidate))
    return candidate


def shorten(name: str, limit: int) -> str:
    """``name`` cut at the front to ``limit`` bytes of UTF-8, so that its suffix stays."""
    data = name.encode()
    return name if len(data) <= limit else data[len(data) - limit :].decode(errors="ignore")
