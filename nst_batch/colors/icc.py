"""Colour profiles (ICC.1) to sRGB, by LittleCMS.

Its float arithmetic does two megapixels a second, and its fast one for 16 bits was found wrong by up to 15 of 255. So
of profiles that are curves and a matrix, which nearly all are that RGB and grey pictures carry, it is asked for these
once, and they are applied in curves.py at whatever depth the file has. Tables and CMYK are done at 8 bits.
"""

from __future__ import annotations

import struct
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import ImageCms
from PIL.Image import Image

from nst_batch.colors.curves import CurveProfile, Doubles

_STEPS = 4096
_SAME = 2e-3  # of linear light: what a profile of curves may differ from its own sum, by rounding
_RELATIVE = 1
_LINEAR_SRGB = imagecodecs.cms_profile(
    "rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=[0.64, 0.33, 1.0, 0.30, 0.60, 1.0, 0.15, 0.06, 1.0], gamma=1.0
)


def color_space(profile: bytes) -> str:
    """The profile's device space: ``RGB``, ``GRAY``, ``CMYK``, ``Lab`` …; empty where it is no profile."""
    if len(profile) < 128 or profile[36:40] != b"acsp":
        return ""
    return profile[16:20].decode("latin-1").strip()


def parse_curves(profile: bytes) -> CurveProfile | None:
    """The curves and the matrix of an RGB or grey profile; None where it is made of tables, or cannot be read."""
    grey = color_space(profile) == "GRAY"
    ramp = np.linspace(0.0, 1.0, _STEPS)
    try:
        if grey:
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


def convert_by_tables(image: Image, profile: bytes) -> Image:
    """An 8-bit picture (RGB, L or CMYK) -> RGB in sRGB, by ImageCms.

    Raises ImageCms.PyCMSError or OSError for a profile that does not fit or is damaged.
    """
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile)),
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
