"""A picture file's bytes -> a Picture: upright, sRGB, float32, alpha apart."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from nst_batch.images.files import ImageLimits, open_regular, read_all
from nst_batch.images.header import Header, header_of
from nst_batch.images.icc import (
    Floats,
    Samples,
    apply_curves,
    color_space,
    convert_by_tables,
    parse_curves,
    to_unit,
)
from nst_batch.images.pillow import damaged, open_image, reading, truncated
from nst_batch.images.samples import Pixels, read_pixels, upright
from nst_batch.images.transparency import fill_transparent
from nst_batch.images.wholeness import MUST_BE_WHOLE, is_cut, png_is_damaged

_DEFAULT_LIMITS = ImageLimits()
# Looked at for a note only; counting a TIFF's pages would walk the whole file.
_MAY_MOVE = frozenset(["GIF", "PNG", "WEBP", "AVIF", "MPO"])


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

    Raises JobError, and nothing else for any bytes: those of ``read_header``, image_truncated for a file the
    rest of which is missing, image_unreadable for a damaged one, out_of_memory.

    What it cannot know: a JPEG has no checksum, so that a few wrong bytes between its first and its last
    show in the picture and nowhere else.
    """
    name = Path(path).name
    with open_regular(path, limits) as file:
        data = read_all(file, name, limits)
    return decode_bytes(data, name, limits)


def decode_bytes(data: bytes, name: str, limits: ImageLimits = _DEFAULT_LIMITS) -> Picture:
    """As ``decode``, of a file's bytes; ``name`` stands in errors."""
    with reading(name, lambda: data):
        file = BytesIO(data)
        with open_image(file) as image:
            header = header_of(image, file, name, limits)
            _check_whole(data, name, header)
            moving = _is_moving(image, header)
            image.load()
            rgb, alpha, notes = _decoded(image, header, data)
        if moving:
            notes = (*notes, "it moves: the first picture of it is used")
        digest = hashlib.sha256(data).hexdigest()
        return Picture(rgb, alpha, name, header.format, header.bits, digest, notes)


def _check_whole(data: bytes, name: str, header: Header) -> None:
    if header.format in MUST_BE_WHOLE and is_cut(data):
        raise truncated(name)
    if header.format == "PNG" and png_is_damaged(data):
        raise damaged(name, "a checksum in the file is wrong")


def _is_moving(image: Image.Image, header: Header) -> bool:
    return header.format in _MAY_MOVE and bool(getattr(image, "is_animated", False))


def _decoded(image: Image.Image, header: Header, data: bytes) -> tuple[Floats, Floats | None, tuple[str, ...]]:
    """The loaded image in sRGB and upright, its alpha, and notes."""
    profile = image.info.get("icc_profile") or None
    profile = profile if isinstance(profile, bytes) else None
    notes: tuple[str, ...] = ()
    if image.mode in ("CMYK", "LAB"):
        # Never with alpha in Pillow. After this the colours are sRGB already.
        image, notes = _ink_to_rgb(image, profile)
        profile = None
    pixels = read_pixels(image, header, data)
    rgb, more = _to_srgb(pixels, profile)
    alpha = pixels.alpha
    if header.format != "TIFF":  # Pillow has turned a TIFF when it loaded it
        rgb = upright(rgb, header.orientation)
        alpha = None if alpha is None else upright(alpha, header.orientation)
    rgb = np.ascontiguousarray(rgb)
    if alpha is not None:
        alpha = np.ascontiguousarray(alpha) if alpha.min() < 1 else None
    if alpha is not None:
        rgb = fill_transparent(rgb, alpha)
    return rgb, alpha, (*notes, *pixels.notes, *more)


def _ink_to_rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """CMYK or Lab -> RGB in sRGB, and what there is to say about it."""
    if image.mode == "LAB":
        return convert_by_tables(image, None), ()
    if profile is None:
        return image.convert("RGB"), ("CMYK without a colour profile: converted by the plain formula",)
    try:
        return convert_by_tables(image, profile), ()
    except Exception as error:  # lcms has many names for a bad profile; the picture is still good
        note = f"its CMYK colour profile was not used ({_plain(error)}): converted by the plain formula"
        return image.convert("RGB"), (note,)


def _to_srgb(pixels: Pixels, profile: bytes | None) -> tuple[Floats, tuple[str, ...]]:
    """Samples of one or three channels -> float32 RGB in sRGB, and what there is to say about it."""
    color = pixels.color
    if profile is None:
        return _as_rgb(to_unit(color)), ()
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
    except Exception as error:  # as above
        return _as_rgb(to_unit(color)), (f"its colour profile was not used ({_plain(error)})",)
    deep = color.dtype != np.uint8
    return converted, ("its colour profile was applied at 8 bits",) if deep else ()


def _as_rgb(values: Floats) -> Floats:
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
