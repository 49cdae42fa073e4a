"""Whatever bytes a picture file holds, reading it gives a picture or a JobError, and nothing else."""

from __future__ import annotations

import io
import random

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from nst_batch.errors import JobError
from nst_batch.images import ImageLimits, decode, decode_bytes, read_header

LIMITS = ImageLimits(max_megapixels=1, max_file_mb=1)


def seeds() -> list[bytes]:
    """Small files of every kind, with profiles, EXIF and text, for the mutations to begin with."""
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (40, 48, 4), np.uint8)
    rgb, rgba = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (rgb, "JPEG", {"icc_profile": profile, "exif": exif}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {"icc_profile": profile}),
        (rgb.convert("L"), "JPEG", {}),
        (rgba, "PNG", {"icc_profile": profile, "exif": exif}),
        (rgb.quantize(16), "PNG", {"transparency": 3}),
        (rgb.convert("1"), "PNG", {}),
        (rgba, "WEBP", {"icc_profile": profile, "exif": exif}),
        (rgba, "TIFF", {"compression": "tiff_lzw", "tiffinfo": {0x0112: 6}, "icc_profile": profile}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (rgb.convert("CMYK"), "TIFF", {}),
        (rgb, "BMP", {}),
        (rgb.quantize(32), "GIF", {"save_all": True, "append_images": [rgb.quantize(8)]}),
        (rgb, "AVIF", {}),
        (rgb, "JPEG2000", {}),
        (rgb, "PPM", {}),
        (rgb, "TGA", {"compression": "tga_rle"}),
        (rgb, "QOI", {}),
        (rgb, "SGI", {}),
        (rgb, "PCX", {}),
    ]
    files = []
    for image, file_format, options in kinds:
        file = io.BytesIO()
        image.save(file, file_format, **options)
        files.append(file.getvalue())
    deep = rng.integers(0, 65536, (40, 48, 4), np.uint16)
    for suffix in (".png", ".tiff", ".jp2"):
        files.append(cv2.imencode(suffix, deep)[1].tobytes())
    return files


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, spliced, repeated; mostly near the start, where the structure is."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = int(len(result) * rng.random() ** rng.choice((1, 4)))
        how = rng.randrange(6)
        if how == 0 and at < len(result):
            result[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            result[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", rng.randbytes(4)))
        elif how == 2:
            del result[at : at + rng.randrange(1, 40)]
        elif how == 3:
            result[at:at] = rng.randbytes(rng.randrange(1, 40))
        elif how == 4:
            start = rng.randrange(len(other))
            result[at : at + 60] = other[start : start + 60]
        else:
            del result[at + rng.randrange(1, 400) :]
    return bytes(result)


def attempt(reader, *arguments):
    """What a reader returns, or the JobError that it raises; anything else ends the test."""
    try:
        return reader(*arguments)
    except JobError as error:
        return error


def test_mutated_pictures_give_a_picture_or_a_job_error():
    """400 damaged files of every kind: each is read, or refused with a code and advice."""
    rng = random.Random(1)
    files = seeds()
    codes = set()
    for round_number in range(400):
        data = mutated(files[round_number % len(files)], rng.choice(files), rng)
        result = attempt(decode_bytes, data, "x", LIMITS)
        if isinstance(result, JobError):
            assert result.code.startswith(("image_", "out_of_memory"))
            assert result.advice
            codes.add(result.code)
        else:
            assert result.rgb.dtype == np.float32
            assert np.isfinite(result.rgb).all()
            assert result.rgb.min() >= 0
            assert result.rgb.max() <= 1
    assert {"image_unreadable", "image_truncated", "image_too_large"} <= codes


def test_mutated_headers_give_a_header_or_a_job_error(tmp_path):
    """The same for the header alone, read from a file."""
    rng = random.Random(2)
    files = seeds()
    path = tmp_path / "x"
    for round_number in range(200):
        path.write_bytes(mutated(files[round_number % len(files)], rng.choice(files), rng))
        result = attempt(read_header, path, LIMITS)
        if isinstance(result, JobError):
            assert result.code.startswith(("image_", "out_of_memory"))
        else:
            assert 0 < result.width * result.height <= 1_000_000


def test_untouched_seeds_are_all_read():
    """The files that the mutations begin with are good ones: otherwise these tests would test nothing."""
    for data in seeds():
        assert decode_bytes(data, "x", LIMITS).rgb.size


def test_running_out_of_memory_is_said_and_can_be_tried_again(tmp_path, monkeypatch):
    """MemoryError while decoding becomes a JobError that may be tried again."""
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40)).save(path)

    def no_memory(data):
        raise MemoryError

    monkeypatch.setattr("imagecodecs.png_decode", no_memory)
    with pytest.raises(JobError) as caught:
        decode(path)
    assert (caught.value.code, caught.value.retry) == ("out_of_memory", True)
