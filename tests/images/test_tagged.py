"""Colours that a file describes by numbers, by a code point, by EXIF or by a profile in a place of its own."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from test_colors import P3, SRGB_CURVE, SWAPPED, profile

from nst_batch.colors.curves import srgb_encode
from nst_batch.images import decode_bytes
from nst_batch.images.jpegxl import jxl_facts

HEIGHT, WIDTH = 40, 48
STORED = np.array([200, 40, 90]) / 255
GREY = np.array([128, 128, 128]) / 255
D65 = np.array([0.95047, 1.0, 1.08883])
TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
# Red, green and blue, x and y each (ITU-T H.273, table 2).
PRIMARIES = {
    1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    "adobe": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
}


def srgb_decode(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def seen(linear, primaries):
    """What a colour-managed viewer shows of linear light in some primaries, all with the white of daylight."""
    x, y = np.array(PRIMARIES[primaries]).reshape(3, 2).T
    columns = np.array([x / y, np.ones(3), (1 - x - y) / y])
    to_xyz = columns * np.linalg.solve(columns, D65)
    return np.clip(srgb_encode(np.clip(TO_SRGB @ to_xyz @ linear, 0, 1)), 0, 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 1e5)))


def chrm(primaries) -> bytes:
    places = (0.3127, 0.329, *PRIMARIES[primaries])
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 1e5) for value in places)))


def cicp(primaries: int, transfer: int, full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, full]))


def iccp(icc: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))


SRGB = chunk(b"sRGB", b"\0")


def color_of(data: bytes) -> np.ndarray:
    picture = decode_bytes(data, "x")
    assert picture.notes == ()
    return picture.rgb[HEIGHT // 2, WIDTH // 2]


def png(chunks: bytes, color=STORED, bits: int = 16) -> bytes:
    pixel = np.rint(color * (2**bits - 1)).astype(f">u{bits // 8}").tobytes()
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress((b"\0" + pixel * WIDTH) * HEIGHT)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunks + body


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (b"", STORED),
        (gama(1.0), srgb_encode(STORED)),
        (gama(1 / 1.8), srgb_encode(STORED**1.8)),
        (gama(0.45455), STORED),
        (gama(0.45455) + chrm(1), STORED),
        (gama(0.4547) + chrm("adobe"), seen(STORED ** (1 / 0.4547), "adobe")),
        (chrm(12), seen(srgb_decode(STORED), 12)),
        (SRGB + gama(1.0) + chrm("adobe"), STORED),
        (gama(1.0) + SRGB, STORED),
        (cicp(12, 13) + SRGB + gama(1.0), seen(srgb_decode(STORED), 12)),
        (cicp(1, 13) + iccp(profile(SWAPPED, SRGB_CURVE)), STORED),
        (iccp(profile(SWAPPED, SRGB_CURVE)) + gama(1.0), STORED[[1, 0, 2]]),
        (cicp(1, 8), srgb_encode(STORED)),
        (cicp(9, 13), seen(srgb_decode(STORED), 9)),
        (cicp(9, 14), seen(((STORED + 0.099) / 1.099) ** (1 / 0.45), 9)),
        (cicp(1, 13, 0), np.clip((STORED * 255 - 16) / 219, 0, 1)),
    ],
)
def test_png_says_its_colours_in_an_order_of_rank(chunks, expected, bits):
    """cICP before iCCP before sRGB before gAMA and cHRM, wherever they stand, within 3 of 255."""
    assert np.abs(color_of(png(chunks, bits=bits)) - expected).max() <= 3 / 255


def pq(light: np.ndarray) -> np.ndarray:
    """Light in cd/m² -> the signal of SMPTE ST 2084."""
    y = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def test_pictures_of_high_dynamic_range_have_their_white_at_203_candela():
    """PQ: what is darker than white is as it was; brighter light is pressed together below white, in order."""
    light = srgb_decode(STORED)
    assert np.abs(color_of(png(cicp(1, 16), pq(light * 203))) - STORED).max() < 2 / 255
    steps = [color_of(png(cicp(9, 16), pq(np.full(3, nits)))).mean() for nits in (100, 203, 400, 1000, 4000)]
    assert steps == sorted(steps)
    assert steps[1] > 0.93
    assert steps[-1] <= 1
    hlg_white = np.full(3, 0.75)  # BT.2408: its white at 75 %
    assert 0.93 < color_of(png(cicp(9, 18), hlg_white)).mean() < 1
    red = color_of(png(cicp(1, 16), pq(np.array([2000.0, 20.0, 20.0]))))
    assert red[0] > 0.9
    assert red[1:].max() < 0.3  # a bright colour stays a colour


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 13), (1, 8), (1, 13), (9, 16)])
@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_code_points_of_avif_and_heic_are_used(kind, primaries, transfer):
    """P3, BT.2020, linear light and PQ by nclx alone, at 10 bits."""
    decoded = {8: lambda v: v, 13: srgb_decode}
    signal = pq(srgb_decode(STORED) * 203) if transfer == 16 else STORED
    linear = srgb_decode(STORED) if transfer == 16 else decoded[transfer](STORED)
    array = np.broadcast_to(np.rint(signal * 65535).astype(np.uint16), (HEIGHT, WIDTH, 3)).copy()
    if kind == "avif":
        ten = (array >> 6).astype(np.uint16)
        data = imagecodecs.avif_encode(
            ten, level=100, bitspersample=10, primaries=primaries, transfer=transfer, matrix=0
        )
    else:
        image, file = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), array.tobytes()), io.BytesIO()
        image.save(file, quality=-1, chroma=444, color_primaries=primaries, transfer_characteristics=transfer)
        data = file.getvalue()
    assert np.abs(color_of(data) - seen(linear, primaries)).max() <= 6 / 255


@pytest.mark.parametrize("tags", [{0xA001: 65535, 0xA005: {1: "R03"}}, {0xA001: 2}])
def test_cameras_say_adobe_rgb_by_exif(tags):
    """ColorSpace and the index R03, where no profile says anything; sRGB and unknown spaces stay as they are."""

    def jpeg(inner: dict, **options: object) -> bytes:
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x8769] = inner
        image = Image.new("RGB", (WIDTH, HEIGHT), tuple(np.rint(STORED * 255).astype(int)))
        image.save(file, "JPEG", quality=100, subsampling=0, exif=exif.tobytes(), **options)
        return file.getvalue()

    adobe = seen(STORED ** (563 / 256), "adobe")
    assert np.abs(color_of(jpeg(tags)) - adobe).max() < 3 / 255
    assert np.abs(color_of(jpeg({0xA001: 1})) - STORED).max() < 3 / 255
    assert np.abs(color_of(jpeg({0xA001: 65535})) - STORED).max() < 3 / 255
    swapped = color_of(jpeg(tags, icc_profile=profile(SWAPPED, SRGB_CURVE)))
    assert np.abs(swapped - STORED[[1, 0, 2]]).max() < 3 / 255


@pytest.mark.parametrize("curve", [SRGB_CURVE, (0, (1.8,))])
def test_a_jpeg_xl_keeps_the_profile_and_the_side_up_of_the_jpeg_in_it(curve):
    """A JPEG packed without loss: its ICC profile counts, and its header is that of the picture as it is shown."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image = Image.new("RGB", (WIDTH, HEIGHT), tuple(np.rint(STORED * 255).astype(int)))
    image.save(file, "JPEG", quality=100, subsampling=0, exif=exif.tobytes(), icc_profile=profile(SWAPPED, curve))
    packed = imagecodecs.jpegxl_encode_jpeg(file.getvalue())
    header, picture = jxl_facts(packed).header, decode_bytes(packed, "x")
    assert (header.width, header.height) == (picture.width, picture.height) == (HEIGHT, WIDTH)
    assert np.abs(picture.rgb - color_of(file.getvalue())).max() < 2 / 255


