"""Colours under transparent pixels, pictures without their alpha, and with it put back.

What stands under a transparent pixel is arbitrary, mostly black or white. The network would paint that as a
shape, and where alpha comes back on the result a dark or light rim would show. So the colours around go on
under it: the nearest ones close by, the mean of the picture far away.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nst_batch.colors.curves import Floats
from nst_batch.images.resizing import resize_array
from nst_batch.sidecar.resolver import Role

Transparent = Literal["nowhere", "somewhere", "everywhere"]

ON_WHITE = "jpg has no transparency, so the picture is put on white"

_LEAST_WEIGHT = 1e-6
_CONFIDENT = 4.0  # a quarter of a coarse pixel opaque is enough to take its colour as it is


def fill_transparent(rgb: Floats, alpha: Floats) -> Floats:
    """``rgb`` (H × W × 3) with the colours of opaque pixels carried on under transparent ones.

    Result = alpha · rgb + (1 − alpha) · fill, the fill by pull and push over a pyramid of halves (after
    Gortler et al., The Lumigraph, 1996, section 3.4.2). Opaque pixels keep their very values; a picture that
    is transparent everywhere is returned as it is.
    """
    if not alpha.max(initial=0.0) > 0:
        return rgb
    fill = _filled_by_halves(rgb, alpha)
    # alpha · rgb + (1 − alpha) · fill as rgb + (1 − alpha) · (fill − rgb), in the one array: a picture of 50
    # megapixels takes 600 MB each time it is copied. Where alpha is 1 this gives rgb to the last bit.
    fill -= rgb
    fill *= (1 - alpha)[..., None]
    fill += rgb
    return np.clip(fill, 0.0, 1.0, out=fill)


def _filled_by_halves(rgb: Floats, alpha: Floats) -> Floats:
    """Colours everywhere, at the size of ``rgb``, from its opaque pixels; fine beside them, coarse far away."""
    colors, weights = [_halved(rgb * alpha[..., None])], [_halved(alpha)]
    while max(weights[-1].shape) > 1:
        colors.append(_halved(colors[-1]))
        weights.append(_halved(weights[-1]))
    fill = np.asarray(colors[-1] / np.maximum(weights[-1], _LEAST_WEIGHT)[..., None], np.float32)
    for color, weight in zip(colors[-2::-1], weights[-2::-1], strict=True):
        trust = np.minimum(1.0, _CONFIDENT * weight)[..., None]
        own = color / np.maximum(weight, _LEAST_WEIGHT)[..., None]
        height, width = weight.shape
        fill = np.asarray(trust * own + (1 - trust) * resize_array(fill, (height, width), sharp=False), np.float32)
    height, width = alpha.shape
    return resize_array(fill, (height, width), sharp=False)


def _halved(array: Floats) -> Floats:
    height, width = array.shape[:2]
    return resize_array(array, ((height + 1) // 2, (width + 1) // 2))


def with_alpha(rgb: Floats, alpha: Floats | None) -> Floats:
    """The picture with its transparency put back, H × W × 4; as it is where there is none."""
    return rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], axis=2)


def transparency_note(role: Role, where: Transparent, file_format: str) -> str:
    """What becomes of an image's transparency in a job whose result is a ``file_format``; "" for what goes by itself.

    Only a content's comes back on the result. Nothing is said of a mask: there it counts as black, everywhere too.
    """
    if role == "content" and file_format == "jpg":
        all_white = "it is transparent everywhere, and jpg has no transparency: its result will be white"
        return {"nowhere": "", "somewhere": ON_WHITE, "everywhere": all_white}[where]
    if where != "everywhere":
        return ""
    return {
        "content": "it is transparent everywhere, as its result will be",
        "style": "it is transparent everywhere: its style is taken from the colours under that",
        "init": "it is transparent everywhere: the picture starts from the colours under that",
        "mask": "",
    }[role]


def flatten(rgb: Floats, alpha: Floats | None) -> Floats:
    """The picture on white, for formats without alpha; values in [0, 1]."""
    if alpha is None:
        return rgb
    return np.asarray(np.clip(1 + (rgb - 1) * alpha[..., None], 0.0, 1.0), np.float32)
