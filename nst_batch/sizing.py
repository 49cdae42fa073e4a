"""Sizes in pixels: what a picture is worked at, what a format can hold, a result's by what its images' headers tell.

No array library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from nst_batch.errors import JobError, UsageError
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.setting_values import LARGEST_SIZE
from nst_batch.sidecar.settings import Settings

MASK_TOLERANCE = 0.02  # masks that were saved smaller have their sides rounded
MIN_SHORT_SIDE = 32
"""Shorter than this and VGG19's last layers see less than two positions."""
STYLE_SHARE = 4  # of the result's pixels: so many a style has at most where its size follows the result's


FORMATS = {"png": 2**31 - 1, "jpg": 65_500, "webp": 16_383, "tiff": 2**31 - 1}
"""The formats a result can have, by their suffix, each with its longest side in pixels."""


def scaled_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Height and width, in pixels, of a picture whose long side is made that; a short side may come to nothing."""
    longest = max(width, height)
    # Whole-number arithmetic, rounded half up: the same on every machine.
    new_height, new_width = ((2 * side * long_side + longest) // (2 * longest) for side in (height, width))
    return new_height, new_width


def working_size(
    width: int, height: int, size: int | Literal["full"], name: str = "the picture", *, key: str = "size", at: str = ""
) -> tuple[int, int]:
    """Height and width, in pixels, of a picture whose long side is made ``size``; ``full`` leaves it.

    ``key`` gives the size, "" where it is fixed; ``at`` is how a message calls it. Raises JobError image_too_small
    where the short side is then under 32 pixels.
    """
    long_side, short_side = max(width, height), min(width, height)
    new_height, new_width = scaled_size(width, height, long_side if size == "full" else size)
    short = min(new_height, new_width)
    if short >= MIN_SHORT_SIDE:
        return new_height, new_width
    at = at or f"at {key or 'size'} {size}"
    if short:
        what = f"becomes {new_width} × {new_height} {at}; the short side needs {MIN_SHORT_SIDE} pixels"
    else:
        what = f"is so narrow that {at} its short side comes to less than a pixel; it needs {MIN_SHORT_SIDE}"
    enough = -(-(2 * MIN_SHORT_SIDE - 1) * long_side // (2 * short_side))
    larger = f"{key}: {enough} or more, or " if key and enough <= LARGEST_SIZE else ""
    raise JobError("image_too_small", f"{name}: {width} × {height} {what}", f"use {larger}a less narrow picture")


def style_side(settings: Settings, size: tuple[int, int], width: int, height: int) -> int:
    """The long side at which a style of that shape is looked at beside a result of ``size`` (height, width).

    It is ``style_size``. Where that is as ``size``, the style of a long and narrow result would be many times as large
    as the result, which it cannot show: it has ``STYLE_SHARE`` times its pixels at most.
    """
    side = settings.style_side(max(size))
    if settings.style_size != settings.size:
        return side
    return min(side, math.isqrt(STYLE_SHARE * size[0] * size[1] * max(width, height) // min(width, height)))


def style_size(
    settings: Settings, size: tuple[int, int], width: int, height: int, name: str = "the style"
) -> tuple[int, int]:
    """Height and width, in pixels, at which a style is looked at: :func:`style_side`. JobError image_too_small."""
    side = style_side(settings, size, width, height)
    at = f"at {'size' if settings.style_size == settings.size else 'style_size'} {side}"
    return working_size(width, height, side, name, key="style_size", at=at)


def check_mask_shape(mask: tuple[int, int], content: tuple[int, int], name: str) -> None:
    """Raises JobError mask_shape where a mask (width, height) has not the content's proportions, but for rounding."""
    (width, height), (content_width, content_height) = mask, content
    if abs(width * content_height - content_width * height) > MASK_TOLERANCE * content_width * height:
        raise JobError(
            "mask_shape",
            f"{name}: the mask has {width} × {height} pixels, "
            f"its content {content_width} × {content_height}: another shape",
            "draw the mask over the content image itself, and save it at that size",
        )


def check_format_size(file_format: str, height: int, width: int) -> None:
    """Raises JobError format_too_small where ``file_format`` cannot hold so large a picture."""
    if file_format not in FORMATS:
        raise UsageError("unknown_format", f"format {file_format!r} is not one of {', '.join(FORMATS)}")
    most = FORMATS[file_format]
    if max(height, width) > most:
        raise JobError(
            "format_too_small",
            f"a {file_format} file holds at most {most} pixels a side, the result has {width} × {height}",
            "use format: png or tiff, or a smaller size",
        )


class HasSize(Protocol):
    """A header or a picture, upright."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


class Shape(NamedTuple):
    """Of an image of which only its size is known."""

    width: int
    height: int


def shapes(inputs: Iterable[tuple[Role, HasSize]]) -> tuple[Shape, tuple[Shape, ...]]:
    """Those of a job's content and of its styles."""
    found = [(role, Shape(image.width, image.height)) for role, image in inputs if role in ("content", "style")]
    return next(shape for role, shape in found if role == "content"), tuple(s for role, s in found if role == "style")


def result_size(settings: Settings, inputs: Sequence[tuple[Role, str, HasSize]]) -> tuple[int, int]:
    """Height and width in pixels of the result of ``inputs``: role, name for messages, and size of each.

    Raises JobError for the first that is too small at its size, of another shape (a mask), or too large (the format).
    """
    name, content = next((name, image) for role, name, image in inputs if role == "content")
    size = working_size(content.width, content.height, settings.size, name)
    check_format_size(settings.format, *size)
    for role, name, image in inputs:
        if role == "style":
            style_size(settings, size, image.width, image.height, name)
        if role == "mask":
            check_mask_shape((image.width, image.height), (content.width, content.height), name)
    return size


def style_pixels(settings: Settings, size: tuple[int, int], styles: Iterable[HasSize]) -> int:
    """The pixels of the largest style, as it is looked at for a result of ``size`` (height, width); 0 for none."""
    sides = ((each, style_side(settings, size, each.width, each.height)) for each in styles)
    return max((math.prod(scaled_size(each.width, each.height, side)) for each, side in sides), default=0)


def too_many_pixels(width: int, height: int, most_megapixels: float) -> str:
    """What is said of an image over the limit of pixels; "" of one that is within it."""
    megapixels = width * height / 1e6
    if megapixels <= most_megapixels:
        return ""
    return f"{width} × {height} is {megapixels:.1f} megapixels, the limit is {most_megapixels:g}"


def size_in_head(head: bytes) -> tuple[int, int] | None:
    """Width and height as the first bytes of a PNG, JPEG, GIF, BMP or WebP tell them; None for anything else.

    For estimates only: not turned upright, and nothing of it is checked.
    """
    if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) >= 24:
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if head[:3] == b"\xff\xd8\xff":
        return _size_in_jpeg(head)
    if head[:4] == b"GIF8" and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[:2] == b"BM" and len(head) >= 26:
        return int.from_bytes(head[18:22], "little"), abs(int.from_bytes(head[22:26], "little", signed=True))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _size_in_webp(head)
    return None


def _size_in_jpeg(head: bytes) -> tuple[int, int] | None:
    """From the frame's header, past the segments before it."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        kind = head[at + 1]
        if kind == 0xFF:  # a filler
            at += 1
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])
        else:
            at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4]))
    return None


def _size_in_webp(head: bytes) -> tuple[int, int] | None:
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if head[12:16] == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None
