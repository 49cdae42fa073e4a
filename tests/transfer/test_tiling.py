"""The plan of tiles: they cover a picture once, and each sees all that its core depends on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch.transfer.tiling import GRID, margin, plan_tiles

sides = st.integers(64, 900)


@given(
    height=sides,
    width=sides,
    most=st.integers(100_000, 400_000),
    layer=st.sampled_from(["block2_conv1", "block5_conv2"]),
)
def test_cores_cover_the_picture_once_and_margins_are_whole(height, width, most, layer):
    """Each row of tiles is a row of the picture; a margin is missing only at the picture's own border."""
    around = margin([layer])
    tiles = plan_tiles(height, width, most, around)
    area = 0
    for tile in tiles:
        assert tile.pixels <= most
        area += tile.core_rows.length * tile.core_columns.length
        for core, whole, length in ((tile.core_rows, tile.rows, height), (tile.core_columns, tile.columns, width)):
            assert core.start % GRID == 0
            assert core.stop % GRID == 0 or core.stop == length
            assert whole.start == max(0, core.start - around)
            assert whole.stop == min(length, core.stop + around)
    assert area == height * width


def test_one_tile_where_it_fits():
    """A picture that is small enough is not cut."""
    (tile,) = plan_tiles(300, 400, 120_000, 96)
    assert tile.core == (0, 0, 300, 400)
    assert tile.pixels == 120_000


def test_strips_rather_than_squares_where_those_cost_less():
    """The plan is the cheapest: of all cuts the one that shows the network the fewest pixels in sum."""
    tiles = plan_tiles(1536, 2048, 1_000_000, 96)
    assert sum(tile.pixels for tile in tiles) < 1.25 * 1536 * 2048


def test_too_little_is_an_error():
    """Where the margins alone are larger than what may be seen."""
    with pytest.raises(ValueError, match="at most 1000"):
        plan_tiles(512, 512, 1000, 96)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(["block1_conv1"], 16), (["block1_conv1", "block4_conv2"], 48), (["block5_conv2"], 96), (["block5_conv4"], 128)],
)
def test_the_margin_is_that_of_the_deepest_layer(layers, expected):
    """Convolutions reach one position further, poolings double: 86 pixels for block5_conv2, rounded up to the grid."""
    assert margin(layers) == expected
