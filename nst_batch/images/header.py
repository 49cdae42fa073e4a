"""A picture's size, kind and depth from its header, before any pixel: what limits are checked against."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nst_batch.errors import JobError
from nst_batch.images.boxes import content
from nst_batch.images.files import MEGA, Header, ImageLimits, Sparing, read_regular
from nst_batch.images.jpegxl import jxl_facts
from nst_batch.images.kinds import kind_of, not_read, trimmed
from nst_batch.images.pillow import open_image, reading
from nst_batch.images.wholeness import png_chunks

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DEFAULT_LIMITS = ImageLimits()
ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
# In the header box, or in the SIZ marker of a code stream.
_JPEG2000_BITS = rb"ihdr.{10}([^\xff])|\xff\x4f\xff\x51.{38}(.)"
_MAX_EXIF = 1 << 20
_PIXEL_BYTES = 16  # as RGB with alpha in float32: so much for each pixel that is allowed


def read_header(path: str | os.PathLike[str], limits: ImageLimits = _DEFAULT_LIMITS) -> Header:
    """The header of the image at ``path``, checked against ``limits``; no pixel is decoded.

    Raises JobError: image_missing, image_not_a_file (folder, link, pipe, device), image_no_permission,
    image_file_too_large, image_too_large, image_unreadable, image_truncated. Its pixels can still be damaged.
    """
    data, name = read_regular(path, limits), Path(path).name
    with reading(name, data):
        return header_of(trimmed(data), limits)


def header_of(data: bytes, limits: ImageLimits) -> Header:
    """The header of a file's bytes. To be called within :func:`reading`."""
    kind = kind_of(data)
    if kind == "TIFF":
        from nst_batch.images.tiff import open_tiff, tiff_header  # noqa: PLC0415 - loads NumPy

        return _checked(tiff_header(open_tiff(Sparing(data))), limits)
    if kind == "JXL":
        return _checked(jxl_facts(data).header, limits)
    what, advice = foreign(data)
    if what:  # before any decoder that might take it for one of its own
        raise JobError("image_unreadable", what, advice)
    image = open_image(Sparing(data), kind)
    more = image.format != "HEIF" and getattr(image, "is_animated", False)
    header = Header(str(image.format), *image.size, _bits(image, data), _orientation(image, data), more)
    return _checked(header, limits)


def foreign(data: bytes) -> tuple[str, str]:
    """What is said of a file whose beginning tells of a kind that is not read, and what to do; else empty."""
    what, advice = ("", "") if kind_of(data) else not_read(data)
    return (f"is {what}, which is not read here", advice) if what else ("", "")


def _checked(header: Header, limits: ImageLimits) -> Header:
    """The header of the picture as it is shown, from that of one as it is stored."""
    width, height = header.width, header.height
    if header.orientation in _SIDEWAYS:
        width, height = height, width
    if width < 1 or height < 1:
        raise JobError("image_unreadable", f"says that it is {width} × {height} pixels")
    pixels, size = width * height / MEGA, width * height * header.pixel_bytes / MEGA
    most = limits.max_megapixels
    if pixels > most:
        from nst_batch.sizing import too_many_pixels  # noqa: PLC0415 - loads pydantic, which decoding does without

        what = too_many_pixels(width, height, most)
    elif size > most * _PIXEL_BYTES:
        what = f"{header.pixel_bytes} bytes a pixel make {size:.0f} MB, the limit is {most * _PIXEL_BYTES:g} MB"
    else:
        return dataclasses.replace(header, width=width, height=height)
    raise JobError("image_too_large", what)


def _orientation(image: ImageFile, data: bytes) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or none that makes sense."""
    from PIL import Image  # noqa: PLC0415 - loaded when first needed

    if image.format == "HEIF":  # turned by its decoder; what its EXIF says of it does not count (ISO 23008-12, A.2)
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        for kind, start, length in png_chunks(data):
            if kind == b"eXIf":  # it may stand behind the pixels
                image.info["exif"] = data[start : start + min(length, _MAX_EXIF)]
    try:
        # Not image.getexif: that of PNG decodes all pixels to see whether EXIF stands behind them.
        value = Image.Image.getexif(image).get(ORIENTATION)
    except Exception:  # damaged EXIF says nothing of the pixels, which are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _bits(image: ImageFile, head: bytes) -> int:
    by_mode = {"1": 1, "F": 32, "I": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)
    match image.format:
        case "PNG":
            return head[24]
        case "HEIF":
            return int(image.info.get("bit_depth", 8))
        case "AVIF":
            return max((box[5] for box in content(head, b"meta", b"iprp", b"ipco", b"pixi") if len(box) > 5), default=8)
        case "JPEG2000":
            found = re.search(_JPEG2000_BITS, head[:MEGA], re.DOTALL)
            return (found[found.lastindex or 0][0] & 0x7F) + 1 if found else by_mode
        case "PPM":
            return ppm_head(head)[0].bit_length() or by_mode
    return by_mode


def ppm_head(head: bytes) -> tuple[int, int]:
    """The largest sample value that a PGM or PPM declares, and where its samples begin; 0 where it declares none."""
    gap = rb"(?:\s|#[^\n]*\n)+"
    match = re.match(rb"P[2356]" + gap + rb"\d+" + gap + rb"\d+" + gap + rb"(\d{1,6})\s", head[:MEGA])
    return (int(match[1]), match.end()) if match else (0, 0)
