"""One allocation of Slurm with a worker in it, and the folder by which a restarted daemon finds it again.

``inbox/.nst_batch/slurm/TOKEN/`` holds the record, the worker's options, the script that Slurm runs, both mailboxes and
the worker's log. The record is written durably before ``sbatch`` is asked, and Slurm knows the allocation by the token:
an allocation is never asked for twice without being known.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from nst_batch.daemon.devices import WorkerDevice
from nst_batch.daemon.slurm.commands import LIVE
from nst_batch.daemon.worker_process import log_tail
from nst_batch.mailbox import MailReader, MailWriter
from nst_batch.protocol import FROM_WORKER_NAME, OPTIONS_NAME, TO_WORKER_NAME, Message, WorkerOptions
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import pause_for
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import DamagedError, read_model

RECORD_NAME = "record.json"
SCRIPT_NAME = "worker.sh"
LOG_NAME = "worker.log"
NAME_PREFIX = "nst_batch-"  # of the job's name in Slurm


class AllocationRecord(BaseModel):
    """What must outlive the daemon."""

    token: str
    slurm_id: str = ""  # "" until sbatch has answered
    job: str = ""  # id of the job that the worker has, or is to have


def allocation_records(fs: FileSystem, folder: Path) -> Iterator[tuple[str, AllocationRecord]]:
    """Every allocation that the folders tell of, by token; an empty record for one that was never asked for. OSError.

    One whose record is damaged is left out: whatever it does, it takes no job any more.
    """
    for token in fs.names(folder) if fs.is_folder(folder) else ():
        with contextlib.suppress(DamagedError):
            record = read_model(fs, AllocationRecord, folder / token / RECORD_NAME)
            yield token, record or AllocationRecord(token="")


class Allocation:
    """One allocation, from before it is asked for until it is gone."""

    def __init__(self, fs: FileSystem, folder: Path, record: AllocationRecord, now: float) -> None:
        self._fs = fs
        self.folder = folder
        self.record = record
        self.job: Job | None = None
        self.progress: Message = {}
        self.state = ""  # in Slurm's words; "" where it has not been asked yet
        self.node = ""
        self.ready = False
        self.details: Message = {}
        self.taken = False  # the worker has begun with the job
        self.ending = False  # no other job is given to it
        self.stalled = False
        self.cancel_asked = False  # by a person, of the job
        self.cancelled = False  # scancel has been asked for
        self.revoked_at: float | None = None  # since when its worker must not touch the job any more (monotonic)
        self.last_beat = now
        self.jobs_done = 0
        self.fault: Message | None = None
        self._current = ""  # id of the job that the worker's messages are about
        self._reader = MailReader(folder / FROM_WORKER_NAME)
        self._writer = MailWriter(folder / TO_WORKER_NAME)

    @property
    def name(self) -> str:
        """By which Slurm knows it."""
        return NAME_PREFIX + self.record.token

    @property
    def device(self) -> WorkerDevice:
        """Where it is, for people."""
        number = self.record.slurm_id or "to be submitted"
        place = f" on {self.node}" if self.node else ""
        return WorkerDevice(f"slurm {number}{place}" + (f" ({self.state.lower()})" if self.state else ""))

    @property
    def runs(self) -> bool:
        """Whether its worker may be at work now."""
        return self.state in ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED")

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will run any more."""
        return bool(self.state) and self.state not in LIVE

    @property
    def idle(self) -> bool:
        """Warm and without a job."""
        return self.ready and self.state == "RUNNING" and not (self.record.job or self.ending or self.fault)

    def make(self, options: WorkerOptions, setup: str, command: Sequence[str]) -> None:
        """Lay the folder down, all but the record. ``command`` starts a worker, given the folder. OSError."""
        self._fs.make_folder(self.folder)
        self._fs.replace(self.folder / OPTIONS_NAME, options.model_dump_json().encode())
        line = shlex.join((*command, str(self.folder)))
        self._fs.replace(self.folder / SCRIPT_NAME, f"#!/bin/sh\n{setup}\nexec {line}\n".encode())

    def give(self, job: Job, message: Message, now: float) -> None:
        """The job is this worker's from now on, whatever becomes of the daemon. OSError."""
        self._remember(job=job.id)
        self.job, self.progress, self.taken, self.last_beat = job, {}, False, now
        self.cancel_asked = False
        self.tell(message)

    def submitted(self, slurm_id: str) -> None:
        """Slurm has taken it. OSError."""
        self._remember(slurm_id=slurm_id)

    def let_go(self) -> None:
        """The job is nobody's, or another's. OSError."""
        self.job, self.taken, self.progress = None, False, {}
        self._remember(job="")

    def _remember(self, **fields: str) -> None:
        record = self.record.model_copy(update=fields)
        self._fs.write_durable(self.folder / RECORD_NAME, record.model_dump_json().encode())
        self.record = record

    def tell(self, message: Message) -> None:
        """Say something to the worker, which may hear it only when it starts. SpoolBlocked."""
        try:
            self._writer.post(message)
        except OSError as error:
            raise pause_for(error) from error
        self.cancel_asked = self.cancel_asked or message["do"] == "cancel"

    def end(self) -> None:
        """Ask it to finish. SpoolBlocked."""
        self.ending = True
        self.tell({"do": "end"})

    def read(self, now: float) -> list[Message]:
        """What its worker has said of itself and of the job that it has now. OSError."""
        said = []
        for message in self._reader.read():
            self.last_beat = now
            match message.get("say"):
                case "ready":
                    self.ready = True
                    self.details = message
                case "fault":
                    self.fault = message
                case "ended":
                    self.ending = True
                case "taken":
                    self._current = message["job"]
                    self.taken = self.taken or self._is_current
                    continue
                case "step" | "epoch" if self._is_current:
                    self.progress = message
                case "finished":
                    self.jobs_done += 1
            # A daemon that has just begun reads of earlier jobs too: they have had their end.
            if message["say"] in ("ready", "fault") or self._is_current:
                said.append(message)
        return said

    @property
    def _is_current(self) -> bool:
        return bool(self._current) and self._current == self.record.job

    def log_tail(self) -> str:
        """The end of what the worker wrote to standard error."""
        return log_tail(self.folder / LOG_NAME)
