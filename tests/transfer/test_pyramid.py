"""Sizes and epochs of the scales."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nst_batch.transfer.pyramid import plan_scales


def test_one_scale_is_the_result():
    """A single scale has exactly the result's size and all epochs."""
    (scale,) = plan_scales(341, 512, 1, 10)
    assert (scale.number, scale.height, scale.width, scale.epochs) == (1, 341, 512, 10)


def test_three_scales_halve_and_share_the_epochs():
    """Coarse sizes are halves on the network's grid; the epoch left over goes to the coarsest."""
    scales = plan_scales(384, 512, 3, 10)
    assert [(s.height, s.width, s.epochs) for s in scales] == [(96, 128, 4), (192, 256, 3), (384, 512, 3)]


def test_scales_too_small_to_show_anything_are_left_out():
    """A picture of 100 pixels has no scale below 64."""
    assert [scale.height for scale in plan_scales(100, 150, 5, 10)] == [100]


def test_epochs_of_each_scale():
    """As they are given; those of scales that are left out go to the coarsest one that is not."""
    assert [s.epochs for s in plan_scales(384, 512, 3, (4, 2, 1))] == [4, 2, 1]
    assert [(s.height, s.epochs) for s in plan_scales(192, 256, 4, (4, 3, 2, 1))] == [(96, 9), (192, 1)]
    assert [s.epochs for s in plan_scales(384, 512, 2, (3, 2, 1), closing=True)] == [3, 2, 1]


def test_a_closing_scale_has_the_results_size_again():
    """It comes last and takes its share of the epochs; with one epoch there is none."""
    plan = plan_scales(384, 512, 3, 6, closing=True)
    assert [(s.height, s.epochs, s.closing) for s in plan] == [
        (96, 2, False),
        (192, 2, False),
        (384, 1, False),
        (384, 1, True),
    ]
    assert [scale.closing for scale in plan_scales(384, 512, 3, 1, closing=True)] == [False]


@given(st.integers(32, 3000), st.integers(32, 3000), st.integers(1, 8), st.integers(1, 40))
def test_every_plan_is_right(height, width, scales, epochs):
    """Sizes rise to the result's, coarse ones on the grid and large enough; whole epochs add up."""
    plan = plan_scales(height, width, scales, epochs)
    assert 1 <= len(plan) <= min(scales, epochs)
    assert (plan[-1].height, plan[-1].width) == (height, width)
    assert sum(scale.epochs for scale in plan) == epochs
    assert all(scale.epochs >= 1 for scale in plan)
    assert [scale.number for scale in plan] == list(range(1, len(plan) + 1))
    for coarse, fine in pairwise(plan):
        assert coarse.height % 16 == coarse.width % 16 == 0  # four poolings halve it
        assert min(coarse.height, coarse.width) >= 64
        assert coarse.height <= fine.height
        assert coarse.width <= fine.width
        assert (coarse.height, coarse.width) != (fine.height, fine.width)
