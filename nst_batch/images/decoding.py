"""A picture file's bytes -> a Picture: upright, sRGB, float32, alpha apart."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nst_batch.colors.curves import Floats
from nst_batch.colors.icc import to_srgb
from nst_batch.images.files import ImageLimits, read_regular
from nst_batch.images.guard import within
from nst_batch.images.header import header_of
from nst_batch.images.kinds import trimmed
from nst_batch.images.pillow import reading
from nst_batch.images.samples import read_pixels
from nst_batch.images.tiff import tiff_pixels
from nst_batch.images.transparency import Transparent, fill_transparent

_DEFAULT_LIMITS = ImageLimits()
DECODE_SECONDS = 120.0
"""A picture of 50 megapixels takes 1 to 20 s, of any kind."""

_MOVES = "it moves: the first picture of it is used"
_MORE = {
    "MPO": "it holds more pictures (a preview, a depth map, another view): the first is used",
    "TIFF": "it holds more pages: the first picture of full size is used",
}


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

    @property
    def transparent(self) -> Transparent:
        """Where it is; what becomes of that is told by what it is to a job (see transparency_note)."""
        if self.alpha is None:
            return "nowhere"
        return "somewhere" if self.alpha.any() else "everywhere"


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
        digest, data = hashlib.sha256(data).hexdigest(), trimmed(data)
        header = header_of(data, limits)
        pixels = tiff_pixels(data) if header.format == "TIFF" else read_pixels(data, header)
        rgb, color_notes = to_srgb(pixels.color, pixels.profile)
        notes = ((_MORE.get(header.format, _MOVES),) if header.more else ()) + pixels.notes + color_notes
        rgb, alpha = _upright(rgb, header.orientation), None
        if pixels.alpha is not None and pixels.alpha.min() < 1:
            alpha = _upright(pixels.alpha, header.orientation)
            rgb = fill_transparent(rgb, alpha)
        return Picture(rgb, alpha, name, header.format, header.bits, digest, notes)


def _upright(array: Floats, orientation: int) -> Floats:
    """The array (height × width, or × channels) turned as EXIF's orientation, 1 to 8, asks."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(array[rows, columns])
