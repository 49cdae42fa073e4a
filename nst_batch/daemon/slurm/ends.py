"""What the end of an allocation means: for the job that it had, and for its worker, which may live on unseen."""

from __future__ import annotations

from nst_batch.clock import duration
from nst_batch.daemon.events import Died, Event, Yielded
from nst_batch.daemon.slurm.allocation import Allocation
from nst_batch.reasons import OUT_OF_MEMORY, Reason
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job

GONE = "GONE"  # ours: Slurm does not know it any more
# The node itself has told how these ended. Any other end is the controller's own decision (a node that it has lost, a
# limit, scancel, a state that it has forgotten), of which a node behind a broken network may not even have heard.
TOLD_BY_THE_NODE = frozenset(("COMPLETED", "FAILED", "OUT_OF_MEMORY"))
# A worker that had not come up when these ended it is no sign that workers cannot start.
NO_FAULT_OF_THE_START = frozenset(("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED", "DEADLINE", "CANCELLED", GONE))


def may_live_on(one: Allocation) -> bool:
    """Whether a worker of this ended allocation may still be at its job. OSError."""
    return one.job is not None and one.state not in TOLD_BY_THE_NODE and one.has_begun


def start_failure(one: Allocation) -> str:
    """Why no worker got to work in an ended allocation; "" where that is nobody's fault."""
    warned = one.ready and one.state == "COMPLETED" and not (one.taken or one.jobs_done or one.called_back)
    if warned and one.job is not None:
        return (
            f"the worker of {one.device.name} was told to end before it could begin; the partition's time limit may be "
            "shorter than slurm: warn_seconds"
        )
    if one.ready or one.fault or one.cancelled or one.called_back or one.state in NO_FAULT_OF_THE_START:
        return ""
    return f"the worker of {one.device.name} ended before it was ready{one.last_words()}"


def end_of_run(one: Allocation, job: Job, stall_timeout: float) -> Event:
    """What the end of an allocation means for the job that it had. ``stall_timeout`` in seconds."""
    if not one.taken:
        return Yielded(job, counted=False, begun=one.was_at_work)
    where = one.device.name
    if one.stalled:
        text = f"no step for {duration(stall_timeout)} in {where}; the worker was ended"
        return Died(job, RunFailure(Reason.of("worker_stalled", text), by_signal=False))
    if one.state == "OUT_OF_MEMORY":
        text = f"the worker in {where} ran out of memory"
        advice = "ask for more with slurm: memory in config.yaml"
        return Died(job, RunFailure(Reason.of(OUT_OF_MEMORY, text, advice), by_signal=True))
    if one.state == "FAILED":
        text = f"the worker in {where} died{one.last_words()}"
        return Died(job, RunFailure(Reason.of("worker_died", text), by_signal=True))
    return Yielded(job)
