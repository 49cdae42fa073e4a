"""Colour profiles: pictures come out in sRGB, whatever their file's colours mean."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from nst_batch.colors.curves import srgb_encode
from nst_batch.colors.icc import parse_curves, srgb_profile
from nst_batch.images import decode_bytes

# Display P3's primaries as XYZ under D50.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
# sRGB's own, with red and green exchanged: a profile whose effect nobody can miss.
SWAPPED = ((0.38507, 0.71688, 0.09710), (0.43607, 0.22250, 0.01393), (0.14308, 0.06062, 0.71417))
SRGB_CURVE = (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))


def profile(columns=None, curve=(0, (2.2,)), space=b"RGB ") -> bytes:
    """An ICC profile (version 4.3) of three colorants, or grey, and one parametric curve."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    kind, parameters = curve
    trc = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*parameters)
    white = (0.9642, 1.0, 0.8249)
    tags = [(b"wtpt", b"XYZ \0\0\0\0" + fixed(*white))]
    if space == b"GRAY":
        tags.append((b"kTRC", trc))
    else:
        tags += [(b"%cTRC" % c, trc) for c in b"rgb"]
        tags += [(b"%cXYZ" % c, b"XYZ \0\0\0\0" + fixed(*xyz)) for c, xyz in zip(b"rgb", columns, strict=True)]
    text = "test".encode("utf-16-be")
    mluc = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags += [(b"desc", mluc), (b"cprt", mluc)]
    table, body = struct.pack(">I", len(tags)), b""
    for name, bare in tags:
        content = bare + b"\0" * (-len(bare) % 4)
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s4s", size, b"\0\0\0\0", 0x04300000, b"mntr", space, b"XYZ ", b"acsp", b"\0" * 4)
    head = head.ljust(68, b"\0") + fixed(*white)
    return head.ljust(128, b"\0") + table + body


def read(image: Image.Image, icc: bytes, file_format: str = "PNG"):
    file = io.BytesIO()
    image.save(file, file_format, icc_profile=icc)
    return decode_bytes(file.getvalue(), "x")


def colors() -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 50, 3), np.uint8))


def by_lcms(image: Image.Image, icc: bytes) -> np.ndarray:
    """The independent answer: LittleCMS, 8 bits."""
    return np.asarray(
        ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    )


@pytest.mark.parametrize("columns", [P3, SWAPPED])
@pytest.mark.parametrize("curve", [(0, (1.0,)), (0, (1.8,)), (0, (2.2,)), SRGB_CURVE])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_profiles_of_curves_agree_with_littlecms(columns, curve, file_format):
    """Our float conversion lies within rounding of LittleCMS's 8-bit one, format by format."""
    icc = profile(columns, curve)
    image = colors()
    if file_format == "WEBP":  # lossy by default: one flat colour survives
        image = Image.new("RGB", (40, 40), (90, 140, 60))
    picture = read(image, icc, file_format)
    assert picture.notes == ()
    tolerance = 4 if file_format == "WEBP" else 1.6
    assert np.abs(picture.rgb * 255 - by_lcms(image, icc)).max() <= tolerance


def test_a_swapped_profile_swaps_red_and_green():
    """With red and green exchanged in the profile, pure red stands for green."""
    picture = read(Image.new("RGB", (40, 40), (255, 0, 0)), profile(SWAPPED, SRGB_CURVE))
    assert np.allclose(picture.rgb[0, 0], [0, 1, 0], atol=0.01)