def with_profile(kind: str, icc: bytes) -> bytes:
    """A flat picture with a profile where its format has one."""
    file = io.BytesIO()
    image = Image.new("RGB", (WIDTH, HEIGHT), tuple(np.rint(STORED * 255).astype(int)))
    if kind == "GIF":
        image.quantize(4).save(file, "GIF")
        plain = file.getvalue()
        at = 13 + 3 * (2 << (plain[10] & 7))
        blocks = b"".join(bytes([len(icc[i : i + 255])]) + icc[i : i + 255] for i in range(0, len(icc), 255))
        return plain[:at] + b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0" + plain[at:]
    if kind == "BMP":
        image.save(file, "BMP")
        body = file.getvalue()[54:]
        head = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, len(body), 2835, 2835, 0, 0)
        head += bytes(16) + b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(body), len(icc), 0)
        return b"BM" + struct.pack("<IHHI", 138 + len(body) + len(icc), 0, 0, 138) + head + body + icc
    image.save(file, "JPEG2000")
    plain = file.getvalue()
    at = plain.index(b"colr") - 4
    length = int.from_bytes(plain[at : at + 4], "big")
    box = struct.pack(">I", 11 + len(icc)) + b"colr\2\0\0" + icc
    header = plain.index(b"jp2h") - 4
    grown = int.from_bytes(plain[header : header + 4], "big") + len(box) - length
    return plain[:header] + struct.pack(">I", grown) + plain[header + 4 : at] + box + plain[at + length :]


@pytest.mark.parametrize("kind", ["GIF", "BMP", "JPEG2000"])
def test_profiles_in_gif_bmp_and_jpeg_2000_are_used(kind):
    """Each has a place of its own for it, and none of their decoders tells."""
    p3 = seen(srgb_decode(STORED), 12)
    assert np.abs(color_of(with_profile(kind, profile(P3, SRGB_CURVE))) - p3).max() <= 3 / 255


def test_colours_that_make_no_sense_are_left_out_and_said():
    """The picture is painted as it is stored, and a note says so."""
    for chunks in (cicp(77, 13), cicp(1, 99), gama(0), chunk(b"cHRM", bytes(32)), chunk(b"cICP", b"\1")):
        picture = decode_bytes(png(chunks), "x")
        assert np.allclose(picture.rgb[0, 0], STORED, atol=1e-3)
        assert "what it says of its colours was not used" in picture.notes[0]


def test_grey_and_transparent_pictures_are_converted_too():
    """Grey by the curve alone; alpha is no colour."""
    grey = np.dstack([np.full((HEIGHT, WIDTH), 128, np.uint8), np.full((HEIGHT, WIDTH), 90, np.uint8)])
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    data = file.getvalue()
    picture = decode_bytes(data[:33] + cicp(12, 8) + data[33:], "x")
    assert np.abs(picture.rgb[0, 0] - srgb_encode(GREY)).max() < 2 / 255
    assert np.allclose(picture.alpha, 90 / 255)
