"""What a pool of workers tells its daemon."""

from __future__ import annotations

from dataclasses import dataclass

from nst_batch.protocol import Message
from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job


@dataclass(frozen=True)
class Begun:
    """A worker has begun with a job that was handed out before there was one."""

    job: Job
    device: str


@dataclass(frozen=True)
class Stepped:
    """A running job got on; ``epoch_end`` at the end of an epoch."""

    job: Job
    progress: Message
    epoch_end: bool


@dataclass(frozen=True)
class Phased:
    """A running job is at something before its first step, or a worker has become ready (no job)."""

    job: Job | None
    phase: str
    told: bool = False  # of interest when all is over too


@dataclass(frozen=True)
class Finished:
    """A worker left an outcome in the job's folder."""

    job: Job


@dataclass(frozen=True)
class Yielded:
    """A worker gave a job back unfinished because it was asked to, or, if not ``counted``, had not taken it.

    ``begun``: where it had not, whether the job was told all the same as one at work, so that a stop was accepted.
    """

    job: Job
    counted: bool = True
    begun: bool = False


@dataclass(frozen=True)
class Refused:
    """A worker gave a job back because the disk let it write no more."""

    job: Job
    reason: Reason


@dataclass(frozen=True)
class Died:
    """A worker ended while at work on a job, without an outcome."""

    job: Job
    failure: RunFailure


@dataclass(frozen=True)
class WorkerFault:
    """A worker cannot work at all: weights or device. No other worker would do better."""

    reason: Reason


Event = Begun | Stepped | Phased | Finished | Yielded | Refused | Died | WorkerFault


def event_of(job: Job, message: Message) -> Event | None:
    """What a worker tells of the job that it has; None for what does not matter to the daemon."""
    match message["say"]:
        case "phase":
            return Phased(job, message["phase"], message.get("told", False))
        case "step" | "epoch":
            return Stepped(job, message, message["say"] == "epoch")
        case "finished":
            return Finished(job)
        case "yielded":
            return Yielded(job)
        case "refused":
            return Refused(job, Reason(**message["reason"]))
    return None
