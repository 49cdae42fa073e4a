"""Pillow, with the formats this program reads, and with every failure of a decoder made a JobError."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from nst_batch.errors import JobError
from nst_batch.images.kinds import KINDS_READ, kind_of, trimmed
from nst_batch.images.wholeness import PNG_SIGNATURE, is_truncated, png_fault

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Named one by one: Pillow also knows formats that start other programs (EPS runs Ghostscript) or that hold
# no picture. The plugins are imported by name, since Pillow would otherwise load all forty of them.
_PLUGINS = ("Jpeg", "Mpo", "Png", "WebP", "Bmp", "Gif", "Jpeg2K", "Ppm", "Qoi", "Sgi", "Pcx", "Tga")
_FORMATS = [{"Jpeg2K": "JPEG2000"}.get(plugin, plugin.upper()) for plugin in _PLUGINS]
_CUT_WORDS = re.compile("truncated|end of file|unexpected eof|needs more input|need_more_input|not enough image data")

# warnings.catch_warnings changes the whole process, so one picture is read at a time; it bounds memory too.
_one_at_a_time = threading.RLock()


def open_image(file: BinaryIO, kind: str | None = None) -> ImageFile:
    """The picture behind ``file``: its header only, pixels are read by ``load``.

    ``kind``: as :func:`kinds.kind_of` has it, but no JPEG XL, which Pillow does not read. To be called within
    :func:`reading`. Pillow's own pixel limit is off: ours is checked on the header.
    """
    from PIL import Image  # noqa: PLC0415 - loaded when first needed

    Image.MAX_IMAGE_PIXELS = None
    if kind == "HEIF":
        import_module("pi_heif").register_heif_opener(thumbnails=False)
    elif kind in ("AVIF", "TIFF"):
        import_module(f"PIL.{kind.title()}ImagePlugin")
    else:
        for plugin in _PLUGINS:
            import_module(f"PIL.{plugin}ImagePlugin")
    return Image.open(file, formats=[kind] if kind else [name for name in _FORMATS if name in Image.OPEN])


@contextmanager
def reading(name: str, data: bytes) -> Iterator[None]:
    """Whatever goes wrong inside while ``name`` is read becomes a JobError that names it; warnings are not let out.

    ``data``: the file's bytes, to tell a cut file from a damaged one.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:  # decoders raise nearly every kind there is on hostile bytes
            why = error if isinstance(error, JobError) else _explained(error, trimmed(data))
            raise JobError(why.code, f"{name}: {why.message}", why.advice, retry=why.retry) from error


def _explained(error: Exception, data: bytes) -> JobError:
    """What ``error`` means, which kept a file from being read."""
    from PIL import UnidentifiedImageError  # noqa: PLC0415 - loaded when first needed

    if isinstance(error, MemoryError):
        advice = "give the machine more memory, or make the picture smaller"
        return JobError("out_of_memory", "too little memory to read it", advice, retry=True)
    png = data.startswith(PNG_SIGNATURE)
    if is_truncated(data) or (not png and _CUT_WORDS.search(str(error).lower())):
        return JobError("image_truncated", "the picture is cut off")
    if isinstance(error, UnidentifiedImageError) and kind_of(data) is None:
        advice = f"save it as {KINDS_READ}; if it is one of these, it is damaged"
        return JobError("image_unreadable", "is not a picture of a kind that is read here", advice)
    # A decoder's own words mean nothing to users; the log has them, as the cause.
    return JobError("image_unreadable", (png and png_fault(data)) or "is damaged: it does not decode")
