"""TIFF: every depth, sample format, order and arrangement comes out as the same picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_batch.errors import JobError
from nst_batch.images import decode_bytes, read_header

HEIGHT, WIDTH = 40, 56


def picture(channels: int = 3) -> np.ndarray:
    """Values in [0, 1] that differ in every channel, with an alpha of 0.5 on the left where there are four."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT), np.where(x < 20, 0.5, 1.0)]
    return np.stack(planes[:channels], axis=-1)


def tiff(array: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def whole(values: np.ndarray, kind: str) -> np.ndarray:
    return np.rint(values * np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_every_arrangement_gives_the_same_picture(order, big, planar, tile, kind):
    """Byte order, BigTIFF, channels side by side or apart, strips or tiles: all the same."""
    array = whole(picture(), kind)
    stored = np.moveaxis(array, -1, 0).copy() if planar == "separate" else array
    data = tiff(stored, byteorder=order, bigtiff=big, planarconfig=planar, tile=tile, photometric="rgb")
    read = decode_bytes(data, "x")
    assert np.allclose(read.rgb, array / np.iinfo(kind).max, atol=1e-6)
    assert read.notes == ()


@pytest.mark.parametrize("mode", ["RGB", "YCbCr"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_jpeg_in_a_tiff_has_the_colours_that_libtiff_sees(mode, subsampling):
    """Luminance and colour differences, at full and at half the resolution; what is RGB stays so."""
    image = Image.fromarray(whole(picture(), "u1")).convert(mode)
    options = {"subsampling": subsampling} if mode == "YCbCr" else {}
    data = tiff(np.asarray(image), photometric=mode.lower(), compression="jpeg", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255
    assert np.abs(decode_bytes(data, "x").rgb - expected).max() < 3 / 255


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd", "lzma", "png", "jpegxl"])
def test_compressions_that_lose_nothing_are_read(compression):
    """The compressions that photo and science programs use."""
    array = whole(picture(), "u2" if compression != "jpegxl" else "u1")
    read = decode_bytes(tiff(array, compression=compression, photometric="rgb"), "x")
    assert np.allclose(read.rgb, array / np.iinfo(array.dtype).max, atol=1e-6)


def test_luminance_and_colour_differences_are_turned_back():
    """JPEG inside a TIFF, and a TIFF of luminance and colour differences without it."""
    array = whole(picture(), "u1")
    bare = io.BytesIO()
    Image.fromarray(array).convert("YCbCr").save(bare, "TIFF")
    for data in (tiff(array, compression="jpeg", photometric="rgb"), bare.getvalue()):
        assert np.abs(decode_bytes(data, "x").rgb - array / 255).max() < 0.03


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_are_taken_from_0_to_1(kind):
    """Half, single and double floats, grey and RGB; what lies outside is clipped, what is no number is black."""
    values = picture()
    values[0, 0], values[0, 1] = np.nan, 1.5
    read = decode_bytes(tiff(values.astype(kind), photometric="rgb"), "x")
    assert np.allclose(read.rgb[1:], values[1:], atol=1e-3)
    assert read.rgb[0, 0].max() == 0
    assert read.rgb[0, 1].min() == 1
    grey = decode_bytes(tiff(values[..., 0].astype(kind), photometric="minisblack"), "x").rgb
    assert np.allclose(grey[1:, :, 1], values[1:, :, 0], atol=1e-3)


def test_whole_numbers_of_32_bits_and_signed_ones_are_read():
    """Unsigned ones span their range; of signed ones the lowest is black."""
    values = picture()
    assert np.allclose(decode_bytes(tiff(whole(values, "u4"), photometric="rgb"), "x").rgb, values, atol=1e-6)
    signed = np.rint(values[..., 0] * 65535 - 32768).astype(np.int16)
    assert np.allclose(decode_bytes(tiff(signed, photometric="minisblack"), "x").rgb[..., 0], values[..., 0], atol=1e-4)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_the_fourth_channel_is_what_the_file_calls_it(extra, kind, planar):
    """Alpha beside the colours, alpha multiplied into them, or no alpha at all."""
    values = picture(4)
    stored = values.copy()
    if extra == "assocalpha":
        stored[..., :3] *= stored[..., 3:]
    stored = stored.astype("f4") if kind == "f4" else whole(stored, kind)
    if planar == "separate":
        stored = np.moveaxis(stored, -1, 0).copy()
    read = decode_bytes(tiff(stored, photometric="rgb", extrasamples=[extra], planarconfig=planar), "x")
    assert np.allclose(read.rgb[:, 20:], values[:, 20:, :3], atol=0.01)
    if extra == "unspecified":
        assert read.alpha is None
        assert np.allclose(read.rgb, values[..., :3], atol=0.01)
    else:
        assert np.allclose(read.alpha, values[..., 3], atol=0.01)


def test_channels_beyond_alpha_are_left_out():
    """Five samples: RGB, alpha, and one of no kind."""
    stored = whole(np.concatenate([picture(4), picture(1)], axis=2), "u2")
    read = decode_bytes(tiff(stored, photometric="rgb", extrasamples=["unassalpha", "unspecified"]), "x")
    assert np.allclose(read.alpha, picture(4)[..., 3], atol=1e-4)


def test_grey_with_alpha_and_cmyk_with_alpha_are_read():
    """Alpha does not keep the colours from being understood."""
    grey = np.stack([picture()[..., 0], picture(4)[..., 3]], axis=-1)
    read = decode_bytes(tiff(whole(grey, "u2"), photometric="minisblack", extrasamples=["unassalpha"]), "x")
    assert np.allclose(read.rgb[:, 20:, 2], grey[:, 20:, 0], atol=1e-4)
    ink = np.zeros((HEIGHT, WIDTH, 5))
    ink[..., 0], ink[..., 4] = 1, 0.5
    for kind in ("u1", "u2"):
        read = decode_bytes(tiff(whole(ink, kind), photometric="separated", extrasamples=["unassalpha"]), "x")
        assert np.allclose(read.rgb, [0, 1, 1], atol=0.01)
        assert np.allclose(read.alpha, 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("photometric", "kind", "red"),
    [
        ("cielab", "u1", (136, 80, 67)),
        ("icclab", "u1", (136, 208, 195)),
        ("cielab", "u2", (34898, 20567, 17199)),
        ("icclab", "u2", (34762, 53335, 49967)),
    ],
)
def test_lab_of_8_and_16_bits(photometric, kind, red):
    """L* 53.2, a* 80.1, b* 67.2 under D65 is sRGB's red; the D50 values here lie within its rounding."""
    read = decode_bytes(tiff(np.full((HEIGHT, WIDTH, 3), red, kind), photometric=photometric), "x")
    assert read.rgb[0, 0, 0] > 0.93
    assert read.rgb[0, 0, 1:].max() < 0.2


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_samples_of_odd_sizes_span_black_to_white(bits):
    """1, 2, 4 and 12 bits a sample reach from 0 to 1."""
    levels = (np.arange(WIDTH) % 2 ** min(bits, 5)) * (2**bits - 1) // (2 ** min(bits, 5) - 1)
    array = np.tile(levels.astype("u2" if bits > 8 else "u1"), (HEIGHT, 1))
    stored = array.astype(bool) if bits == 1 else array
    read = decode_bytes(tiff(stored, photometric="minisblack", bitspersample=None if bits == 1 else bits), "x")
    assert np.allclose(read.rgb[0, :, 0], levels / (2**bits - 1), atol=1e-6)


def test_a_palette_of_16_bits_is_looked_up():
    """Indices become colours."""
    colors = np.linspace(0, 65535, 768).astype(np.uint16).reshape(3, 256)
    index = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    read = decode_bytes(tiff(index, photometric="palette", colormap=colors), "x")
    assert np.allclose(read.rgb, np.moveaxis(colors, 0, -1)[index] / 65535, atol=1e-6)


def test_a_cut_tiff_is_truncated_and_a_camera_raw_one_is_named(tmp_path):
    """Strips beyond the end; a DNG is not painted by its thumbnail, and the message says what to do."""
    data = tiff(whole(picture(), "u2"), photometric="rgb")
    with pytest.raises(JobError) as cut:
        decode_bytes(data[: len(data) // 2], "x")
    assert cut.value.code == "image_truncated"
    thumbnail = whole(picture(), "u1")
    raw = tiff(thumbnail, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True), (271, 2, 0, "NIKON", True)])
    (tmp_path / "a.jpg").write_bytes(raw)
    for read in (lambda: decode_bytes(raw, "a.jpg"), lambda: read_header(tmp_path / "a.jpg")):
        with pytest.raises(JobError, match="a camera's raw file \\(Nikon\\)") as refused:
            read()
        assert "TIFF" in refused.value.advice
