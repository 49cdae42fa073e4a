"""Small pictures for the gallery: upright, in sRGB, WebP. Made once each; what does not decode has none."""

from __future__ import annotations

import contextlib
import io
import math
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageCms, ImageOps

from nst_batch.errors import JobError
from nst_batch.images.kinds import HEAD, kind_of
from nst_batch.images.pillow import open_image, reading

SIDE = 448  # pixels, the long one
# Of WebP. At 78 they are a third larger, a browser that has scrolled through 2,000 of them holds 20 MB more, and no eye
# tells them apart.
_QUALITY = 68
_BLUR = 20  # colours of a picture's blur
_MOST_PIXELS = 200_000_000  # decoded, three bytes each; a larger one is shown without a small picture


Blur = tuple[int, str]  # how many colours across; the colours row by row, each as in #rgb without the #


class Thumbnail(NamedTuple):
    """A small picture's file in the folder of thumbnails, its size, and what stands for it until it is read."""

    name: str
    width: int
    height: int
    blur: Blur


def make(file: BinaryIO, name: str) -> tuple[bytes, int, int, Blur] | None:
    """The bytes of a small picture of the open file ``name``, its size and blur; None where it cannot be read.

    A JPEG is decoded at a fraction of its size, which takes a tenth of the time.
    """
    try:
        with reading(name, b""):
            kind = kind_of(file.read(HEAD))
            file.seek(0)
            data = file.read() if kind == "JXL" else b""
        if data:
            small = _small(_jpeg_xl(data, name))
        else:
            with reading(name, b""), open_image(file, kind) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    return None
                small = _small(opened)
    except JobError:
        return None
    held = io.BytesIO()
    small.save(held, "WEBP", quality=_QUALITY, method=5)
    return held.getvalue(), small.width, small.height, _blur(small)


def _blur(small: Image.Image) -> Blur:
    """About twenty colours of the picture; what is transparent in it shows white."""
    across = max(1, min(_BLUR, round(math.sqrt(_BLUR * small.width / small.height))))
    down = max(1, _BLUR // across)
    ground = Image.new("RGB", small.size, "white")
    ground.paste(small, mask=small.getchannel("A") if small.mode == "RGBA" else None)
    colors = ground.resize((across, down), Image.Resampling.BOX).tobytes()
    return across, "".join(f"{round(value / 17):x}" for value in colors)


def _jpeg_xl(data: bytes, name: str) -> Image.Image:
    """Which Pillow does not read. Not to be called within :func:`reading`, which lets in one at a time."""
    import numpy as np  # noqa: PLC0415 - few galleries have one, and the process that renews them is to begin at once

    from nst_batch.images import ImageLimits, decode_bytes, quantize  # noqa: PLC0415

    limits = ImageLimits(max_megapixels=_MOST_PIXELS / 1e6)
    picture = decode_bytes(data, name, limits)
    return Image.fromarray(quantize(picture.rgb if picture.alpha is None else np.dstack([picture.rgb, picture.alpha])))


def _small(opened: Image.Image) -> Image.Image:
    opened.draft("RGB", (2 * SIDE, 2 * SIDE))
    profile = opened.info.get("icc_profile")
    image: Image.Image = opened
    if image.mode.startswith(("I", "F")):
        # 16 bits a channel, or numbers with a point: Pillow would cut them off at 255.
        most = 1.0 if image.mode.startswith("F") else 65535.0
        image = image.convert("F").point(lambda value: value * (255 / most) + 0).convert("L")
        profile = None
    if image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    image = ImageOps.exif_transpose(image)
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            own, screen = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            image = ImageCms.profileToProfile(image, own, screen, outputMode=mode) or image
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
