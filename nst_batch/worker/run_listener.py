"""Who asks for a run of a job, as the run sees them: what is wanted of it, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from nst_batch.reasons import EndState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Instruction = Literal["go", "stop", "cancel", "yield"]
RunEnd = EndState | Literal["yielded"]


class Interrupted(Exception):  # noqa: N818 - it is no error: somebody wants it so
    """The job's work ends here, in the middle of a step, of a style or of its images."""

    def __init__(self, end: Literal["stopped", "cancelled"]) -> None:
        super().__init__(end)
        self.end: Literal["stopped", "cancelled"] = end


class Progress(NamedTuple):
    """Where a job stands, for a person: ``left`` is in seconds, ``scale`` the size of one scale of several."""

    step: int
    steps: int
    epoch: int
    epochs: int
    total: float
    left: float
    scale: str
    pixels: int  # of the picture at this scale
    seconds: float  # of optimisation so far, over all runs


class Instructions(Protocol):
    """What is wanted of the job at work; asked after every step."""

    def instruction(self) -> Instruction:
        """What the job should do now."""


class RunListener(Protocol):
    """Who is told how the job gets on."""

    def say(self, what: str, **fields: object) -> None:
        """Something happened: a phase began, a checkpoint was written."""

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """A step was made."""

    def picture(self, rgb: NDArray[np.float32]) -> None:
        """The picture of the last step told; called only where ``wants_pictures``."""

    wants_pictures: bool
