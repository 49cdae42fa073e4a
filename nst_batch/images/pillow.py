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
from nst_batch.images.files import ENDLESS
from nst_batch.images.kinds import HEAD, KINDS_READ, is_read
from nst_batch.images.wholeness import PNG_SIGNATURE, is_truncated, png_fault

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Named one by one: Pillow also knows formats that start other programs (EPS runs Ghostscript) or that hold
# no picture. The plugins are imported by name, since Pillow would otherwise load all forty of them.
_PLUGINS = ("Jpeg", "Mpo", "Png", "WebP", "Bmp", "Gif", "Jpeg2K", "Ppm", "Qoi", "Sgi", "Pcx", "Tga")
_FORMATS = [{"Jpeg2K": "JPEG2000"}.get(plugin, plugin.upper()) for plugin in _PLUGINS]
_DAMAGED_ADVICE = "the file is damaged: open it in a picture editor and save it anew, or copy it again"

_CUT_WORDS = re.compile("truncated|end of file|unexpected eof|needs more input|need_more_input|not enough image data")

# warnings.catch_warnings changes the whole process, so one picture is read at a time; it bounds memory too.
_one_at_a_time = threading.RLock()


def open_image(file: BinaryIO, kind: str = "") -> ImageFile:
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
    """Whatever goes wrong inside while ``name`` is read becomes a JobError; warnings are not let out.

    ``data``: the file's bytes, to tell a cut file from a damaged one.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except JobError:
            raise
        except MemoryError as error:
            advice = "give the machine more memory, or make the picture smaller"
            raise JobError("out_of_memory", f"{name}: too little memory to read it", advice, retry=True) from error
        except Exception as error:  # decoders raise nearly every kind there is on hostile bytes
            raise explain(name, data, error) from error


def explain(name: str, data: bytes, error: Exception) -> JobError:
    """The JobError for a file that ``error`` kept from being read."""
    from PIL import UnidentifiedImageError  # noqa: PLC0415 - loaded when first needed

    png = data.startswith(PNG_SIGNATURE)
    if is_truncated(data) or (not png and _CUT_WORDS.search(str(error).lower())):
        return truncated(name)
    if isinstance(error, UnidentifiedImageError) and not is_read(data[:HEAD]):
        advice = f"save it as {KINDS_READ}; if it is one of these, it is damaged"
        return JobError("image_unreadable", f"{name}: is not a picture of a kind that is read here", advice)
    # A decoder's own words mean nothing to users; the log has them, as the cause.
    what = ENDLESS if ENDLESS in str(error) else png and png_fault(data)
    return damaged(name, what or "is damaged: it does not decode")


def truncated(name: str) -> JobError:
    """The JobError for a file the rest of which is missing."""
    advice = "the file ends too early: copy it again, whole"
    return JobError("image_truncated", f"{name}: the picture is cut off", advice)


def damaged(name: str, what: str) -> JobError:
    """The JobError for a file whose content contradicts itself."""
    return JobError("image_unreadable", f"{name}: {what}", _DAMAGED_ADVICE)
