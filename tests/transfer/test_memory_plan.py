"""memory: how pictures are cut up to do with less."""

from __future__ import annotations

import pytest

from nst_batch.transfer.memory_plan import PROCESS_MB, MemoryPlan
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, Precision

ADAM = AdamSpec()
PLAN = MemoryPlan("float32")
PIXELS = {side: side * side * 3 // 4 for side in (512, 1024, 2048, 4096)}


def test_2048_pixels_fit_into_four_gigabytes() -> None:
    """In strips; in one piece they would not, and 1024 pixels do."""
    assert PLAN.strip_plan(PIXELS[1024], 4096) is None
    strip_plan = PLAN.strip_plan(PIXELS[2048], 4096)
    assert strip_plan is not None
    assert PLAN.peak_mb(PIXELS[2048], strip_plan) <= 4096
    assert PLAN.peak_mb(PIXELS[2048], None) > 8000


def test_less_room_takes_more_blocks_in_strips() -> None:
    """Never fewer; where nothing fits, as many as save something."""
    cuts = [PLAN.strip_plan(PIXELS[2048], room) for room in (20_000, 4500, 3000, 900, 0)]
    blocks = [0 if strip_plan is None else strip_plan.blocks for strip_plan in cuts]
    assert blocks == sorted(blocks)
    assert blocks[0] == 0
    assert blocks[-1] == 3
    assert PLAN.peak_mb(PIXELS[2048], cuts[-1]) < PLAN.peak_mb(PIXELS[2048], cuts[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", [ADAM, LbfgsSpec(history=10)])
@pytest.mark.parametrize("whole", [True, False])
def test_the_most_pixels_fill_the_room(precision: Precision, optimizer: AdamSpec | LbfgsSpec, whole: bool) -> None:
    """One estimate, read both ways."""
    room = 6000.0
    memory = MemoryPlan(precision, optimizer)
    pixels = memory.most_pixels(room, whole=whole)
    strip_plan = None if whole else memory.strip_plan(pixels, 0.0)
    assert memory.peak_mb(pixels, strip_plan) == pytest.approx(room, abs=0.1)
    assert memory.most_pixels(PROCESS_MB, whole=whole) == 0


def test_a_large_style_counts() -> None:
    """Of the usual size it adds nothing; one of many times the pixels takes more than the picture."""
    pixels, room = PIXELS[512], 4096.0
    alone = PLAN.peak_mb(pixels, None)
    assert PLAN.need_mb(pixels, pixels, room) == alone
    assert PLAN.need_mb(pixels, 2 * pixels, room) == pytest.approx(alone, rel=0.01)
    assert PLAN.need_mb(pixels, 50 * pixels, room) > 2.5 * alone
    assert PLAN.need_mb(pixels, 50 * pixels, room) < PLAN.need_mb(50 * pixels, 50 * pixels, room)
    most = PLAN.most_pixels(6000.0, style_share=8.0)
    assert PLAN.need_mb(most, 8 * most, 0.0) == pytest.approx(6000.0, abs=0.1)
    assert most < PLAN.most_pixels(6000.0, style_share=1.5) < PLAN.most_pixels(6000.0)


def test_what_neighbours_keep_of_a_large_style_counts() -> None:
    """Its rows stay beside the picture's."""
    memory = MemoryPlan("float32", family="neighbours")
    pixels = PIXELS[512]
    assert memory.need_mb(pixels, 2 * pixels, 4096) > 1.1 * memory.need_mb(pixels, pixels, 4096)


def test_features_of_more_than_two_to_the_thirtieth_numbers_are_no_obstacle() -> None:
    """On a card with the room: 64 filters of 5120 × 3840 pixels were painted in one piece on an H100."""
    assert 64 * 5120 * 3840 > 2**30
    assert MemoryPlan("bfloat16").strip_plan(5120 * 3840, 64_000.0) is None


def test_neighbours_are_not_matched_in_strips() -> None:
    """However little room there is; they take more than statistics, and the estimate is read both ways."""
    pixels, memory = PIXELS[1024], MemoryPlan("float32", family="neighbours")
    assert memory.strip_plan(pixels, 0.0) is None
    assert memory.peak_mb(pixels, None) > PLAN.peak_mb(pixels, None)
    rounded = MemoryPlan("bfloat16", family="neighbours")
    assert rounded.peak_mb(rounded.most_pixels(4096), None) == pytest.approx(4096, abs=0.1)


def test_what_needs_more() -> None:
    """float32 than bfloat16, L-BFGS than Adam, a long history than a short one."""
    pixels = PIXELS[1024]
    plans = (
        MemoryPlan("bfloat16"),
        PLAN,
        MemoryPlan("float32", LbfgsSpec(history=5)),
        MemoryPlan("float32", LbfgsSpec()),
    )
    peaks = [memory.peak_mb(pixels, None) for memory in plans]
    assert peaks == sorted(set(peaks))
