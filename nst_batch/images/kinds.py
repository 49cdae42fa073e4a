"""What a file is, told by its content and never by its name; and what to do with one that is not read here."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from nst_batch.images.wholeness import unusual_jpeg

KINDS_READ = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG XL, JPEG 2000, BMP, GIF, PPM, QOI, SGI, PCX or TGA"
HEAD = 4096  # bytes that tell

_EXPORT = "export it as TIFF, JPEG or PNG"
_TIFF = re.compile(rb"II(\*\0(?!.{4}(CR|IIII.waR))|\+\0)|MM(\0\*(?!.{4}MMMMRaw)|\0\+)", re.DOTALL)
_STARTS = rb"(.PNG|PNG|\x89P|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|qoif|\xff\x4f\xff\x51|.{4}jP  )"
_READ = re.compile(rb"[\s\0]{0,64}" + _STARTS, re.DOTALL)
_HEIF_BRANDS = frozenset([b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"])
_AVIF_BRANDS = frozenset([b"avif", b"avis"])


def kind_of(head: bytes) -> str:
    """``TIFF``, ``HEIF``, ``AVIF`` or ``JXL``, for these are opened each in its own way; else empty."""
    if _TIFF.match(head):
        return "TIFF"
    if head.startswith(b"\xff\x0a") or head[4:12] == b"JXL \r\n\x87\n":
        return "JXL"
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
        if head[8:12] in _AVIF_BRANDS or (brands & _AVIF_BRANDS and head[8:12] in _HEIF_BRANDS):
            return "AVIF"
        return "HEIF" if head[8:12] in _HEIF_BRANDS else ""
    return ""


def is_read(head: bytes) -> bool:
    """Whether a file begins as one of a kind that is read: what no decoder then knows is damaged."""
    return bool(kind_of(head) or _READ.match(head))


def not_read(data: bytes) -> tuple[str, str]:
    """What a file of a kind that is known but not read is, with its article, and what to do about it; else empty."""
    if data.startswith(b"\xff\xd8"):
        what = unusual_jpeg(data)
        return what, _EXPORT if what else ""
    for pattern, what, advice in _not_read():
        if pattern.match(data[:HEAD]):
            return what, advice
    return "", ""


@cache
def _not_read() -> tuple[tuple[re.Pattern[bytes], str, str], ...]:
    """The table beside this module."""
    rows = (line.split("\t") for line in Path(__file__).with_name("not_read.tsv").read_text().splitlines()[2:])
    return tuple((re.compile(pattern.encode(), re.DOTALL), what, advice) for pattern, what, advice in rows)


def picture_start(head: bytes) -> int:
    """Where a JPEG or PNG begins that has line ends, zeros or a byte-order mark before it; 0 for any other file."""
    found = re.match(rb"(?:\xef\xbb\xbf|[\r\n\t \0]){1,64}(?=\xff\xd8\xff|\x89PNG)", head)
    return found.end() if found else 0
