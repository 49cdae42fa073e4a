"""What a JPEG XL says of itself and of its colours, by libjxl.

imagecodecs decodes its pixels, but tells nothing else. Its extension module is linked with libjxl, whose own functions
(decode.h) are called through it here; so no second copy is needed, and a header loads neither NumPy nor imagecodecs.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_TRUNCATED, _BASIC_INFO, _COLORS = 2, 0x40, 0x100  # JxlDecoderStatus
_INFO = struct.Struct("64I")  # JxlBasicInfo: 4 bytes a field but for the padding at its end
_ENCODING = struct.Struct("24xI52xI20x")  # JxlColorEncoding: of all that, its primaries and its transfer function
_OF_THE_PIXELS = 1  # JXL_COLOR_PROFILE_TARGET_DATA


class JxlFacts(NamedTuple):
    """``width`` and ``height`` as shown; ``bits`` a sample; whether it moves; whether alpha is in its colours."""

    width: int
    height: int
    bits: int
    moves: bool
    premultiplied: bool


def jxl_facts(data: bytes) -> JxlFacts:
    """The header's facts. ValueError where there is none."""
    info = ctypes.create_string_buffer(_INFO.size)
    with _decoder(data, _BASIC_INFO) as decoder:
        _libjxl().JxlDecoderGetBasicInfo(decoder, info)
    fields = _INFO.unpack(info.raw)
    return JxlFacts(fields[1], fields[2], fields[3], bool(fields[11]), bool(fields[17]))


def jxl_colors(data: bytes) -> tuple[bytes, int, int]:
    """The ICC profile of the pixels, their primaries and transfer function by H.273; 0 where these have no number."""
    encoding, size = ctypes.create_string_buffer(_ENCODING.size), ctypes.c_size_t()
    with _decoder(data, _COLORS) as decoder:
        jxl = _libjxl()
        numbered = jxl.JxlDecoderGetColorAsEncodedProfile(decoder, _OF_THE_PIXELS, encoding) == 0
        jxl.JxlDecoderGetICCProfileSize(decoder, _OF_THE_PIXELS, ctypes.byref(size))
        profile = ctypes.create_string_buffer(size.value)
        jxl.JxlDecoderGetColorAsICCProfile(decoder, _OF_THE_PIXELS, profile, size)
    primaries, transfer = _ENCODING.unpack(encoding.raw) if numbered else (0, 0)
    return profile.raw, primaries, transfer


@contextmanager
def _decoder(data: bytes, until: int) -> Iterator[ctypes.c_void_p]:
    """A decoder that has come to ``until``."""
    jxl = _libjxl()
    decoder = ctypes.c_void_p(jxl.JxlDecoderCreate(None))
    try:
        jxl.JxlDecoderSubscribeEvents(decoder, until)
        jxl.JxlDecoderSetInput(decoder, data, ctypes.c_size_t(len(data)))
        status = jxl.JxlDecoderProcessInput(decoder)
        if status != until:
            raise ValueError("truncated" if status == _TRUNCATED else "no header of a JPEG XL")
        yield decoder
    finally:
        jxl.JxlDecoderDestroy(decoder)


@cache
def _libjxl() -> ctypes.CDLL:
    found = find_spec("imagecodecs")  # not imported
    assert found is not None
    assert found.origin is not None
    library = ctypes.CDLL(str(next(Path(found.origin).parent.glob("_jpegxl.*so"))))
    library.JxlDecoderCreate.restype = ctypes.c_void_p
    return library
