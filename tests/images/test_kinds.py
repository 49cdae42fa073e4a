"""Kinds of pictures: told by content, read or named with what to do; slow ones and unfinished JPEGs."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from nst_batch.colors.curves import srgb_encode
from nst_batch.errors import JobError
from nst_batch.images import decode, decode_bytes, guard, read_header
from nst_batch.names import is_image, is_unread_image

HEIGHT, WIDTH = 48, 64
COLOR = (200, 40, 90)


def flat(kind: str = "u1") -> np.ndarray:
    array = np.full((HEIGHT, WIDTH, 3), COLOR, np.uint8)
    return array if kind == "u1" else array.astype(np.uint16) * 257


def saved(array: np.ndarray, file_format: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, file_format, **options)
    return file.getvalue()


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def heic(array: np.ndarray, **options: object) -> bytes:
    mode = "RGB;16" if array.dtype == np.uint16 else "RGB" if array.shape[2] == 3 else "RGBA"
    image = pillow_heif.from_bytes(mode, array.shape[1::-1], array.tobytes())
    file = io.BytesIO()
    image.save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


def refusal(data: bytes) -> JobError:
    with pytest.raises(JobError) as caught:
        decode_bytes(data, "x")
    return caught.value


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_heic_is_read_whatever_its_name(tmp_path, kind, name):
    """8 and 10 bits; header and picture agree; the name does not count."""
    path = tmp_path / name
    path.write_bytes(heic(flat(kind)))
    header, picture = read_header(path), decode(path)
    assert (header.format, header.width, header.height) == ("HEIF", WIDTH, HEIGHT)
    assert header.bits == (8 if kind == "u1" else 10)
    assert np.abs(picture.rgb * 255 - COLOR).max() < 3
    assert picture.notes == ()


def test_alpha_of_heic_and_its_profile_count():
    """Transparency comes out as alpha."""
    array = np.dstack([flat(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    array[:, :32, 3] = 100
    picture = decode_bytes(heic(array), "x")
    assert np.abs(picture.alpha[:, 2:30] * 255 - 100).max() < 3


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("container", [False, True])
def test_jpeg_xl_is_read_at_its_depth(tmp_path, kind, container):
    """8 and 16 bits and floats, bare and in a container; its size is known before it is decoded."""
    array = flat("u2")[..., :] / np.float32(65535) if kind == "f4" else flat(kind)
    path = tmp_path / "a.jxl"
    path.write_bytes(imagecodecs.jpegxl_encode(array, lossless=True, usecontainer=container))
    header, picture = read_header(path), decode(path)
    assert (header.format, header.width, header.height) == ("JXL", WIDTH, HEIGHT)
    stored = np.array(COLOR) / 255  # what has more than 8 bits is marked as linear light by its encoder
    assert np.allclose(picture.rgb, stored if kind == "u1" else srgb_encode(stored), atol=1e-3)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (333, 77), (1600, 1200), (1920, 1080), (40, 3000)])
def test_the_size_of_a_jpeg_xl_is_found_without_decoding(tmp_path, width, height):
    """Sizes are written in several ways: by eighths, by a ratio, in full."""
    path = tmp_path / "a.jxl"
    path.write_bytes(imagecodecs.jpegxl_encode(np.zeros((height, width, 3), np.uint8), effort=1))
    header = read_header(path)
    assert (header.width, header.height) == (width, height)


@pytest.mark.parametrize("make", [lambda: heic(noise()), lambda: imagecodecs.jpegxl_encode(noise(), usecontainer=True)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_cut_ones_of_these_are_truncated(make, share):
    """A half copied file waits for its rest."""
    data = make()
    assert refusal(data[: int(len(data) * share)]).code == "image_truncated"


NOT_READ = {
    b"II*\0\x10\0\0\0CR\2\0": "Canon raw",
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom": "Canon raw",
    b"II*\0\x0c\0\0\0IIIITwaR": "Phase One raw",
    b"MM\0*\0\0\0\x0cMMMMRawT": "Phase One raw",
    b"FUJIFILMCCD-RAW 0201": "Fujifilm raw",
    b"IIRO\x08\0\0\0": "Olympus raw",
    b"IIU\0\x18\0\0\0": "Panasonic raw",
    b"8BPS\0\1": "Photoshop",
    b"%PDF-1.7\n": "PDF",
    b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>': "SVG",
    b"<!DOCTYPE html><html>": "web page",
    b"\0\0\0\x20ftypisom\0\0\2\0isomiso2": "film",
    b"\0\0\0\x14ftypqt  \0\0\2\0": "film",
    b"\x1aE\xdf\xa3\x9fB": "film",
    b"RIFF\x10\0\0\0AVI LIST": "film",
    b"\x76\x2f\x31\x01\2\0\0\0": "OpenEXR",
    b"#?RADIANCE\n": "Radiance",
    b"\0\0\1\0\1\0\x20\x20": "icon",
    b"PK\x03\x04" + b"\0" * 30: "archive",
    b"gimp xcf v011\0": "GIMP",
    b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/x-krita": "Krita",
    b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml": "office",
    b"Paint Shop Pro Image File\n\x1a": "PaintShop",
    b"PDN3\0\0": "Paint.NET",
    b"\x06\x06\xed\xf5\xd8\x1d\x46\xe5\xbd\x31": "InDesign",
    b"RIFF\x10\0\0\0CDR9vrsn": "CorelDRAW",
    b"%!PS-Adobe-3.0 EPSF-3.0\n": "PostScript",
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist>\n<plist version="1.0">': "beside a file",
    b"PF\n80 64\n-1.0\n": "PFM",
    b"P7\nWIDTH 4\n": "PAM",
    b"SDPX\0\0\x08\0": "DPX",
    b"II\xbc\x01\x20\0\0\0": "JPEG XR",
    b"\x97JB2\r\n\x1a\n": "JBIG2",
    b"BPG\xfb\0\0": "BPG",
    b"FLIF41": "FLIF",
    b"DDS |\0\0\0": "DDS",
    b"SIMPLE  =                    T": "FITS",
    b"\0" * 128 + b"DICM": "DICOM",
    b"/* XPM */\nstatic char": "XPM",
    b"\xd7\xcd\xc6\x9a\0\0": "WMF",
    b"AT&TFORM\0\0": "DjVu",
    b"RIFF\x10\0\0\0WAVEfmt ": "sound",
    b"\0\0\0\x20ftypM4A \0\0\2\0": "sound",
    b"L\0\0\0\1\x14\2\0\0\0\0\0": "shortcut",
    b"version https://git-lfs.github.com/spec/v1\n": "Git LFS",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "office",
    b"MZ\x90\0": "program",
    # A JPEG's frame: 12 bits, JPEG-LS, hierarchical; also behind other segments.
    b"\xff\xd8\xff\xe0\0\x04ab\xff\xc1\0\x0b\x0c\0\x40\0\x40\1\1\x11\0": "12-bit JPEG",
    b"\xff\xd8\xff\xc3\0\x0b\x10\0\x40\0\x40\1\1\x11\0": "16-bit JPEG",
    b"\xff\xd8\xff\xf7\0\x0b\x08\0\x40\0\x40\1\1\x11\0": "JPEG-LS",
    b"\xff\xd8\xff\xc5\0\x0b\x08\0\x40\0\x40\1\1\x11\0": "hierarchical",
    b"\xff\xd8\xff\xcb\0\x0b\x08\0\x40\0\x40\1\1\x11\0": "lossless JPEG with arithmetic coding",
    b"\xff\xd8\xff\xc3\0\x0b\x0a\0\x40\0\x40\1\1\x11\0": "a JPEG of an odd depth",
}


@pytest.mark.parametrize("head", NOT_READ)
def test_what_is_not_read_is_named_by_its_content(tmp_path, head):
    """With what to do about it, the same from the header alone; also where the name says jpg."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(head + bytes(range(256)) * 4)
    for read in (read_header, decode):
        with pytest.raises(JobError) as caught:
            read(path)
        assert caught.value.code == "image_unreadable"
        assert NOT_READ[head] in caught.value.message
        assert caught.value.advice


