"""TIFF by tifffile: every depth, sample format and arrangement, which Pillow and OpenCV read in part."""

from __future__ import annotations

import logging
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from nst_batch.colors.curves import Floats, Samples, to_unit
from nst_batch.colors.described import lab_to_srgb
from nst_batch.errors import JobError
from nst_batch.images.files import Header, Sparing
from nst_batch.images.jpegxl import jxl_facts
from nst_batch.images.kinds import kind_of
from nst_batch.images.pillow import open_image
from nst_batch.images.pixels import Pixels, unassociated

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INK, _YCBCR, _LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_RAW_PHOTOMETRIC = (32803, 34892)  # colour filter array, linear raw
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _INK: 4, _YCBCR: 3, _LAB: 3, _ICC_LAB: 3}
_JPEGS = (6, 7)  # compressions whose decoder gives RGB
# Compressions of bytes alone; and those by whole pictures, which have a size of their own.
_PLAIN = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000}
_PICTURES = {*_JPEGS, 33003, 33004, 33005, 34712, 34927, 34933, 50001, 50002}
_MOST_CHANNELS, _MOST_PAGES = 16, 8
_ASSOCIATED, _UNASSOCIATED = 1, 2
_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType
_ORIENTATION, _MAKE, _PROFILE, _DNG_VERSION = 274, 271, 34675, 50706

logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False  # what is wrong with a file is said by our own errors


def open_tiff(file: BytesIO) -> tifffile.TiffPage:
    """The first picture of the file, its tags only. JobError for what is a TIFF in form, but a camera's raw file."""
    tiff = tifffile.TiffFile(file)
    first = tiff.pages.first
    assert isinstance(first, tifffile.TiffPage)
    others = [*islice(tiff.pages, 1, _MOST_PAGES if first.is_reduced else 1), *islice(first.pages or (), _MOST_PAGES)]
    pages = [page for page in (first, *others) if isinstance(page, tifffile.TiffPage)]
    raw = first.tags.valueof(_DNG_VERSION) is not None
    if raw or any(int(page.photometric) in _RAW_PHOTOMETRIC for page in pages):
        make = str(first.tags.valueof(_MAKE) or "").strip(" \0").split(" ")[0].title()
        what = f"is a camera's raw file ({make})" if make else "is a camera's raw file"
        advice = "export it as TIFF from the camera's program or a raw developer"
        raise JobError("image_unreadable", f"{what}, which is not read here", advice)
    return next((page for page in pages if not page.subfiletype & _REDUCED_OR_MASK), first)


def tiff_header(page: tifffile.TiffPage) -> Header:
    """The header, as it is stored (not upright)."""
    photometric, channels = int(page.photometric), page.samplesperpixel
    if photometric not in _CHANNELS or not _CHANNELS[photometric] <= channels <= _MOST_CHANNELS or page.imagedepth != 1:
        what = f"is a TIFF of a kind that is not read here (photometric {photometric}, {channels} channels)"
        raise JobError("image_unreadable", what, "save it as an RGB TIFF or PNG")
    orientation = page.tags.valueof(_ORIENTATION)
    turned = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    bits = _bits(page)
    more, size = page.parent.pages.is_multipage, (channels * bits + 7) // 8
    return Header("TIFF", page.imagewidth, page.imagelength, bits, turned, more=more, pixel_bytes=size)


def _bits(page: tifffile.TiffPage) -> int:
    return max(page.bitspersample) if isinstance(page.bitspersample, tuple) else int(page.bitspersample)


def _check_parts(page: tifffile.TiffPage, data: bytes) -> None:
    """No strip or tile may lie beyond the end, or be a larger picture than it is said to be."""
    wide, high = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength)
    if page.is_tiled:
        wide, high = page.tilewidth, page.tilelength
    if int(page.compression) not in _PLAIN | _PICTURES:
        what = f"is a TIFF compressed in a way that is not read here (number {int(page.compression)})"
        raise JobError("image_unreadable", what, "save it with LZW, Deflate or no compression")
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if start + length > len(data):
            raise ValueError("truncated")
        if int(page.compression) in _PICTURES and length:
            part = data[start : start + length]
            kind = kind_of(part)
            inner = jxl_facts(part).header if kind == "JXL" else open_image(Sparing(part), kind)
            if inner.width > wide or inner.height > high:
                what = f"a part of {wide} × {high} pixels holds a picture of {inner.width} × {inner.height}"
                raise JobError("image_unreadable", what)


def _alpha_at(page: tifffile.TiffPage) -> int | None:
    """The channel that is alpha: the first extra one that is called so, or by no name at all."""
    if not page.extrasamples and page.samplesperpixel == _CHANNELS[int(page.photometric)] + 1:
        return page.samplesperpixel - 1  # OpenCV and others leave the tag out
    for index, kind in enumerate(page.extrasamples):
        if int(kind) in (_ASSOCIATED, _UNASSOCIATED):
            return page.samplesperpixel - len(page.extrasamples) + index
    return None


