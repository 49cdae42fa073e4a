"""A job's images, decoded and brought to size: what the engine is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nst_batch import images
from nst_batch.errors import JobError
from nst_batch.job import InputFacts, JobInput, JobSpec
from nst_batch.sizing import Shape, result_size, shapes, style_size
from nst_batch.transfer import color
from nst_batch.transfer.box import painted_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of what is seen of an image that the picture starts from, how many times as much is enlarged at most: of one that is a
# thousand times as long as wide all of it would be gigabytes.
_BEYOND = 4
_LEAST_MASK = 1 / 4096  # the mean of a mask that paints anything to speak of


@dataclass(frozen=True)
class JobImages:
    """Arrays are float32 H × W × 3 RGB in [0, 1], as the network is to see them.

    ``colors`` is the content whose colours come back on the result (``color: content``), else None. ``mask``, H × W in
    [0, 1], is 1 where the picture is painted and 0 where the content stays.
    """

    content: NDArray[np.float32]
    styles: tuple[tuple[NDArray[np.float32], float], ...]  # picture, weight
    init: NDArray[np.float32] | None
    alpha: NDArray[np.float32] | None  # H × W in [0, 1], of the content
    size: tuple[int, int]  # height, width of the result
    notes: tuple[str, ...]
    colors: NDArray[np.float32] | None = None
    mask: NDArray[np.float32] | None = None

    def shown(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """A picture of the optimisation as it is saved: at the result's size, in the colours asked for."""
        full = picture if picture.shape[:2] == self.size else self._enlarged(picture)
        return full if self.colors is None else color.with_luminance(self.colors, color.luminance(full))

    def _enlarged(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """A picture of a coarse scale at the result's size, with the content in full where the mask keeps it."""
        full = images.resize_array(picture, self.size)
        if self.mask is None:
            return full
        return np.clip(full, *painted_box(self.content, self.mask[..., np.newaxis]))


class KnownInputs:
    """What is known of a job's inputs so far; those that were not reached have a name only."""

    def __init__(self, spec: JobSpec) -> None:
        self._inputs = spec.inputs
        self._known: dict[tuple[str, str], InputFacts] = {}

    def add(self, each: JobInput, picture: images.Picture) -> None:
        """An input was decoded."""
        self._known[each.role, each.path] = InputFacts(
            role=each.role, name=each.name, sha256=picture.sha256, width=picture.width, height=picture.height
        )

    @property
    def first_unknown(self) -> str | None:
        """The name of the input that is being read, or was when reading failed: they are read in order."""
        return next((each.name for each in self._inputs if (each.role, each.path) not in self._known), None)

    def all(self) -> tuple[InputFacts, ...]:
        """One entry an input, in the job's order."""
        return tuple(
            self._known.get((each.role, each.path), InputFacts(role=each.role, name=each.name)) for each in self._inputs
        )


def load_job_images(
    spec: JobSpec,
    claim: Path,
    limits: images.ImageLimits,
    facts: KnownInputs,
    check_fits: Callable[[Shape, tuple[Shape, ...]], object],
    on_progress: Callable[[], object],
) -> JobImages:
    """Decode every input of ``spec`` (paths relative to ``claim``) and resize it for the result's size.

    ``facts`` is filled as images are read, so that a failure still says what is known. ``check_fits`` is told the
    shapes of the content and of the styles before anything is made as large as the result;
    ``on_progress`` is called after each image. Raises JobError, and what these two raise.
    """
    settings = spec.settings
    pictures = []
    for each in spec.inputs:
        picture = _decode(each, claim / each.path, limits)
        facts.add(each, picture)
        on_progress()
        pictures.append((each, picture))
    size = result_size(settings, [(each.role, each.name, picture) for each, picture in pictures])
    check_fits(*shapes([(each.role, picture) for each, picture in pictures]))
    sized = next(images.resize(picture, size) for each, picture in pictures if each.role == "content")
    styles = [
        (images.resize(picture, style_size(settings, size, picture.width, picture.height, each.name)).rgb, each.weight)
        for each, picture in pictures
        if each.role == "style"
    ]
    start = "style" if settings.init == "style" else "init"
    seen, colors = sized.rgb, None
    if settings.color == "match":
        styles = [(color.match_color(style, seen), weight) for style, weight in styles]
    elif settings.color == "content":
        styles = [(color.match_luminance(style, seen), weight) for style, weight in styles]
        seen, colors = color.grey(color.luminance(seen)), sized.rgb
    return JobImages(
        content=seen,
        styles=tuple(styles),
        init=next((_cover(picture, size) for each, picture in pictures if each.role == start), None),
        alpha=sized.alpha,
        size=size,
        notes=tuple(
            f"{each.name}: {note}" for each, picture in pictures for note in _notes(each, picture, settings.format)
        ),
        colors=colors,
        mask=next((mask_plane(each.name, picture, size) for each, picture in pictures if each.role == "mask"), None),
    )


def _notes(each: JobInput, picture: images.Picture, file_format: str) -> Iterator[str]:
    yield from picture.notes
    if note := images.transparency_note(each.role, picture.transparent, file_format):
        yield note


def mask_plane(name: str, picture: images.Picture, size: tuple[int, int]) -> NDArray[np.float32]:
    """H × W in [0, 1], what is transparent counted as black. JobError where it paints nothing."""
    plane = color.luminance(picture.rgb)
    if picture.alpha is not None:
        plane *= picture.alpha
    plane = images.resize_array(plane, size, sharp=False)
    if plane.mean() < _LEAST_MASK:
        what, advice = "black", "make white what is to be"
        if picture.transparent == "everywhere":  # it may be as white as it was meant to be
            what, advice = "transparent everywhere, which counts as black", "make it opaque, and white what is to be"
        raise JobError("mask_empty", f"{name}: the mask is {what}, and nothing would be painted", advice)
    return plane


def _decode(each: JobInput, path: Path, limits: images.ImageLimits) -> images.Picture:
    try:
        return images.decode(path, limits)
    except JobError as error:
        # The person knows the image by its own name, not by that of the copy.
        message = error.message.replace(str(path), each.name).replace(path.name, each.name)
        raise JobError(error.code, message, error.advice, retry=error.retry) from error


def _cover(picture: images.Picture, size: tuple[int, int]) -> NDArray[np.float32]:
    """``picture`` filling ``size`` without distortion: its middle, where the shapes differ."""
    height, width = size
    scale = max(height / picture.height, width / picture.width)
    rgb = _middle(picture.rgb, math.ceil(_BEYOND * height / scale), math.ceil(_BEYOND * width / scale))
    whole = max(height, round(rgb.shape[0] * scale)), max(width, round(rgb.shape[1] * scale))
    return _middle(images.resize_array(rgb, whole), height, width).copy()


def _middle(rgb: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The middle of a picture, so large at most."""
    top, left = max(0, rgb.shape[0] - height) // 2, max(0, rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]
