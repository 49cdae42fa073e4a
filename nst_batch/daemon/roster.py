"""Which devices are to have workers: those asked for, less those that have failed, until they are tried again.

A GPU can fail for a night (taken by somebody else, fallen off the bus) or for an hour. It is left out with a reason
and tried again later, while the others go on. Where none is left and nobody insisted on a GPU, the CPU paints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nst_batch.daemon.devices import WorkerDevice, choose_devices, cpu
from nst_batch.gpus import find_gpus
from nst_batch.reasons import Reason

RETRY_SECONDS = (600.0, 3600.0)  # after the first failure, and after each further one
LOOK_SECONDS = 600.0  # between two looks for a GPU whose driver may only now be there
DEATHS = 2  # of workers that start, in a row, until their GPU counts as failed


@dataclass(frozen=True)
class _Failure:
    times: int
    until: float  # monotonic
    note: str


class Roster:
    """The devices of one daemon. ``look`` finds them anew, where they may have come only after it was started."""

    def __init__(
        self, devices: tuple[WorkerDevice, ...], look: Callable[[], tuple[WorkerDevice, ...]] | None = None
    ) -> None:
        self._devices = devices
        self._look = look
        self._look_due: float | None = None
        self._failures: dict[str, _Failure] = {}
        self._deaths: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all of them, whether they are in use or not."""
        return tuple(device.name for device in self._devices)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of devices that are not what was to be expected."""
        own = tuple(device.note for device in self._devices if device.note)
        return own + tuple(failure.note for failure in self._failures.values())

    @property
    def exhausted(self) -> bool:
        """Whether every device has failed, and nothing else may be used."""
        return all(device.insisted and device.name in self._failures for device in self._devices)

    def in_use(self, now: float) -> tuple[WorkerDevice, ...]:
        """Those that are to have a worker: what has not failed, what is to be tried again, and the CPU in need."""
        self._look_again(now)
        tried = tuple(device for device in self._devices if self._may_try(device, now))
        if any(device.name not in self._failures for device in tried):
            return tried
        insisted = any(device.insisted for device in self._devices)
        return tried if insisted else (*tried, cpu(self._painted_on_the_cpu()))

    def uses(self, device: WorkerDevice, now: float) -> bool:
        """Whether a worker there is still wanted."""
        return any(one.name == device.name for one in self.in_use(now))

    def works(self, device: WorkerDevice) -> None:
        """A worker is ready there."""
        self._failures.pop(device.name, None)
        self._deaths.pop(device.name, None)

    def failed(self, device: WorkerDevice, reason: Reason, now: float) -> str:
        """A device is of no use for now; what is to be told of it."""
        times = self._failures[device.name].times + 1 if device.name in self._failures else 1
        pause = RETRY_SECONDS[min(times, len(RETRY_SECONDS)) - 1]
        note = f"{device.name} is left out: {reason.in_one_line}"
        self._failures[device.name] = _Failure(times, now + pause, note)
        left = any(other.name not in self._failures for other in self._devices)
        return note if left or device.insisted else self._painted_on_the_cpu()

    def died(self, device: WorkerDevice) -> bool:
        """A worker there ended before it was ready; whether that makes its GPU a failed one."""
        if not device.is_gpu:
            return False
        self._deaths[device.name] = self._deaths.get(device.name, 0) + 1
        return self._deaths[device.name] >= DEATHS

    def _may_try(self, device: WorkerDevice, now: float) -> bool:
        failure = self._failures.get(device.name)
        return failure is None or now >= failure.until

    def _painted_on_the_cpu(self) -> str:
        return "painted on the CPU: " + "; ".join(failure.note for failure in self._failures.values())

    def _look_again(self, now: float) -> None:
        if self._look is None or any(device.is_gpu for device in self._devices):
            return
        if self._look_due is None or now >= self._look_due:
            first = self._look_due is None
            self._look_due = now + LOOK_SECONDS
            if not first:
                self._devices = self._look()


def find_roster(wanted: str | tuple[int | str, ...]) -> Roster:
    """What config.yaml's ``device`` means on this machine; with ``auto``, what comes later counts as well."""

    def look() -> tuple[WorkerDevice, ...]:
        return choose_devices(wanted, find_gpus())

    return Roster(look(), look if wanted == "auto" else None)
