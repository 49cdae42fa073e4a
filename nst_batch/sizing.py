"""The size of a job's result, and whether its images will do for it, by what their headers tell. No array library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nst_batch.images import check_format_size, check_mask_shape, working_size
from nst_batch.resolver import Role
from nst_batch.settings import Settings


class HasSize(Protocol):
    """A header or a picture, upright."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


def result_size(settings: Settings, inputs: Sequence[tuple[Role, str, HasSize]]) -> tuple[int, int]:
    """Height and width in pixels of the result of ``inputs``: role, name for messages, and size of each.

    Raises JobError for the first that is too small at its size, of another shape (a mask), or too large (the format).
    """
    name, content = next((name, image) for role, name, image in inputs if role == "content")
    size = working_size(content.width, content.height, settings.size, name)
    check_format_size(settings.format, *size)
    for role, name, image in inputs:
        if role == "style":
            working_size(image.width, image.height, settings.style_side(max(size)), name)
        if role == "mask":
            check_mask_shape((image.width, image.height), (content.width, content.height), name)
    return size
