"""The plan of strips: they cover an input once, and each sees all that its core depends on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nst_batch.transfer.strips import MIN_CORE, plan_strips


@given(height=st.integers(1, 3000), most_rows=st.integers(0, 800), margin=st.integers(1, 4))
def test_cores_cover_the_input_once_and_margins_are_whole(height, most_rows, margin):
    """A margin is missing only at the input's own border, and lies over the cores of the two neighbours alone."""
    strips = plan_strips(height, most_rows, margin)
    assert [row for strip in strips for row in range(strip.core_start, strip.core_stop)] == list(range(height))
    for strip in strips:
        assert strip.core_start % 2 == 0
        assert strip.start == 0 or margin <= strip.core_start - strip.start <= margin + 1
        assert strip.stop == height or margin <= strip.stop - strip.core_stop <= margin + 1
        assert strip.core == (strip.core_start - strip.start, strip.core_stop - strip.start)
        assert len(strips) == 1 or strip.core_stop - strip.core_start >= 2 * (margin + margin % 2)


@given(height=st.integers(1, 3000), most_rows=st.integers(MIN_CORE + 8, 800), margin=st.integers(1, 4))
def test_strips_are_as_few_as_may_be_and_no_higher_than_allowed(height, most_rows, margin):
    """One where everything fits."""
    strips = plan_strips(height, most_rows, margin)
    assert max(strip.stop - strip.start for strip in strips) <= most_rows
    assert (len(strips) == 1) == (height <= most_rows)
