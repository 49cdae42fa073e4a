"""Whether an image file ends where its format says that it should.

A half-copied file and a damaged one call for different advice, and decoders often take the first without a
word: libjpeg paints the missing part grey. These checks read structure only, never pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from nst_batch.images.boxes import boxes

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BOX_BRANDS = (b"ftyp", b"jP  ", b"JXL ")
_PIXEL_BOXES = (b"mdat", b"idat", b"jp2c", b"jxlc", b"jxlp")
# Markers without a length: TEM, RST0-7, SOI, EOI.
_JPEG_BARE = frozenset([0x01, *range(0xD0, 0xDA)])
_MAX_CHUNKS = 100_000  # of 8 KB, as most programs write them, these make 800 MB
# Formats whose decoders may take a cut file silently, so that it is looked for even after they succeed.
MUST_BE_WHOLE = frozenset(["PNG", "JPEG2000", "AVIF", "HEIF", "JXL"])


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG file, as far as they lie within ``data``: kind, where the content starts, its length."""
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            return
        yield kind, position + 8, length
        position += 12 + length
    raise ValueError(f"more than {_MAX_CHUNKS:,} chunks")


def png_is_damaged(data: bytes) -> bool:
    """Whether a chunk that the picture depends on has a wrong checksum (decoders skip that of the pixels)."""
    for kind, start, length in png_chunks(data):
        critical = not kind[0] & 0x20
        if (
            critical
            and zlib.crc32(data[start - 4 : start + length]) != struct.unpack_from(">I", data, start + length)[0]
        ):
            return True
        if kind == b"IEND":
            break
    return False


def is_truncated(data: bytes) -> bool:
    """Whether ``data`` looks like the beginning of an image file, the rest of which is missing."""
    if not any(data[:512]):  # empty, or room that a download reserved and never filled
        return True
    for signature, check in _CHECKS:
        if data.startswith(signature):
            return check(data)
    return data[4:8] in _BOX_BRANDS and _boxes_are_cut(data)


def jpeg_is_cut(data: bytes) -> bool:
    """No end-of-image marker after the first scan begins (a thumbnail has one of its own, before it)."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return False  # not a marker where one belongs: damaged rather than cut
        marker = data[position + 1]
        if marker == 0xDA:
            return data.rfind(b"\xff\xd9") < position
        if marker == 0xFF:
            position += 1
        elif marker in _JPEG_BARE:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


def _boxes_are_cut(data: bytes) -> bool:
    """A box of an ISO media file (AVIF, HEIC, JPEG 2000, JPEG XL) runs beyond the end, or the pixels are missing."""
    found = list(boxes(data))
    if not found or found[-1].end > len(data) or not any(box.kind in _PIXEL_BOXES for box in found):
        return True
    last = found[-1]  # it may be one to the end of the file: only a code stream can then tell
    return last.kind == b"jp2c" and last.end == len(data) and _code_stream_is_cut(data)


def _png_is_cut(data: bytes) -> bool:
    end = data.rfind(b"\0\0\0\0IEND")
    return end < 0 or end + 12 > len(data)


def _riff_is_cut(data: bytes) -> bool:
    return len(data) < 12 or 8 + int(struct.unpack_from("<I", data, 4)[0]) > len(data)


def _bmp_is_cut(data: bytes) -> bool:
    return len(data) < 6 or int(struct.unpack_from("<I", data, 2)[0]) > len(data)


def _gif_is_cut(data: bytes) -> bool:
    return not data.rstrip(b"\0").endswith(b";")


def _code_stream_is_cut(data: bytes) -> bool:
    return not data.rstrip(b"\0").endswith(b"\xff\xd9")


_CHECKS: tuple[tuple[bytes, Callable[[bytes], bool]], ...] = (
    (b"\xff\xd8", jpeg_is_cut),
    (PNG_SIGNATURE[:4], _png_is_cut),
    (b"RIFF", _riff_is_cut),
    (b"GIF8", _gif_is_cut),
    (b"BM", _bmp_is_cut),
    (b"\xff\x4f\xff\x51", _code_stream_is_cut),
)
