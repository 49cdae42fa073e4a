"""A picture file's bytes -> a Picture: upright, sRGB, float32, alpha apart."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from nst_batch.colors.curves import CurveProfile, Floats, Samples, apply_curves, to_unit
from nst_batch.colors.icc import color_space, convert_by_tables, parse_curves
from nst_batch.images.files import Header, ImageLimits, read_regular
from nst_batch.images.guard import within
from nst_batch.images.header import header_of
from nst_batch.images.kinds import HEAD, kind_of, picture_start
from nst_batch.images.pillow import damaged, open_image, reading, truncated
from nst_batch.images.pixels import Pixels, Profile, plain, upright
from nst_batch.images.samples import read_pixels
from nst_batch.images.tiff import tiff_pixels
from nst_batch.images.transparency import fill_transparent
from nst_batch.images.wholeness import MUST_BE_WHOLE, is_truncated, jpeg_is_cut, png_fault

_DEFAULT_LIMITS = ImageLimits()
DECODE_SECONDS = 120.0
"""A picture of 50 megapixels takes 1 to 20 s, of any kind."""

_MOVES = "it moves: the first picture of it is used"
_MORE = {
    "MPO": "it holds more pictures (a preview, a depth map, another view): the first is used",
    "TIFF": "it holds more pages: the first picture of full size is used",
}
_JPEG_END = b"\xff\xd9"
_FILLER = bytes([0x5A, 0xA5, 0x33, 0xCC, 0x96]) * 400  # blocks such as no picture has


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    ``rgb``: float32, height × width × 3, sRGB values in [0, 1], upright; under transparent pixels the colours
    around them go on, so that no edge shows (see transparency.py). ``alpha``: float32, height × width, in
    [0, 1], or None for a picture that is opaque everywhere. ``notes``: what was left out or taken for
    granted on the way, a sentence each. ``sha256``: of the file's bytes, in hexadecimal.
    """

    rgb: Floats
    alpha: Floats | None
    name: str = ""
    format: str = ""
    bits: int = 8
    sha256: str = ""
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.rgb.shape[1])


def decode(path: str | os.PathLike[str], limits: ImageLimits = _DEFAULT_LIMITS) -> Picture:
    """The picture at ``path``, decoded whole, after its header has been checked against ``limits``.

    Raises JobError, and nothing else for any bytes: those of ``read_header``, image_too_slow, out_of_memory.
    """
    return decode_bytes(read_regular(path, limits), Path(path).name, limits)


def decode_bytes(data: bytes, name: str, limits: ImageLimits = _DEFAULT_LIMITS) -> Picture:
    """As ``decode``, of a file's bytes; ``name`` stands in errors."""
    return within(DECODE_SECONDS, name, lambda: _decode(data, name, limits))


def _decode(data: bytes, name: str, limits: ImageLimits) -> Picture:
    with reading(name, data):
        digest, kind = hashlib.sha256(data).hexdigest(), kind_of(data[:HEAD])
        data = data[picture_start(data[:HEAD]) :]
        header = header_of(data, kind, name, limits)
        pixels = tiff_pixels(data, name) if kind == "TIFF" else _read(data, kind, header, name)
        rgb, alpha, notes = _decoded(pixels, header)
        return Picture(rgb, alpha, name, header.format, header.bits, digest, notes)


def _read(data: bytes, kind: str, header: Header, name: str) -> Pixels:
    """Any kind but TIFF."""
    notes: tuple[str, ...] = ()
    if header.format in MUST_BE_WHOLE and is_truncated(data):
        raise truncated(name)
    if header.format == "PNG" and (fault := png_fault(data)):
        raise damaged(name, fault)
    if header.format in ("JPEG", "MPO") and jpeg_is_cut(data):
        data, notes = _with_end(data, name), ("its end marker is missing, but every block of it is there",)
    pixels = read_pixels(data, kind, header)
    return dataclasses.replace(pixels, notes=notes + pixels.notes)


def _with_end(data: bytes, name: str) -> bytes:
    """A JPEG without its end marker, with one; JobError image_truncated where blocks of it are missing.

    Decoders go on without a word where blocks are missing, but then the picture changes with whatever follows.
    """
    bare = data.rstrip(b"\0")
    bare += b"\0" if bare.endswith(b"\xff") else b""  # a value of 255 rather than the first half of a marker
    endings = []
    for filler in (b"", _FILLER):
        with open_image(BytesIO(bare + filler + _JPEG_END)) as image:
            endings.append(image.tobytes())
    if endings[0] != endings[1]:
        raise truncated(name)
    return bare + _JPEG_END


def _decoded(pixels: Pixels, header: Header) -> tuple[Floats, Floats | None, tuple[str, ...]]:
    """The samples in sRGB and upright, their alpha, and notes."""
    rgb, notes = _to_srgb(pixels.color, pixels.profile)
    notes = ((_MORE.get(header.format, _MOVES),) if header.more else ()) + pixels.notes + notes
    rgb = np.ascontiguousarray(upright(rgb, header.orientation))
    alpha = pixels.alpha
    if alpha is not None:
        alpha = np.ascontiguousarray(upright(alpha, header.orientation)) if alpha.min() < 1 else None
    if alpha is not None:
        rgb = fill_transparent(rgb, alpha)
        notes += () if alpha.any() else ("it is transparent everywhere, as its result will be",)
    return rgb, alpha, notes


def _to_srgb(color: Samples, profile: Profile) -> tuple[Floats, tuple[str, ...]]:
    """Samples of one or three channels -> float32 RGB in sRGB, and what there is to say about it."""
    if profile is None:
        return _as_rgb(to_unit(color)), ()
    if isinstance(profile, CurveProfile):
        return _as_rgb(apply_curves(color, profile)), ()
    space = color_space(profile)
    if space == "RGB" and color.shape[2] == 1:
        color = cast("Samples", np.repeat(color, 3, axis=2))
    if space != {1: "GRAY", 3: "RGB"}[color.shape[2]]:
        what = f"is for {space}, the picture is not" if space else "is damaged"
        return _as_rgb(to_unit(color)), (f"its colour profile was not used: it {what}",)
    curves = parse_curves(profile)
    if curves is not None:
        return _as_rgb(to_unit(color) if curves.is_srgb else apply_curves(color, curves)), ()
    return _by_tables(color, profile)


def _by_tables(color: Samples, profile: bytes) -> tuple[Floats, tuple[str, ...]]:
    """A profile of tables, at 8 bits: the only depth that ImageCms has."""
    values = np.floor(to_unit(color) * 255 + 0.5).astype(np.uint8)
    image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    try:
        converted = to_unit(np.asarray(convert_by_tables(image, profile)))
    except Exception as error:  # lcms has many names for a bad profile; the picture is still good
        return _as_rgb(to_unit(color)), (f"its colour profile was not used ({plain(error)})",)
    return converted, () if color.dtype == np.uint8 else ("its colour profile was applied at 8 bits",)


def _as_rgb(values: Floats) -> Floats:
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
