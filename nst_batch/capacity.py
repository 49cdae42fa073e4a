"""How large a picture fits here: what a worker may hold, what a job needs of it, and what would fit where that is more.

``check``, the worker, ``status`` and its forecast ask the same functions, so that all of them say the same of a job.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nst_batch import machine_memory
from nst_batch.errors import JobError
from nst_batch.gpus import ask_driver
from nst_batch.reasons import OUT_OF_MEMORY
from nst_batch.sidecar.presets import PRESETS
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.setting_values import SMALLEST_SIZE
from nst_batch.sidecar.settings import Settings
from nst_batch.sizing import (
    HasSize,
    result_size,
    scaled_size,
    shapes,
    style_pixels,
    style_side,
    style_size,
    working_size,
)
from nst_batch.transfer.device import TensorFlowDevices
from nst_batch.transfer.memory_plan import GRID, MemoryPlan
from nst_batch.transfer.precision import choose_precision, cpu_has_bfloat16, gpu_has_bfloat16
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, Precision

CPU_ROOM_MB = 4096.0  # strips cost no time, so more than this is not asked for where they do with less
CPU_SHARE = 0.6  # of the memory of a machine that has less than that to spare
GPU_SHARE = 0.8  # of a GPU's memory; its libraries' workspace and the desktop want some too
RESERVE = 0.9  # of the memory that is free; other programs want some too
LESS = 0.9  # of the sides of a picture that has run out of memory, though it should have fitted

Ask = Callable[..., str]  # nvidia-smi, by its arguments


@dataclass(frozen=True)
class Room:
    """The memory that a worker computes in: all there is, and what it plans with, in MB of 2²⁰ bytes."""

    total_mb: float  # 0 where that is not known
    planned_mb: float


def cpu_room(total_mb: float) -> Room:
    """Of a machine, or a control group, with ``total_mb``; 0 where that is not known."""
    return Room(total_mb, min(CPU_ROOM_MB, CPU_SHARE * total_mb) if total_mb else CPU_ROOM_MB)


def gpu_room(total_mb: float) -> Room:
    """Of a GPU with ``total_mb``; where that is not known (0) all is painted in one piece until memory runs out."""
    return Room(total_mb, GPU_SHARE * total_mb or float("inf"))


@dataclass(frozen=True)
class Place:
    """Where jobs are painted: its memory, and whether ``precision: auto`` is bfloat16 there."""

    room: Room
    has_bfloat16: bool

    def precision(self, asked: str) -> Precision:
        """The precision that a job will be painted in."""
        return choose_precision(asked, has_bfloat16=self.has_bfloat16)


ANYWHERE = Place(Room(0.0, math.inf), has_bfloat16=True)
"""A place of which nothing is known: whatever may fit somewhere is not refused."""


def expected_place(device: str | tuple[int | str, ...], driver: Ask = ask_driver) -> Place:
    """Where the config's ``device`` computes, as far as it can be told without TensorFlow."""
    numbers = device if isinstance(device, tuple) else (None,)
    gpu = 0.0 if device == "cpu" else min(gpu_memory_mb(number, driver) for number in numbers)
    if not gpu:
        flags = TensorFlowDevices().cpu_flags()
        return Place(cpu_room(machine_memory.total_mb()), cpu_has_bfloat16(flags))
    told = [line for number in numbers for line in _smi(driver, "--query-gpu=compute_cap", number)]
    cards = [tuple(map(int, line.split("."))) for line in told if line.replace(".", "").isdigit()]
    return Place(gpu_room(gpu), all(map(gpu_has_bfloat16, cards)))


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


# --- what a job needs ---------------------------------------------------------------------------------------


def memory_plan(settings: Settings, precision: Precision) -> MemoryPlan:
    """What such a job takes of memory."""
    optimizer = AdamSpec() if settings.optimizer == "adam" else LbfgsSpec()
    return MemoryPlan(precision, optimizer, PRESETS[settings.preset].family)


