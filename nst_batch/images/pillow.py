"""Pillow, with the formats this program reads, and with every failure of a decoder made a JobError."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from nst_batch.errors import JobError
from nst_batch.images.wholeness import is_cut

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Named one by one: Pillow also knows formats that start other programs (EPS runs Ghostscript) or that hold
# no picture. The plugins are imported by name, since Pillow would otherwise load all forty of them.
_PLUGINS = {
    "JPEG": "Jpeg",
    "MPO": "Mpo",
    "PNG": "Png",
    "WEBP": "WebP",
    "TIFF": "Tiff",
    "BMP": "Bmp",
    "GIF": "Gif",
    "AVIF": "Avif",
    "JPEG2000": "Jpeg2K",
    "PPM": "Ppm",
    "QOI": "Qoi",
    "SGI": "Sgi",
    "PCX": "Pcx",
    "TGA": "Tga",
}
KINDS_READ = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000, PPM, QOI, SGI, PCX or TGA"
_DAMAGED_ADVICE = "the file is damaged: open it in a picture editor and save it anew, or copy it again"
_CUT_ADVICE = "the file ends too early: copy it again, whole"

# warnings.catch_warnings changes the whole process, so one picture is read at a time; it bounds memory too.
_one_at_a_time = threading.RLock()


def open_image(file: BinaryIO) -> ImageFile:
    """The picture behind ``file``: its header only, pixels are read by ``load``.

    To be called within :func:`reading`. Pillow's own pixel limit is off: ours is checked on the header.
    """
    from PIL import Image  # noqa: PLC0415 - loaded when first needed

    Image.MAX_IMAGE_PIXELS = None
    formats = []
    for name, plugin in _PLUGINS.items():
        import_module(f"PIL.{plugin}ImagePlugin")
        if name in Image.OPEN:  # MPO is opened by way of JPEG
            formats.append(name)
    return Image.open(file, formats=formats)


@contextmanager
def reading(name: str, data: Callable[[], bytes]) -> Iterator[None]:
    """Whatever goes wrong inside while ``name`` is read becomes a JobError; warnings are not let out.

    ``data`` gives the file's bytes, asked for only after a failure, to tell a cut file from a damaged one.
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
            raise explain(name, data(), error) from error


def explain(name: str, data: bytes, error: Exception) -> JobError:
    """The JobError for a file that ``error`` kept from being read."""
    from PIL import UnidentifiedImageError  # noqa: PLC0415 - loaded when first needed

    if is_cut(data) or "truncated" in str(error).lower():
        return truncated(name)
    if isinstance(error, UnidentifiedImageError):
        advice = f"save it as {KINDS_READ}; if it is one of these, it is damaged"
        return JobError("image_unreadable", f"{name}: is not a picture of a kind that is read here", advice)
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return JobError("image_unreadable", f"{name}: does not decode ({detail})", _DAMAGED_ADVICE)


def truncated(name: str) -> JobError:
    """The JobError for a file the rest of which is missing."""
    return JobError("image_truncated", f"{name}: the picture is cut off", _CUT_ADVICE)


def damaged(name: str, what: str) -> JobError:
    """The JobError for a file whose content contradicts itself."""
    return JobError("image_unreadable", f"{name}: {what}", _DAMAGED_ADVICE)


def tag(image: Any, number: int) -> Any:
    """A TIFF tag's value, or None where there is none or it is damaged."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    try:
        return tags.get(number)
    except Exception:  # a damaged tag is as good as none; which error it raises depends on the damage
        return None
