"""What a worker plans with on a GPU: what is free of it now, and whose it is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import pytest

from nst_batch.capacity import Demand, gpu_room
from nst_batch.images import ImageLimits
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.sizing import Shape
from nst_batch.transfer.device import Device
from nst_batch.worker.session import DeviceSession

GPU = Device("gpu", "NVIDIA A (GPU 0)", has_bfloat16=True, steps_per_call=5)
WEIGHTS: Any = None


def session(total_mb: float, held: Callable[[], float] = lambda: 0.0) -> DeviceSession:
    return DeviceSession(WEIGHTS, GPU, ImageLimits(), 60.0, gpu_room(total_mb), held_by_others_mb=held)


def test_what_other_programs_hold_is_asked_for_each_job() -> None:
    """A card of 80 GB with 30 taken has room for less than one of 80, and for more again when they have gone."""
    held = [0.0]
    own = session(80_000.0, lambda: held[0])
    whole = own.room.planned_mb
    held[0] = 30_000.0
    assert own.room.planned_mb == pytest.approx(whole * 5 / 8)
    demand = Demand(resolve(Patch(size=16384)), "bfloat16", Shape(4000, 3000), (Shape(4000, 3000),))
    sides = [own.what_fits(demand)["size"]]
    held[0] = 0.0
    sides.append(own.what_fits(demand)["size"])
    assert sides[0] < sides[1]


def test_a_card_that_others_have_filled_leaves_something_to_plan_with() -> None:
    """Then it goes in strips, and runs out with a reason; a plan is made all the same."""
    assert 0.0 < session(8_000.0, lambda: 9_000.0).room.planned_mb < 100.0


def test_a_card_whose_memory_is_unknown_is_planned_for_all_the_same() -> None:
    """In one piece until memory runs out; then a size can still be named."""
    own = session(0.0, lambda: 5_000.0)
    assert math.isinf(own.room.planned_mb)
    demand = Demand(resolve(Patch(size=8000)), "float32", Shape(4000, 3000), (Shape(4000, 3000),))
    assert 7000 < own.what_fits(demand)["size"] < 8000


@pytest.mark.parametrize(("mask", "asked"), [("2,3", "2"), ("MIG-11", "MIG-11"), ("", None)])
def test_the_first_gpu_of_an_inherited_mask_is_the_worker_s(
    monkeypatch: pytest.MonkeyPatch, mask: str, asked: str | None
) -> None:
    """As Slurm and containers hand them out: what others hold is asked of that very one."""
    questions: list[tuple[str | None, int]] = []

    def held(name: str | None, pid: int) -> float:
        questions.append((name, pid))
        return 1_000.0

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    for name, value in {
        "choose_device": lambda _choice: GPU,
        "card_memory_mb": lambda: (9_000.0, 10_000.0),
        "held_by_others_mb": held,
    }.items():
        monkeypatch.setattr(f"nst_batch.worker.session.{name}", value)
    monkeypatch.setattr("nst_batch.transfer.trial.try_out", lambda _device: None)
    own = DeviceSession.open("untrained", "gpu", ImageLimits(), 60.0)
    assert own.room.total_mb == pytest.approx(9_000.0)
    assert questions == [(asked, os.getpid())]
