"""The samples of every kind but TIFF, at the depth that the file has.

Pillow reads 8 bits of all kinds and is strict about it: what it loads is whole. PNG, and what has more than 8 bits
elsewhere, and JPEG XL are decoded by imagecodecs; HEIC by pi-heif.
"""

from __future__ import annotations

import dataclasses
import logging
from io import BytesIO
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from nst_batch.colors.described import HIGH_RANGE, by_code_points
from nst_batch.images.boxes import content
from nst_batch.images.files import Header
from nst_batch.images.header import ppm_head
from nst_batch.images.jpegxl import jxl_facts
from nst_batch.images.kinds import kind_of
from nst_batch.images.pillow import open_image
from nst_batch.images.pixels import Pixels, split, unassociated
from nst_batch.images.tagged import profile_of
from nst_batch.images.wholeness import MUST_BE_WHOLE, is_truncated, jpeg_is_cut, png_fault

if TYPE_CHECKING:
    from PIL.Image import Image

_SYCC = b"\1\0\0\0\0\0\x12"  # a colour box of JPEG 2000: luminance and colour differences
_MAY_BE_NO_ALPHA = frozenset(["BMP", "TGA"])

_JPEG_END = b"\xff\xd9"
_FILLER = bytes([0x5A, 0xA5, 0x33, 0xCC, 0x96]) * 400  # blocks such as no picture has

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())
logging.getLogger("imagecodecs").propagate = False  # libpng's opinion of chunks that do not count


def read_pixels(data: bytes, header: Header) -> Pixels:
    """The samples as they are stored: profile and orientation are told, not applied."""
    if header.format in MUST_BE_WHOLE and is_truncated(data):
        raise ValueError("truncated")
    if header.format == "PNG" and png_fault(data):
        raise ValueError("damaged")
    if header.format == "JXL":
        return _jpeg_xl(data, header)
    notes: tuple[str, ...] = ()
    if header.format in ("JPEG", "MPO") and jpeg_is_cut(data):
        data, notes = _with_end(data), ("its end marker is missing, but every block of it is there",)
    with open_image(BytesIO(data), kind_of(data)) as image:
        profile, color_notes = profile_of(image, header.format, data)
        deep = _deep(image, header, data) if header.bits > 8 or header.format == "PNG" else None
        pixels = deep or _plain(image, header, data)
    return dataclasses.replace(pixels, notes=notes + color_notes + pixels.notes, profile=profile)


def _with_end(data: bytes) -> bytes:
    """A JPEG without its end marker, with one; ValueError where blocks of it are missing.

    Decoders go on without a word where blocks are missing, but then the picture changes with whatever follows.
    """
    bare = data.rstrip(b"\0")
    bare += b"\0" if bare.endswith(b"\xff") else b""  # a value of 255 rather than the first half of a marker
    endings = []
    for filler in (b"", _FILLER):
        with open_image(BytesIO(bare + filler + _JPEG_END)) as image:
            endings.append(image.tobytes())
    if endings[0] != endings[1]:
        raise ValueError("truncated")
    return bare + _JPEG_END


def _deep(image: Image, header: Header, data: bytes) -> Pixels | None:
    """Samples that Pillow would bring down to 8 bits, and those of any PNG; None for what only Pillow reads."""
    full = (1 << header.bits) - 1
    match header.format:
        case "PNG":
            return split(imagecodecs.png_decode(data))
        case "AVIF":
            return split(imagecodecs.avif_decode(data, index=0), full)
        case "HEIF":
            from pi_heif import open_heif  # noqa: PLC0415 - loaded for these alone

            heif = open_heif(BytesIO(data), convert_hdr_to_8bit=False)
            return split(np.asarray(heif), full << (16 - header.bits))
        case "JPEG2000" if not any(box.startswith(_SYCC) for box in content(data, b"jp2h", b"colr")):
            return split(imagecodecs.jpeg2k_decode(data), full)
        case "PPM" if data.startswith(b"P6"):
            maximum, start = ppm_head(data)
            array = np.frombuffer(data, ">u2", image.width * image.height * 3, start)
            return split(array.astype(np.uint16).reshape(image.height, image.width, 3), maximum)
    return None


def _jpeg_xl(data: bytes, header: Header) -> Pixels:
    pixels, facts = split(imagecodecs.jpegxl_decode(data, index=0), (1 << header.bits) - 1), jxl_facts(data)
    profile = by_code_points(facts.primaries, facts.transfer) if facts.transfer in HIGH_RANGE else facts.profile
    if facts.premultiplied and pixels.alpha is not None:
        pixels = Pixels(unassociated(pixels.color, pixels.alpha), pixels.alpha)
    return dataclasses.replace(pixels, profile=profile)


def _plain(image: Image, header: Header, data: bytes) -> Pixels:
    """What Pillow loads: 8 bits or fewer a sample, or one deep channel."""
    image.load()
    notes = ("read at 8 bits per sample",) if header.bits > 8 else ()
    if image.mode.startswith("I"):  # Pillow has scaled it to 16 bits
        return Pixels(np.clip(np.asarray(image), 0, 65535).astype(np.uint16)[..., None])
    if image.mode == "F":
        return split(np.asarray(image))
    if image.mode == "CMYK":
        return Pixels(np.asarray(image))
    grey = image.mode in ("1", "L", "LA", "La")
    pixels = split(np.asarray(image.convert(("L" if grey else "RGB") + ("A" if image.has_transparency_data else ""))))
    if header.format in _MAY_BE_NO_ALPHA and pixels.alpha is not None:
        declared = header.format != "TGA" or data[17] & 0x0F
        if not (declared and pixels.alpha.any()):
            pixels = Pixels(pixels.color)  # the fourth byte was left at zero: it is not used
    return dataclasses.replace(pixels, notes=notes)