@dataclass(frozen=True)
class Demand:
    """What a job asks of the memory: by its settings, the precision it is painted in, and its images' shapes."""

    settings: Settings
    precision: Precision
    content: HasSize
    styles: tuple[HasSize, ...]

    def need_mb(self, room_mb: float = 0.0, **sizes: int) -> float:
        """Its peak where it is planned for ``room_mb``: 0 for the least there can be.

        ``sizes``: another ``size`` or ``style_size`` than its own.
        """
        settings = self.settings.model_copy(update=sizes) if sizes else self.settings
        result = self._result(settings)
        styled = style_pixels(settings, result, self.styles)
        return memory_plan(settings, self.precision).need_mb(math.prod(result), styled, room_mb)

    def check(self, room: Room) -> None:
        """Raises JobError out_of_memory where ``room`` is too small, whatever else is free and however it is cut up."""
        need = self.need_mb()
        if not room.total_mb or need <= room.total_mb:
            return
        height, width = self.result
        what = f"{width} × {height} pixels take"
        if memory_plan(self.settings, self.precision).need_mb(height * width, 0, 0.0) <= room.total_mb:
            height, width = max((self._looked_at(style) for style in self.styles), key=math.prod)
            what = f"to look at a style with {width} × {height} pixels takes"
        raise JobError(
            OUT_OF_MEMORY,
            f"{what} about {need / 1024:.1f} GiB of memory, and there are {room.total_mb / 1024:.1f} GiB",
            advice(self.what_fits(RESERVE * room.total_mb)),
        )

    def what_fits(self, most_mb: float) -> dict[str, int]:
        """The ``size``, the ``style_size`` or both, the largest with which it needs ``most_mb`` at most; {} for none.

        Where the style's size is the result's, they stay the same. Of two the result stays as large as it was where a
        smaller style will do.
        """
        size, style = self._long_side, self.settings.style_side(self._long_side)
        if self.settings.style_size == self.settings.size:
            side = _largest(size, lambda side: self.need_mb(size=side, style_size=side), most_mb)
            found = {"size": side, "style_size": side}
        elif self.need_mb(style_size=SMALLEST_SIZE) <= most_mb:
            found = {"style_size": _largest(style, lambda side: self.need_mb(style_size=side), most_mb)}
        elif self.need_mb(size=SMALLEST_SIZE) <= most_mb:
            found = {"size": _largest(size, lambda side: self.need_mb(size=side), most_mb)}
        else:
            side = _largest(size, lambda side: self.need_mb(size=side, style_size=SMALLEST_SIZE), most_mb)
            styled = _largest(style, lambda each: self.need_mb(size=max(side, 1), style_size=each), most_mb)
            found = {"size": side, "style_size": styled}
        return found if self._are_enough(found) else {}

    def a_little_less_mb(self) -> float:
        """What it would need with sides of nine tenths: it has run out of memory, whatever was reckoned."""
        style = self.settings.style_side(self._long_side)
        return self.need_mb(size=int(LESS * self._long_side), style_size=int(LESS * style))

    @property
    def _long_side(self) -> int:
        own = max(self.content.width, self.content.height)
        return own if self.settings.size == "full" else self.settings.size

    @property
    def result(self) -> tuple[int, int]:
        """Height and width of what is to be made."""
        return self._result(self.settings)

    def _result(self, settings: Settings) -> tuple[int, int]:
        long_side = self._long_side if settings.size == "full" else settings.size
        return scaled_size(self.content.width, self.content.height, long_side)

    def _looked_at(self, style: HasSize) -> tuple[int, int]:
        side = style_side(self.settings, self.result, style.width, style.height)
        return scaled_size(style.width, style.height, side)

    def _are_enough(self, sizes: Mapping[str, int]) -> bool:
        """Whether each picture of a job with these sizes has enough pixels to be looked at."""
        if min(sizes.values()) < SMALLEST_SIZE:
            return False
        settings = self.settings.model_copy(update=dict(sizes))
        try:
            result = working_size(self.content.width, self.content.height, settings.size)
            for style in self.styles:
                style_size(settings, result, style.width, style.height)
        except JobError:
            return False
        return True


def check_job(settings: Settings, inputs: Sequence[tuple[Role, str, HasSize]], place: Place) -> Demand:
    """What a job asks of the memory, where its images' sizes let it be done at that place: as :func:`result_size`.

    Raises JobError for the first that is too small, of another shape or too large, and out_of_memory.
    """
    result_size(settings, inputs)
    content, styles = shapes((role, image) for role, _name, image in inputs)
    demand = Demand(settings, place.precision(settings.precision), content, styles)
    demand.check(place.room)
    return demand


def advice(fits: Mapping[str, int] | None) -> str:
    """What to do about a job that does not fit, where ``fits`` are the sizes that should; None: they are not known."""
    if fits is None:
        return "ask for a smaller size, or run it on a machine with more memory"
    if not fits:
        return "no size of it fits here: run it on a machine with more memory"
    if len(set(fits.values())) < len(fits):  # mostly it is not written, and is as the result's
        what = f"size {fits['size']} should fit (with a style_size of no more): ask for that"
    elif len(fits) > 1:
        what = f"size {fits['size']} with style_size {fits['style_size']} should fit: ask for those"
    else:
        what = "".join(f"{key} {side} should fit: ask for that" for key, side in fits.items())
    return f"{what} or less, or run it on a machine with more memory"


def _largest(top: int, need: Callable[[int], float], most_mb: float) -> int:
    """The largest side up to ``top``, in steps of the grid, of which ``need`` is at most that; 0 for none."""
    return GRID * bisect_right(range(GRID, top + 1, GRID), most_mb, key=need)
