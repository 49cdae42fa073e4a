"""Which devices there are, and which of them get a worker; nothing is imported for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nst_batch.errors import SetupError
from nst_batch.gpus import MASK, Gpu, Gpus, nvidia_on_the_bus
from nst_batch.reasons import DEVICE_MISSING


@dataclass(frozen=True)
class WorkerDevice:
    """Where a worker runs: ``cpu``, or a GPU (``gpu:0``).

    One that is not ``insisted`` on may turn out to be of no use; ``note`` says why another one was taken instead.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    insisted: bool = True
    note: str = ""

    @property
    def is_gpu(self) -> bool:
        """Whether it is one."""
        return self.name != "cpu"


def choose_devices(wanted: str | tuple[int | str, ...], gpus: Gpus) -> tuple[WorkerDevice, ...]:
    """One device a worker: every GPU asked for, else the CPU.

    ``wanted`` is config.yaml's ``device``. A GPU that was asked for by number or UUID is tried even where none such
    shows, so that the worker says what is wrong with it; but none that is not this process's to use: SetupError. With
    ``auto`` a listed GPU is only a hint that there is one: see :mod:`nst_batch.daemon.roster`.
    """
    if wanted == "cpu":
        return (cpu(),)
    if wanted == "auto":
        return tuple(gpu(one, insisted=False) for one in gpus.found) or (cpu(_unused_card(gpus)),)
    if isinstance(wanted, str):
        return tuple(gpu(one) for one in gpus.found or _unlisted(0, gpus))
    found = [one for each in wanted for one in gpus.select(each) or _unlisted(each, gpus)]
    return tuple(gpu(one) for one in dict.fromkeys(found))


def cpu(note: str = "") -> WorkerDevice:
    """The processor; GPUs are hidden, so that TensorFlow does not open them."""
    return WorkerDevice("cpu", {MASK: "-1"}, note=note)


def gpu(one: Gpu, *, insisted: bool = True) -> WorkerDevice:
    """One GPU; TensorFlow sees this one alone."""
    return WorkerDevice(one.name, {MASK: one.cuda_name, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, insisted)


def _unlisted(wanted: int | str, gpus: Gpus) -> tuple[Gpu, ...]:
    if gpus.mask is not None:
        raise SetupError(
            DEVICE_MISSING,
            f"device: GPU {wanted} is not one of those that this process may use ({MASK}={gpus.mask})",
            "correct device: in config.yaml, or what the program is started with",
        )
    return (Gpu(wanted) if isinstance(wanted, int) else Gpu(0, wanted),)


def _unused_card(gpus: Gpus) -> str:
    """Why a machine with an NVIDIA card paints on its CPU; empty where it has none, or where it was taken away."""
    if gpus.mask is not None or not nvidia_on_the_bus():
        return ""
    return (
        "painted on the CPU: an NVIDIA card is in this machine, but its driver shows no device (/dev/nvidia0); "
        "install or load it (does nvidia-smi show the GPU?)"
    )
