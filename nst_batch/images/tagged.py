"""What a file says of its colours, format by format: an ICC profile, numbers, a code point, EXIF's hint."""

from __future__ import annotations

import struct
from itertools import takewhile

from PIL import Image

from nst_batch.colors.described import adobe_rgb, by_code_points, by_numbers
from nst_batch.colors.icc import Profile
from nst_batch.images.boxes import content
from nst_batch.images.wholeness import png_chunks

_EXIF_IFD, _INTEROP_IFD, _COLOR_SPACE = 0x8769, 0xA005, 0xA001
_GIF_PROFILE = b"\x21\xff\x0bICCRGBG1012"
_ADOBE, _UNCALIBRATED = 2, 0xFFFF


def profile_of(image: Image.Image, file_format: str, data: bytes) -> tuple[Profile, tuple[str, ...]]:
    """The profile that is to be applied, None for sRGB, and what there is to say about it.

    A code point of PNG goes before a profile, a profile before everything else, EXIF's hint comes last.
    """
    icc = image.info.get("icc_profile") or None
    reader = _READERS.get(file_format)
    try:
        if file_format == "PNG":
            return _png(image, data, icc), ()
        if icc is None and reader is not None:
            icc = reader(data)
    except (ValueError, struct.error, ArithmeticError) as error:
        return icc, (f"what it says of its colours was not used ({error})",)
    return icc or (adobe_rgb() if _is_adobe(image) else None), ()


def _png(image: Image.Image, data: bytes, icc: bytes | None) -> Profile:
    """PNG, third edition, 4.3: cICP before iCCP before sRGB before gAMA and cHRM."""
    for kind, start, _length in takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(data)):
        if kind == b"cICP":
            primaries, transfer, _, full = struct.unpack_from(">4B", data, start)
            return by_code_points(primaries, transfer, full_range=bool(full))
    gamma = image.info.get("gamma")
    if icc is not None or "srgb" in image.info:
        return icc
    if gamma is not None and not 0.1 <= gamma <= 10:
        raise ValueError(f"a gamma of {gamma:g}")
    return by_numbers(gamma, image.info.get("chromaticity"))


def _media(data: bytes) -> Profile:
    """AVIF and HEIC: nclx of the first picture that has one."""
    for box in content(data, b"meta", b"iprp", b"ipco", b"colr"):
        if box.startswith(b"nclx"):
            primaries, transfer, _, _ = struct.unpack_from(">3HB", box, 4)
            return by_code_points(primaries, transfer)  # decoders have widened a narrow range
    return None


def _jpeg2000(data: bytes) -> Profile:
    profiles = (box[3:] for box in content(data, b"jp2h", b"colr") if box[:1] in (b"\2", b"\3"))
    return next(profiles, None)


def _gif(data: bytes) -> Profile:
    at, blocks = data.find(_GIF_PROFILE), []
    start = at + len(_GIF_PROFILE)
    while at >= 0 and start < len(data) and data[start]:
        blocks.append(data[start + 1 : start + 1 + data[start]])
        start += 1 + data[start]
    return b"".join(blocks) or None


def _bmp(data: bytes) -> Profile:
    """A profile within the file: bV5CSType, bV5ProfileData and bV5ProfileSize of BITMAPV5HEADER."""
    if data[14:15] == b"\x7c" and data[70:74] == b"DEBM":
        start, length = struct.unpack_from("<II", data, 126)
        return data[14 + start : 14 + start + length]
    return None


_READERS = {"AVIF": _media, "HEIF": _media, "JPEG2000": _jpeg2000, "GIF": _gif, "BMP": _bmp}


def _is_adobe(image: Image.Image) -> bool:
    """EXIF's way of saying Adobe RGB (DCF 2.0): not sRGB, with the index R03; some cameras write 2."""
    try:
        exif = Image.Image.getexif(image)
        space = exif.get_ifd(_EXIF_IFD).get(_COLOR_SPACE)
        index = str(exif.get_ifd(_INTEROP_IFD).get(1, ""))
    except Exception:  # damaged EXIF says nothing
        return False
    return space == _ADOBE or (space in (None, _UNCALIBRATED) and index.startswith("R03"))
