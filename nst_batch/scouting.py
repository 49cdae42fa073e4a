"""Trying smaller sizes of a job that does not fit, so that its failure can say how large it could have been."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

from nst_batch.errors import JobError
from nst_batch.fitting import Need, estimate, largest_that_fits, scouted_sides
from nst_batch.job import JobSpec
from nst_batch.material import Facts, load_material
from nst_batch.memory import free_mb, peak_mb, resident_mb
from nst_batch.settings import Settings
from nst_batch.studio import Studio
from nst_batch.transfer.errors import LossNotFiniteError, OutOfMemoryError


class Listener(Protocol):
    """Who is told what is being tried."""

    def say(self, what: str, **fields: object) -> None:
        """Something happened."""


class Scout:
    """Makes one step at sizes below the one that a job asks for; nothing of it is kept."""

    def __init__(self, studio: Studio, spec: JobSpec, claim: Path, listener: Listener) -> None:
        self._studio = studio
        self._spec = spec
        self._claim = claim
        self._listener = listener

    def before_the_last_run(self) -> int | None:
        """The size that will have fitted, by what two small ones take, where the kernel may end this process.

        None where it cannot be told, and on a GPU, which can be asked afterwards.
        """
        if not self._studio.is_cpu:
            return None
        with contextlib.suppress(JobError, MemoryError):
            asked = self._side()
            needs = [self._measured(side) for side in scouted_sides(asked)]
            small, large = needs
            if small and large and large.side < asked:
                return estimate(asked, small, large, free_mb() + resident_mb())
        return None

    def after_a_failure(self) -> int | None:
        """The size that fits, by trying; None where none was found."""
        with contextlib.suppress(JobError, MemoryError):
            return largest_that_fits(self._side(), self._fits)
        return None

    def _measured(self, side: int) -> Need | None:
        return Need(side, peak_mb()) if self._fits(side) else None

    def _fits(self, side: int) -> bool:
        self._listener.say("phase", phase=f"trying whether size {side} fits")
        settings = self._smaller(side)
        spec = self._spec.model_copy(update={"settings": settings})
        try:
            material = load_material(spec, self._claim, self._studio.limits, Facts(spec))
            model = self._studio.model(settings, material, self._studio.precision(settings.precision))
            next(model.steps())
        except (OutOfMemoryError, MemoryError):
            return False
        except LossNotFiniteError:
            return True  # it was computed
        return True

    def _smaller(self, side: int) -> Settings:
        """One step at ``side``, in one scale, for the last scale is what takes the memory."""
        settings = self._spec.settings
        changed: dict[str, object] = {"size": side, "scales": 1, "epochs": 1, "steps_per_epoch": 1}
        if settings.style_size:
            changed["style_size"] = min(settings.style_size, side)
        return settings.model_copy(update=changed)

    def _side(self) -> int:
        """The long side that the job asks for."""
        size = self._spec.settings.size
        if isinstance(size, int):
            return size
        return max(load_material(self._spec, self._claim, self._studio.limits, Facts(self._spec)).size)
