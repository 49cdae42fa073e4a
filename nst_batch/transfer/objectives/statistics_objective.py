"""Statistics of features at one scale: Gram matrices, or means and covariances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nst_batch.transfer.network import Network
from nst_batch.transfer.objective import Balance, Layers, Targets
from nst_batch.transfer.optimizers import Optimizer
from nst_batch.transfer.strip_network import StripNetwork


@dataclass(frozen=True)
class StatisticsObjective:
    """A :class:`ScaleObjective` of statistics: what a scale's pictures are compared with, and who looks at them."""

    network: Network | StripNetwork
    layers: Layers
    targets: tuple[Targets, ...]  # one a frame
    balance: Balance
    weights: Any  # Balance.tensors()
    draw: Callable[[int], int]  # the number of a picture -> that of its frame
    renewed_every: int = 0

    def losses(self, image: Any, number: int) -> Any:
        """As :class:`ScaleObjective` says."""
        return self.network.losses(image, self.layers, self._target(number), self.weights)

    def advance(
        self, image: Any, state: Any, numbers: Sequence[int], optimizer: Optimizer
    ) -> list[tuple[Any, Any, Any, Any]]:
        """As :class:`ScaleObjective` says.

        An optimiser that searches along a line compares losses: for it, the frame is the same all through a scale.
        """
        targets = [self._target(number if optimizer.always_accepts else 0) for number in numbers]
        return self.network.advance(image, state, self.layers, targets, self.weights, optimizer=optimizer)

    def _target(self, number: int) -> Targets:
        return self.targets[self.draw(number) if len(self.targets) > 1 else 0]