def test_a_text_is_called_a_text_and_a_picture_of_digits_is_not():
    """Whatever its suffix; PGM and PPM may be all text, too."""
    assert "is a text" in refusal(b"to paint: the church, the meadow, and the sky\n").message
    digits = b"P2\n8 8\n255\n" + b"7 " * 64
    assert decode_bytes(digits, "x").format == "PPM"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_lossless_jpeg_of_eight_bits_is_read(channels):
    """As medical devices write them."""
    array = np.ascontiguousarray(noise()[..., :channels].squeeze())
    picture = decode_bytes(imagecodecs.jpeg8_encode(array, lossless=True), "x")
    assert np.array_equal(np.rint(picture.rgb[..., :channels].squeeze() * 255), array)


def test_names_that_globs_leave_out_are_known():
    """A raw file among photographs is worth a word; text is not."""
    assert is_image("IMG_1.HEIC")
    assert is_image("a.jxl")
    assert [is_unread_image(name) for name in ("a.CR3", "b.nef", "c.psd", "d.txt", "e.jpg")] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_painted_where_every_block_is_there(progressive):
    """The end marker alone is not missed, with or without bytes behind; a block is."""
    data = saved(noise(), progressive=progressive, quality=90)
    whole = decode_bytes(data, "x").rgb
    for unfinished in (data[:-2], data[:-1], data[:-2] + b"\0" * 4000):
        picture = decode_bytes(unfinished, "x")
        assert np.array_equal(picture.rgb, whole)
        assert picture.notes == ("its end marker is missing, but every block of it is there",)
    for lost in (4, 40, len(data) // 2):
        assert refusal(data[:-lost]).code == "image_truncated"
        assert refusal(data[:-lost] + b"\0" * 3000).code == "image_truncated"


@pytest.mark.parametrize("junk", [b"\r\n", b"\n", b"\xef\xbb\xbf", b"\0\0"])
def test_a_jpeg_behind_a_line_end_is_read(tmp_path, junk):
    """Programs that send files as text put some bytes before it."""
    path = tmp_path / "a.jpg"
    path.write_bytes(junk + saved(flat(), quality=98))
    assert (read_header(path).width, decode(path).width) == (WIDTH, WIDTH)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def slow_files() -> dict[str, bytes]:
    """Small pictures whose headers are made to take minutes."""
    jpeg, png = saved(flat()), saved(flat(), "PNG")
    exif = Image.Exif()
    exif[0x10E] = "x" * 60_000
    segment = b"\xff\xe1" + struct.pack(">H", len(exif.tobytes()) + 2) + exif.tobytes()
    return {
        "a PPM of comments": b"P6\n#" + b"x" * 3_000_000 + b"\n64 48\n255\n" + bytes(WIDTH * HEIGHT * 3),
        "a JPEG of 1,000 EXIF segments": jpeg[:2] + segment * 1000 + jpeg[2:],
        "a PNG of chunks": png[:33] + chunk(b"abCd", b"") * 300_000 + png[33:],
    }


@pytest.mark.parametrize("what", slow_files())
def test_headers_without_end_are_refused_soon(tmp_path, what):
    """In a few seconds of work, before anything is decoded."""
    path = tmp_path / "slow"
    path.write_bytes(slow_files()[what])
    started = time.process_time()
    with pytest.raises(JobError) as caught:
        read_header(path)
    assert caught.value.code == "image_unreadable"
    assert time.process_time() - started < 8


def test_a_picture_that_takes_too_long_fails_alone():
    """The one who waits goes on, with a code and a reason of its own; errors of the work come through."""
    release = threading.Event()
    with pytest.raises(JobError) as caught:
        guard.within(0.05, "slow.png", release.wait)
    release.set()
    assert caught.value.code == "image_too_slow"
    assert "slow.png" in caught.value.message
    assert guard.within(60, "x", lambda: 3) == 3
    with pytest.raises(ValueError, match="own"):
        guard.within(60, "x", lambda: int("its own"))


def tga(bits: int, alpha: int) -> bytes:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, WIDTH, HEIGHT, 32, 0x20 | bits)
    return head + bytes([COLOR[2], COLOR[1], COLOR[0], alpha]) * (WIDTH * HEIGHT)


