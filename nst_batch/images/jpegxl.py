"""What a JPEG XL says of itself and of its colours, by libjxl.

imagecodecs decodes its pixels, but tells nothing else. Its extension module is linked with libjxl, whose own functions
(decode.h) are called through it here; so no second copy is needed, and a header loads neither NumPy nor imagecodecs.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from nst_batch.images.files import Header

_TRUNCATED, _COLORS = 2, 0x100  # JxlDecoderStatus
_INFO = struct.Struct("64I")  # JxlBasicInfo: 4 bytes a field but for the padding at its end
_WIDTH, _HEIGHT, _BITS, _MOVES, _PREMULTIPLIED = 1, 2, 3, 11, 17  # fields of it
_ENCODING = struct.Struct("24xI52xI20x")  # JxlColorEncoding: of all that, its primaries and its transfer function
_OF_THE_PIXELS = 1  # JXL_COLOR_PROFILE_TARGET_DATA


class JxlFacts(NamedTuple):
    """What stands before the pixels.

    ``header``: upright, as its decoder gives the pixels. ``primaries`` and ``transfer``: by H.273, 0 where they have no
    number. ``premultiplied``: whether alpha is in the colours.
    """

    header: Header
    profile: bytes
    primaries: int
    transfer: int
    premultiplied: bool


def jxl_facts(data: bytes) -> JxlFacts:
    """What stands before the pixels. ValueError where there is none."""
    jxl = _libjxl()
    info, encoding = ctypes.create_string_buffer(_INFO.size), ctypes.create_string_buffer(_ENCODING.size)
    decoder, size = ctypes.c_void_p(jxl.JxlDecoderCreate(None)), ctypes.c_size_t()
    try:
        jxl.JxlDecoderSubscribeEvents(decoder, _COLORS)
        jxl.JxlDecoderSetInput(decoder, data, ctypes.c_size_t(len(data)))
        status = jxl.JxlDecoderProcessInput(decoder)
        if status != _COLORS:
            raise ValueError("truncated" if status == _TRUNCATED else "no header of a JPEG XL")
        jxl.JxlDecoderGetBasicInfo(decoder, info)
        numbered = jxl.JxlDecoderGetColorAsEncodedProfile(decoder, _OF_THE_PIXELS, encoding) == 0
        jxl.JxlDecoderGetICCProfileSize(decoder, _OF_THE_PIXELS, ctypes.byref(size))
        profile = ctypes.create_string_buffer(size.value)
        jxl.JxlDecoderGetColorAsICCProfile(decoder, _OF_THE_PIXELS, profile, size)
    finally:
        jxl.JxlDecoderDestroy(decoder)
    fields = _INFO.unpack(info.raw)
    header = Header("JXL", fields[_WIDTH], fields[_HEIGHT], fields[_BITS], more=bool(fields[_MOVES]))
    primaries, transfer = _ENCODING.unpack(encoding.raw) if numbered else (0, 0)
    return JxlFacts(header, profile.raw, primaries, transfer, bool(fields[_PREMULTIPLIED]))


@cache
def _libjxl() -> ctypes.CDLL:
    found = find_spec("imagecodecs")  # not imported
    assert found is not None
    assert found.origin is not None
    library = ctypes.CDLL(str(next(Path(found.origin).parent.glob("_jpegxl.*so"))))
    library.JxlDecoderCreate.restype = ctypes.c_void_p
    return library
