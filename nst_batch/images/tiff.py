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
from nst_batch.images.kinds import HEAD, kind_of
from nst_batch.images.pillow import damaged, open_image, truncated
from nst_batch.images.pixels import Pixels, ink_to_rgb, unassociated

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


def open_tiff(file: BytesIO, name: str) -> tifffile.TiffPage:
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
        raise JobError("image_unreadable", f"{name}: {what}, which is not read here", advice)
    return next((page for page in pages if not page.subfiletype & _REDUCED_OR_MASK), first)


def tiff_facts(page: tifffile.TiffPage, name: str) -> Header:
    """The header, as it is stored (not upright)."""
    photometric, channels = int(page.photometric), page.samplesperpixel
    if photometric not in _CHANNELS or not _CHANNELS[photometric] <= channels <= _MOST_CHANNELS or page.imagedepth != 1:
        what = f"is a TIFF of a kind that is not read here (photometric {photometric}, {channels} channels)"
        raise JobError("image_unreadable", f"{name}: {what}", "save it as an RGB TIFF or PNG")
    orientation = page.tags.valueof(_ORIENTATION)
    turned = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    bits = max(page.bitspersample) if isinstance(page.bitspersample, tuple) else int(page.bitspersample)
    has_alpha, more = _alpha_at(page) is not None, page.parent.pages.is_multipage
    size = (channels * bits + 7) // 8
    return Header("TIFF", page.imagewidth, page.imagelength, has_alpha, bits, turned, more=more, pixel_bytes=size)


def _check_parts(page: tifffile.TiffPage, data: bytes, name: str) -> None:
    """No strip or tile may lie beyond the end, or be a larger picture than it is said to be."""
    wide, high = page.imagewidth, min(page.rowsperstrip or page.imagelength, page.imagelength)
    if page.is_tiled:
        wide, high = page.tilewidth, page.tilelength
    if int(page.compression) not in _PLAIN | _PICTURES:
        what = f"is a TIFF compressed in a way that is not read here (number {int(page.compression)})"
        raise JobError("image_unreadable", f"{name}: {what}", "save it with LZW, Deflate or no compression")
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if start + length > len(data):
            raise truncated(name)
        if int(page.compression) in _PICTURES and length:
            part = data[start : start + length]
            kind = kind_of(part[:HEAD])
            inner = jxl_facts(part)[:2] if kind == "JXL" else open_image(Sparing(part), kind).size
            if inner[0] > wide or inner[1] > high:
                raise damaged(name, f"a part of {wide} × {high} pixels holds a picture of {inner[0]} × {inner[1]}")


def _alpha_at(page: tifffile.TiffPage) -> int | None:
    """The channel that is alpha: the first extra one that is called so, or by no name at all."""
    if not page.extrasamples and page.samplesperpixel == _CHANNELS[int(page.photometric)] + 1:
        return page.samplesperpixel - 1  # OpenCV and others leave the tag out
    for index, kind in enumerate(page.extrasamples):
        if int(kind) in (_ASSOCIATED, _UNASSOCIATED):
            return page.samplesperpixel - len(page.extrasamples) + index
    return None


def tiff_pixels(data: bytes, name: str) -> Pixels:
    """The samples as they are stored, with the profile where there is one."""
    page = open_tiff(BytesIO(data), name)
    _check_parts(page, data, name)
    stored = np.asarray(page.asarray(squeeze=False, maxworkers=1))[:, 0]
    stored = stored[0] if stored.shape[0] == 1 else np.moveaxis(stored[..., 0], 0, -1)
    if stored.shape[:2] != (page.imagelength, page.imagewidth) or stored.shape[2] < _CHANNELS[int(page.photometric)]:
        raise damaged(name, "its parts do not make the picture that it declares")
    profile = page.tags.valueof(_PROFILE)
    profile = bytes(profile) if isinstance(profile, (bytes, tuple)) else None
    alpha_at = _alpha_at(page)
    alpha = None if alpha_at is None else to_unit(_scaled(stored[..., alpha_at], page)[0])
    color, notes, profile = _color(page, stored, profile)
    if alpha is not None and _ASSOCIATED in page.extrasamples[:1]:
        color = unassociated(Pixels(color, alpha))
    return Pixels(color, alpha, notes, profile)


