"""The second judge: measures that no objective descends on, for ranking families of objectives against each other.

Gram matrices and slices of distributions favour whoever optimises them, and one place on the pooling grid favours
whoever optimises at that place. What is measured here is read off saved pictures too, by the same frozen float32 VGG19,
at 512 px but for ``dots``, which is counted in the picture as it was saved. Smaller is better for the first three,
larger for the others, whose best is 1.

- ``gram_over``, ``swd_over``: ``gram`` and ``swd`` of the first judge, the mean over several places on the pooling
  grid (:data:`PLACES`).
- ``dots``: isolated colour dots in a thousand pixels.
- ``kept4``, ``kept5``: the cosine between the features of result and content at block4_conv1 and block5_conv1, each
  less its own mean over the picture, the mean over positions.
- ``palette``: the share that the colour histograms of result and style have in common.
- ``patch3``, ``patch4``: of each patch of 3 × 3 features of the result, the cosine to the most alike patch of the
  style, the mean; at block3_conv1 (every second patch across and down) and block4_conv1.
- ``used3``, ``used4``: the share of the style's patches that are the most alike one of some patch of the result; few
  means repetition.

(Cosines of features, best patches and the share of them in use: Wang et al., *Evaluate and Improve the Quality of
Neural Style Transfer*, 2021; centring and places on the grid are ours.)
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.quality.evaluator import GRAM, HELD_OUT, SIDE, Features, Picture, Statistics
from benchmarks.quality.pairs import at_size
from nst_batch.images import quantize, resize_array
from nst_batch.transfer.vgg19 import StyleContentModel
from nst_batch.transfer.weights import Weights

PLACES = ((0, 0), (1, 2), (2, 3), (3, 1))  # rows and columns left out at the top and left
CONTENT = ("block4_conv1", "block5_conv1")
PATCHES = {"block3_conv1": 2, "block4_conv1": 1}  # layer: every how manieth patch
DOT = 12  # of 255: by so much a dot's Cr or Cb differs from the median of its 3 × 3
BINS = 8  # of a colour histogram, each of red, green and blue
PIECE = 1024  # patches that are compared at a time


@dataclass(frozen=True)
class SecondMeasures:
    """Of one saved picture; see the module."""

    gram_over: float
    swd_over: float
    dots: float
    kept4: float
    kept5: float
    palette: float
    patch3: float
    patch4: float
    used3: float
    used4: float

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The measures, in order."""
        return tuple(field.name for field in fields(cls))


class SecondJudge:
    """Judges pictures against one pair of content and style, (H, W, 3) float32 RGB in [0, 1]."""

    def __init__(self, weights: Weights, content: Picture, style: Picture) -> None:
        self._extract = tf.function(
            StyleContentModel(weights.kernels, sorted({*GRAM, *HELD_OUT, *CONTENT, *PATCHES})), reduce_retracing=True
        )
        small_content, small_style = at_size(content, SIDE), at_size(style, SIDE)
        self._shape = small_content.shape[0], small_content.shape[1]
        self._content, unstyled = self._look(small_content)
        self._style, self._styles = self._look(small_style)
        self._palette = histogram(small_style)
        self._unstyled = _mean_distance(unstyled, self._styles)

    def measure(self, picture: Picture) -> SecondMeasures:
        """The measures of a result."""
        sized = resize_array(picture, self._shape)
        found, places = self._look(sized)
        errors = [mine.gram_errors(theirs) for mine, theirs in zip(places, self._styles, strict=True)]
        likeness = [best_patches(found[name], self._style[name], step) for name, step in PATCHES.items()]
        return SecondMeasures(
            float(np.mean(errors)),
            _mean_distance(places, self._styles) / self._unstyled,
            dots(quantize(picture)),
            *(centred_cosine(found[name], self._content[name]) for name in CONTENT),
            float(np.minimum(histogram(sized), self._palette).sum()),
            *(cosine for cosine, _ in likeness),
            *(used for _, used in likeness),
        )

    def _look(self, picture: Picture) -> tuple[Features, list[Statistics]]:
        """The features whose places count, at the first place on the grid; the statistics at all."""
        features: Features = {}
        statistics = []
        for down, across in PLACES:
            found = self._extract(tf.constant(picture[np.newaxis, down:, across:]))
            everything = {name: np.asarray(value) for name, value in found.items()}
            features = features or {name: everything[name] for name in {*CONTENT, *PATCHES}}
            statistics.append(Statistics.of(everything))
        return features, statistics


def dots(picture: NDArray[np.uint8]) -> float:
    """Isolated colour dots in a thousand pixels of an (H, W, 3) RGB picture.

    Pixels whose Cr or Cb (BT.601) is more than :data:`DOT` from the median of its 3 × 3 neighbourhood.
    """
    import cv2  # noqa: PLC0415 - after the images package has set its limits

    differences = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 1:]
    medians = [cv2.medianBlur(np.ascontiguousarray(differences[..., plane]), 3) for plane in (0, 1)]
    away = np.abs(differences.astype(np.int16) - np.stack(medians, axis=-1))
    return 1000.0 * float(np.mean(away.max(axis=-1) > DOT))


def centred_cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The mean over positions of the cosine between two (1, h, w, N) features, each less its mean over positions."""
    first, second = (x.reshape(-1, x.shape[-1]) - x.mean(axis=(0, 1, 2)) for x in (a, b))
    return float(np.mean(np.sum(_unit(first) * _unit(second), axis=1)))


def histogram(picture: Picture) -> NDArray[np.float64]:
    """The shares of an RGB picture's pixels in BINS³ boxes of colour; their sum is 1."""
    counts, _ = np.histogramdd(picture.reshape(-1, 3), bins=BINS, range=[(0.0, 1.0)] * 3)
    return np.asarray(counts / counts.sum())


def best_patches(a: NDArray[np.float32], b: NDArray[np.float32], step: int = 1) -> tuple[float, float]:
    """Of the 3 × 3 patches of (1, h, w, N) features ``a``: the mean cosine to the most alike patch of ``b``.

    And the share of b's patches that are the most alike one of some patch of ``a``.
    """
    mine, theirs = _patches(a, step), tf.constant(_patches(b, step))
    best, chosen = [], []
    for begin in range(0, len(mine), PIECE):
        cosines = tf.matmul(mine[begin : begin + PIECE], theirs, transpose_b=True)
        best.append(np.asarray(tf.reduce_max(cosines, axis=1)))
        chosen.append(np.asarray(tf.argmax(cosines, axis=1)))
    return float(np.mean(np.concatenate(best))), len(np.unique(np.concatenate(chosen))) / int(theirs.shape[0])


def _patches(features: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """(1, h, w, N) -> (patches, 9 N), each of length 1."""
    windows = np.lib.stride_tricks.sliding_window_view(features[0], (3, 3), axis=(0, 1))[::step, ::step]
    return _unit(windows.reshape(-1, 9 * features.shape[-1]))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row brought to length 1; a row of zeros stays."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))


def _mean_distance(found: list[Statistics], styles: list[Statistics]) -> float:
    return float(np.mean([mine.distance(theirs) for mine, theirs in zip(found, styles, strict=True)]))
