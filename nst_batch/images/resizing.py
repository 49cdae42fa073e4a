"""Smaller by area, larger by Lanczos, in float32."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from nst_batch.colors.curves import Floats

if TYPE_CHECKING:
    from nst_batch.images.decoding import Picture


def resize(picture: Picture, target: int | Literal["full"] | tuple[int, int]) -> Picture:
    """The picture with its long side made ``target`` pixels, or at (height, width); alpha with it.

    Raises JobError image_too_small where a long side or ``full`` leaves a short side under 32 pixels.
    """
    from nst_batch.sizing import working_size  # noqa: PLC0415 - loads pydantic, which decoding does without

    if isinstance(target, tuple):
        size = target
    else:
        size = working_size(picture.width, picture.height, target, picture.name or "the picture")
    alpha = None if picture.alpha is None else resize_array(picture.alpha, size)
    return dataclasses.replace(picture, rgb=resize_array(picture.rgb, size), alpha=alpha)


def resize_array(array: Floats, size: tuple[int, int], *, sharp: bool = True) -> Floats:
    """Height × width, or height × width × 3, in [0, 1] -> the same at ``size`` (height, width), in [0, 1].

    Where both sides shrink each new pixel is the mean of the area it covers, so that nothing aliases;
    otherwise Lanczos over 8 × 8 pixels, whose overshoot is clipped, or for a plane that is no picture (not ``sharp``)
    linear interpolation, which has none. Works on the sRGB values as they are.
    """
    height, width = array.shape[:2]
    if (height, width) == size:
        return array
    shrinks = size[0] <= height and size[1] <= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR
    result = cv2.resize(np.ascontiguousarray(array, np.float32), (size[1], size[0]), interpolation=method)
    return np.asarray(np.clip(result, 0.0, 1.0, out=result), np.float32)
