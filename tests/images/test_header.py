"""read_header: what a picture is, and what is refused, before a pixel is decoded."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import time
import zlib

import pytest
from PIL import Image

from nst_batch.errors import JobError
from nst_batch.images import ImageLimits, decode, read_header

READERS = [read_header, decode]


def png(width: int, height: int, pixels: bytes = b"\0" * 100) -> bytes:
    """A grey PNG that claims a size, with whatever pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def picture(file_format: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    image = Image.effect_noise((64, 48), 60).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((64, 48)))
    image.save(file, file_format)
    return file.getvalue()


def code_of(reader, path, limits=None) -> str:
    with pytest.raises(JobError) as caught:
        reader(path, limits or ImageLimits())
    assert caught.value.advice
    assert path.name.replace("\0", "\\x00") in str(caught.value)  # made visible
    return caught.value.code


def test_header_says_size_kind_and_depth(tmp_path):
    """Format, size and bits per sample are read for the common kinds."""
    for file_format, mode in [("JPEG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGBA")]:
        path = tmp_path / file_format
        path.write_bytes(picture(file_format, mode))
        header = read_header(path)
        assert (header.format, header.width, header.height, header.bits) == (file_format, 64, 48, 8)


def test_reading_a_header_loads_neither_numpy_nor_opencv(tmp_path):
    """The daemon's side can read headers without the worker's libraries; importing loads not even Pillow."""
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    program = (
        "import sys, nst_batch.images as images\n"
        "assert not {'PIL', 'numpy', 'cv2'} & set(sys.modules)\n"
        f"images.read_header({str(path)!r})\n"
        "assert not {'numpy', 'cv2', 'tensorflow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("reader", READERS)
def test_a_bomb_is_refused_by_its_header(tmp_path, reader):
    """A small file of 32,000² pixels is refused at once, with the figures and the limit."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(32_000, 32_000, b"\0" * 1_000_000))
    started = time.monotonic()
    with pytest.raises(JobError) as caught:
        reader(path, ImageLimits())
    assert time.monotonic() - started < 1.0
    assert caught.value.code == "image_too_large"
    assert "1024.0 megapixels, the limit is 50" in str(caught.value)


def test_reading_a_png_header_decodes_no_pixels(tmp_path):
    """Looking for EXIF behind the pixels does not decode them: a header with nonsense pixels is read."""
    path = tmp_path / "a.png"
    path.write_bytes(png(64, 64, b"\xff" * 10))  # a filter that does not exist, and far too few rows
    assert read_header(path).width == 64
    assert code_of(decode, path) in ("image_unreadable", "image_truncated")


@pytest.mark.parametrize("reader", READERS)
def test_limits_are_inclusive(tmp_path, reader):
    """Exactly as large as the limit is allowed, a pixel or a byte more is not."""
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    size = path.stat().st_size
    reader(path, ImageLimits(max_megapixels=64 * 48 / 1e6, max_file_mb=size / 1e6))
    assert code_of(reader, path, ImageLimits(max_megapixels=(64 * 48 - 1) / 1e6)) == "image_too_large"
    assert code_of(reader, path, ImageLimits(max_file_mb=(size - 1) / 1e6)) == "image_file_too_large"


@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_a_regular_file_is_refused(tmp_path, reader):
    """Folder, symlink, dangling symlink, pipe, socket and device: refused, and without waiting."""
    (tmp_path / "real.png").write_bytes(picture())
    folder = tmp_path / "folder.png"
    folder.mkdir()
    link, dangling, pipe = tmp_path / "link.png", tmp_path / "dangling.png", tmp_path / "pipe.png"
    link.symlink_to("real.png")
    dangling.symlink_to("nowhere.png")
    os.mkfifo(pipe)
    for path in (folder, link, dangling, pipe):
        assert code_of(reader, path) == "image_not_a_file", path
    with pytest.raises(JobError, match="null: is a device") as caught:
        reader("/dev/null", ImageLimits())
    assert caught.value.code == "image_not_a_file"


def test_a_socket_is_refused(tmp_path, monkeypatch):
    """A socket in the inbox is no picture."""
    monkeypatch.chdir(tmp_path)  # socket names are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        assert code_of(read_header, tmp_path / "s.png") == "image_not_a_file"


@pytest.mark.parametrize("reader", READERS)
def test_missing_files_are_said_to_be_missing(tmp_path, reader):
    """No such file, a file used as a folder, a name too long, a NUL in a name."""
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "none", tmp_path / "file" / "a.png", tmp_path / ("x" * 300), tmp_path / "a\0b"):
        assert code_of(reader, path) == "image_missing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_can_be_tried_again(tmp_path):
    """Missing permission is not the picture's fault: it can be tried again."""
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    path.chmod(0)
    with pytest.raises(JobError) as caught:
        read_header(path)
    assert (caught.value.code, caught.value.retry) == ("image_no_permission", True)


@pytest.mark.parametrize("reader", READERS)
def test_empty_and_hollow_files_are_truncated(tmp_path, reader):
    """An empty file, and one whose room was reserved but never filled, count as cut off."""
    for content in (b"", b"\0" * 5000):
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        assert code_of(reader, path) == "image_truncated"


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_picture_is_unreadable(tmp_path, reader):
    """Text, an archive, and formats that could start other programs are not read."""
    for content in (
        b"hello\n" * 100,
        b"PK\x03\x04" + b"x" * 100,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ):
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        assert code_of(reader, path) == "image_unreadable"


CUT_KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000"]


@pytest.mark.parametrize("file_format", CUT_KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_cut_file_is_called_truncated(tmp_path, file_format, share):
    """A file whose end is missing is told apart from a damaged one, wherever it was cut."""
    data = picture(file_format)
    path = tmp_path / "cut"
    path.write_bytes(data[: max(16, int(len(data) * share))])
    assert code_of(decode, path) == "image_truncated"


@pytest.mark.parametrize(("file_format", "losses"), [("JPEG", (3, 5, 40)), ("PNG", (1, 2, 5))])
def test_a_file_that_lacks_its_last_bytes_is_truncated(tmp_path, file_format, losses):
    """The last few bytes count, but for a JPEG's end marker."""
    data = picture(file_format)
    for lost in losses:
        path = tmp_path / "cut"
        path.write_bytes(data[:-lost])
        assert code_of(decode, path) == "image_truncated"


def test_a_jpeg_with_its_tail_zeroed_is_truncated(tmp_path):
    """A download that reserved its room: right length, the rest zeros. Decoders take it without a word."""
    data = picture("JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: len(data) // 2] + b"\0" * (len(data) - len(data) // 2))
    assert code_of(decode, path) == "image_truncated"


def test_a_thumbnail_does_not_hide_a_cut_jpeg(tmp_path):
    """The end marker of an embedded thumbnail is not taken for that of the picture."""
    file = io.BytesIO()
    image = Image.effect_noise((64, 48), 60)
    image.save(file, "JPEG", exif=b"Exif\0\0" + picture("JPEG"))
    path = tmp_path / "a.jpg"
    path.write_bytes(file.getvalue())
    decode(path)
    path.write_bytes(file.getvalue()[:-300])
    assert code_of(decode, path) == "image_truncated"


def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path):
    """A flipped bit in the pixels of a PNG is found by its checksum."""
    data = bytearray(picture())
    data[len(data) // 2] ^= 1
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert code_of(decode, path) == "image_unreadable"
