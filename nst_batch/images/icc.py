"""Colour profiles (ICC.1) to sRGB.

Profiles made of curves and a matrix, which is nearly all that RGB and grey pictures carry, are computed here
in float32 at whatever depth the file has; Pillow's ImageCms works on 8 bits only. Tables, CMYK and Lab go
through ImageCms.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import ImageCms
from PIL.Image import Image

Floats = npt.NDArray[np.float32]
Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]

# sRGB's primaries as XYZ under D50 (IEC 61966-2-1, adapted by Bradford's method), one column each.
_SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
_BAND_PIXELS = 1 << 20  # converted at a time, so that intermediate arrays stay small
_SAME = 1.5e-3  # curves and matrices closer than this to sRGB's are taken for it: well below one of 255 steps
_FLOAT_TABLE = 4096  # entries of a curve through which float samples are interpolated
_TABLE_TAGS = (b"A2B0", b"A2B1")


@dataclass(frozen=True, eq=False)
class CurveProfile:
    """A profile of curves and a matrix: device -> linear by ``curves``, linear -> linear sRGB by ``matrix``.

    ``curves``: one (grey) or three float64 arrays, sampled evenly over [0, 1]. ``matrix``: 3 × 3, or None for
    grey.
    """

    curves: tuple[npt.NDArray[np.float64], ...]
    matrix: npt.NDArray[np.float64] | None

    @property
    def is_srgb(self) -> bool:
        """Whether it differs from sRGB by less than can be seen, so that there is nothing to convert."""
        if self.matrix is not None and np.abs(self.matrix - np.eye(3)).max() > _SAME:
            return False
        grid = np.linspace(0.0, 1.0, 256)
        return all(np.abs(srgb_encode(_sample(curve, grid)) - grid).max() <= _SAME for curve in self.curves)


def srgb_encode(linear: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Linear light in [0, 1] -> sRGB values in [0, 1] (IEC 61966-2-1)."""
    high = 1.055 * np.power(np.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    result: npt.NDArray[np.floating] = np.where(linear <= 0.0031308, 12.92 * linear, high)
    return result


def color_space(profile: bytes) -> str:
    """The profile's device space: ``RGB``, ``GRAY``, ``CMYK``, ``Lab`` …; empty where it is no profile."""
    if len(profile) < 128 or profile[36:40] != b"acsp":
        return ""
    return profile[16:20].decode("latin-1").strip()


def parse_curves(profile: bytes) -> CurveProfile | None:
    """The profile's curves and matrix; None where it has tables instead, or cannot be read."""
    try:
        tags = _tags(profile)
        if any(tag in tags for tag in _TABLE_TAGS) or profile[20:24] != b"XYZ ":
            return None
        if color_space(profile) == "GRAY":
            return CurveProfile((_curve(tags[b"kTRC"]),), None)
        columns = [_xyz(tags[kind]) for kind in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = tuple(_curve(tags[kind]) for kind in (b"rTRC", b"gTRC", b"bTRC"))
    except (KeyError, struct.error, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return None
    matrix = np.linalg.inv(_SRGB_TO_XYZ) @ np.column_stack(columns)
    return CurveProfile(curves, matrix)


def to_unit(samples: Samples) -> Floats:
    """Samples of 8 or 16 bits, or floats already in [0, 1] -> float32 in [0, 1]."""
    if samples.dtype == np.float32:
        return samples.astype(np.float32, copy=False)
    full = 255 if samples.dtype == np.uint8 else 65535
    return np.divide(samples, np.float32(full), dtype=np.float32)


def apply_curves(samples: Samples, profile: CurveProfile) -> Floats:
    """Height × width × channels (1 or 3) -> the same shape in sRGB, float32 in [0, 1].

    Relative colorimetric; what lies outside sRGB's gamut is clipped channel by channel.
    """
    result = np.empty(samples.shape, np.float32)
    rows = max(1, _BAND_PIXELS // max(1, samples.shape[1]))
    tables = [_table(curve, samples.dtype) for curve in profile.curves]
    for top in range(0, samples.shape[0], rows):
        band = samples[top : top + rows]
        channels = [_look_up(band[..., index], table) for index, table in enumerate(tables)]
        linear = np.stack(channels, axis=-1)
        if profile.matrix is not None:
            linear = linear @ profile.matrix.T.astype(np.float32)
        result[top : top + rows] = srgb_encode(np.clip(linear, 0.0, 1.0))
    return np.clip(result, 0.0, 1.0, out=result)


def convert_by_tables(image: Image, profile: bytes | None) -> Image:
    """An 8-bit picture (RGB, L, CMYK or LAB) -> RGB in sRGB, by ImageCms.

    ``profile`` None: LAB by its own definition. Raises ImageCms.PyCMSError or OSError for a profile that
    does not fit or is damaged.
    """
    source = ImageCms.createProfile("LAB") if profile is None else ImageCms.ImageCmsProfile(BytesIO(profile))
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is None only where the image is changed in place
    return converted


def srgb_profile() -> bytes:
    """An sRGB profile, the same bytes every time (lcms writes the hour into each that it makes)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > 256:
        raise ValueError("a profile of more than 256 tags")
    tags = {}
    for index in range(count):
        kind, start, length = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[kind] = profile[start : start + length]
    return tags


def _xyz(tag: bytes) -> tuple[float, ...]:
    kind, *values = struct.unpack_from(">4s4x3i", tag)
    if kind != b"XYZ ":
        raise ValueError("not an XYZ tag")
    return tuple(value / 65536 for value in values)


def _curve(tag: bytes) -> npt.NDArray[np.float64]:
    """A ``curv`` or ``para`` tag, sampled evenly over [0, 1]."""
    kind, count = struct.unpack_from(">4s4xI", tag)
    grid = np.linspace(0.0, 1.0, _FLOAT_TABLE)
    if kind == b"para":
        return _parametric(tag, grid)
    if kind != b"curv":
        raise ValueError("not a curve tag")
    if count == 0:
        return grid
    values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
    return np.asarray(np.power(grid, values[0] / 256) if count == 1 else values / 65535, np.float64)


def _parametric(tag: bytes, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ICC.1:2022, 10.18: Y = (aX + b)^g + e above d, cX + f below."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    n = (1, 3, 4, 5, 7)[kind]
    p = [value / 65536 for value in struct.unpack_from(f">{n}i", tag, 12)]
    gamma, a, b = p[0], 1.0, 0.0
    c = d = e = f = 0.0
    if kind in (1, 2):
        a, b = p[1], p[2]
        d = -b / a
        c, f, e = 0.0, (p[3] if kind == 2 else 0.0), (p[3] if kind == 2 else 0.0)
    elif kind >= 3:
        a, b, c, d = p[1:5]
        e, f = (p[5], p[6]) if kind == 4 else (0.0, 0.0)
    power = np.power(np.maximum(a * grid + b, 0.0), gamma) + e
    result = np.asarray(np.clip(np.where(grid >= d, power, c * grid + f), 0.0, 1.0), np.float64)
    if not np.isfinite(result).all():
        raise ValueError("a curve that is not finite")
    return result


def _sample(curve: npt.NDArray[np.float64], at: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(np.interp(at, np.linspace(0.0, 1.0, len(curve)), curve), np.float64)


def _table(curve: npt.NDArray[np.float64], dtype: np.dtype[np.generic]) -> Floats:
    """The curve for each value that a whole-number sample can have, or an even grid for float samples."""
    size = 256 if dtype == np.uint8 else 65536
    return _sample(curve, np.linspace(0.0, 1.0, size)).astype(np.float32)


def _look_up(samples: npt.NDArray[np.generic], table: Floats) -> Floats:
    if samples.dtype != np.float32:
        looked_up: Floats = table[samples]
        return looked_up
    index = np.rint(np.clip(samples, 0.0, 1.0) * (len(table) - 1)).astype(np.uint16)
    return np.asarray(table[index], np.float32)
