"""What the step loop asks of an objective at one scale, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from nst_batch.transfer.objective import Balance
from nst_batch.transfer.optimizers import Optimizer


class ScaleObjective(Protocol):
    """Pictures are (1, H, W, 3) float32; a number counts the scale's evaluated pictures from 0, its start."""

    @property
    def balance(self) -> Balance:
        """The names and weights of the losses in a report."""

    @property
    def renewed_every(self) -> int:
        """After so many pictures it wants to be made anew from the picture then evaluated; 0: never."""

    def losses(self, image: Any, number: int) -> Any:
        """The loss report of a picture, without a step."""

    def advance(
        self, image: Any, state: Any, numbers: Sequence[int], optimizer: Optimizer
    ) -> list[tuple[Any, Any, Any, Any]]:
        """An evaluation for each number, from ``image`` on; of each: report, accepted, next picture, next state."""
