"""memory: how pictures are cut up to do with less."""

from __future__ import annotations

import pytest

from nst_batch.transfer.memory_plan import PROCESS_MB, choose_strip_plan, most_pixels, peak_mb
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, Precision

ADAM = AdamSpec()
PIXELS = {side: side * side * 3 // 4 for side in (512, 1024, 2048, 4096)}


def test_2048_pixels_fit_into_four_gigabytes() -> None:
    """In strips; in one piece they would not, and 1024 pixels do."""
    assert choose_strip_plan(PIXELS[1024], 4096, "float32", ADAM) is None
    strip_plan = choose_strip_plan(PIXELS[2048], 4096, "float32", ADAM)
    assert strip_plan is not None
    assert peak_mb(PIXELS[2048], strip_plan, "float32", ADAM) <= 4096
    assert peak_mb(PIXELS[2048], None, "float32", ADAM) > 8000


def test_less_room_takes_more_blocks_in_strips() -> None:
    """Never fewer; where nothing fits, as many as save something."""
    cuts = [choose_strip_plan(PIXELS[2048], room, "float32", ADAM) for room in (20_000, 4500, 3000, 900, 0)]
    blocks = [0 if strip_plan is None else strip_plan.blocks for strip_plan in cuts]
    assert blocks == sorted(blocks)
    assert blocks[0] == 0
    assert blocks[-1] == 3
    assert peak_mb(PIXELS[2048], cuts[-1], "float32", ADAM) < peak_mb(PIXELS[2048], cuts[1], "float32", ADAM)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", [ADAM, LbfgsSpec(history=10)])
@pytest.mark.parametrize("whole", [True, False])
def test_the_most_pixels_fill_the_room(precision: Precision, optimizer: AdamSpec | LbfgsSpec, whole: bool) -> None:
    """One estimate, read both ways."""
    room = 6000.0
    pixels = most_pixels(room, precision, optimizer, whole=whole)
    strip_plan = None if whole else choose_strip_plan(pixels, 0.0, precision, optimizer)
    assert peak_mb(pixels, strip_plan, precision, optimizer) == pytest.approx(room, abs=0.1)
    assert most_pixels(PROCESS_MB, precision, optimizer, whole=whole) == 0


def test_neighbours_are_not_matched_in_strips() -> None:
    """However little room there is; they take more than statistics, and the estimate is read both ways."""
    pixels = PIXELS[1024]
    assert choose_strip_plan(pixels, 0.0, "float32", ADAM, "neighbours") is None
    assert peak_mb(pixels, None, "float32", ADAM, "neighbours") > peak_mb(pixels, None, "float32", ADAM)
    most = most_pixels(4096, "bfloat16", ADAM, "neighbours")
    assert peak_mb(most, None, "bfloat16", ADAM, "neighbours") == pytest.approx(4096, abs=0.1)


def test_what_needs_more() -> None:
    """float32 than bfloat16, L-BFGS than Adam, a long history than a short one."""
    pixels = PIXELS[1024]
    adam = peak_mb(pixels, None, "float32", ADAM)
    assert peak_mb(pixels, None, "bfloat16", ADAM) < adam < peak_mb(pixels, None, "float32", LbfgsSpec(history=5))
    assert peak_mb(pixels, None, "float32", LbfgsSpec(history=5)) < peak_mb(pixels, None, "float32", LbfgsSpec())
