"""How often a job may be tried. Pure: counts in, counts out.

A run is counted durably before it begins, or a job that kills its worker would be tried for ever. It is taken
back when the daemon itself was stopped or died, which is not the job's fault; ten of those without a new
checkpoint between them are taken for its fault all the same. A new checkpoint sets the counts to nought. Whatever ends
a run, and whatever becomes of the counts, the job has begun from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from nst_batch.reasons import OUT_OF_MEMORY, Reason

MAX_INTERRUPTIONS = 10
MAX_SIGNAL_DEATHS = 2
MAX_MEMORY_DEATHS = 2  # the first, and once more in a fresh process
_OVER = {"given": False, "begun": True}  # what the end of every run leaves that a worker had begun with


class Attempts(BaseModel):
    """The counts of one job, as they lie in attempts.json."""

    model_config = ConfigDict(frozen=True)

    runs: int = 0
    interruptions: int = 0
    signal_deaths: int = 0
    memory_deaths: int = 0
    not_before: float = Field(default=0.0, allow_inf_nan=False)  # wall clock; 0 where nothing is waited for
    given: bool = False  # a worker has it, or had when the daemon died
    begun: bool = False  # a run of it is over that a worker had begun with: it is no job that only waits
    checkpoint: str = ""  # tells the newest checkpoint when the run began
    ending: Reason | None = None  # decided, and to be carried out however often the daemon dies before it is
    cut: str | None = None  # waits for a second look at this copy of an image, which looked cut short
    looked_again: bool = False  # has had its second look, or waits for it

    @property
    def is_last_for_memory(self) -> bool:
        """Whether the run at hand is its last one, should memory run out."""
        return self.memory_deaths + 1 >= MAX_MEMORY_DEATHS


@dataclass(frozen=True)
class RunFailure:
    """How a run ended that brought no result. ``retry`` is False for what another run cannot better."""

    reason: Reason
    by_signal: bool = False
    retry: bool = True
    cut: str | None = None  # the image that looked cut short, by its name in the job


@dataclass(frozen=True)
class Verdict:
    """What becomes of the job: tried again at ``retry_at`` (wall clock), or ended."""

    retry_at: float | None = None
    ending: Reason | None = None


@dataclass(frozen=True)
class JobLimits:
    """The figures of config.yaml's ``jobs`` that count here."""

    attempts: int
    backoff_seconds: tuple[float, ...]
    recopy_seconds: float = 0.0  # before an image that looks cut short is looked at once more


def given(before: Attempts, checkpoint: str) -> Attempts:
    """A worker is about to be given the job: one more run."""
    return before.model_copy(
        update={"runs": before.runs + 1, "given": True, "not_before": 0.0, "checkpoint": checkpoint}
    )


def _progressed(before: Attempts, checkpoint: str) -> Attempts:
    """Counts at nought where the run that ends has left a new checkpoint."""
    if not checkpoint or checkpoint == before.checkpoint:
        return before
    nought = dict.fromkeys(("runs", "interruptions", "signal_deaths", "memory_deaths"), 0)
    return before.model_copy(update={**nought, "checkpoint": checkpoint})


def interrupted(before: Attempts, checkpoint: str) -> tuple[Attempts, Verdict]:
    """The daemon was stopped or died while the job ran: the run is taken back."""
    counts = _progressed(before, checkpoint)
    counts = counts.model_copy(
        update={"runs": max(0, counts.runs - 1), "interruptions": counts.interruptions + 1, **_OVER}
    )
    if counts.interruptions < MAX_INTERRUPTIONS:
        return counts, Verdict(retry_at=0.0)
    return _ended(counts, too_often_interrupted(counts))


def taken_back(before: Attempts, *, begun: bool = True) -> Attempts:
    """The run ended through no fault of the job, and not for the daemon's end either.

    ``begun`` is False where no worker had begun with it: it waits as before.
    """
    update = {"runs": max(0, before.runs - 1), "given": False, "begun": before.begun or begun}
    return before.model_copy(update=update)


def too_often_interrupted(counts: Attempts) -> Reason:
    """Why a job ends at which the daemon was interrupted too often."""
    what = f"the daemon ended {counts.interruptions} times while this job ran, and it got no further in between"
    return Reason.of("interrupted_too_often", what)


def died(
    before: Attempts, failure: RunFailure, checkpoint: str, limits: JobLimits, wall: float
) -> tuple[Attempts, Verdict]:
    """A run ended without a result: another one after a pause, or the end."""
    counts = _progressed(before, checkpoint)
    counts = counts.model_copy(
        update={
            **_OVER,
            "signal_deaths": counts.signal_deaths + failure.by_signal,
            "memory_deaths": counts.memory_deaths + (failure.reason.code == OUT_OF_MEMORY),
        }
    )
    if not failure.retry:
        return _ended(counts, failure.reason)
    if counts.memory_deaths >= MAX_MEMORY_DEATHS:
        return _ended(counts, failure.reason.noting("once more in a fresh process too"))
    if counts.signal_deaths >= MAX_SIGNAL_DEATHS:
        return _ended(counts, failure.reason.noting("twice in a row without getting further"))
    if counts.runs >= limits.attempts:
        return _ended(counts, failure.reason.noting(f"tried {counts.runs} times"))
    retry_at = wall + back_off(counts.runs, limits.backoff_seconds)
    return counts.model_copy(update={"not_before": retry_at}), Verdict(retry_at=retry_at)


def unread(
    before: Attempts, failure: RunFailure, checkpoint: str, limits: JobLimits, wall: float
) -> tuple[Attempts, Verdict]:
    """An image of the job could not be read: as a run that died, but for that no worker has begun with it."""
    counts, verdict = died(given(before, checkpoint), failure, checkpoint, limits, wall)
    return counts.model_copy(update={"begun": before.begun}), verdict


def cut_short(before: Attempts, copy: str, limits: JobLimits, wall: float) -> tuple[Attempts, Verdict]:
    """An image of the job looked cut short for the first time: its ``copy`` gets a second look after a pause."""
    retry_at = wall + limits.recopy_seconds
    counts = before.model_copy(update={**_OVER, "cut": copy, "looked_again": True, "not_before": retry_at})
    return counts, Verdict(retry_at=retry_at)


def is_due(counts: Attempts, wall: float, backoff_seconds: Sequence[float]) -> bool:
    """Whether the pause after a failed run is over; one longer than any pause means that the clock was set back."""
    left = counts.not_before - wall
    return left <= 0 or left > max(backoff_seconds, default=0.0) + 1.0


def back_off(runs: int, backoff_seconds: Sequence[float]) -> float:
    """Seconds to wait after the ``runs``-th run; the last figure repeats."""
    if not backoff_seconds:
        return 0.0
    return float(backoff_seconds[min(max(runs, 1), len(backoff_seconds)) - 1])


def _ended(counts: Attempts, why: Reason) -> tuple[Attempts, Verdict]:
    return counts.model_copy(update={"ending": why}), Verdict(ending=why)
