"""How large a picture fits here: what a worker may hold, and the long side that this is enough for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nst_batch import machine_memory
from nst_batch.gpus import ask_driver

CPU_ROOM_MB = 4096.0  # strips cost no time, so more than this is not asked for where they do with less
CPU_SHARE = 0.6  # of the memory of a machine that has less than that to spare
GPU_SHARE = 0.8  # of a GPU's memory; its libraries' workspace and the desktop want some too
RESERVE = 0.9  # of the memory that is free; other programs want some too

Ask = Callable[..., str]  # nvidia-smi, by its arguments


@dataclass(frozen=True)
class Room:
    """The memory that a worker computes in: all there is, and what it plans with, in MB of 2²⁰ bytes."""

    total_mb: float
    planned_mb: float


def cpu_room(total_mb: float) -> Room:
    """Of a machine, or a control group, with ``total_mb``; 0 where that is not known."""
    return Room(total_mb, min(CPU_ROOM_MB, CPU_SHARE * total_mb) if total_mb else CPU_ROOM_MB)


def gpu_room(total_mb: float) -> Room:
    """Of a GPU with ``total_mb``; where that is not known (0) all is painted in one piece until memory runs out."""
    return Room(total_mb, GPU_SHARE * total_mb or float("inf"))


def expected_room(device: str | tuple[int | str, ...]) -> Room:
    """Where the config's ``device`` computes, as far as it can be told without TensorFlow."""
    numbers = device if isinstance(device, tuple) else (None,)
    gpu = 0.0 if device == "cpu" else min(gpu_memory_mb(number) for number in numbers)
    return gpu_room(gpu) if gpu else cpu_room(machine_memory.total_mb())


def gpu_memory_mb(name: int | str | None = None, driver: Ask = ask_driver) -> float:
    """The memory of a GPU by number or UUID, of the smallest one for None; 0 where the driver does not tell."""
    lines = _smi(driver, "--query-gpu=memory.total", name)
    return min((float(line) for line in lines if line.isdigit()), default=0.0)


def held_by_others_mb(name: str | None, pid: int, driver: Ask = ask_driver) -> float:
    """What other programs hold of a GPU's memory; 0 where the driver does not tell, as in most containers."""
    held = dict(
        line.split(", ", 1) for line in _smi(driver, "--query-compute-apps=pid,used_memory", name) if ", " in line
    )
    if str(pid) not in held:  # other process numbers than ours: nothing can be made of them
        return 0.0
    return sum(float(mb) for other, mb in held.items() if other != str(pid) and mb.isdigit())


def _smi(driver: Ask, query: str, name: int | str | None) -> list[str]:
    """The lines of the driver's answer."""
    chosen = [] if name is None else [f"--id={name}"]
    return driver(query, "--format=csv,noheader,nounits", *chosen).splitlines()


def free_now_mb() -> float:
    """What this process can hold in all: what it has, and of what is free the better part."""
    return machine_memory.resident_mb() + RESERVE * machine_memory.free_mb()
