"""The frozen judge: what it measures is read off saved pictures alone, in float32, at one size, by VGG19.

Content and style are first brought to the size at which the evaluator looks, and so is the result, whatever size it
was painted at. Every measure is relative, so that it can be averaged over pairs; smaller is better, but for ``grain``,
which is best at 1.

- ``content4``, ``content5``: ‖F − P‖² / ‖P‖² at block4_conv2 and block5_conv2.
- ``gram1`` … ``gram5``: ‖G − A‖ / ‖A‖ of Gram matrices per position at block1_conv1 … block5_conv1.
- ``swd``: the sliced Wasserstein distance between the features of result and style at layers that no preset looks at,
  over that between the content and the style: 1 is a picture as unlike the style as the photograph is.
- ``grain``, ``speckle``: energy of what a blur of two pixels takes away from the luminance, and from the colour
  differences, over the style's own; far above 1 is noise, far below is mist. A style that has next to none, a grey
  one for colour, counts as having :data:`LEAST_FINENESS`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.quality.pairs import at_size
from nst_batch.images import resize_array
from nst_batch.transfer.color import LUMA
from nst_batch.transfer.losses import positions
from nst_batch.transfer.objectives.gram import gram_matrix
from nst_batch.transfer.vgg19 import StyleContentModel
from nst_batch.transfer.weights import Weights

Picture = NDArray[np.float32]
Features = dict[str, NDArray[np.float32]]

SIDE = 512
CONTENT = ("block4_conv2", "block5_conv2")
GRAM = tuple(f"block{block}_conv1" for block in range(1, 6))
# Layers that no preset optimises.
HELD_OUT = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")
DIRECTIONS = 64
QUANTILES = 256
BLUR = 2.0  # pixels, standard deviation
LEAST_FINENESS = 2e-4  # of a style: two levels of 255 in luminance, or in each colour difference; grey ones have less


@dataclass(frozen=True)
class Measures:
    """Of one saved picture; see the module."""

    content4: float
    content5: float
    gram1: float
    gram2: float
    gram3: float
    gram4: float
    gram5: float
    swd: float
    grain: float
    speckle: float

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The measures, in order."""
        return tuple(field.name for field in fields(cls))


class Evaluator:
    """Judges pictures against one pair of content and style, (H, W, 3) float32 RGB in [0, 1]."""

    def __init__(self, weights: Weights, content: Picture, style: Picture) -> None:
        layers = sorted({*CONTENT, *GRAM, *HELD_OUT})
        self._extract = tf.function(StyleContentModel(weights.kernels, layers))
        small_content, small_style = at_size(content, SIDE), at_size(style, SIDE)
        self._shape = small_content.shape[0], small_content.shape[1]
        self._content = self._features(small_content)
        self._style = Statistics.of(self._features(small_style))
        self._fineness = fineness(small_style)
        self._unstyled = Statistics.of(self._content).distance(self._style)

    def measure(self, picture: Picture) -> Measures:
        """The measures of a result."""
        sized = resize_array(picture, self._shape)
        found = self._features(sized)
        content = [float(np.sum((found[n] - self._content[n]) ** 2) / np.sum(self._content[n] ** 2)) for n in CONTENT]
        statistics = Statistics.of(found)
        grain, speckle = (
            mine / max(theirs, LEAST_FINENESS) for mine, theirs in zip(fineness(sized), self._fineness, strict=True)
        )
        distance = statistics.distance(self._style) / self._unstyled
        return Measures(*content, *statistics.gram_errors(self._style), distance, grain, speckle)

    def _features(self, picture: Picture) -> Features:
        found = self._extract(tf.constant(picture[np.newaxis]))
        return {name: np.asarray(value) for name, value in found.items()}


@dataclass(frozen=True)
class Statistics:
    """What is compared of a picture's style: Gram matrices, and profiles (:func:`profile`) at the held-out layers."""

    grams: Features
    profiles: Features

    @classmethod
    def of(cls, features: Features) -> Statistics:
        """Those of a picture's features."""
        grams = {name: _gram(features[name]) for name in GRAM}
        return cls(grams, {name: profile(features[name]) for name in HELD_OUT})

    def gram_errors(self, style: Statistics) -> list[float]:
        """‖G − A‖ / ‖A‖ of each of the five layers."""
        return [_relative(self.grams[name], style.grams[name]) for name in GRAM]

    def distance(self, style: Statistics) -> float:
        """The mean of :func:`sliced_wasserstein` over the layers that no preset looks at."""
        return float(np.mean([sliced_wasserstein(self.profiles[name], style.profiles[name]) for name in HELD_OUT]))


def profile(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, h, w, N) -> (quantiles, directions): how features are distributed along fixed random directions."""
    filters = features.shape[-1]
    directions = np.random.default_rng(0).standard_normal((filters, DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    along = np.sort(np.ascontiguousarray((features.reshape(-1, filters) @ directions).T), axis=1)
    # Between the two that are nearest, as np.quantile has it, which takes ten times as long.
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES * (along.shape[1] - 1)
    below = at.astype(np.int64)
    share = (at - below).astype(np.float32)
    above = np.minimum(below + 1, along.shape[1] - 1)
    return (along[:, below] + share * (along[:, above] - along[:, below])).T


def sliced_wasserstein(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Mean 1-Wasserstein distance of two profiles along their directions, over the spread of the second."""
    return float(np.mean(np.abs(first - second).mean(axis=0) / second.std(axis=0)))


def fineness(picture: Picture) -> tuple[float, float]:
    """Energy of the finest detail, in luminance and in the colour differences."""
    import cv2  # noqa: PLC0415 - after the images package has set its limits

    luminance = picture @ LUMA
    planes = luminance, picture[..., 0] - luminance, picture[..., 2] - luminance
    energies = [float(np.mean((plane - cv2.GaussianBlur(plane, (0, 0), BLUR)) ** 2)) for plane in planes]
    return energies[0], energies[1] + energies[2]


def _gram(features: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(gram_matrix(tf.constant(features)) / positions(features))


def _relative(found: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found - target) / np.linalg.norm(target))
