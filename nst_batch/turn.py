"""How long one turn of the daemon's loop may take, whatever the queue: what is not done in it is done in the next.

Between two turns signals are heard, the service manager's watchdog is fed, and workers are listened to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Turn:
    """Is over ``seconds`` after it was made, or begun anew; whoever asks has done one thing at least before.

    ``was_cut`` says that somebody asked when it was over, and so may have left something for the next one.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = 0.0
        self.was_cut = False
        self.begin()

    def begin(self) -> None:
        """Begin anew: what came before, and cannot be cut in pieces, does not count."""
        self._end = self._clock() + self._seconds

    @property
    def over(self) -> bool:
        """Whether the rest should be left to the next turn."""
        if self._clock() < self._end:
            return False
        self.was_cut = True
        return True
