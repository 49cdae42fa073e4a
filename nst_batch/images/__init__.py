"""Pictures in and out: headers, decoding, resizing, encoding.

Everywhere else a picture is a float32 array, height × width × 3, red first, sRGB values in [0, 1], upright.

Importing this package loads neither NumPy nor OpenCV nor Pillow, so that the daemon and ``check`` may use
``read_header``; what needs them is loaded with the first name that is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nst_batch.images.files import Header, ImageLimits
from nst_batch.images.header import read_header

if TYPE_CHECKING:
    from nst_batch.images.decoding import Picture, decode, decode_bytes
    from nst_batch.images.encoding import encode, quantize
    from nst_batch.images.resizing import resize, resize_array
    from nst_batch.images.transparency import Transparent, transparency_note

_LATER = {
    "decoding": ("Picture", "decode", "decode_bytes"),
    "encoding": ("encode", "quantize"),
    "resizing": ("resize", "resize_array"),
    "transparency": ("Transparent", "transparency_note"),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}

__all__ = ["Header", "ImageLimits", "Picture", "decode", "decode_bytes", "encode", "quantize", "read_header"]
__all__ += ["Transparent", "resize", "resize_array", "transparency_note"]


def __getattr__(name: str) -> object:
    """The names that need NumPy, OpenCV or Pillow, loaded when they are first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
