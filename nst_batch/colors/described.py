"""Colours that a file describes in numbers or by a code point rather than by a profile, and Lab.

Rec. ITU-T H.273 has the code points (PNG's cICP, the nclx of AVIF and HEIC). Each becomes curves and a matrix, as a
profile's do (icc.py), and is applied like those (curves.py).
"""

from __future__ import annotations

import numpy as np

from nst_batch.colors.curves import SRGB_TO_XYZ, WHITE, CurveProfile, Doubles, Floats, srgb_encode

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue, in this order, as in PNG's cHRM."""

_D65, _DCI, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {
    1: _SRGB,
    2: _SRGB,  # not specified
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_GRID = np.linspace(0.0, 1.0, 4096)
_PQ, _HLG = HIGH_RANGE = 16, 18
_GAMMA_OF_SRGB, _SAME = 0.45455, 5e-4


def by_numbers(gamma: float | None, chromaticities: Chromaticities | None) -> CurveProfile | None:
    """PNG's gAMA (the exponent of the file, as 0.45455) and cHRM. None where nothing is to be done."""
    places = chromaticities or _SRGB
    if np.allclose(places, _SRGB, atol=2e-3) and (gamma is None or abs(gamma - _GAMMA_OF_SRGB) < _SAME):
        return None  # an sRGB picture says so too, as nearly as it can
    curve = _srgb_decode(_GRID) if gamma is None else _GRID ** (1 / gamma)
    return CurveProfile((curve,) * 3, _matrix(places))


def adobe_rgb() -> CurveProfile:
    """Adobe RGB (1998), which cameras tell by EXIF."""
    return CurveProfile((_GRID ** (563 / 256),) * 3, _matrix(_ADOBE))


def by_code_points(primaries: int, transfer: int, *, full_range: bool = True) -> CurveProfile | None:
    """Code points of H.273. None where they mean sRGB. ValueError for those that no picture should have."""
    if primaries not in _PRIMARIES:
        raise ValueError(f"colour primaries {primaries} of H.273 are not known here")
    curve = _curve(transfer, _GRID if full_range else np.clip((_GRID * 255 - 16) / 219, 0, 1))
    profile = CurveProfile((curve,) * 3, _matrix(_PRIMARIES[primaries]), hlg=transfer == _HLG)
    return None if profile.is_srgb else profile


def _srgb_decode(values: Doubles) -> Doubles:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _curve(transfer: int, v: Doubles) -> Doubles:
    """Stored values in [0, 1] -> light, white at 1; above it for pictures of high dynamic range."""
    if transfer in (1, 6, 14, 15):
        return np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45))
    if transfer in (2, 13):
        return _srgb_decode(v)
    if transfer in (4, 5, 8):
        return np.asarray(v ** {4: 2.2, 5: 2.8, 8: 1.0}[transfer], np.float64)
    if transfer == 17:
        return np.asarray(52.37 / 48 * v**2.6, np.float64)
    if transfer == _PQ:  # SMPTE ST 2084
        root = v ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(10_000 / WHITE * light ** (1 / 0.1593017578125), np.float64)
    if transfer == _HLG:  # ITU-R BT.2100; what the display adds is done to all channels together
        return np.where(v <= 0.5, v**2 / 3, (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    raise ValueError(f"transfer characteristics {transfer} of H.273 are not known here")


def _matrix(places: Chromaticities) -> Doubles:
    """Linear light of these primaries -> of sRGB's, white on white (Bradford)."""
    if min(places[1::2]) <= 0:
        raise ValueError("chromaticities that are none")

    def xyz(x: float, y: float) -> Doubles:
        return np.array([x / y, 1.0, (1 - x - y) / y])

    columns = np.column_stack([xyz(*places[at : at + 2]) for at in (2, 4, 6)])
    white = xyz(*places[:2])
    to_xyz = columns * np.linalg.solve(columns, white)
    cone, d50 = _BRADFORD @ white, _BRADFORD @ SRGB_TO_XYZ.sum(axis=1)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(d50 / cone) @ _BRADFORD
    return np.asarray(np.linalg.inv(SRGB_TO_XYZ) @ adapt @ to_xyz, np.float64)


def lab_to_srgb(lab: Floats) -> Floats:
    """L*, a*, b* under D50 (height × width × 3) -> sRGB in [0, 1]."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (108 / 841)) * SRGB_TO_XYZ.sum(axis=1)
    linear = np.clip(xyz @ np.linalg.inv(SRGB_TO_XYZ).T, 0, 1)
    return np.asarray(np.clip(srgb_encode(linear), 0, 1), np.float32)
