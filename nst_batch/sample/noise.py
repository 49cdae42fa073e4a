"""Smooth random fields: gradient noise (Perlin 1985, with the fade of Perlin 2002) and sums of its octaves.

Everything takes coordinates as arrays of any one shape and returns float32 of that shape, so that a field can
be asked for on an image, on a map seen in perspective, or at the points of a brush stroke alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 where it matters for time

_PERIOD = 256  # lattice cells after which the noise repeats; a power of two, so that wrapping is a mask


class Noise:
    """Gradient noise in two dimensions, about -1..1, zero at every lattice point."""

    def __init__(self, seed: int) -> None:
        angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, _PERIOD * _PERIOD).astype(np.float32)
        self._gradient_x = np.cos(angle)
        self._gradient_y = np.sin(angle)

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """The noise at (x, y), in lattice cells."""
        floor_x, floor_y = np.floor(x), np.floor(y)
        dx, dy = (x - floor_x).astype(np.float32), (y - floor_y).astype(np.float32)
        column = floor_x.astype(np.int32) & (_PERIOD - 1)
        row = (floor_y.astype(np.int32) & (_PERIOD - 1)) * _PERIOD
        column_1 = (column + 1) & (_PERIOD - 1)
        row_1 = (row + _PERIOD) & (_PERIOD * _PERIOD - 1)
        fade_x, fade_y = _fade(dx), _fade(dy)
        top = self._corner(row + column, dx, dy)
        top += fade_x * (self._corner(row + column_1, dx - 1, dy) - top)
        bottom = self._corner(row_1 + column, dx, dy - 1)
        bottom += fade_x * (self._corner(row_1 + column_1, dx - 1, dy - 1) - bottom)
        # 1.5 brings the usual extremes, about ±0.7, to ±1.
        return np.asarray((top + fade_y * (bottom - top)) * np.float32(1.5), np.float32)

    def _corner(self, index: NDArray[np.int32], dx: Floats, dy: Floats) -> Floats:
        return np.asarray(self._gradient_x[index] * dx + self._gradient_y[index] * dy, np.float32)

    def fbm(self, x: Floats, y: Floats, octaves: int, gain: float = 0.5) -> Floats:
        """Fractal sum: each octave at about twice the frequency and ``gain`` times the height of the last."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        amplitude, frequency = np.float32(1), np.float32(1)
        for octave in range(octaves):
            # The offset keeps the octaves' lattice points, where the noise is zero, from falling together.
            total += amplitude * self(x * frequency + 17.3 * octave, y * frequency + 9.7 * octave)
            amplitude *= np.float32(gain)
            frequency *= np.float32(2.03)
        return total

    def ridged(self, x: Floats, y: Floats, octaves: int, gain: float = 0.5) -> Floats:
        """Sharp crests and round valleys, 0..about 2: (1 - |noise|)² summed over octaves.

        Each octave is strongest on the last one's crests: Musgrave's ridged multifractal (in Ebert et al.,
        Texturing and Modeling).
        """
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        weight = np.ones_like(total)
        amplitude, frequency = np.float32(1), np.float32(1)
        for octave in range(octaves):
            crest = (1 - np.abs(self(x * frequency + 31.1 * octave, y * frequency + 5.9 * octave))) ** 2
            crest = np.clip(crest, 0, 1) * weight
            total += amplitude * crest
            weight = np.clip(crest * 1.6, 0, 1)
            amplitude *= np.float32(gain)
            frequency *= np.float32(2.03)
        return total


def _fade(t: Floats) -> Floats:
    return np.asarray(t * t * t * (t * (t * 6 - 15) + 10), t.dtype)


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, a smooth cubic between; ``low`` may be the larger."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def mix(a: Floats, b: Floats, amount: Floats) -> Floats:
    """``a`` where ``amount`` (H, W) is 0, ``b`` where it is 1; ``a`` and ``b`` are colours or (H, W, 3)."""
    return np.asarray(a + (b - a) * amount[..., None], np.float32)


def colour(red: float, green: float, blue: float) -> Floats:
    """A colour in linear light, as an array that broadcasts over (H, W, 3)."""
    return np.array([red, green, blue], np.float32)
