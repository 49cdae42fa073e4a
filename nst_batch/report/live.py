"""What the gallery asks for every few seconds while a daemon runs: the jobs at work. Written by the daemon itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nst_batch.report.markup import script_data

FOLDER = ".gallery"  # the gallery's own, in the outbox
LIVE = "live.js"
CURVE_POINTS = 240


class Curve:
    """The total loss of a job at work over its steps; bounded, every other point is dropped when it gets long."""

    def __init__(self) -> None:
        self.points: list[list[Any]] = []  # [step, loss, scale]
        self._stride = 1

    def add(self, step: int, loss: float, scale: str) -> None:
        """One more point; one of an earlier step means that the job began anew or went on from a checkpoint."""
        if self.points and step < self.points[-1][0]:
            self.points = [point for point in self.points if point[0] <= step]
        if self.points and step < self.points[-1][0] + self._stride:
            return
        self.points.append([step, float(f"{loss:.5g}"), scale])
        if len(self.points) > CURVE_POINTS:
            self.points = self.points[::2]
            self._stride *= 2


def live_script(
    running: Iterable[dict[str, Any]], waiting: int, empty_at: float | None, now: float, held: str = ""
) -> str:
    """live.js. ``now`` and ``empty_at`` are seconds since 1970; a page believes it while ``now`` changes.

    ``held``: what keeps jobs from beginning, in a few words; "" for nothing.
    """
    queue = {"waiting": waiting, "held": held, "emptyAt": empty_at}
    facts = {"running": list(running), **queue, "at": round(now, 1), "daemon": True}
    return f"nst.live({script_data(facts)});\n"


IDLE = f"nst.live({script_data({'running': [], 'waiting': 0, 'daemon': False})});\n"
