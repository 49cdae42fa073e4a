"""The NVIDIA GPUs that this process may use: as their driver lists them, within the mask that it was started with.

``nvidia-smi -L`` is asked, which comes with every driver and loads nothing here. Where it does not answer, the device
files are counted; their numbers are the driver's minor numbers and mostly, not always, those of the listing. In WSL2
all GPUs share one device file, and the listing alone tells.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nst_batch.child import ask

MASK = "CUDA_VISIBLE_DEVICES"
SMI_SECONDS = 20.0
_SMI = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")  # in WSL2 it is not on a service's PATH
_WSL = "dxg"
_DRIVERS_FILES = ("nvidiactl", "nvidia-uvm")
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # of PCI: the vendor, and the class of what draws or computes
_GPU = re.compile(r"GPU (\d+): .*\(UUID: (GPU-[\w-]+)\)")
_PART = re.compile(r"\s+MIG .*\(UUID: (MIG-[\w/-]+)\)")


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one instance of a GPU that is divided up (MIG). ``index`` is what nvidia-smi counts."""

    index: int
    uuid: str = ""  # where only the device file is known
    part: int | None = None

    @property
    def name(self) -> str:
        """For logs and people: ``gpu:0``, ``gpu:0.1`` for its second instance."""
        return f"gpu:{self.index}" + ("" if self.part is None else f".{self.part}")

    @property
    def cuda_name(self) -> str:
        """What CUDA knows it by, wherever it stands in a list."""
        return self.uuid or str(self.index)


@dataclass(frozen=True)
class Gpus:
    """What there is to choose from. ``mask``: what was allowed by whoever started this process, None for everything."""

    found: tuple[Gpu, ...] = ()
    mask: str | None = None

    def select(self, wanted: int | str) -> tuple[Gpu, ...]:
        """The GPU of that index, or whose UUID begins so; all instances of one that is divided up."""
        if isinstance(wanted, int):
            return tuple(gpu for gpu in self.found if gpu.index == wanted)
        return tuple(gpu for gpu in self.found if gpu.uuid.startswith(wanted))


def find_gpus(
    root: Path = Path("/dev"),
    environ: Mapping[str, str] | None = None,
    listing: Callable[[], str] | None = None,
) -> Gpus:
    """The GPUs of this machine that this process may use; importing nothing, and asking nobody where there are none."""
    mask = (os.environ if environ is None else environ).get(MASK)
    numbers = sorted(int(path.name[6:]) for path in root.glob("nvidia[0-9]*") if path.name[6:].isdigit())
    if not numbers and not (root / _WSL).exists():
        return Gpus((), mask)
    listed = tuple(_listed(listing() if listing else ask_driver("-L"))) or tuple(Gpu(number) for number in numbers)
    return Gpus(listed if mask is None else tuple(_masked(listed, mask)), mask)


def device_faults(root: Path = Path("/dev")) -> str:
    """A line for each device file of NVIDIA's driver that cannot be used; empty where all can, or none is there.

    The driver's own are opened, for a service's control group forbids what no right of a file tells. A GPU's is not:
    that wakes it, and waits for one that is broken.
    """
    found = []
    for path in (root / name for name in _DRIVERS_FILES):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(f"{path}: {error.strerror}\n")
    for path in sorted(root.glob("nvidia[0-9]*")):
        if not os.access(path, os.R_OK | os.W_OK):
            found.append(f"{path}: {os.strerror(errno.EACCES)}\n")
    return "".join(found)


def nvidia_on_the_bus(devices: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Whether an NVIDIA card is in this machine, whether or not a driver serves it."""
    for device in devices.glob("*"):
        try:
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
            if vendor == _NVIDIA and kind.startswith(_DISPLAY):
                return True
        except OSError:  # taken out meanwhile
            continue
    return False


def _listed(text: str) -> Iterator[Gpu]:
    """The GPUs of ``nvidia-smi -L``, with their instances in place of those that are divided up."""
    whole: Gpu | None = None
    parts = 0
    for line in text.splitlines():
        if found := _GPU.match(line):
            if whole is not None and not parts:
                yield whole
            whole, parts = Gpu(int(found[1]), found[2]), 0
        elif whole is not None and (found := _PART.match(line)):
            yield Gpu(whole.index, found[1], parts)
            parts += 1
    if whole is not None and not parts:
        yield whole


def _masked(listed: tuple[Gpu, ...], mask: str) -> Iterator[Gpu]:
    """Those that a mask lets through, in its order; it ends, as CUDA has it, at the first word that names none."""
    for word in (part.strip() for part in mask.split(",")):
        if word.isdigit():
            found = next((gpu for gpu in listed if gpu.index == int(word)), None)
        else:
            found = next((gpu for gpu in listed if word and gpu.uuid.startswith(word)), None)
            if found is None and word.startswith(("GPU-", "MIG-")) and not any(gpu.uuid for gpu in listed):
                found = Gpu(0, word)
        if found is None:
            return
        yield found


def ask_driver(*arguments: str) -> str:
    """What nvidia-smi answers; nothing where there is no driver, or one that hangs."""
    command = next((found for name in _SMI if (found := shutil.which(name))), None)
    answer = ask([command, *arguments], SMI_SECONDS) if command else None
    return answer.out if answer is not None and answer.status == 0 else ""