def _color(
    page: tifffile.TiffPage, stored: npt.NDArray[Any], profile: bytes | None
) -> tuple[Samples, tuple[str, ...], bytes | None]:
    """Grey or RGB, notes, and the profile that still is to be applied."""
    photometric = int(page.photometric)
    stored = stored[..., : _CHANNELS[photometric]]
    if photometric == _PALETTE:
        colors = np.moveaxis(np.asarray(page.colormap), 0, -1)
        deep = colors.max(initial=0) > 255  # some programs write palettes of 8 bits
        return colors.astype(np.uint16 if deep else np.uint8)[stored[..., 0]], (), profile
    if photometric in (_LAB, _ICC_LAB):
        return lab_to_srgb(_lab(stored, photometric)), (), None
    if photometric == _YCBCR and stored.dtype == np.uint8 and int(page.compression) not in _JPEGS:
        return np.asarray(Image.fromarray(np.ascontiguousarray(stored), "YCbCr").convert("RGB")), (), profile
    samples, notes = _scaled(stored, page)
    if photometric == _WHITE_IS_ZERO:
        samples = 1 - to_unit(samples)
    if photometric == _INK:
        rgb, more = ink_to_rgb(np.floor(to_unit(samples) * 255 + 0.5).astype(np.uint8), profile)
        return rgb, notes + more, None
    return samples, notes, profile


def _scaled(stored: npt.NDArray[Any], page: tifffile.TiffPage) -> tuple[Samples, tuple[str, ...]]:
    """Samples of 8 or 16 bits as they are, all others as floats in [0, 1]; and how they were taken."""
    bits = max(page.bitspersample) if isinstance(page.bitspersample, tuple) else int(page.bitspersample)
    kind = stored.dtype.kind
    if kind == "f":
        return _floats(stored.astype(np.float32))
    if kind == "i" and stored.min(initial=0) < 0:
        shifted = stored.astype(np.float64) + 2.0 ** (bits - 1)
        return (shifted / (2.0**bits - 1)).astype(np.float32), ("signed samples: the lowest taken as black",)
    if bits == 32:
        return _wide(stored.astype(np.uint32))
    full = 2.0 ** (bits - (kind == "i")) - 1
    if stored.dtype in (np.uint8, np.uint16) and full == np.iinfo(stored.dtype).max:
        return stored, ()
    return np.clip(stored / full, 0, 1).astype(np.float32), ()


def _wide(whole: npt.NDArray[np.uint32]) -> tuple[Floats, tuple[str, ...]]:
    """Whole numbers of 32 bits; where all are small they are 8 or 16 bits in a wide box, not a black picture."""
    highest = int(whole.max(initial=0))
    full = next((bound for bound in (255, 65535) if highest <= bound), 2**32 - 1)
    notes = (f"samples of 32 bits taken as values from 0 to {full}",) if full < 2**32 - 1 else ()
    return (whole / np.float64(full)).astype(np.float32), notes


def _floats(values: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Floats are clipped to [0, 1]; where most lie far above they are numbers of 8 or 16 bits."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    full = 1.0
    if highest > 1 and float(values.mean()) > 1:
        full = next((bound for bound in (255.0, 65535.0) if highest <= bound), highest)
    return np.clip(values / np.float32(full), 0.0, 1.0), (f"float samples taken as values from 0 to {full:g}",)


def _lab(stored: npt.NDArray[Any], photometric: int) -> Floats:
    """L* in [0, 100], a* and b*, of CIELab (a*, b* signed) or ICCLab (TIFF Technical Note 4: shifted by half)."""
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    step = np.float32(1 if stored.dtype.itemsize == 1 else 256)
    light = stored[..., :1].astype(np.float32) * np.float32(100 / (255 if step == 1 else 65280))
    if photometric == _LAB:
        light = light if step == 1 else light * np.float32(65280 / 65535)
        around = stored[..., 1:].view(np.int8 if step == 1 else np.int16).astype(np.float32)
    else:
        around = stored[..., 1:].astype(np.float32) - 128 * step
    return np.concatenate([light, around / step], axis=-1)
