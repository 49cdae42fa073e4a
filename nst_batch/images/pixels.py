"""A decoded file's samples, before its colours are brought to sRGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nst_batch.colors.curves import Floats, Samples, to_unit
from nst_batch.colors.icc import Profile

_HALF_A_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Pixels:
    """Samples, height × width × 1 (grey), 3 or 4 (ink); alpha, height × width, in [0, 1], or None; notes; profile."""

    color: Samples
    alpha: Floats | None = None
    notes: tuple[str, ...] = ()
    profile: Profile = None


def split(array: npt.NDArray[Any], full: int = 0) -> Pixels:
    """Grey, grey with alpha, RGB or RGBA as one array; ``full`` where samples end below what their type can hold."""
    samples: Any = array[..., None] if array.ndim == 2 else array
    if array.dtype.kind == "f":
        samples = np.clip(np.nan_to_num(samples.astype(np.float32), nan=0.0), 0, 1)
    elif full and full != np.iinfo(array.dtype).max:
        samples = np.clip(samples / np.float32(full), 0, 1).astype(np.float32)
    if samples.shape[2] in (2, 4):
        return Pixels(np.ascontiguousarray(samples[..., :-1]), to_unit(samples[..., -1]))
    return Pixels(samples)


def unassociated(color: Samples, alpha: Floats) -> Floats:
    """The colours that ``alpha`` has been multiplied into, without it."""
    return np.clip(to_unit(color) / np.maximum(alpha, _HALF_A_STEP)[..., None], 0, 1).astype(np.float32)
