"""One allocation of Slurm with a worker in it, and the folder by which a restarted daemon finds it again.

``inbox/.nst_batch/slurm/TOKEN/`` holds the record, the worker's options, both mailboxes and the worker's log. The
record is written durably before ``sbatch`` is asked, and Slurm knows the allocation by the token: none is ever asked
for twice without being known.

The token is for all to see in Slurm's queue, and whoever may write in the inbox could put a folder of their own where
this one is looked for. So the script comes to Slurm from here, not from the folder, and works in the folder only if
what it makes there belongs to the same user as the folder; the mailboxes have a care of their own.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from nst_batch.daemon.devices import WorkerDevice
from nst_batch.daemon.slurm.commands import LIVE, QueueEntry
from nst_batch.daemon.worker_process import job_message, last_words, log_tail
from nst_batch.mailbox import MailReader, MailWriter
from nst_batch.protocol import FROM_WORKER_NAME, OPTIONS_NAME, TAKEN_NAME, TO_WORKER_NAME, Message, WorkerOptions
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import pause_for
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import DamagedError, read_model

RECORD_NAME = "record.json"
LOG_NAME = "worker.log"
NAME_PREFIX = "nst_batch-"  # of the job's name in Slurm
SCRIPT = """\
#!/bin/sh
cd {folder} || exit 72
umask 077
set -C
: >{log} || exit 73
[ "$(stat -c %u {log})" = "$(stat -c %u .)" ] || exit 74
set +C
exec >>{log} 2>&1
{setup}
exec {command}
"""


class AllocationRecord(BaseModel):
    """What must outlive the daemon."""

    token: str
    slurm_id: str = ""  # "" until sbatch has answered
    job: str = ""  # id of the job that the worker has, or is to have


def allocation_records(fs: FileSystem, folder: Path) -> Iterator[tuple[str, AllocationRecord]]:
    """Every allocation that the folders tell of, by token; an empty record for one that was never asked for. OSError.

    One whose record is damaged is left out: whatever it does, it takes no job any more.
    """
    for token in fs.names_in(folder):
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
        self.slurms_why = ""  # in Slurm's words
        self.ready = False
        self.details: Message = {}
        self.taken = False  # the worker has begun with the job
        self.was_at_work = False  # its job has been told as one that does not wait any more
        self.ending = False  # no other job is given to it
        self.stalled = False
        self.called_back = False  # the job is wanted back, should its worker not have begun
        self.cancelled = False  # scancel has been asked for
        self.revoked_at: float | None = None  # since when its worker must not touch the job any more (monotonic)
        self.last_beat = now
        self.jobs_done = 0
        self.fault: Message | None = None
        self._current = ""  # id of the job that the worker's messages are about
        self.requeued = False  # somebody has put it back into the queue (scontrol requeue): its worker is no more
        self._has_begun = self._had_begun = False  # a worker has come up; had by the last look at the queue
        self._ran_before = False  # when it was given the job
        self._reader = MailReader(folder / FROM_WORKER_NAME, fs.owner, "say")
        self._writer = MailWriter(folder / TO_WORKER_NAME, fs.owner)

    @property
    def name(self) -> str:
        """By which Slurm knows it."""
        return NAME_PREFIX + self.record.token

    @property
    def device(self) -> WorkerDevice:
        """Where it is, for people."""
        number = self.record.slurm_id or "to be submitted"
        place = f" on {self.node}" if self.node else ""
        why = f": {self.slurms_why}" if self.is_over and self.slurms_why not in ("", "None") else ""
        return WorkerDevice(f"slurm {number}{place}" + (f" ({self.state.lower()}{why})" if self.state else ""))

    @property
    def queue_state(self) -> str:
        """Why its job has not begun, for people."""
        if not self.record.slurm_id:
            return "Slurm is asked for a place"
        why = f": {self.slurms_why}" if self.slurms_why not in ("", "None") else ""
        return f"in Slurm's queue as {self.record.slurm_id} ({(self.state or 'not yet seen').lower()}{why})"

    @property
    def runs(self) -> bool:
        """Whether its worker may be at work now."""
        return self.state in ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED")

    @property
    def at_work(self) -> bool:
        """Whether it has a job that does not just wait in Slurm's queue."""
        return self.job is not None and (self.runs or self.taken)

    @property
    def has_begun(self) -> bool:
        """Whether a worker has ever come up in it. OSError."""
        if not self._has_begun:
            self._has_begun = self.ready or self._fs.kind(self.folder / TAKEN_NAME) is not None
        return self._has_begun

    def seen(self, entry: QueueEntry) -> None:
        """What Slurm's queue says of it."""
        # The queue was looked at after the look before this one: a worker that was up by then is no more.
        self.requeued = entry.state == "PENDING" and self._had_begun
        self._had_begun = self.ready
        self.state, self.node, self.slurms_why = entry.state, entry.node, entry.why
        self.was_at_work = self.was_at_work or self.at_work

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will run any more."""
        return bool(self.state) and self.state not in LIVE

    @property
    def idle(self) -> bool:
        """Warm and without a job."""
        return self.ready and self.state == "RUNNING" and not (self.record.job or self.ending or self.fault)

    def make(self, options: WorkerOptions) -> None:
        """Lay the folder down, all but the record. OSError."""
        self._fs.make_folder(self.folder)
        self._fs.replace(self.folder / OPTIONS_NAME, options.model_dump_json().encode())
        # There from the start: of a file that was not, NFS says so for up to a minute after the worker has made it.
        self._fs.replace(self.folder / FROM_WORKER_NAME, b"")

    def script(self, setup: str, command: Sequence[str]) -> str:
        """What Slurm is to run. ``command`` starts a worker, given the folder."""
        line = shlex.join((*command, str(self.folder)))
        return SCRIPT.format(folder=shlex.quote(str(self.folder)), log=LOG_NAME, setup=setup, command=line)

    def give(self, job: Job, now: float) -> None:
        """The job is this worker's from now on, whatever becomes of the daemon. OSError."""
        self._remember(job=job.id)
        self.job, self.progress, self.taken, self.last_beat = job, {}, False, now
        self.called_back, self._ran_before, self.was_at_work = False, self.runs, self.runs
        self.tell(job_message(job))

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
        only_waits = self.job is None or not (self.job.checkpoint or self.job.attempts.begun)
        ends = message["do"] in ("cancel", "yield") or (message["do"] == "stop" and only_waits)
        self.called_back = self.called_back or ends

    def end(self) -> None:
        """Ask it to finish. SpoolBlocked."""
        self.ending = True
        self.tell({"do": "end"})

    def read(self, now: float) -> list[Message]:
        """What its worker has said of itself and of the job that it has now. OSError."""
        try:
            messages = self._reader.read()
        except FileNotFoundError:  # no worker has come up yet
            return []
        said = []
        for message in messages:
            self.last_beat = now
            match message["say"]:
                case "ready":
                    self.ready = True
                    self.details = message
                case "fault":
                    self.fault = message
                case "ended":
                    self.ending = True
                case "taken":
                    self._current = message.get("job", "")
                    self.taken = self.taken or self._is_current
                    if self._ran_before:
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

    def last_words(self) -> str:
        """Of its worker; also that none has written anything there. OSError."""
        log = self.folder / LOG_NAME
        if self._fs.kind(log) is None:
            return f": it has written nothing into {self.folder}; is the inbox there on that node, at the same path?"
        with self._fs.reader(log) as file:
            return last_words(log_tail(file.fileno()))
