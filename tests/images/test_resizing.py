"""Sizes, resizing and transparency: no aliasing, no overshoot, no halo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nst_batch.errors import JobError
from nst_batch.images import Picture, decode_bytes, resize, resize_array
from nst_batch.images.transparency import fill_transparent
from nst_batch.sizing import working_size

sides = st.integers(1, 20_000)


@given(sides, sides, st.integers(32, 8192))
def test_the_long_side_becomes_the_size_and_the_shape_is_kept(width, height, size):
    """The long side is ``size`` exactly, the other within half a pixel of its share, or it is too small."""
    short = min(width, height) * size / max(width, height)
    try:
        result = working_size(width, height, size)
    except JobError as error:
        result = error
    if isinstance(result, JobError):
        assert result.code == "image_too_small"
        assert short < 32
    else:
        assert max(result) == size
        assert abs(min(result) - short) <= 0.5
        assert (result[0] >= result[1]) is (height >= width) or result[0] == result[1]


def test_full_keeps_the_contents_own_size():
    """``full`` is the picture as it is; smaller pictures are enlarged to a number."""
    assert working_size(333, 77, "full") == (77, 333)
    assert working_size(100, 50, 512) == (256, 512)


def test_a_short_side_under_32_is_too_small():
    """31 pixels at the working size are refused with both sizes in the message, 32 are taken."""
    assert working_size(1024, 64, 512) == (32, 512)
    with pytest.raises(JobError, match="1024 × 62 becomes 512 × 31 at size 512") as caught:
        working_size(1024, 62, 512)
    assert caught.value.code == "image_too_small"


def test_shrinking_averages_and_does_not_alias():
    """A one-pixel checkerboard shrinks to even grey."""
    board = np.indices((256, 256)).sum(axis=0) % 2
    rgb = np.repeat(board[..., None], 3, axis=2).astype(np.float32)
    assert np.allclose(resize_array(rgb, (64, 64)), 0.5, atol=1e-6)


def test_enlarging_stays_within_range_and_close_to_the_picture():
    """A hard edge enlarged by Lanczos does not leave [0, 1]; a ramp stays a ramp."""
    edge = np.zeros((40, 40, 3), np.float32)
    edge[:, 20:] = 1
    large = resize_array(edge, (160, 160))
    assert large.min() >= 0
    assert large.max() <= 1
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    assert np.abs(resize_array(ramp, (128, 128)) - np.linspace(-0.004, 1.004, 128)).max() < 0.02


def test_resizing_takes_alpha_along_and_keeps_the_rest():
    """Alpha gets the same size; name and notes stay."""
    picture = Picture(np.zeros((80, 100, 3), np.float32), np.ones((80, 100), np.float32), "a.png", notes=("n",))
    small = resize(picture, 50)
    assert small.rgb.shape == (40, 50, 3)
    assert small.alpha.shape == (40, 50)
    assert (small.name, small.notes, small.width, small.height) == ("a.png", ("n",), 50, 40)
    assert resize(picture, (33, 44)).rgb.shape == (33, 44, 3)
    assert resize(picture, "full").rgb is picture.rgb


def test_same_size_is_left_alone():
    """No resampling where there is nothing to do."""
    array = np.random.default_rng(0).random((40, 50, 3), np.float32)
    assert resize_array(array, (40, 50)) is array


def disc() -> np.ndarray:
    """A red disc, its edge antialiased, on transparent green: green is what must never show."""
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    alpha = np.clip(30 - np.hypot(y - 48, x - 48), 0, 1)
    rgba = np.zeros((96, 96, 4), np.uint8)
    rgba[..., 0] = np.where(alpha > 0, 200, 0)
    rgba[..., 1] = np.where(alpha > 0, 10, 255)
    rgba[..., 3] = np.floor(alpha * 255 + 0.5)
    return rgba


@pytest.mark.parametrize("size", [96, 48, 200])
def test_no_halo_of_the_hidden_colour(size):
    """What hides under transparent pixels shows neither at the edge nor anywhere else, at any size."""
    file = io.BytesIO()
    Image.fromarray(disc()).save(file, "PNG")
    picture = resize(decode_bytes(file.getvalue(), "x"), size)
    assert np.allclose(picture.rgb, np.array([200, 10, 0]) / 255, atol=0.02)
    assert 0 < picture.alpha.mean() < 1


def test_opaque_pixels_keep_their_values():
    """Only what cannot be seen is changed."""
    rng = np.random.default_rng(0)
    rgb = rng.random((33, 57, 3), np.float32)
    alpha = (rng.random((33, 57)) > 0.7).astype(np.float32)
    filled = fill_transparent(rgb, alpha)
    assert np.array_equal(filled[alpha == 1], rgb[alpha == 1])
    assert filled.dtype == np.float32
    assert filled.min() >= 0
    assert filled.max() <= 1


def test_colours_go_on_from_the_nearest():
    """Between a red and a blue part the gap is red beside the red and blue beside the blue."""
    rgb, alpha = np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), np.float32)
    rgb[:, :16, 0] = rgb[:, 48:, 2] = 1
    alpha[:, :16] = alpha[:, 48:] = 1
    filled = fill_transparent(rgb, alpha)
    assert filled[32, 18, 0] > 0.8
    assert filled[32, 45, 2] > 0.8


def test_a_picture_transparent_everywhere_is_left_as_it_is():
    """There is nothing to carry on."""
    rgb = np.random.default_rng(0).random((40, 40, 3), np.float32)
    assert fill_transparent(rgb, np.zeros((40, 40), np.float32)) is rgb


def test_a_plane_is_enlarged_without_overshoot():
    """Where no sharpness is asked for, an edge has no ripples beside it: black stays black."""
    plane = np.zeros((8, 8), np.float32)
    plane[:, 4:] = 1.0
    enlarged = resize_array(plane, (32, 32), sharp=False)
    assert not enlarged[:, :13].any()
    assert (np.diff(enlarged, axis=1) >= 0).all()
    assert resize_array(plane, (32, 32))[:, :13].any()
