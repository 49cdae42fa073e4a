"""Whose colours the result has. Pictures are float32 H × W × 3 RGB in [0, 1]; NumPy alone.

After Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer" (2016):
:func:`match_color` is their linear colour transfer, :func:`luminance` and :func:`with_luminance` their transfer
in luminance alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Plane = NDArray[np.float32]

# ITU-R BT.601: how bright red, green and blue are to the eye.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NOISE = 1e-5  # added to variances: a picture of one colour has none, and its inverse would be infinite


def match_color(style: Picture, content: Picture) -> Picture:
    """``style`` with the mean and covariance of ``content``'s colours, clipped to [0, 1].

    The map is A (x − μ_s) + μ_c with A = Σ_c^½ Σ_s^-½, the image-analogies variant of the paper's section 4.1,
    which keeps the directions of the colour space as far as any linear map can.
    """
    style_mean, style_root = _colours(style)
    content_mean, content_root = _colours(content)
    linear = content_root @ np.linalg.inv(style_root)
    matched = (style.reshape(-1, 3).astype(np.float64) - style_mean) @ linear.T + content_mean
    return np.clip(matched, 0.0, 1.0).astype(np.float32).reshape(style.shape)


def luminance(picture: Picture) -> Plane:
    """H × W in [0, 1]."""
    return np.asarray(picture @ LUMA, np.float32)


def grey(plane: Plane) -> Picture:
    """A plane as a picture without colour."""
    return np.repeat(np.clip(plane, 0.0, 1.0)[..., np.newaxis], 3, axis=-1).astype(np.float32)


def match_luminance(style: Picture, content: Picture) -> Picture:
    """``style`` without colour, its luminance brought to the mean and deviation of ``content``'s (section 4.2)."""
    of_style, of_content = luminance(style), luminance(content)
    scale = float(of_content.std()) / max(float(of_style.std()), _NOISE)
    return grey((of_style - of_style.mean()) * np.float32(scale) + of_content.mean())


def with_luminance(content: Picture, plane: Plane) -> Picture:
    """``content``'s colours under another luminance: its chroma is kept, the whole clipped to [0, 1].

    In YIQ and YUV alike a change of luminance adds the same to red, green and blue.
    """
    difference = plane - luminance(content)
    return np.clip(content + difference[..., np.newaxis], 0.0, 1.0).astype(np.float32)


def _colours(picture: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (3,) and the symmetric square root (3, 3) of the covariance of a picture's colours."""
    pixels = picture.reshape(-1, 3).astype(np.float64)
    covariance = np.cov(pixels, rowvar=False) + _NOISE * np.eye(3)
    values, vectors = np.linalg.eigh(covariance)
    return pixels.mean(axis=0), (vectors * np.sqrt(values)) @ vectors.T
