"""The samples of every kind but TIFF, at the depth that the file has.

Pillow reads 8 bits of all kinds and is strict about it: what it loads is whole. PNG, and what has more than 8 bits
elsewhere, and JPEG XL are decoded by imagecodecs; HEIC by pi-heif.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt

from nst_batch.colors.described import HIGH_RANGE, by_code_points
from nst_batch.images.boxes import content
from nst_batch.images.files import Header
from nst_batch.images.header import ppm_head
from nst_batch.images.jpegxl import jxl_colors, jxl_facts
from nst_batch.images.pillow import open_image
from nst_batch.images.pixels import Pixels, ink_to_rgb, split, unassociated
from nst_batch.images.tagged import profile_of
from nst_batch.images.wholeness import png_bare, png_chunks

if TYPE_CHECKING:
    from PIL.Image import Image

_SYCC = b"\1\0\0\0\0\0\x12"  # a colour box of JPEG 2000: luminance and colour differences
_MAY_BE_NO_ALPHA = frozenset(["BMP", "TGA"])


def read_pixels(data: bytes, kind: str, header: Header) -> Pixels:
    """The samples as they are stored: profile and orientation are told, not applied."""
    if kind == "JXL":
        return _jpeg_xl(data, header)
    with open_image(BytesIO(data), kind) as image:
        profile, notes = profile_of(image, header.format, data)
        if image.mode == "CMYK":
            image.load()
            ink, more = ink_to_rgb(np.asarray(image), profile if isinstance(profile, bytes) else None)
            return Pixels(ink, None, notes + more)
        pixels = _deep(image, header, data) or _plain(image, header, data)
    return Pixels(pixels.color, pixels.alpha, notes + pixels.notes, profile)


def _deep(image: Image, header: Header, data: bytes) -> Pixels | None:
    """Samples that Pillow would bring down to 8 bits, and all of PNG; None for the rest."""
    full = (1 << header.bits) - 1
    match header.format:
        case "PNG":
            return split(_interlaced(png_bare(data)) if data[28] else imagecodecs.png_decode(png_bare(data)))
        case "AVIF" if header.bits > 8:
            return split(imagecodecs.avif_decode(data, index=0), full)
        case "HEIF" if header.bits > 8:
            from pi_heif import open_heif  # noqa: PLC0415 - loaded for these alone

            heif = open_heif(BytesIO(data), convert_hdr_to_8bit=False)
            return split(np.asarray(heif), full << (16 - header.bits))
        case "JPEG2000" if header.bits > 8 and not any(
            box.startswith(_SYCC) for box in content(data, b"jp2h", b"colr")
        ):
            return split(imagecodecs.jpeg2k_decode(data), full)
        case "PPM" if header.bits > 8 and data.startswith(b"P6"):
            maximum, start = ppm_head(data)
            array = np.frombuffer(data, ">u2", image.width * image.height * 3, start)
            return split(array.astype(np.uint16).reshape(image.height, image.width, 3), maximum)
    return None


def _jpeg_xl(data: bytes, header: Header) -> Pixels:
    array = imagecodecs.jpegxl_decode(data, index=0)
    pixels = split(array, (1 << header.bits) - 1 if array.dtype.kind == "u" else 0)
    icc, primaries, transfer = jxl_colors(data)
    profile = by_code_points(primaries, transfer) if transfer in HIGH_RANGE else icc
    color = unassociated(pixels) if jxl_facts(data).premultiplied else pixels.color
    return Pixels(color, pixels.alpha, (), profile)


def _interlaced(data: bytes) -> npt.NDArray[Any]:
    """By OpenCV: imagecodecs does not ask libpng to put the passes together, of which it complains."""
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise ValueError("damaged")
    if array.ndim == 3:
        return array[..., [2, 1, 0, 3][: array.shape[2]]]
    clear = next((data[at : at + 2] for kind, at, _ in png_chunks(data) if kind == b"tRNS"), None)
    if clear is None:
        return array
    full = 255 if array.dtype == np.uint8 else 65535  # OpenCV leaves the transparent grey out
    seen = array != int.from_bytes(clear, "big") * full // ((1 << data[24]) - 1)
    return np.stack([array, (seen * full).astype(array.dtype)], axis=-1)


def _plain(image: Image, header: Header, data: bytes) -> Pixels:
    """What Pillow loads: 8 bits or fewer a sample, or one deep channel."""
    image.load()
    notes = ("read at 8 bits per sample",) if header.bits > 8 else ()
    if image.mode.startswith("I"):  # Pillow has scaled it to 16 bits
        return Pixels(np.clip(np.asarray(image), 0, 65535).astype(np.uint16)[..., None])
    if image.mode == "F":
        return split(np.asarray(image))
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        pixels = split(np.asarray(image.convert("LA" if grey else "RGBA")))
        undeclared = header.format == "TGA" and not data[17] & 0x0F
        assert pixels.alpha is not None
        if header.format in _MAY_BE_NO_ALPHA and (undeclared or not pixels.alpha.any()):
            return Pixels(pixels.color, None, notes)  # the fourth byte was left at zero: it is not used
        return Pixels(pixels.color, pixels.alpha, notes)
    return Pixels(split(np.asarray(image.convert("L" if grey else "RGB"))).color, None, notes)
