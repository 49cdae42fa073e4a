"""The lake: the scene above the shore mirrored, broken by ripples, over dark water."""

from __future__ import annotations

import cv2
import numpy as np

from nst_batch.sample.noise import Floats, Noise, colour, mix, smoothstep
from nst_batch.sample.terrain import Camera, View

DEEP = colour(0.018, 0.055, 0.085)


class Lake:
    """The lake of one view, its waves fixed: it can mirror several pictures alike."""

    def __init__(self, view: View, camera: Camera, noise: Noise) -> None:
        self._water = view.water
        self._height = camera.height
        self._rows = np.broadcast_to(np.arange(camera.height, dtype=np.float32)[:, None], view.depth.shape)
        z = np.where(np.isfinite(view.depth), view.depth, 1).astype(np.float32)
        wind = smoothstep(-0.15, 0.55, noise.fbm(view.x * 0.9 + 7, z * 1.7, 3))
        swell = noise.fbm(view.x * 7, z * 26, 3, 0.6)
        self._rough = (0.35 + 0.9 * wind) * swell * camera.height / 512
        self._columns = np.arange(camera.width, dtype=np.float32) + 2.2 * self._rough
        down = np.clip((self._rows - camera.horizon) / (camera.height - camera.horizon), 0, 1)
        # Water mirrors less the steeper one looks into it (Schlick's fit of Fresnel's law, flattened for effect).
        self._mirror = np.clip(0.88 - 0.50 * down**1.3 + 0.16 * swell, 0.15, 0.95).astype(np.float32)
        self._glint = (0.06 * wind * smoothstep(0.15, 0.6, swell))[..., None] * colour(1.0, 0.8, 0.75)

    def reflect_shore(self, scene: Floats) -> Floats:
        """The scene with its water filled in: all that lies beyond the far shore, mirrored about it."""
        shore = np.argmax(self._water, axis=0).astype(np.float32)[None, :] - 1
        return mix(scene, self._surface(self._mirrored(scene, shore)), self._water.astype(np.float32))

    def reflect_spit(self, scene: Floats, cover: Floats) -> Floats:
        """The scene with what stands on the spit, ``cover`` (H, W) in 0..1, mirrored about the spit's edge."""
        edge = np.maximum.accumulate(np.where(self._water, -1, self._rows), axis=0).astype(np.float32)
        seen = self._mirrored(cover, edge) * self._water * (1 - cover)
        return mix(scene, self._surface(self._mirrored(scene, edge)), seen)

    def _mirrored(self, picture: Floats, shore: Floats) -> Floats:
        """Each pixel shows what stands as far above ``shore``, a row, as it lies below; waves shift it."""
        below = self._rows - shore
        source = shore - 0.96 * below + 11.0 * self._rough * (0.2 + below / (0.16 * self._height))
        source = np.clip(source, 0, shore).astype(np.float32)
        seen = cv2.remap(picture, self._columns, source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(seen, np.float32)

    def _surface(self, image: Floats) -> Floats:
        return mix(np.broadcast_to(DEEP, image.shape), image, self._mirror) + self._glint