@pytest.mark.parametrize(("bits", "alpha", "kept"), [(0, 0, False), (0, 120, False), (8, 0, False), (8, 120, True)])
def test_a_fourth_byte_that_is_no_alpha_is_left_out(bits, alpha, kept):
    """TGA that declares no alpha, or whose alpha is nought everywhere, is opaque; a real one counts."""
    picture = decode_bytes(tga(bits, alpha), "x")
    assert (picture.alpha is not None) is kept
    assert np.abs(picture.rgb * 255 - COLOR).max() < 1


@pytest.mark.parametrize(("bits", "key"), [(2, 3), (4, 15), (8, 200), (16, 51400)])
def test_grey_png_of_every_depth_has_its_transparent_value(bits, key):
    """tRNS of grey: that value is transparent, the others are not."""
    row = {2: b"\x00" * 8 + b"\xff" * 8, 4: b"\x00" * 16 + b"\xff" * 16}.get(bits)
    if row is None:
        row = b"\0" * (32 * bits // 8) + key.to_bytes(bits // 8, "big") * 32
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 0, 0, 0, 0)
    body = chunk(b"tRNS", struct.pack(">H", key)) + chunk(b"IDAT", zlib.compress((b"\0" + row) * HEIGHT))
    picture = decode_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b""), "x")
    assert np.array_equal(picture.alpha[0], np.repeat([1.0, 0.0], 32))