def test_16_bit_pictures_are_converted_at_16_bits():
    """A profile is applied to 16-bit samples as they are: neighbours stay apart."""
    ramp = np.linspace(20000, 22000, 50).astype(np.uint16)
    deep = np.repeat(np.tile(ramp, (40, 1))[..., None], 3, axis=2)
    ok, data = cv2.imencode(".png", deep)
    assert ok
    file = data.tobytes()
    with_profile = io.BytesIO()
    Image.new("RGB", (1, 1)).save(with_profile, "PNG", icc_profile=profile(P3, (0, (1.8,))))
    small = with_profile.getvalue()
    at = small.index(b"iCCP") - 4
    end = at + 12 + int.from_bytes(small[at : at + 4], "big")
    rgb = decode_bytes(file[:33] + small[at:end] + file[33:], "x").rgb
    expected = srgb_encode((ramp / 65535) ** 1.8)
    assert np.allclose(rgb[0, :, 0], expected, atol=2e-4)
    assert len(np.unique(rgb[0, :, 0])) == 50


def test_an_srgb_profile_changes_nothing():
    """A picture that carries sRGB's own profile keeps its exact values."""
    image = colors()
    for icc in (srgb_profile(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        assert parse_curves(icc).is_srgb
        assert np.array_equal(read(image, icc).rgb, np.asarray(image) / np.float32(255))


def test_grey_profiles_are_applied():
    """A linear grey profile lightens mid-grey as sRGB's curve says; an RGB profile fits grey too."""
    grey = Image.new("L", (40, 40), 128)
    expected = srgb_encode(np.array(128 / 255))
    assert np.allclose(read(grey, profile(curve=(0, (1.0,)), space=b"GRAY")).rgb, expected, atol=1e-3)
    assert np.allclose(read(grey, profile(P3, (0, (1.0,)))).rgb, expected, atol=2e-3)


def test_alpha_is_not_touched_by_a_profile():
    """Only colours are converted."""
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[..., 1:3] = 0
    pixels[:10, :, 3] = 77
    picture = read(Image.fromarray(pixels), profile(SWAPPED, SRGB_CURVE))
    assert np.allclose(picture.alpha[:10], 77 / 255)
    assert np.allclose(picture.rgb[20, 20], [0, 1, 0], atol=0.01)


def test_cmyk_with_a_profile_is_converted_by_it():
    """A CMYK profile is used rather than the plain formula: here one whose inks mean other colours."""
    image = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    picture = read(image, cmyk_profile(), "TIFF")
    assert picture.notes == ()
    assert np.allclose(picture.rgb, np.asarray(by_lcms(image, cmyk_profile())) / 255, atol=1 / 255)
    assert not np.allclose(picture.rgb[0, 0], [0, 1, 1], atol=0.1)


def cmyk_profile() -> bytes:
    """A CMYK profile (mft1, grid of two points): Lab lightness falls with every ink, a* follows the cyan."""
    grid = []
    for corner in range(16):
        inks = [(corner >> shift) & 1 for shift in (3, 2, 1, 0)]
        light = max(0, 255 - 60 * sum(inks[:3]) - 200 * inks[3])
        grid.append(bytes([light, 128 + 60 * inks[0], 128]))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + b"".join(grid) + ramp * 3
    lut += b"\0" * (-len(lut) % 4)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
    text += b"\0" * (-len(text) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = [(b"A2B0", lut), (b"A2B1", lut), (b"desc", text), (b"wtpt", white)]
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"\0" * 4, 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize(
    ("mode", "icc"),
    [
        ("RGB", b"nonsense" * 40),
        ("RGB", profile(P3)[:200]),
        ("RGB", profile(space=b"GRAY")),
        ("L", cmyk_profile()),
        ("CMYK", profile(P3)),
    ],
)
def test_a_profile_that_is_damaged_or_does_not_fit_is_left_out_and_said(mode, icc):
    """The picture is still used, with its values as they are, and a note says so."""
    image = Image.new(mode, (40, 40), 100 if mode == "L" else (10, 100, 200, 0)[: len(mode)])
    picture = read(image, icc, "TIFF")
    assert any("colour profile was not used" in note for note in picture.notes)
    assert np.array_equal(picture.rgb, np.asarray(image.convert("RGB")) / np.float32(255))
