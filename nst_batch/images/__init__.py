"""Pictures in and out: headers, decoding, resizing, encoding, and the one place that knows BGR from RGB.

Everywhere else a picture is a float32 array, height × width × 3, red first, sRGB values in [0, 1], upright.

    files.py         open an image without following links; how large a file may be, and its header
    kinds.py         what a file is, by its content; what is not read, and what to do about it
    boxes.py         the boxes of ISO media files; a JPEG XL's size
    wholeness.py     does the file end where its format says? (told apart from "is damaged")
    pillow.py        Pillow with our list of formats; every decoder's error becomes a JobError
    header.py        size and depth, read before any pixel
    tagged.py        what a file says of its colours
    samples.py       the decoder's pixels, at the depth that the file has; pixels.py what they are
    tiff.py          the same of a TIFF
    guard.py         no picture takes for ever
    decoding.py      a file's bytes -> Picture
    transparency.py  colours under transparent pixels, and pictures without their alpha
    resizing.py      smaller by area, larger by Lanczos
    text.py          parameters written into a picture's file
    encoding.py      [0, 1] -> the bytes of a png, jpg, webp or tiff

Importing this package loads neither NumPy nor OpenCV nor Pillow, so that the daemon and ``check`` may use
``read_header``; what needs them is loaded with the first name that is asked for.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from nst_batch.images.files import ImageLimits
from nst_batch.images.header import Header, read_header

if TYPE_CHECKING:
    from nst_batch.images.decoding import Picture, decode, decode_bytes
    from nst_batch.images.encoding import encode, quantize
    from nst_batch.images.resizing import resize, resize_array
    from nst_batch.images.transparency import fill_transparent, flatten

# A second wall behind our own limits, which are checked on the header; OpenCV reads it when it is loaded.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 29))

_LATER = {
    "Picture": "decoding",
    "decode": "decoding",
    "decode_bytes": "decoding",
    "encode": "encoding",
    "quantize": "encoding",
    "resize": "resizing",
    "resize_array": "resizing",
    "fill_transparent": "transparency",
    "flatten": "transparency",
}

__all__ = [
    "Header",
    "ImageLimits",
    "Picture",
    "decode",
    "decode_bytes",
    "encode",
    "fill_transparent",
    "flatten",
    "quantize",
    "read_header",
    "resize",
    "resize_array",
]


def __getattr__(name: str) -> object:
    """The names that need NumPy, OpenCV or Pillow, loaded when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
