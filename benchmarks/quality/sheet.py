"""The contact sheet: a row a pair and preset, a column a size, all at one height, so that looks can be compared.

Where there is one size only, it is a row a pair and a column a preset. A sheet of crops shows what the eye goes to at
400 %, pixel by pixel: a row a pair, a column a size and preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.quality.paintings import Painting
from benchmarks.quality.pairs import Pair, at_size
from nst_batch import images

SIDE = 360  # pixels, long side of a picture on the sheet
GAP, LABEL = 8, 18
ENLARGED = 4  # times, in a sheet of crops
PAPER, INK = (250, 249, 246), (40, 40, 40)


def draw_sheet(path: Path, pairs: Sequence[Pair], paintings: Sequence[Painting]) -> None:
    """Save the sheet as JPEG: of each pair content and style, then every preset at every size."""
    one_size = len({each.size for each in paintings}) == 1
    rows: list[list[tuple[str, NDArray[np.uint8]]]] = []
    for pair in pairs:
        rows.append([("content", _small(pair.content())), ("style", _small(pair.style()))])
        for preset in dict.fromkeys(each.preset for each in paintings):
            mine = [each for each in paintings if (each.pair, each.preset) == (pair.name, preset)]
            shown = [(f"{preset}, {each.size} px", _small(images.decode(each.path).rgb)) for each in mine]
            if one_size:
                rows[-1] += shown
            else:
                rows.append(shown)
    _lay_out(path, rows)


def draw_crops(path: Path, pairs: Sequence[Pair], paintings: Sequence[Painting]) -> None:
    """Save the sheet of crops as JPEG, those of one pair and size of the same place."""
    rows = []
    for pair in pairs:
        mine = [each for each in paintings if each.pair == pair.name]
        rows.append([(f"{each.preset}, {each.size} px", _crop(images.decode(each.path).rgb, pair)) for each in mine])
    _lay_out(path, rows)


def _crop(picture: NDArray[np.float32], pair: Pair) -> NDArray[np.uint8]:
    """Around the pair's focus, every pixel a square of ``ENLARGED``."""
    side = SIDE // ENLARGED
    across, down = (
        min(max(0, round(share * whole) - side // 2), whole - side)
        for share, whole in zip(pair.focus, picture.shape[1::-1], strict=True)
    )
    part = images.quantize(picture[down : down + side, across : across + side])
    return part.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _lay_out(path: Path, rows: Sequence[Sequence[tuple[str, NDArray[np.uint8]]]]) -> None:
    """Labelled pictures in rows, as JPEG."""
    heights = [max(picture.shape[0] for _, picture in row) + LABEL + GAP for row in rows]
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, sum(heights) + GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (label, picture) in enumerate(row):
            at = GAP + column * (SIDE + GAP), top
            pen.text(at, label, fill=INK, font=font)
            sheet.paste(Image.fromarray(picture), (at[0], at[1] + LABEL))
        top += height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88, optimize=True)


def _small(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return images.quantize(at_size(picture, SIDE))
