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
_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # ITU-T T.81, table B.1, and T.87
_MOST_TAGS, _TIFF_SIZES = 4096, {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MAX_CHUNKS = 100_000  # of 8 KB, as most programs write them, these make 800 MB
# Formats whose decoders may take a cut file silently, so that it is looked for even after they succeed.
MUST_BE_WHOLE = frozenset(["PNG", "JPEG2000", "AVIF", "HEIF", "JXL"])


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The first chunks of a PNG file that lie within ``data``: kind, where the content starts, its length."""
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            return
        yield kind, position + 8, length
        position += 12 + length


def png_fault(data: bytes) -> str:
    """What is wrong with a chunk that the picture depends on, or that comes before the pixels; else empty."""
    counts = True
    for kind, start, length in png_chunks(data):
        end = start + length
        good = zlib.crc32(data[start - 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        if not good and (counts or not kind[0] & 0x20):
            return f"the checksum of its chunk {kind.decode('latin-1')!a} is wrong"
        counts = counts and kind != b"IDAT"
        if kind == b"IEND":
            break
    return ""


def is_truncated(data: bytes) -> bool:
    """Whether ``data`` looks like the beginning of an image file, the rest of which is missing."""
    if not any(data[:512]):  # empty, or room that a download reserved and never filled
        return True
    for signature, check in _CHECKS:
        if data.startswith(signature):
            return check(data)
    return data[4:8] in _BOX_BRANDS and _boxes_are_cut(data)


def jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """A JPEG's markers and where they stand, up to the first scan; 0 for what is none where one belongs."""
    position = 2
    for _ in range(_MAX_CHUNKS):
        if position + 4 > len(data):
            return
        marker = data[position + 1] if data[position] == 0xFF else 0
        yield marker, position
        if marker in (0, _SCAN):
            return
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        position += 1 if marker == 0xFF else 2 if marker in _JPEG_BARE else 2 + length


def jpeg_is_cut(data: bytes) -> bool:
    """No end-of-image marker after the first scan begins (a thumbnail has one of its own, before it)."""
    marker, position = [(-1, 0), *jpeg_markers(data)][-1]
    if marker == 0:
        return False  # damaged rather than cut
    return marker != _SCAN or data.rfind(b"\xff\xd9") < position


def jpeg_frame(data: bytes) -> int:
    """Where a JPEG's frame begins, which tells how it is coded; 0 where none is found."""
    return next((position for marker, position in jpeg_markers(data) if marker in _FRAMES), 0)


def _boxes_are_cut(data: bytes) -> bool:
    """A box of an ISO media file (AVIF, HEIC, JPEG 2000, JPEG XL) runs beyond the end, or the pixels are missing."""
    found = list(boxes(data))
    if not found or found[-1].end > len(data) or not any(box.kind in _PIXEL_BOXES for box in found):
        return True
    last = found[-1]  # it may be one to the end of the file: only a code stream can then tell
    return last.kind == b"jp2c" and last.end == len(data) and _code_stream_is_cut(data)


def _tiff_is_cut(data: bytes) -> bool:
    """The first directory, or what one of its tags points to, lies beyond the end."""
    order, big = "<" if data[:1] == b"I" else ">", 43 in data[2:4]
    pointer, counter, tag, size, room = ("Q", "Q", "HHQQ", 20, 8) if big else ("I", "H", "HHII", 12, 4)
    try:
        (at,) = struct.unpack_from(order + pointer, data, room)
        (count,) = struct.unpack_from(order + counter, data, at)
    except (struct.error, OverflowError):
        return True
    start = at + struct.calcsize(order + counter)
    tags = data[start : start + min(count, _MOST_TAGS) * size]
    tags = tags[: len(tags) // size * size]
    lengths = ((values * _TIFF_SIZES.get(kind, 1), at) for _, kind, values, at in struct.iter_unpack(order + tag, tags))
    return start + count * size > len(data) or any(long > room and at + long > len(data) for long, at in lengths)


def _code_stream_is_cut(data: bytes) -> bool:
    return not data.rstrip(b"\0").endswith(b"\xff\xd9")


_CHECKS: tuple[tuple[bytes, Callable[[bytes], bool]], ...] = (
    (b"\xff\xd8", jpeg_is_cut),
    (PNG_SIGNATURE[:4], lambda data: not 0 <= data.rfind(b"\0\0\0\0IEND") <= len(data) - 12),
    (b"RIFF", lambda data: 8 + int.from_bytes(data[4:8], "little") > len(data)),
    (b"GIF8", lambda data: not data.rstrip(b"\0").endswith(b";")),
    (b"BM", lambda data: max(6, int.from_bytes(data[2:6], "little")) > len(data)),
    (b"\xff\x4f\xff\x51", _code_stream_is_cut),
    (b"qoif", lambda data: not data.endswith(b"\0\0\0\0\0\0\0\1")),
    *((start, _tiff_is_cut) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
