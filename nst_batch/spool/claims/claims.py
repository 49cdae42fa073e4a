"""The live claims in memory, as read from their folders.

The spool alone changes a claim while it holds the inbox's lock, so the folders are read once and followed from
then on; whenever the disk has refused something they are read again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from nst_batch.filenames import CHECKPOINT_PREFIX, JOB_LOCK_NAME, OUTCOME_NAME
from nst_batch.job import JobSpec
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.claims.records import ClaimRecord, Done, JobRecord
from nst_batch.spool.claims.rota import lane_of
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import (
    ATTEMPTS_NAME,
    CLAIM_NAME,
    COPIED_NAME,
    DONE_SUFFIX,
    INPUTS_FOLDER,
    JOBS_FOLDER,
    SIDECAR_FOLDER,
    Hold,
    Places,
)
from nst_batch.spool.disk.own import DamagedError, read_model

Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Claim:
    """One claim: its record, and how far each of its jobs has come."""

    record: ClaimRecord
    folder: Path
    copied: bool = False
    done: dict[int, Done] = field(default_factory=dict)  # by index
    attempts: dict[int, Attempts] = field(default_factory=dict)
    orphaned: set[int] = field(default_factory=set)
    given: set[int] = field(default_factory=set)  # handed out by this daemon
    left: set[int] = field(default_factory=set)  # sources that need no more clearing
    unread: set[int] = field(default_factory=set)  # sources of which there is no copy, for they could not be read
    stuck: bool = False  # its sidecar is to go back to the inbox, where its folder refuses
    to_clear: bool = True  # a job has ended since the inbox was last cleared of its images

    @cached_property
    def by_index(self) -> dict[int, JobRecord]:
        """Its jobs by their number."""
        return {job.index: job for job in self.record.jobs}

    @cached_property
    def by_id(self) -> dict[str, JobRecord]:
        """Its jobs by their id."""
        return {self.record.job_id(job): job for job in self.record.jobs}

    @cached_property
    def specs(self) -> dict[int, JobSpec | None]:
        """What workers need, by number."""
        return {job.index: self.record.spec(job) for job in self.record.jobs}

    def rewritten(self, record: ClaimRecord) -> None:
        """Its record on disk is another one by now."""
        self.record = record
        for name in ("by_index", "by_id", "specs"):
            self.__dict__.pop(name, None)

    @property
    def sidecar(self) -> Path:
        """Where the sidecar lies once the claim stands."""
        return self.folder / SIDECAR_FOLDER / self.record.sidecar_name

    def job_folder(self, job: JobRecord) -> Path:
        """The folder of one of its jobs."""
        return self.folder / JOBS_FOLDER / f"{job.index:04d}"

    def live(self) -> Iterator[JobRecord]:
        """The jobs that have no end yet."""
        return (job for job in self.record.jobs if job.index not in self.done)

    @property
    def finished(self) -> bool:
        """Whether every job has its end."""
        return len(self.done) == len(self.record.jobs)

    @property
    def goes_at_once(self) -> bool:
        """Whether nothing is left to do once its only job has its end: the claim goes away then, and all in it."""
        return not self.record.sources and len(self.record.jobs) == 1

    def may_be_given(self, job: JobRecord) -> bool:
        """Whether nobody has it, and all that it needs is here."""
        return not (job.index in self.given or job.index in self.orphaned or self.lacks(job))

    def lacks(self, job: JobRecord) -> set[int]:
        """The sources of a job of which there is no copy yet."""
        if not self.unread:
            return set()
        return {item.source for item in job.inputs if item.source is not None} & self.unread

    def needs(self) -> set[str]:
        """The inbox paths of images that its unfinished jobs use."""
        used = {item.source for job in self.live() for item in job.inputs if item.source is not None}
        return {self.record.sources[index].path for index in used if not self.record.sources[index].library}


def read_claim(fs: FileSystem, folder: Path) -> Claim | None:
    """A claim from its folder; None where it has no record. DamagedError where its record cannot be gone by.

    A count of attempts that is damaged begins anew; a mark of a job's end says by its being there that there was one.
    """
    record = read_model(fs, ClaimRecord, folder / CLAIM_NAME)
    if record is None:
        return None
    if record.id != folder.name:
        raise DamagedError(f"{CLAIM_NAME} is of another claim, {record.id}")
    claim = Claim(record, folder, fs.kind(folder / COPIED_NAME) is not None)
    if claim.copied:
        claim.unread = _without_copy(fs, claim)
    there = set(fs.names_in(folder / JOBS_FOLDER))
    for job in record.jobs:
        name = claim.job_folder(job).name
        if name + DONE_SUFFIX in there:
            claim.done[job.index] = _or(fs, claim.job_folder(job).with_suffix(DONE_SUFFIX), Done(state="done"))
        elif name in there:
            claim.attempts[job.index] = _or(fs, claim.job_folder(job) / ATTEMPTS_NAME, Attempts())
    return claim


def _or(fs: FileSystem, path: Path, fallback: Model) -> Model:
    try:
        return read_model(fs, type(fallback), path) or fallback
    except DamagedError:
        return fallback


def _without_copy(fs: FileSystem, claim: Claim) -> set[int]:
    there = set(fs.names_in(claim.folder / INPUTS_FOLDER))
    stored = (source.stored.rpartition("/")[2] for source in claim.record.sources)
    return {index for index, name in enumerate(stored) if name not in there}


def claim_folders(fs: FileSystem, places: Places) -> list[Path]:
    """Every claim's folder, in order of arrival."""
    return [places.claims / name for name in fs.names_in(places.claims)]


