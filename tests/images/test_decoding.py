"""decode: every kind of picture comes out as float32 sRGB, upright, at the depth that its file has."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nst_batch.errors import JobError
from nst_batch.images import ImageLimits, decode, decode_bytes, read_header

HEIGHT, WIDTH = 40, 56


def gradient(channels: int = 3) -> np.ndarray:
    """A smooth uint8 picture whose four corners differ in every channel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), (x + 2 * y) % 256, 255 - x * 3]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def written(array: np.ndarray, suffix: str, *flags: int) -> bytes:
    """By OpenCV, which takes blue first."""
    order = {2: slice(None), 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    ok, data = cv2.imencode(suffix, array if array.ndim == 2 else array[..., order[array.shape[2]]], list(flags))
    assert ok
    return data.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read(data: bytes):
    return decode_bytes(data, "x")


LOSSLESS = [
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("BMP", {}),
    ("PPM", {}),
    ("TGA", {}),
    ("QOI", {}),
    ("SGI", {}),
    ("PCX", {}),
    ("JPEG2000", {}),
]


@pytest.mark.parametrize(("file_format", "options"), LOSSLESS)
def test_lossless_rgb_is_exact(file_format, options):
    """A lossless 8-bit file gives its values over 255, red first."""
    picture = read(saved(Image.fromarray(gradient()), file_format, **options))
    assert picture.rgb.dtype == np.float32
    assert picture.alpha is None
    assert picture.format == file_format
    assert np.array_equal(picture.rgb, gradient() / np.float32(255))


@pytest.mark.parametrize(
    ("file_format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("AVIF", {"subsampling": "4:4:4"})],
)
def test_lossy_rgb_is_close(file_format, options):
    """A lossy file gives nearly the values that went in."""
    smooth = gradient()
    smooth[..., 2] = smooth[..., 0]
    picture = read(saved(Image.fromarray(smooth), file_format, quality=95, **options))
    assert np.abs(picture.rgb - smooth / 255).mean() < 0.02


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM", "GIF"])
def test_grey_becomes_three_equal_channels(file_format):
    """Grey comes out as RGB with equal channels."""
    grey = gradient()[..., 0]
    rgb = read(saved(Image.fromarray(grey), file_format)).rgb
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert np.ptp(rgb, axis=2).max() <= 2 / 255
    assert np.abs(rgb[..., 0] - grey / 255).mean() < 0.02


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_of_few_bits_spans_black_to_white(bits):
    """A grey PNG of 1, 2 or 4 bits reaches from 0 to 1."""
    levels = (np.arange(WIDTH) % 2**bits).astype(np.uint8)
    rgb = read(_small_png(np.tile(levels, (HEIGHT, 1)), bits)).rgb
    assert np.allclose(rgb[0, :, 1], levels / (2**bits - 1), atol=1e-6)
    assert rgb.min() == 0


def _small_png(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of ``bits`` bits a sample, made by hand since neither library writes 2 and 4."""
    shifts = np.arange(bits - 1, -1, -1)
    rows = [np.packbits((row[:, None] >> shifts & 1).ravel()).tobytes() for row in values]
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_keep_their_precision(suffix, channels):
    """16-bit samples come out as value / 65535, not as eighths of a byte."""
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    picture = read(written(deep if channels > 1 else deep[..., 0], suffix))
    assert picture.bits == 16
    assert picture.notes == ()
    if channels == 4:
        assert np.allclose(picture.alpha, deep[..., 3] / 65535, atol=1e-6)
        solid = deep[..., 3] == 65535
        assert np.allclose(picture.rgb[solid], deep[solid][:, :3] / 65535, atol=1e-6)
    else:
        assert np.allclose(picture.rgb, deep / 65535, atol=1e-6)


def test_16_bit_jpeg_2000_keeps_its_precision():
    """JPEG 2000 of 16 bits is not brought down to 8."""
    y, x = np.mgrid[0:128, 0:160]
    deep = np.stack([x * 400, y * 500, x * 200 + y * 230], axis=-1).astype(np.uint16)
    picture = read(written(deep, ".jp2", cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000))
    assert picture.bits == 16
    assert np.abs(picture.rgb - deep / 65535).max() < 1 / 2000
    assert len(np.unique(picture.rgb[..., 0])) > 150


def test_16_bit_grey_with_alpha_keeps_both():
    """Grey + alpha of 16 bits, a kind of PNG of its own, gives grey colours and its alpha."""
    grey = np.linspace(0, 65535, WIDTH).astype(">u2")
    alpha = np.full(WIDTH, 65535, ">u2")
    alpha[:5] = 1000
    row = b"\0" + np.stack([grey, alpha], axis=-1).astype(">u2").tobytes()
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    data += chunk(b"IDAT", zlib.compress(row * HEIGHT)) + chunk(b"IEND", b"")
    picture = read(data)
    assert np.allclose(picture.rgb[0, 5:, 0], grey[5:] / 65535, atol=1e-6)
    assert np.allclose(picture.alpha[0], alpha / 65535, atol=1e-6)


def test_interlaced_and_palette_pngs_are_exact():
    """A palette of 256 colours gives those colours."""
    image = Image.fromarray(gradient()).quantize(256)
    assert np.array_equal(read(saved(image, "PNG")).rgb, np.asarray(image.convert("RGB")) / np.float32(255))


def test_palette_transparency_becomes_alpha():
    """tRNS of a palette PNG becomes alpha, and a GIF's transparent colour too."""
    image = Image.fromarray((gradient()[..., 0] // 64).astype(np.uint8)).convert("P")
    for file_format in ("PNG", "GIF"):
        picture = read(saved(image, file_format, transparency=0))
        assert picture.alpha is not None, file_format
        assert np.array_equal(picture.alpha == 0, np.asarray(image) == 0), file_format


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_transparent_colour_key_becomes_alpha(mode):
    """tRNS of a grey or RGB PNG makes exactly that colour transparent."""
    image = Image.fromarray(gradient()).convert(mode)
    key = image.getpixel((3, 2))
    picture = read(saved(image, "PNG", transparency=key))
    same = np.asarray(image) == np.asarray(key)
    assert np.array_equal(picture.alpha == 0, same if mode == "L" else same.all(axis=-1))


@pytest.mark.parametrize(
    ("file_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})]
)
def test_rgba_keeps_alpha_and_opaque_colours(file_format, options):
    """Alpha comes out in [0, 1]; opaque pixels keep their very colours."""
    pixels = gradient(4)
    pixels[:, :20, 3] = 255
    picture = read(saved(Image.fromarray(pixels), file_format, **options))
    assert np.allclose(picture.alpha, pixels[..., 3] / 255, atol=1e-6)
    assert np.array_equal(picture.rgb[:, :20], pixels[:, :20, :3] / np.float32(255))
    assert picture.rgb.min() >= 0
    assert picture.rgb.max() <= 1


def test_alpha_that_is_opaque_everywhere_is_none():
    """An alpha channel without any transparency is left out."""
    pixels = gradient(4)
    pixels[..., 3] = 255
    assert read(saved(Image.fromarray(pixels), "PNG")).alpha is None


def test_cmyk_jpeg_has_the_right_colours():
    """A CMYK JPEG (stored inverted, as Adobe does) shows cyan as cyan, and says how it was converted."""
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[:, : WIDTH // 2, 0] = 255  # cyan ink on the left, bare paper on the right
    picture = read(saved(Image.fromarray(ink, "CMYK"), "JPEG", quality=98))
    assert np.allclose(picture.rgb[5, 5], [0, 1, 1], atol=0.03)
    assert np.allclose(picture.rgb[5, -5], [1, 1, 1], atol=0.03)
    assert any("CMYK" in note for note in picture.notes)


def test_cmyk_tiff_and_lab_tiff_are_read():
    """CMYK and Lab TIFFs come out in sRGB."""
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[..., 3] = 255
    assert read(saved(Image.fromarray(ink, "CMYK"), "TIFF")).rgb.max() == 0
    lab = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    lab[..., 0] = 137  # L* 53.7, a* and b* signed and 0: mid-grey in sRGB
    rgb = read(saved(Image.frombytes("LAB", (WIDTH, HEIGHT), lab.tobytes()), "TIFF")).rgb
    assert np.allclose(rgb, 128 / 255, atol=0.02)


@pytest.mark.parametrize("full", [255, 65535])
def test_small_numbers_in_32_bits_are_no_black_picture(full):
    """Whole numbers of 8 or 16 bits in a file of 32 are what they look like, with a note."""
    grey = np.linspace(0, full, HEIGHT * WIDTH).astype(np.int32).reshape(HEIGHT, WIDTH)
    picture = read(saved(Image.fromarray(grey), "TIFF"))
    assert np.allclose(picture.rgb[..., 0], grey / full, atol=1e-6)
    assert picture.notes == (f"samples of 32 bits taken as values from 0 to {full}",)


def test_float_and_32_bit_tiffs_are_read_and_say_how():
    """A TIFF of floats from 0 to 1 keeps its values; NaN becomes black; the note says what was taken."""
    values = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    values[0, 0] = np.nan
    picture = read(saved(Image.fromarray(values), "TIFF"))
    assert np.allclose(picture.rgb[1:, :, 0], values[1:], atol=1e-6)
    assert picture.rgb[0, 0, 0] == 0
    assert any("float" in note for note in picture.notes)
    assert np.isclose(read(saved(Image.fromarray(values * 255), "TIFF")).rgb[-1, -1, 0], 1)


def test_16_bit_ppm_keeps_its_precision():
    """A PPM of 65,535 levels is read at that depth."""
    deep = (np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3) * 9).astype(">u2")
    picture = read(b"P6\n# a comment\n%d %d\n65535\n" % (WIDTH, HEIGHT) + deep.tobytes())
    assert picture.bits == 16
    assert np.allclose(picture.rgb, deep / 65535, atol=1e-6)


def test_moving_pictures_give_their_first_frame_and_say_so():
    """A GIF, WebP or PNG of several frames gives the first, with a note."""
    first, second = Image.new("RGB", (40, 40), (255, 0, 0)), Image.new("RGB", (40, 40), (0, 0, 255))
    for file_format in ("GIF", "WEBP", "PNG", "MPO"):
        options = {"lossless": True} if file_format == "WEBP" else {}
        data = saved(first, file_format, save_all=True, append_images=[second], duration=100, **options)
        picture = read(data)
        assert np.allclose(picture.rgb[20, 20], [1, 0, 0], atol=0.01), file_format
        assert any("first" in note for note in picture.notes), file_format


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


# What the camera saw, and how each orientation stores it (EXIF 2.32, 4.6.4): stored -> upright.
TURN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "deep PNG", "deep TIFF"])
def test_orientation_is_applied_to_colour_and_alpha(tmp_path, kind, orientation):
    """All eight EXIF orientations come out upright, in each format, with alpha, at 8 and 16 bits."""
    channels = 3 if kind == "JPEG" else 4
    pixels = gradient(channels)
    pixels[..., 2] = pixels[..., 0]
    if channels == 4:
        pixels[:, 10:, 3] = 255
    if kind == "deep PNG":
        data = _with_exif_chunk(written(pixels.astype(np.uint16) * 257, ".png"), exif(orientation))
    elif kind == "deep TIFF":
        data = _deep_tiff(pixels.astype(np.uint16) * 257, orientation)
    elif kind == "TIFF":
        data = saved(Image.fromarray(pixels), "TIFF", tiffinfo={0x0112: orientation})
    else:
        lossless = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        data = saved(Image.fromarray(pixels), kind, exif=exif(orientation), **lossless)
    path = tmp_path / "turned"
    path.write_bytes(data)
    expected = TURN[orientation](pixels) / 255
    picture, header = decode(path), read_header(path)
    assert (header.height, header.width) == expected.shape[:2] == (picture.height, picture.width)
    assert "read at 8 bits per sample" not in picture.notes
    if channels == 4:
        assert np.allclose(picture.alpha, expected[..., 3], atol=1e-6)
        solid = expected[..., 3] == 1
        assert np.allclose(picture.rgb[solid], expected[solid][:, :3], atol=1e-6)
    else:
        assert np.abs(picture.rgb - expected).mean() < 0.02


def _with_exif_chunk(png: bytes, payload: bytes) -> bytes:
    return png[:33] + chunk(b"eXIf", payload.removeprefix(b"Exif\0\0")) + png[33:]


def _deep_tiff(pixels: np.ndarray, orientation: int) -> bytes:
    """An uncompressed 16-bit RGBA TIFF with an orientation, which neither library writes."""
    height, width = pixels.shape[:2]
    body = pixels.astype("<u2").tobytes()
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 4, 8 + len(body)),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (274, 3, 1, orientation),
        (277, 3, 1, 4),
        (278, 3, 1, height),
        (279, 4, 1, len(body)),
        (284, 3, 1, 1),
        (338, 3, 1, 2),
    ]
    directory = 8 + len(body) + 8
    data = struct.pack("<2sHI", b"II", 42, directory) + body + struct.pack("<4H", 16, 16, 16, 16)
    data += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return data + struct.pack("<I", 0)


def test_orientation_behind_the_pixels_of_a_png_counts(tmp_path):
    """An eXIf chunk may stand after the pixels: header and picture agree on it."""
    png = saved(Image.fromarray(gradient()), "PNG")
    late = chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0"))
    path = tmp_path / "late.png"
    path.write_bytes(png[:-12] + late + png[-12:])
    assert (read_header(path).width, read_header(path).height) == (HEIGHT, WIDTH)
    assert decode(path).rgb.shape == (WIDTH, HEIGHT, 3)


def test_nonsense_orientation_is_ignored():
    """An orientation outside 1 to 8, or damaged EXIF, leaves the picture as it is stored."""
    assert read(saved(Image.fromarray(gradient()), "PNG", exif=exif(99))).rgb.shape[:2] == (HEIGHT, WIDTH)
    broken = saved(Image.fromarray(gradient()), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(broken).rgb.shape[:2] == (HEIGHT, WIDTH)


def test_the_hash_is_that_of_the_file(tmp_path):
    """sha256 is of the bytes as they lay in the file; name and format are told too."""
    path = tmp_path / "a.png"
    path.write_bytes(saved(Image.fromarray(gradient()), "PNG"))
    picture = decode(path, ImageLimits())
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (picture.name, picture.format) == ("a.png", "PNG")


def test_white_is_zero_tiffs_are_not_negatives():
    """A TIFF whose zero means white (as scanners write) comes out positive, at 8 and 16 bits."""
    for bits in (8, 16):
        picture = read(_white_is_zero(bits))
        assert picture.rgb[0, 0, 0] == 1, bits
        assert picture.rgb[0, -1, 0] == 0, bits


def _white_is_zero(bits: int) -> bytes:
    row = np.linspace(0, 2**bits - 1, WIDTH).astype(f"<u{bits // 8}").tobytes()
    body = row * HEIGHT
    entries = [
        (256, 3, 1, WIDTH),
        (257, 3, 1, HEIGHT),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 0),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, HEIGHT),
        (279, 4, 1, len(body)),
    ]
    data = struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body
    data += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return data + struct.pack("<I", 0)


def test_missing_picture_is_a_job_error(tmp_path: Path):
    """A file that is not there is said to be missing."""
    with pytest.raises(JobError) as caught:
        decode(tmp_path / "none.png")
    assert caught.value.code == "image_missing"
