"""Colour profiles (ICC.1) to sRGB, by LittleCMS.

Its float arithmetic does two megapixels a second, and its fast one for 16 bits was found wrong by up to 15 of 255. So
of profiles that are curves and a matrix, which nearly all are that RGB and grey pictures carry, it is asked for these
once, and they are applied in curves.py at whatever depth the file has. Tables and CMYK are done at 8 bits.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import cast

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

from nst_batch.colors.curves import CurveProfile, Doubles, Floats, Samples, apply_curves, to_unit

_STEPS = 4096
_SAME = 2e-3  # of linear light: what a profile of curves may differ from its own sum, by rounding
_RELATIVE = 1
_LINEAR_SRGB = imagecodecs.cms_profile(
    "rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=[0.64, 0.33, 1.0, 0.30, 0.60, 1.0, 0.15, 0.06, 1.0], gamma=1.0
)
_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}  # of so many channels

Profile = bytes | CurveProfile | None
"""An ICC profile, a description in numbers, or None where the file says nothing: sRGB, or ink by the plain formula."""


def to_srgb(samples: Samples, profile: Profile) -> tuple[Floats, tuple[str, ...]]:
    """Grey, RGB or ink (height × width × 1, 3 or 4) -> float32 RGB in sRGB, and what there is to say about it."""
    ink = samples.shape[2] == 4
    notes: tuple[str, ...] = ()
    if isinstance(profile, bytes):
        try:
            samples = _fitting(samples, profile)
            curves = None if ink else parse_curves(profile)
            if curves is None:
                at_8_bits = () if samples.dtype == np.uint8 else ("its colour profile was applied at 8 bits",)
                return _by_tables(samples, profile), at_8_bits
            profile = None if curves.is_srgb else curves
        except Exception as error:  # lcms has many names for a bad profile; the picture is still good
            why = " ".join(str(error).split())[:100] or type(error).__name__
            profile, notes = None, (f"its colour profile was not used: {why}",)
    if ink:
        rgb = to_unit(np.asarray(_image(samples).convert("RGB")))
        return rgb, (*notes, "CMYK without a colour profile: converted by the plain formula")
    rgb = apply_curves(samples, profile) if isinstance(profile, CurveProfile) else to_unit(samples)
    return np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb, notes


def _fitting(samples: Samples, profile: bytes) -> Samples:
    """The samples as the profile describes them: grey ones in three channels for RGB. ValueError where it does not."""
    space = _space(profile)
    if space == "RGB" and samples.shape[2] == 1:
        samples = cast("Samples", np.repeat(samples, 3, axis=2))
    if space != _SPACES[samples.shape[2]]:
        raise ValueError(f"it is for {space}, the picture is not")
    return samples


def _space(profile: bytes) -> str:
    """The colours of the device: ``RGB``, ``GRAY``, ``CMYK``, ``Lab`` … OSError where it is no profile."""
    return str(ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space).strip()


def parse_curves(profile: bytes) -> CurveProfile | None:
    """The curves and the matrix of an RGB or grey profile; None where it has none. OSError where it is no profile."""
    ramp = np.linspace(0.0, 1.0, _STEPS)
    try:
        if _space(profile) == "GRAY":
            return CurveProfile((_linear(profile, ramp[None])[0, :, 1],), None)
        single = np.zeros((3, _STEPS, 3))
        for channel in range(3):
            single[channel, :, channel] = ramp
        light = _linear(profile, single)
        black, columns = light[0, 0], light[:, -1]
        curves = tuple(np.clip(light[c] @ columns[c] / (columns[c] @ columns[c]), 0, 1) for c in range(3))
        mixed = np.stack([ramp[::-1], np.roll(ramp, 1000), ramp], axis=-1)
        index = np.rint(mixed * (_STEPS - 1)).astype(int)
        summed = np.stack([curves[c][index[:, c]] for c in range(3)], axis=-1) @ columns
        if max(np.abs(black).max(), np.abs(_linear(profile, mixed[None])[0] - summed).max()) > _SAME:
            return None
    except (imagecodecs.CmsError, ValueError, ZeroDivisionError):
        return None
    return CurveProfile(curves, columns.T)


def _linear(profile: bytes, values: Doubles) -> Doubles:
    """Device values -> linear light in sRGB's primaries, without bounds."""
    space = "rgb" if values.ndim == 3 else "gray"
    return np.asarray(
        imagecodecs.cms_transform(
            values.astype(np.float32),
            profile,
            _LINEAR_SRGB,
            colorspace=space,
            outcolorspace="rgb",
            outdtype="f4",
            intent=_RELATIVE,
        ),
        np.float64,
    )


def _by_tables(samples: Samples, profile: bytes) -> Floats:
    """A profile of tables, at 8 bits: the only depth that ImageCms has. Any of its errors for a damaged one."""
    own, screen = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    converted = ImageCms.profileToProfile(_image(samples), own, screen, intent, outputMode="RGB", flags=flags)
    return to_unit(np.asarray(converted))


def _image(samples: Samples) -> Image.Image:
    """For Pillow, at 8 bits."""
    stored = samples if samples.dtype == np.uint8 else np.floor(to_unit(samples) * 255 + 0.5).astype(np.uint8)
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[samples.shape[2]]
    return Image.fromarray(stored[..., 0] if mode == "L" else stored, mode)


def srgb_profile() -> bytes:
    """An sRGB profile, the same bytes every time (lcms writes the hour into each that it makes)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)
