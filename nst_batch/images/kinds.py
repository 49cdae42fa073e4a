"""What a file is, told by its content and never by its name; and what to do with one that is not read here."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from nst_batch.images.wholeness import jpeg_frame

KINDS_READ = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG XL, JPEG 2000, BMP, GIF, PPM, QOI, SGI, PCX or TGA"
HEAD = 4096  # bytes that tell

_HEIF_BRAND = rb"(?:he[iv][cxms]|mif1|msf1)"
_SIGNATURES = {
    "TIFF": rb"II(\*\0(?!.{4}(CR|IIII.waR))|\+\0)|MM(\0\*(?!.{4}MMMMRaw)|\0\+)",
    "JXL": rb"\xff\x0a|.{4}JXL \r\n\x87\n",
    "AVIF": rb".{4}ftyp(avi[fs]|" + _HEIF_BRAND + rb".{4}(.{4}){0,16}?avi[fs])",
    "HEIF": rb".{4}ftyp" + _HEIF_BRAND,
    "": rb"[\s\0]{0,64}(.PNG|PNG|\x89P|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|qoif|\xff\x4f\xff\x51|.{4}jP  )",
}
_KINDS = [(kind, re.compile(signature, re.DOTALL)) for kind, signature in _SIGNATURES.items()]


def kind_of(data: bytes) -> str | None:
    """``TIFF``, ``HEIF``, ``AVIF`` or ``JXL``, for these are opened each in its own way; empty for JPEG, PNG and such.

    None where the beginning does not tell a kind that is read; BMP, PPM, SGI, PCX and TGA have hardly a signature.
    """
    return next((kind for kind, signature in _KINDS if signature.match(data[:HEAD])), None)


def not_read(data: bytes) -> tuple[str, str]:
    """What a file of a kind that is known but not read is, with its article, and what to do about it; else empty."""
    frame = jpeg_frame(data) if data.startswith(b"\xff\xd8") else 2
    head = data[:2] + data[frame : frame + HEAD]  # of a JPEG what stands before its frame does not tell
    for pattern, what, advice in _not_read():
        if pattern.match(head):
            return what, advice
    return "", ""


@cache
def _not_read() -> tuple[tuple[re.Pattern[bytes], str, str], ...]:
    """The table beside this module."""
    rows = (line.split("\t") for line in Path(__file__).with_name("not_read.tsv").read_text().splitlines()[2:])
    return tuple((re.compile(pattern.encode(), re.DOTALL), what, advice) for pattern, what, advice in rows)


def trimmed(data: bytes) -> bytes:
    """The file without the line ends, zeros or byte-order mark that stand before some JPEG or PNG."""
    found = re.match(rb"(?:\xef\xbb\xbf|[\r\n\t \0]){1,64}(?=\xff\xd8\xff|\x89PNG)", data[:HEAD])
    return data[found.end() :] if found else data