def job_view(
    fs: FileSystem,
    claim: Claim,
    job: JobRecord,
    places: Places,
    held: Hold | None = None,
    *,
    to_stop: bool = False,
) -> Job:
    """One live job as the rest of the program sees it."""
    record = claim.record
    folder = claim.job_folder(job)
    attempts = claim.attempts.get(job.index, Attempts())
    outcome = folder / OUTCOME_NAME
    # Only a job that a worker has, or had, can have an outcome: no disk access for the thousands that wait.
    has_outcome = (attempts.given or job.index in claim.given) and fs.kind(outcome) is not None
    return Job(
        id=record.job_id(job),
        name=job.name,
        title=job.title,
        priority=record.priority,
        claim=record.id,
        lane=lane_of(record.origin),
        index=job.index,
        arrival=record.received_at,
        claim_folder=claim.folder,
        folder=folder,
        running=places.running / job.name,
        spec=claim.specs[job.index],
        attempts=attempts,
        trouble=job.trouble or attempts.ending,
        outcome=outcome if has_outcome else None,
        orphaned=job.index in claim.orphaned,
        given=job.index in claim.given,
        checkpoint=job.index in claim.attempts and bool(checkpoint_stamp(fs, folder)),
        to_stop=to_stop,
        held=held,
    )


def checkpoint_stamp(fs: FileSystem, folder: Path) -> str:
    """What tells the newest checkpoint in a job's folder; "" where there is none."""
    stamps = []
    for name in fs.names_in(folder):
        if name.startswith(CHECKPOINT_PREFIX):
            with contextlib.suppress(FileNotFoundError):
                status = fs.lstat(folder / name)
                stamps.append((status.st_mtime_ns, status.st_ino, status.st_size))
    return "-".join(map(str, max(stamps))) if stamps else ""


def write_attempts(fs: FileSystem, claim: Claim, job: JobRecord, attempts: Attempts) -> None:
    """Put the counts of a job down durably."""
    folder = claim.job_folder(job)
    fs.make_folder(folder)
    fs.write_durable(folder / ATTEMPTS_NAME, attempts.model_dump_json().encode())
    claim.attempts[job.index] = attempts


def lock_path(claim: Claim, job: JobRecord) -> Path:
    """The file that the job's worker holds locked."""
    return claim.job_folder(job) / JOB_LOCK_NAME
