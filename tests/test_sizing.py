"""How large a style is looked at: as large as the result, but beside a long and narrow one."""

from __future__ import annotations

from typing import Any

import pytest

from nst_batch.errors import JobError
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.sizing import Shape, style_pixels, style_size

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
