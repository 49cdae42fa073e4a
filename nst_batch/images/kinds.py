"""What a file is, told by its content and never by its name; and what to do with one that is not read here."""

from __future__ import annotations

import re

KINDS_READ = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG XL, JPEG 2000, BMP, GIF, PPM, QOI, SGI, PCX or TGA"
HEAD = 4096  # bytes that tell

_EXPORT = "export it as TIFF, JPEG or PNG"
_RAW = "export it as TIFF from the camera's program or a raw developer"
_STILL = "save one picture of it as PNG or JPEG"
_WEB = "it was saved in place of the picture: save the picture itself"

# Pattern at the start, what it is, what to do. A raw file that is a TIFF inside is told by its tags: tiff.py.
_NOT_READ: tuple[tuple[bytes, str, str], ...] = (
    (rb"II\*\0.{4}CR", "a Canon raw file (CR2)", _RAW),
    (rb".{4}ftypcrx ", "a Canon raw file (CR3)", _RAW),
    (rb"II\x1a\0.{2}\0\0HEAPCCDR", "a Canon raw file (CRW)", _RAW),
    (rb"FUJIFILMCCD-RAW", "a Fujifilm raw file (RAF)", _RAW),
    (rb"IIR[OS]|MMOR", "an Olympus raw file (ORF)", _RAW),
    (rb"IIU\0", "a Panasonic raw file (RW2)", _RAW),
    (rb"FOVb", "a Sigma raw file (X3F)", _RAW),
    (rb"\0MRM", "a Minolta raw file (MRW)", _RAW),
    (rb"8BPS", "a Photoshop document", _EXPORT),
    (rb"gimp xcf", "a GIMP document", _EXPORT),
    (rb"PK\x03\x04.{26}mimetypeimage/openraster", "an OpenRaster document", _EXPORT),
    (rb"PK\x03\x04.{26}mimetypeapplication/x-krita", "a Krita document", _EXPORT),
    (rb"\0\xffKA", "an Affinity document", _EXPORT),
    (rb"%PDF", "a PDF document", "export the page as PNG or TIFF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing", "export it as PNG or TIFF"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg", "an SVG drawing", "export it as PNG"),
    (rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype html|html|head))", "a web page", _WEB),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture", "tone-map it and " + _EXPORT),
    (rb"#\?(RADIANCE|RGBE)", "a Radiance HDR picture", "tone-map it and " + _EXPORT),
    (rb"II\xbc", "a JPEG XR picture", _EXPORT),
    (rb"\0\0[\1\2]\0[^\0]\0", "a Windows icon or cursor", _STILL),
    (rb"icns", "a macOS icon", _STILL),
    (rb"AT&TFORM", "a DjVu document", _EXPORT),
    (rb".{128}DICM", "a DICOM picture", _EXPORT),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile", "export it as PNG"),
    (rb"\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]|FLV\x01|\x30\x26\xb2\x75|OggS", "a film", _STILL),
    (rb".{4}(ftyp|moov|mdat|wide|free)", "a film", _STILL),
    (rb"\0\x05\x16\x07", "what macOS keeps beside a file, not the file", "copy the picture itself"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!", "an archive", "unpack it, and drop the pictures in it"),
)
_NOT_READ_PATTERNS = tuple((re.compile(pattern, re.DOTALL), what, advice) for pattern, what, advice in _NOT_READ)
_TIFF = re.compile(rb"II(\*\0(?!.{4}CR)|\+\0)|MM(\0\*|\0\+)", re.DOTALL)
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


def not_read(head: bytes) -> tuple[str, str]:
    """What a file of a kind that is known but not read is, with its article, and what to do about it; else empty."""
    for pattern, what, advice in _NOT_READ_PATTERNS:
        if pattern.match(head):
            return what, advice
    return "", ""


def picture_start(head: bytes) -> int:
    """Where a JPEG or PNG begins that has line ends, zeros or a byte-order mark before it; 0 for any other file."""
    found = re.match(rb"(?:\xef\xbb\xbf|[\r\n\t \0]){1,64}(?=\xff\xd8\xff|\x89PNG)", head)
    return found.end() if found else 0
