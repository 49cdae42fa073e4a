"""A picture's size, kind and depth from its header, before any pixel: what limits are checked against."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nst_batch.errors import JobError
from nst_batch.images.files import MEGA, ImageLimits, open_regular, read_again
from nst_batch.images.pillow import damaged, open_image, reading, tag
from nst_batch.images.wholeness import PNG_SIGNATURE

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DEFAULT_LIMITS = ImageLimits()
ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS = 256, 257, 258
_ALPHA_MODES = frozenset(["RGBA", "RGBa", "LA", "La", "PA"])
_MAX_EXIF = 1 << 20
_MAX_CHUNKS = 100_000  # of 8 KB, as most programs write them, these make 800 MB
_HEAD_BYTES = 4096  # JPEG 2000 and PPM say their depth within these


@dataclass(frozen=True)
class Header:
    """What a picture's file says of itself.

    ``width`` and ``height`` in pixels, upright (after EXIF orientation). ``bits`` per sample: 8, 16, 32, and
    less or between for palettes, line art and 10- or 12-bit files. ``mode`` is Pillow's. ``orientation`` is
    EXIF's, 1 to 8.
    """

    format: str
    width: int
    height: int
    has_alpha: bool
    bits: int
    mode: str
    orientation: int = 1


def read_header(path: str | os.PathLike[str], limits: ImageLimits = _DEFAULT_LIMITS) -> Header:
    """The header of the image at ``path``, checked against ``limits``; no pixel is decoded.

    Raises JobError: image_missing, image_not_a_file (folder, link, pipe, device), image_no_permission,
    image_file_too_large, image_too_large, image_unreadable, image_truncated. A file that passes can still
    turn out damaged when it is decoded.
    """
    name = Path(path).name
    with open_regular(path, limits) as file, reading(name, lambda: read_again(file)):
        return header_of(open_image(file), file, name, limits)


def header_of(image: ImageFile, file: BinaryIO, name: str, limits: ImageLimits) -> Header:
    """The header of an opened, not yet loaded picture; ``file`` is what it was opened from."""
    width, height = _stored_size(image)
    orientation = _orientation(image, file)
    if orientation in _SIDEWAYS:
        width, height = height, width
    if width < 1 or height < 1:
        raise damaged(name, f"says that it is {width} × {height} pixels")
    if width * height > limits.max_megapixels * MEGA:
        raise JobError(
            "image_too_large",
            f"{name}: {width} × {height} is {width * height / MEGA:.1f} megapixels, "
            f"the limit is {limits.max_megapixels:g}",
            "make it smaller, or raise limits.max_megapixels in config.yaml",
        )
    position = file.tell()
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(position)
    has_alpha = image.mode in _ALPHA_MODES or "transparency" in image.info
    bits = _bits(image, head)
    return Header(str(image.format), width, height, has_alpha, bits, image.mode, orientation)


def _orientation(image: ImageFile, file: BinaryIO) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or none that makes sense."""
    from PIL import Image  # noqa: PLC0415 - loaded when first needed

    if image.format == "TIFF":
        value = tag(image, ORIENTATION)
    else:
        if image.format == "PNG" and "exif" not in image.info:
            late = _png_exif(file)
            if late:
                image.info["exif"] = late
        try:
            # Not image.getexif: that of PNG decodes all pixels to see whether EXIF stands behind them.
            value = Image.Image.getexif(image).get(ORIENTATION)
        except Exception:  # damaged EXIF says nothing of the pixels, which are still good
            return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_exif(file: BinaryIO) -> bytes:
    """A PNG file's EXIF, before or behind the pixels, found by stepping over the chunks; empty if none."""
    position = file.tell()
    file.seek(len(PNG_SIGNATURE))
    found = b""
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            found = file.read(min(length, _MAX_EXIF))
            break
        file.seek(length + 4, os.SEEK_CUR)
    file.seek(position)
    return found


def _stored_size(image: ImageFile) -> tuple[int, int]:
    """Width and height as stored. Pillow gives a TIFF's already turned, in some of its versions."""
    if image.format == "TIFF":
        width, height = tag(image, _TIFF_WIDTH), tag(image, _TIFF_HEIGHT)
        if isinstance(width, int) and isinstance(height, int):
            return width, height
    return image.size


def _bits(image: ImageFile, head: bytes) -> int:
    by_mode = {"1": 1, "F": 32, "I": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)
    if image.format == "PNG" and head.startswith(PNG_SIGNATURE) and len(head) > 24:
        return head[24]
    if image.format == "TIFF":
        values = tag(image, _TIFF_BITS)
        values = values if isinstance(values, tuple) else (values,)
        return max((value for value in values if isinstance(value, int)), default=by_mode)
    if image.format == "JPEG2000":
        return _jpeg2000_bits(head) or by_mode
    if image.format == "PPM":
        return 16 if _ppm_maximum(head) > 255 and by_mode != 1 else min(by_mode, 32)
    return by_mode


def _jpeg2000_bits(head: bytes) -> int:
    """Bits per sample from the image header box, or from the SIZ marker of a bare code stream."""
    at = head.find(b"ihdr")
    if at >= 0 and len(head) > at + 14 and head[at + 14] != 0xFF:
        return (head[at + 14] & 0x7F) + 1
    at = head.find(b"\xff\x4f\xff\x51")
    if at >= 0 and len(head) > at + 42:
        return (head[at + 42] & 0x7F) + 1
    return 0


def _ppm_maximum(head: bytes) -> int:
    """The largest sample value that a PGM or PPM header declares; 0 where it declares none."""
    bare = re.sub(rb"#[^\n]*\n", b"\n", head)
    match = re.match(rb"P[2356]\s+\d+\s+\d+\s+(\d{1,6})\s", bare)
    return int(match[1]) if match else 0
