"""What a file is, told by its content and never by its name; and what to do with one that is not read here."""

from __future__ import annotations

import re

from nst_batch.images.wholeness import unusual_jpeg

KINDS_READ = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG XL, JPEG 2000, BMP, GIF, PPM, QOI, SGI, PCX or TGA"
HEAD = 4096  # bytes that tell

_EXPORT = "export it as TIFF, JPEG or PNG"
_RAW = "export it as TIFF from the camera's program or a raw developer"
_STILL = "save one picture of it as PNG or JPEG"
_COPY = "copy the picture itself"
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
    (rb".{2048}PCD_", "a Kodak Photo CD picture", _EXPORT),
    (rb"8BPS", "a Photoshop document", _EXPORT),
    (rb"gimp xcf", "a GIMP document", _EXPORT),
    (rb"PK\x03\x04.{26}mimetypeimage/openraster", "an OpenRaster document", _EXPORT),
    (rb"PK\x03\x04.{26}mimetypeapplication/x-krita", "a Krita document", _EXPORT),
    (rb"PK\x03\x04.{26}(Document.archive|QuickLook/Thumb|video/segments)", "a Procreate document", _EXPORT),
    (rb"PK\x03\x04.{26}(document.json|pages/)", "a Sketch document", _EXPORT),
    (rb"\0\xffKA", "an Affinity document", _EXPORT),
    (rb"Paint Shop Pro Image File", "a PaintShop Pro document", _EXPORT),
    (rb"PDN3", "a Paint.NET document", _EXPORT),
    (rb"CSFCHUNK", "a Clip Studio document", _EXPORT),
    (rb"BLENDER", "a Blender scene", "render it as PNG or TIFF"),
    (rb"\x06\x06\xed\xf5\xd8\x1d\x46\xe5", "an InDesign document", "export the page as PNG or TIFF"),
    (rb"RIFF.{4}(CDR|cdr)", "a CorelDRAW drawing", "export it as PNG or TIFF"),
    (rb"%PDF", "a PDF document (Illustrator's files are such, too)", "export the page as PNG or TIFF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing (EPS)", "export it as PNG or TIFF"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg", "an SVG drawing", "export it as PNG"),
    (rb"(\xef\xbb\xbf)?\s*<\?xml.*<plist|bplist00", "what Apple's programs keep beside a file, not the file", _COPY),
    (rb"(\xef\xbb\xbf)?\s*(<\?xpacket|<x:xmpmeta)", "notes on a picture (XMP), not the picture", _COPY),
    (rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype html|html|head))", "a web page", _WEB),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture", "tone-map it and " + _EXPORT),
    (rb"#\?(RADIANCE|RGBE)", "a Radiance HDR picture", "tone-map it and " + _EXPORT),
    (rb"PF\s", "a float picture in colour (PFM)", "tone-map it and " + _EXPORT),
    (rb"P7\s", "a PAM picture", "save it as PPM or PNG"),
    (rb"SDPX|XPDS|\x80\x2a\x5f\xd7", "a film scan (DPX, Cineon)", _EXPORT),
    (rb"II\xbc", "a JPEG XR picture", _EXPORT),
    (rb"\x97JB2", "a JBIG2 picture", _EXPORT),
    (rb"BPG\xfb", "a BPG picture", _EXPORT),
    (rb"FLIF", "a FLIF picture", _EXPORT),
    (rb"DDS |\xabKTX |PVR\x03|\x13\xab\xa1\x5c", "a texture (DDS, KTX, PVR, ASTC)", _EXPORT),
    (rb"SIMPLE  =", "a FITS picture of a telescope", _EXPORT),
    (rb".{128}DICM", "a DICOM picture", _EXPORT),
    (rb"FORM.{4}(ILBM|PBM )", "an Amiga picture (ILBM)", _EXPORT),
    (rb"\x59\xa6\x6a\x95", "a Sun raster picture", _EXPORT),
    (rb"/\* XPM|#define .*_width", "an X11 picture (XPM, XBM)", _EXPORT),
    (rb"\0\0[\1\2]\0[^\0]\0|RIFF.{4}ACON", "a Windows icon or cursor", _STILL),
    (rb"icns", "a macOS icon", _STILL),
    (rb"AT&TFORM", "a DjVu document", _EXPORT),
    (
        rb"\xd7\xcd\xc6\x9a|\x01\0\x09\0\0[\x01\x03]|\x01\0\0\0.{36} EMF",
        "a Windows metafile (WMF, EMF)",
        "export it as PNG",
    ),
    (rb"\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]|FLV\x01|\x30\x26\xb2\x75", "a film", _STILL),
    (rb"(F|C|Z)WS[\x01-\x40]|.{4}[\x11\x12]\xaf.{6}\x08\0|G(?!IF8).{187}G.{187}G", "a film", _STILL),
    (rb".{4}ftypM4[AB] |ID3|fLaC|OggS|RIFF.{4}WAVE", "a sound", "drop a picture in its place"),
    (rb".{4}(ftyp|moov|mdat|wide|free)", "a film", _STILL),
    (rb"\0\x05\x16[\0\7]", "what macOS keeps beside a file, not the file", _COPY),
    (rb"L\0\0\0\x01\x14\x02\0|\[InternetShortcut\]|book\0\0\0\0mark", "a shortcut, not the file", _COPY),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file", "git lfs pull, and copy the picture itself"),
    (rb"\xd0\xcf\x11\xe0|PK\x03\x04.{26}(\[Content|_rels|mimetypeapplication)", "an office document", _EXPORT),
    (
        rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd|\xfd7zXZ|BZh",
        "an archive",
        "unpack it, drop what is in it",
    ),
    (rb"MZ|\x7fELF", "a program", "drop a picture in its place"),
    (rb"(?!P[1-6]\s)[\t\n\r -~]{32,}\Z", "a text", "drop a picture in its place"),
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


def not_read(data: bytes) -> tuple[str, str]:
    """What a file of a kind that is known but not read is, with its article, and what to do about it; else empty."""
    if data.startswith(b"\xff\xd8"):
        what = unusual_jpeg(data)
        return what, _EXPORT if what else ""
    for pattern, what, advice in _NOT_READ_PATTERNS:
        if pattern.match(data[:HEAD]):
            return what, advice
    return "", ""


def picture_start(head: bytes) -> int:
    """Where a JPEG or PNG begins that has line ends, zeros or a byte-order mark before it; 0 for any other file."""
    found = re.match(rb"(?:\xef\xbb\xbf|[\r\n\t \0]){1,64}(?=\xff\xd8\xff|\x89PNG)", head)
    return found.end() if found else 0
