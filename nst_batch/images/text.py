"""Parameters in a picture's file: written beside the pixels.

PNG holds them as text chunks, one a key. JPEG and WebP have EXIF, TIFF its own tags: there they stand as one
JSON object in UserComment or ImageDescription, in ASCII, since readers disagree on anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

_DESCRIPTION, _EXIF_IFD, _USER_COMMENT, _COLOR_SPACE = 0x010E, 0x8769, 0x9286, 0xA001
_ASCII = b"ASCII\0\0\0"
_SRGB = 1
_MAX_JSON = 60_000  # bytes; a JPEG segment holds 65,533
_LEFT_OUT = "(left out: too long)"


def png_text(text: Mapping[str, str]) -> PngInfo:
    """Text chunks (Latin-1, or iTXt for what needs more), and the chunk that says sRGB."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - loaded when first needed

    info = PngInfo()
    info.add(b"sRGB", b"\0")
    for key, value in text.items():
        info.add_text(key, value.replace("\0", " "))
    return info


def exif_text(text: Mapping[str, str]) -> bytes:
    """EXIF with the parameters as JSON in UserComment, and the mark that the colours are sRGB."""
    from PIL import Image  # noqa: PLC0415 - loaded when first needed

    exif = Image.Exif()
    inner: dict[int, Any] = {_COLOR_SPACE: _SRGB}
    if text:
        inner[_USER_COMMENT] = _ASCII + as_json(text).encode("ascii")
    exif[_EXIF_IFD] = inner
    return exif.tobytes()


def tiff_text(text: Mapping[str, str]) -> dict[int, str]:
    """TIFF tags with the parameters as JSON in ImageDescription."""
    return {_DESCRIPTION: as_json(text)} if text else {}


def as_json(text: Mapping[str, str]) -> str:
    """One JSON object in ASCII, at most 60,000 bytes: the longest values give way where it would be more."""
    kept = {key: value.replace("\0", " ") for key, value in text.items()}
    while len(result := json.dumps(kept)) > _MAX_JSON and kept:
        longest = max(kept, key=lambda key: len(kept[key]))
        if kept[longest] == _LEFT_OUT:
            return "{}"
        kept[longest] = _LEFT_OUT
    return result
