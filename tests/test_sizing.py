"""How large a style is looked at: as large as the result, but beside a long and narrow one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.errors import JobError
from nst_batch.sidecar.setting_values import LARGEST_SIZE
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.sizing import Shape, style_pixels, style_size, working_size

SQUARE = Shape(3000, 3000)


@pytest.mark.parametrize(
    ("keys", "result", "style", "expected"),
    [
        ({}, (384, 512), SQUARE, (512, 512)),
        ({}, (256, 512), SQUARE, (512, 512)),
        ({}, (128, 512), SQUARE, (512, 512)),  # four times its pixels, just
        ({}, (64, 512), SQUARE, (362, 362)),
        ({}, (64, 512), Shape(2000, 1000), (256, 512)),
        ({"size": "full"}, (40, 20_000), SQUARE, (1788, 1788)),
        ({"size": "full", "style_size": 900}, (40, 20_000), SQUARE, (900, 900)),
        ({"size": 3000, "style_size": 2000}, (250, 3000), SQUARE, (2000, 2000)),
    ],
)
def test_a_style_has_at_most_four_times_the_results_pixels(
    keys: dict[str, Any], result: tuple[int, int], style: Shape, expected: tuple[int, int]
) -> None:
    """Where its size is the result's; one that was asked for by a number of its own is what was asked for."""
    assert style_size(resolve(Patch(**keys)), result, *style) == expected


def test_the_largest_style_counts() -> None:
    """And one that becomes too small is told by its name."""
    settings = resolve(Patch())
    assert style_pixels(settings, (384, 512), [Shape(1000, 500), SQUARE, Shape(600, 400)]) == 512 * 512
    with pytest.raises(JobError, match="thread") as caught:
        style_size(settings, (384, 512), 2000, 50, "thread.png")
    assert caught.value.code == "image_too_small"


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(32, 2000))
def test_what_is_too_small_is_told_in_words_that_help(width: int, height: int, size: int) -> None:
    """No side of nought pixels; the size that is named is the least that is enough, and none where none is."""
    try:
        working_size(width, height, size)
    except JobError as error:
        said = f"{error.message} {error.advice}"
        assert not re.search(r"\b0\b", said)
        named = re.search(r" size: (\d+) or more", error.advice)
        if named is None:
            with pytest.raises(JobError):
                working_size(width, height, LARGEST_SIZE)
        else:
            assert min(working_size(width, height, int(named[1]))) == 32
            with pytest.raises(JobError):
                working_size(width, height, int(named[1]) - 1)


@pytest.mark.parametrize(
    ("keys", "result", "style", "said"),
    [
        ({"size": 128}, (96, 128), (1200, 1), "is so narrow that at size 128 its short side"),
        ({"size": 128}, (96, 128), (1200, 100), "becomes 128 × 11 at size 128; the short side needs 32 pixels"),
        ({"size": 128, "style_size": 64}, (96, 128), (640, 200), "becomes 64 × 20 at style_size 64;"),
    ],
)
def test_a_style_that_is_too_small_says_where_its_size_comes_from(
    keys: dict[str, Any], result: tuple[int, int], style: tuple[int, int], said: str
) -> None:
    """And what may be asked for, which is the style's size and not the result's."""
    with pytest.raises(JobError) as caught:
        style_size(resolve(Patch(**keys)), result, *style, "s.png")
    assert said in caught.value.message
    if named := re.search(r"style_size: (\d+) or more", caught.value.advice):
        enough = resolve(Patch(**{**keys, "style_size": int(named[1])}))
        assert min(style_size(enough, result, *style)) == 32


def test_a_size_that_nobody_may_choose_is_not_asked_for() -> None:
    """Where it is fixed, only the picture can be another."""
    with pytest.raises(JobError) as caught:
        working_size(1000, 40, 512, "a.png", key="")
    assert caught.value.advice == "use a less narrow picture"
