"""A decoded picture's samples at the depth that its file has.

Pillow reads everything here and is strict about it: what it loads is whole. But it brings colour pictures of
more than 8 bits down to 8, so that for these OpenCV decodes a second time, and its result is used where it
agrees with Pillow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from nst_batch.images.header import Header
from nst_batch.images.icc import Floats, Samples, to_unit
from nst_batch.images.pillow import tag

if TYPE_CHECKING:
    from PIL.Image import Image

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_COMPARED_PIXELS = 1 << 18
_MOST_DIFFERENCE = 2  # of 255; Pillow drops the low byte, OpenCV's is rounded
_AT_8_BITS = "read at 8 bits per sample"


@dataclass(frozen=True, eq=False)
class Pixels:
    """Colour samples, height × width × 1 (grey) or 3; alpha, height × width, in [0, 1], or None; notes."""

    color: Samples
    alpha: Floats | None = None
    notes: tuple[str, ...] = ()


def read_pixels(image: Image, header: Header, data: bytes) -> Pixels:
    """The samples of a loaded grey or RGB picture, as they are stored: no profile, no orientation applied."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image, header)
    if header.bits > 8 and image.mode in ("RGB", "RGBA", "LA"):
        deep = _deep_color(image, header, data)
        if deep is not None:
            return deep
        return _plain(image, (_AT_8_BITS,))
    return _plain(image, (_AT_8_BITS,) if header.bits > 8 else ())


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The array (height × width, or × channels) turned as EXIF's orientation, 1 to 8, asks."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return array[rows, columns]


def _plain(image: Image, notes: tuple[str, ...] = ()) -> Pixels:
    """8 bits or fewer per sample."""
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        array = np.asarray(image.convert("LA" if grey else "RGBA"))
        alpha = to_unit(array[..., -1])
        return Pixels(array[..., :-1], alpha, notes)
    array = np.asarray(image.convert("L" if grey else "RGB"))
    return Pixels(array[..., None] if grey else array, None, notes)


def _deep_grey(image: Image, header: Header) -> Pixels:
    """One channel of 9 to 32 bits, whole numbers or floats, which Pillow keeps as it is."""
    array = np.asarray(image)
    notes: tuple[str, ...] = ()
    if image.mode == "F":
        values, notes = _float_grey(array.astype(np.float32))
    elif image.mode == "I" and header.bits > 16 and header.format != "PPM":
        values, notes = _wide_grey(array.view(np.uint32))
    else:
        # 12-bit TIFFs come as they are, everything else scaled to 16 bits.
        full = (1 << header.bits) - 1 if header.format == "TIFF" and 8 < header.bits < 16 else 65535
        whole = np.clip(array, 0, full).astype(np.uint16)
        values = whole if full == 65535 else to_unit(whole) * np.float32(65535 / full)
    if header.format == "TIFF" and tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = 1 - to_unit(values)
    transparent = image.info.get("transparency")
    alpha = (array != transparent).astype(np.float32) if isinstance(transparent, int) else None
    return Pixels(values[..., None], alpha, notes)


def _wide_grey(whole: npt.NDArray[np.uint32]) -> tuple[Floats, tuple[str, ...]]:
    """Whole numbers of 32 bits; where all are small they are 8 or 16 bits in a wide box, not a black picture."""
    highest = int(whole.max(initial=0))
    full = next((bound for bound in (255, 65535) if highest <= bound), 2**32 - 1)
    notes = (f"samples of 32 bits taken as values from 0 to {full}",) if full < 2**32 - 1 else ()
    return (whole / np.float64(full)).astype(np.float32), notes


def _float_grey(values: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Floats in [0, 1] as they are; a larger range is taken for 8 or 16 bits, or its own."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    if highest <= 1.0:
        return np.clip(values, 0.0, 1.0), ("float samples taken as sRGB values from 0 to 1",)
    full = next((bound for bound in (255.0, 65535.0) if highest <= bound), highest)
    return np.clip(values / full, 0.0, 1.0), (f"float samples taken as sRGB values from 0 to {full:g}",)


def _deep_color(image: Image, header: Header, data: bytes) -> Pixels | None:
    """Colour samples of 16 bits by OpenCV; None where it cannot, or does not see what Pillow sees."""
    array = _decode_16(data)
    if array is None:
        return None
    bits = header.bits if header.format == "JPEG2000" else 16
    full = (1 << bits) - 1
    # OpenCV turns some TIFFs upright by itself, Pillow all of them.
    turns = (header.orientation, 1) if header.format == "TIFF" else (1,)
    seen = np.asarray(image.convert("RGB"))
    for candidate in (upright(array, turn) for turn in turns):
        if not _agrees(candidate[..., :3], full, seen):
            continue
        color: Samples = np.ascontiguousarray(candidate[..., :3])
        if full != 65535:
            color = np.clip(color.astype(np.float32) / np.float32(full), 0.0, 1.0)
        return Pixels(color, _deep_alpha(candidate, full, image.info.get("transparency")))
    return None


def _decode_16(data: bytes) -> npt.NDArray[np.uint16] | None:
    """RGB or RGBA of 16 bits; None where OpenCV does not give that."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if array is None or array.dtype != np.uint16 or array.ndim != 3 or array.shape[2] not in (3, 4):
        return None
    order = [2, 1, 0, 3][: array.shape[2]]
    return np.asarray(array[..., order], np.uint16)


def _agrees(color: npt.NDArray[np.uint16], full: int, seen: npt.NDArray[np.uint8]) -> bool:
    if color.shape != seen.shape:
        return False
    step = max(1, int((color.shape[0] * color.shape[1] / _COMPARED_PIXELS) ** 0.5))
    ours = color[::step, ::step].astype(np.float32) * np.float32(255 / full)
    return bool(np.abs(ours - seen[::step, ::step]).max(initial=0.0) < _MOST_DIFFERENCE)


def _deep_alpha(array: npt.NDArray[np.uint16], full: int, transparent: object) -> Floats | None:
    if array.shape[2] == 4:
        alpha = array[..., 3].astype(np.float32) / np.float32(full)
        return np.asarray(np.clip(alpha, 0.0, 1.0), np.float32)
    if isinstance(transparent, tuple) and len(transparent) == 3:
        key = np.array([value & 0xFFFF for value in transparent], np.uint16)
        return np.asarray((array != key).any(axis=-1), np.float32)
    return None