def tiff_pixels(data: bytes) -> Pixels:
    """The samples as they are stored, with the profile where there is one."""
    page = open_tiff(BytesIO(data))
    _check_parts(page, data)
    photometric, alpha_at = int(page.photometric), _alpha_at(page)
    stored = np.asarray(page.asarray(squeeze=False, maxworkers=1))[:, 0]
    stored = stored[0] if stored.shape[0] == 1 else np.moveaxis(stored[..., 0], 0, -1)
    if stored.shape[:2] != (page.imagelength, page.imagewidth) or stored.shape[2] < _CHANNELS[photometric]:
        raise JobError("image_unreadable", "its parts do not make the picture that it declares")
    alpha = None if alpha_at is None else to_unit(_scaled(stored[..., alpha_at], page)[0])
    color, notes = _color(stored[..., : _CHANNELS[photometric]], page)
    if alpha is not None and _ASSOCIATED in page.extrasamples[:1]:
        color = unassociated(color, alpha)
    icc = page.tags.valueof(_PROFILE)
    has_profile = isinstance(icc, (bytes, tuple)) and photometric not in (_LAB, _ICC_LAB)
    return Pixels(color, alpha, notes, bytes(icc) if has_profile else None)


def _color(stored: npt.NDArray[Any], page: tifffile.TiffPage) -> tuple[Samples, tuple[str, ...]]:
    """Grey, RGB or ink, and how it was taken."""
    photometric = int(page.photometric)
    if photometric == _PALETTE:
        colors = np.moveaxis(np.asarray(page.colormap), 0, -1)
        deep = colors.max(initial=0) > 255  # some programs write palettes of 8 bits
        return colors.astype(np.uint16 if deep else np.uint8)[stored[..., 0]], ()
    if photometric in (_LAB, _ICC_LAB):
        return lab_to_srgb(_lab(stored, photometric)), ()
    if photometric == _YCBCR and stored.dtype == np.uint8 and int(page.compression) not in _JPEGS:
        return np.asarray(Image.fromarray(np.ascontiguousarray(stored), "YCbCr").convert("RGB")), ()
    samples, notes = _scaled(stored, page)
    return 1 - to_unit(samples) if photometric == _WHITE_IS_ZERO else samples, notes


def _scaled(stored: npt.NDArray[Any], page: tifffile.TiffPage) -> tuple[Samples, tuple[str, ...]]:
    """Samples of 8 or 16 bits as they are, all others as floats in [0, 1]; and how they were taken."""
    bits, kind = _bits(page), stored.dtype.kind
    if kind == "i" and stored.min(initial=0) < 0:
        shifted = stored.astype(np.float64) + 2.0 ** (bits - 1)
        return (shifted / (2.0**bits - 1)).astype(np.float32), ("signed samples: the lowest taken as black",)
    if kind == "f" or bits == 32:
        return _wide(stored)
    full = 2.0 ** (bits - (kind == "i")) - 1
    if stored.dtype in (np.uint8, np.uint16) and full == np.iinfo(stored.dtype).max:
        return stored, ()
    return np.clip(stored / full, 0, 1).astype(np.float32), ()


def _wide(stored: npt.NDArray[Any]) -> tuple[Floats, tuple[str, ...]]:
    """Samples that may be numbers of 8 or 16 bits in a wide box: whole ones of 32 bits where none is beyond these.

    Floats are clipped to [0, 1], but where most lie far above.
    """
    values = np.nan_to_num(stored.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    highest, whole = float(values.max(initial=0.0)), stored.dtype.kind != "f"
    bounds = (255.0, 65535.0, 2.0**32 if whole else highest)
    full = next(bound for bound in bounds if highest <= bound) if whole or float(values.mean()) > 1 else 1.0
    what = "samples of 32 bits" if whole else "float samples"
    notes = () if whole and full > 65535 else (f"{what} taken as values from 0 to {full:g}",)
    return np.clip(values / np.float32(full), 0.0, 1.0), notes


def _lab(stored: npt.NDArray[Any], photometric: int) -> Floats:
    """L* in [0, 100], a* and b*, of CIELab (a*, b* signed) or ICCLab (TIFF Technical Note 4: shifted by half)."""
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    shifted, step = photometric == _ICC_LAB, 256 ** (stored.dtype.itemsize - 1)
    whole = stored.view(f"u{stored.dtype.itemsize}")
    white = 65280 if shifted and step == 256 else np.iinfo(whole.dtype).max
    around = whole[..., 1:] if shifted else whole[..., 1:] ^ whole.dtype.type(128 * step)
    return np.concatenate([whole[..., :1] * np.float32(100 / white), around / np.float32(step) - 128], axis=-1)
