"""A decoded file's samples, before its colours are brought to sRGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nst_batch.colors.curves import CurveProfile, Floats, Samples, to_unit
from nst_batch.colors.icc import convert_by_tables

_HALF_A_STEP = 1e-6

Profile = bytes | CurveProfile | None
"""An ICC profile, a description in numbers, or None for sRGB."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Colour samples, height × width × 1 (grey) or 3; alpha, height × width, in [0, 1], or None; notes; profile."""

    color: Samples
    alpha: Floats | None = None
    notes: tuple[str, ...] = ()
    profile: Profile = None


def split(array: npt.NDArray[Any], full: int = 0) -> Pixels:
    """Grey, grey with alpha, RGB or RGBA as one array; ``full`` where samples end below what their type can hold."""
    samples: Any = array[..., None] if array.ndim == 2 else array
    if full and full != np.iinfo(array.dtype).max:
        samples = np.clip(samples / np.float32(full), 0, 1).astype(np.float32)
    elif array.dtype.kind == "f":
        samples = np.clip(np.nan_to_num(samples.astype(np.float32), nan=0.0), 0, 1)
    if samples.shape[2] in (2, 4):
        return Pixels(np.ascontiguousarray(samples[..., :-1]), to_unit(samples[..., -1]))
    return Pixels(samples)


def unassociated(pixels: Pixels) -> Floats:
    """The colours that its alpha has been multiplied into, without it."""
    assert pixels.alpha is not None
    return np.clip(to_unit(pixels.color) / np.maximum(pixels.alpha, _HALF_A_STEP)[..., None], 0, 1).astype(np.float32)


def ink_to_rgb(ink: npt.NDArray[np.uint8], profile: bytes | None) -> tuple[Samples, tuple[str, ...]]:
    """CMYK -> RGB in sRGB, 8 bits, and what there is to say about it."""
    image = Image.fromarray(np.ascontiguousarray(ink), "CMYK")
    note = "CMYK without a colour profile: converted by the plain formula"
    if profile is not None:
        try:
            return np.asarray(convert_by_tables(image, profile)), ()
        except Exception as error:  # lcms has many names for a bad profile; the picture is still good
            note = f"its CMYK colour profile was not used ({plain(error)}): converted by the plain formula"
    return np.asarray(image.convert("RGB")), (note,)


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The array (height × width, or × channels) turned as EXIF's orientation, 1 to 8, asks."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return array[rows, columns]


def plain(error: Exception) -> str:
    """A library's message in one short line."""
    return " ".join(str(error).split())[:100] or type(error).__name__
