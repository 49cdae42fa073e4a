"""encode: the right 8-bit values, alpha and text come back from every format."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from nst_batch.errors import JobError, UsageError
from nst_batch.images import decode, encode, quantize
from nst_batch.images.transparency import flatten
from nst_batch.sizing import FORMATS, check_format_size

TEXT = {"Title": "Tübingen – 星月夜", "Settings": '{"size": 512}', "Software": "nst_batch"}


def read_text(path) -> dict[str, str]:
    """The parameters in a picture's file, as any reader of these formats finds them."""
    image = Image.open(path)
    image.load()
    if image.format == "PNG":
        return dict(image.text)
    comment = image.getexif().get_ifd(0x8769).get(0x9286, b"")
    stored = image.tag_v2.get(270, "") if image.format == "TIFF" else comment.removeprefix(b"ASCII\0\0\0")
    return json.loads(stored) if stored else {}


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x / (width - 1), y / (height - 1), (x + y) / (height + width)], axis=-1)


def test_every_byte_survives_decode_and_encode(tmp_path):
    """All 256 values of each channel come back as they were: nothing is lost to rounding."""
    values = np.arange(256, dtype=np.uint8)
    pixels = np.stack([np.tile(values, (40, 1))] * 3, axis=-1)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    path.write_bytes(encode(decode(path).rgb))
    assert np.array_equal(np.asarray(Image.open(path)), pixels)


def test_values_are_rounded_to_the_nearest_not_cut_off():
    """0.999 of a step goes up, 0.499 down, halves up; outside of [0, 1] is clipped."""
    steps = np.array([0.0, 0.499, 0.5, 0.999, 1.499, 254.5, 254.999, 255.0, 300.0, -3.0], np.float32)
    assert quantize(steps / np.float32(255)).tolist() == [0, 0, 1, 1, 1, 255, 255, 255, 255, 0]


def test_the_mean_of_a_picture_is_kept():
    """Truncation would darken by half a step on average; rounding does not."""
    values = np.random.default_rng(0).random((400, 400, 3), np.float32)
    assert abs(quantize(values).mean() / 255 - values.mean()) < 2e-4


def test_a_picture_that_is_not_finite_is_not_saved():
    """NaN and infinity are refused rather than saved as black."""
    for bad in (np.nan, np.inf):
        rgb = smooth()
        rgb[3, 4, 1] = bad
        with pytest.raises(ValueError, match="not finite"):
            encode(rgb)


@pytest.mark.parametrize("file_format", FORMATS)
def test_each_format_holds_the_picture(tmp_path, file_format):
    """Red comes first in each format; png and tiff are exact to half a step, jpg and webp close."""
    path = tmp_path / f"a.{file_format}"
    path.write_bytes(encode(smooth(), None, file_format))
    picture = decode(path)
    difference = np.abs(picture.rgb - smooth())
    if file_format in ("png", "tiff"):
        assert difference.max() <= 0.5 / 255 + 1e-6
    else:
        assert difference.mean() < 0.01
    assert picture.alpha is None
    assert picture.bits == 8
    assert picture.notes == ()


@pytest.mark.parametrize("file_format", ["png", "webp", "tiff"])
def test_alpha_comes_back(tmp_path, file_format):
    """Alpha is in the file, at 8 bits."""
    alpha = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    path = tmp_path / "a"
    path.write_bytes(encode(smooth(), alpha, file_format))
    assert np.abs(decode(path).alpha - alpha).max() <= 0.5 / 255 + 1e-6


def test_jpg_puts_transparency_on_white_and_says_so(tmp_path):
    """JPEG has no alpha: transparent parts are white, and the file's own text says why."""
    alpha = np.ones((48, 64), np.float32)
    alpha[:, :32] = 0
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(np.zeros((48, 64, 3), np.float32), alpha, "jpg"))
    rgb = decode(path).rgb
    assert rgb[20, 5].min() > 0.98
    assert rgb[20, 60].max() < 0.02
    assert "white" in read_text(path)["Transparency"]


def test_flatten_mixes_by_alpha():
    """Half-transparent black on white is mid-grey; without alpha nothing changes."""
    black = np.zeros((2, 2, 3), np.float32)
    assert np.allclose(flatten(black, np.full((2, 2), 0.5, np.float32)), 0.5)
    assert flatten(black, None) is black


@pytest.mark.parametrize("file_format", FORMATS)
def test_text_comes_back_from_every_format(tmp_path, file_format):
    """Parameters, in any script, are read back as they were written."""
    path = tmp_path / "a"
    path.write_bytes(encode(smooth(), None, file_format, text=TEXT))
    assert read_text(path) == TEXT


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_without_text_has_none(tmp_path, file_format):
    """No text in, none out; foreign text is not mistaken for ours."""
    path = tmp_path / "a"
    path.write_bytes(encode(smooth(), None, file_format))
    assert read_text(path) == {}


@pytest.mark.parametrize("file_format", FORMATS)
def test_text_that_is_too_long_gives_way_to_the_picture(tmp_path, file_format):
    """A text beyond what a JPEG segment holds is left out or kept, but the picture is always written."""
    path = tmp_path / "a"
    path.write_bytes(encode(smooth(), None, file_format, text={"Title": "t", "Settings": "x" * 200_000}))
    found = read_text(path)
    assert found["Title"] == "t"
    assert found["Settings"] == ("x" * 200_000 if file_format == "png" else "(left out: too long)")
    assert decode(path).rgb.shape == (48, 64, 3)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_picture_gives_the_same_bytes(file_format):
    """Nothing of the hour or the machine is written into the file."""
    assert encode(smooth(), None, file_format, text=TEXT) == encode(smooth(), None, file_format, text=TEXT)


def test_files_say_that_they_are_srgb():
    """PNG by its sRGB chunk, TIFF by a profile, JPEG and WebP by EXIF's ColorSpace."""
    opened = {name: Image.open(io.BytesIO(encode(smooth(), None, name))) for name in FORMATS}
    assert opened["png"].info["srgb"] == 0
    assert b"sRGB" in opened["tiff"].info["icc_profile"].replace(b"\0", b"")
    for name in ("jpg", "webp"):
        assert opened[name].getexif().get_ifd(0x8769)[0xA001] == 1


def test_jpeg_keeps_full_colour_resolution_from_quality_90():
    """4:4:4 from 90 up, 4:2:0 below: red detail survives at 95."""
    layers = {q: Image.open(io.BytesIO(encode(smooth(), None, "jpg", q))).layer for q in (80, 90, 95)}
    assert [layers[q][0][1:3] for q in (80, 90, 95)] == [(2, 2), (1, 1), (1, 1)]


def test_quality_changes_the_size():
    """Quality reaches the encoder, for jpg and for webp."""
    noise = np.random.default_rng(1).random((64, 64, 3), np.float32)
    for file_format in ("jpg", "webp"):
        assert len(encode(noise, None, file_format, 30)) < len(encode(noise, None, file_format, 95))


def test_a_format_that_cannot_hold_the_size_is_said_beforehand():
    """WebP ends at 16,383 pixels a side, JPEG at 65,500."""
    check_format_size("webp", 16_383, 100)
    for file_format, side in (("webp", 16_384), ("jpg", 65_501)):
        with pytest.raises(JobError, match="holds at most") as caught:
            check_format_size(file_format, 100, side)
        assert caught.value.code == "format_too_small"
    with pytest.raises(UsageError, match="not one of png, jpg, webp, tiff"):
        encode(smooth(), None, "gif")
