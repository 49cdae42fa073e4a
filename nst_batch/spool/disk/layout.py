"""Where everything lies: the folders of an inbox and its outbox, and the names in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from nst_batch import names
from nst_batch.filenames import FAILED_FOLDER, OWN_FOLDER, RUNNING_FOLDER

CLAIM_NAME = "claim.json"
SIDECAR_FOLDER = "sidecar"
INPUTS_FOLDER = "inputs"
LEAVING_FOLDER = "leaving"
COPIED_NAME = "copied"
OWN_SIDECAR_NAME = "own-sidecar"  # its sidecar was written by the daemon, and goes back nowhere
JOBS_FOLDER = "jobs"
ATTEMPTS_NAME = "attempts.json"
PUBLISH_NAME = "publish.json"
DONE_SUFFIX = ".done"
RETRY_PREFIX = "retry-"
AGAIN_PREFIX = "again-"
MARKER_NAME = "inbox-id"
RUNNING_MARKER = OWN_FOLDER  # in a running folder: it is ours; taken out before the folder is published
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
        return self.outbox / RUNNING_FOLDER

    @property
    def failed(self) -> Path:
        """One folder a job that could not be done or was cancelled."""
        return self.outbox / FAILED_FOLDER

    @property
    def out_trash(self) -> Path:
        """Folders on their way out, on the outbox's file system."""
        return self.running / ".trash"


@dataclass(frozen=True)
class Hold:
    """Why something has to wait that only a place of its own keeps from being done, and when it is tried again."""

    why: str
    due: float  # monotonic


def claim_id(arrival_ns: int, random: str) -> str:
    """``YYYYMMDD-HHMMSS-ffffff-xxxxxxxx`` in UTC: unique by ``random``, sorts by arrival."""
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
    """``name`` cut at the front to ``limit`` bytes of UTF-8, so that its suffix stays.

    What is left begins with nothing that makes a file a hidden or temporary one (:func:`names.is_temporary`).
    """
    data = name.encode()
    return name if len(data) <= limit else data[len(data) - limit :].decode(errors="ignore").lstrip(".~@")


def one_component(text: str) -> str:
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        raise ValueError("must be one name")
    return text


Component = Annotated[str, AfterValidator(one_component)]  # a record names nothing beyond the folder it speaks of
