"""Colours by curves and a matrix -> sRGB, in float32 at whatever depth the file has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]

# sRGB's primaries as XYZ under D50 (IEC 61966-2-1, adapted by Bradford's method), one column each.
SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
WHITE = 203.0
"""In cd/m²: where pictures of high dynamic range have their white (ITU-R BT.2408)."""

_BAND_PIXELS = 1 << 20  # converted at a time, so that intermediate arrays stay small
_SAME = 1.5e-3  # curves and matrices closer than this to sRGB's are taken for it: well below one of 255 steps
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2  # the display that ITU-R BT.2100 describes for HLG
_KNEE = 0.8  # of white: darker stays as it is, what is lighter is pressed together below white


@dataclass(frozen=True, eq=False)
class CurveProfile:
    """A profile of curves and a matrix: device -> linear by ``curves``, linear -> linear sRGB by ``matrix``.

    ``curves``: one (grey) or three float64 arrays, sampled evenly over [0, 1]. ``matrix``: 3 × 3, or None for
    grey. Light beyond 1 is that of a picture of high dynamic range; ``hlg``: it is of the scene.
    """

    curves: tuple[Doubles, ...]
    matrix: Doubles | None
    hlg: bool = False

    @property
    def is_hdr(self) -> bool:
        """Whether light goes beyond white."""
        return self.hlg or max(float(curve.max()) for curve in self.curves) > 1.0 + _SAME

    @property
    def is_srgb(self) -> bool:
        """Whether it differs from sRGB by less than can be seen, so that there is nothing to convert."""
        if self.is_hdr or (self.matrix is not None and np.abs(self.matrix - np.eye(3)).max() > _SAME):
            return False
        grid = np.linspace(0.0, 1.0, 256)
        shown = [srgb_encode(_table(curve, np.dtype(np.uint8))) for curve in self.curves]
        return float(np.abs(np.array(shown) - grid).max()) <= _SAME


def srgb_encode(linear: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Linear light in [0, 1] -> sRGB values in [0, 1] (IEC 61966-2-1)."""
    high = 1.055 * np.power(np.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    result: npt.NDArray[np.floating] = np.where(linear <= 0.0031308, 12.92 * linear, high)
    return result


def to_unit(samples: Samples) -> Floats:
    """Samples of 8 or 16 bits, or floats already in [0, 1] -> float32 in [0, 1]."""
    if samples.dtype == np.float32:
        return samples.astype(np.float32, copy=False)
    full = 255 if samples.dtype == np.uint8 else 65535
    return np.divide(samples, np.float32(full), dtype=np.float32)


def apply_curves(samples: Samples, profile: CurveProfile) -> Floats:
    """Height × width × channels (1 or 3) -> the same shape in sRGB, float32 in [0, 1].

    Relative colorimetric; what lies outside sRGB's gamut is clipped channel by channel. Light beyond white is
    pressed together below it (:func:`tone_map`).
    """
    result = np.empty(samples.shape, np.float32)
    rows = max(1, _BAND_PIXELS // max(1, samples.shape[1]))
    tables = [_table(curve, samples.dtype) for curve in profile.curves]
    for top in range(0, samples.shape[0], rows):
        band = samples[top : top + rows]
        channels = [_look_up(band[..., index], table) for index, table in enumerate(tables[: band.shape[2]])]
        linear = np.stack(channels, axis=-1)
        if profile.hlg:
            linear = display_hlg(linear)
        if profile.matrix is not None and linear.shape[2] == 3:
            linear = linear @ profile.matrix.T.astype(np.float32)
        if profile.is_hdr:
            linear = tone_map(linear)
        result[top : top + rows] = srgb_encode(np.clip(linear, 0.0, 1.0))
    return np.clip(result, 0.0, 1.0, out=result)


def display_hlg(linear: Floats) -> Floats:
    """Light of the scene (… × 3, or × 1) -> light of the display, white at 1: each pixel by its own luminance."""
    weights = np.array([0.2627, 0.6780, 0.0593] if linear.shape[-1] == 3 else [1.0], np.float32)
    luminance = np.maximum(linear @ weights, 1e-6)
    return np.asarray(linear * (_HLG_PEAK / WHITE * luminance ** (_HLG_GAMMA - 1))[..., None], np.float32)


def tone_map(linear: Floats) -> Floats:
    """Light without bound (white at 1) -> [0, 1], hue kept.

    A pixel's greatest channel m becomes k + (1 − k) (1 − exp(−(m − k) / (1 − k))) above the knee k: slope 1 at first.
    """
    most = np.maximum(linear.max(axis=-1, keepdims=True), 1e-6)
    bent = _KNEE + (1 - _KNEE) * (1 - np.exp(-(np.maximum(most, _KNEE) - _KNEE) / (1 - _KNEE)))
    return np.asarray(linear * np.where(most > _KNEE, bent / most, 1), np.float32)


def _table(curve: npt.NDArray[np.float64], dtype: np.dtype[np.generic]) -> Floats:
    """The curve for each value that a whole-number sample can have, or an even grid for float samples."""
    size = 256 if dtype == np.uint8 else 65536
    return np.interp(np.linspace(0.0, 1.0, size), np.linspace(0.0, 1.0, len(curve)), curve).astype(np.float32)


def _look_up(samples: npt.NDArray[np.generic], table: Floats) -> Floats:
    if samples.dtype != np.float32:
        looked_up: Floats = table[samples]
        return looked_up
    index = np.rint(np.clip(samples, 0.0, 1.0) * (len(table) - 1)).astype(np.uint16)
    return np.asarray(table[index], np.float32)
