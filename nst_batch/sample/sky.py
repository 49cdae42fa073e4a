"""The sky: a gradient from dusk blue to a warm horizon, clouds on a flat ceiling in perspective, a moon."""

from __future__ import annotations

import numpy as np

from nst_batch.sample.noise import Floats, Noise, colour, mix, smoothstep


def draw_sky(width: int, height: int, horizon: float, noise: Noise) -> Floats:
    """The whole frame as sky (H, W, 3), linear light; rows below ``horizon`` repeat the horizon's colour."""
    up = np.clip((horizon - (np.arange(height, dtype=np.float32) + 0.5)) / horizon, 0, 1)
    across = (np.arange(width, dtype=np.float32) + 0.5) / width
    up, across = np.meshgrid(up, across, indexing="ij")
    sky = _gradient(up, across)
    sky = _moon(sky, up * horizon, across * width, horizon, width, noise)
    return _clouds(sky, up, across, width / horizon, noise)


def _gradient(up: Floats, across: Floats) -> Floats:
    low = mix(colour(0.98, 0.60, 0.40), colour(0.70, 0.48, 0.56), smoothstep(0.0, 1.0, across))
    middle = mix(colour(0.44, 0.46, 0.64), colour(0.20, 0.29, 0.54), smoothstep(0.0, 0.9, across))
    high = colour(0.030, 0.080, 0.25)
    sky = mix(low, middle, smoothstep(0.05, 0.50, up))
    return mix(sky, high, smoothstep(0.30, 1.08, up + 0.10 * across))


def _moon(sky: Floats, rows_up: Floats, columns: Floats, horizon: float, width: int, noise: Noise) -> Floats:
    centre_up, centre_column, radius = 0.80 * horizon, 0.80 * width, 0.027 * width
    dx, dy = (columns - centre_column) / radius, (rows_up - centre_up) / radius
    distance = np.hypot(dx, dy)
    glow = 0.30 * np.exp(-distance / 2.4) + 0.16 * np.exp(-distance / 8.0)
    sky = sky + glow[..., None] * colour(1.0, 0.92, 0.78)
    maria = smoothstep(0.05, 0.55, noise.fbm(dx * 1.1 + 80, dy * 1.1 + 20, 3))
    face = mix(colour(1.70, 1.55, 1.25), colour(1.05, 0.95, 0.80), maria)
    edge = 1.2 / radius
    return mix(sky, face, smoothstep(1 + edge, 1 - edge, distance))


def _clouds(sky: Floats, up: Floats, across: Floats, aspect: float, noise: Noise) -> Floats:
    """Clouds on a ceiling: a point ``up`` the screen looks at 1/up along it.

    Lit by the low sun on the left: bright where the cloud is thinner a little further towards the sun.
    """
    away = 1 / (up + 0.13)
    x = (across - 0.5) * aspect * away
    billow = noise.fbm(x * 0.55 + 11, away * 1.15 + 3, 6, 0.55)
    towards_sun = noise.fbm(x * 0.55 + 11 - 0.16, away * 1.15 + 3 - 0.10, 6, 0.55)
    veil = noise.fbm(x * 0.22 + 60, away * 1.3 + 30, 4, 0.6)
    density = smoothstep(0.02, 0.62, billow + 0.30 * veil) * smoothstep(0.02, 0.16, up)
    rim = np.clip(0.42 + 1.9 * (billow - towards_sun), 0, 1)
    body = mix(colour(0.19, 0.19, 0.33), colour(0.38, 0.32, 0.44), smoothstep(0.6, 0.1, up))
    bright = mix(colour(1.25, 0.86, 0.66), colour(1.28, 0.66, 0.44), smoothstep(0.55, 0.08, up))
    lit = mix(body, bright, rim)
    streak = smoothstep(0.10, 0.9, veil + 0.35 * billow) * smoothstep(0.10, 0.4, up)
    sky = mix(sky, colour(1.05, 0.78, 0.70), 0.42 * streak)
    return mix(sky, lit, 0.93 * density)
