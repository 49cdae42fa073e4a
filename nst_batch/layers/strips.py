"""The pictures of a study: strips of tiles, and the contact sheet of all layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nst_batch.images import quantize
from nst_batch.layers.study import Floats, LayerView

PATTERN_SIDE = 128  # pixels, as a tile
MAPS_ACROSS = 3
GAP = 4
# The sheet.
ROW, SPACE, LABEL, HEAD = 128, 18, 150, 64
PAPER, INK, SOFT = (250, 249, 246), (35, 38, 43), (98, 103, 111)
_TITLE, _WORDS, _NAMES = 26, 15, 14  # sizes of letters


@dataclass(frozen=True)
class Strips:
    """A layer's pictures: patterns beside each other; of each image its maps, Gram matrix, content and style."""

    patterns: Image.Image
    images: tuple[tuple[Image.Image, Image.Image, Image.Image, Image.Image], ...]


def strips(view: LayerView) -> Strips:
    """The pictures of a layer, at the sizes at which they are shown."""
    return Strips(
        _tiled([_sized(_image(each), PATTERN_SIDE, PATTERN_SIDE) for each in view.patterns], len(view.patterns)),
        tuple(
            (
                _tiled([_map(plane, each.content.shape) for plane in each.maps], MAPS_ACROSS),
                _sized(_image(each.gram), PATTERN_SIDE, PATTERN_SIDE),
                _image(each.content),
                _image(each.style),
            )
            for each in view.images
        ),
    )


def sheet(title: str, names: Sequence[str], rows: Sequence[tuple[LayerView, Strips]]) -> Image.Image:
    """The contact sheet: a row a layer; patterns first, then what the layer has of each image."""
    columns = [("what its filters answer to most", [shown.patterns for _, shown in rows])]
    for index, name in enumerate(names):
        for part, word in enumerate(("feature maps", "Gram matrix", "from its content", "from its style")):
            heading = f"{name}: {word}" if part == 0 else word
            columns.append((heading, [shown.images[index][part] for _, shown in rows]))
    tall = [[_tall(picture) for picture in pictures] for _, pictures in columns]
    widths = [max(picture.width for picture in pictures) for pictures in tall]
    size = LABEL + sum(widths) + SPACE * (len(widths) + 1), HEAD + 30 + len(rows) * (ROW + SPACE)
    made = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(made)
    pen.text((SPACE, 14), title, fill=INK, font=ImageFont.load_default(_TITLE))
    words, label = ImageFont.load_default(_WORDS), ImageFont.load_default(_NAMES)
    for row, (view, _) in enumerate(rows):
        top = HEAD + 30 + row * (ROW + SPACE)
        pen.text((SPACE, top + 2), view.layer, fill=INK, font=words)
        pen.text((SPACE, top + 24), f"sees {view.seen} pixels", fill=SOFT, font=label)
    left = LABEL + SPACE
    for (heading, _), pictures, width in zip(columns, tall, widths, strict=True):
        pen.text((left, HEAD), _cut(heading, width, words), fill=INK, font=words)
        for row, picture in enumerate(pictures):
            made.paste(picture, (left, HEAD + 30 + row * (ROW + SPACE)), picture.convert("RGBA"))
        left += width + SPACE
    return made


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """``text`` as far as it fits into ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _tall(picture: Image.Image) -> Image.Image:
    return _sized(picture, ROW, max(1, round(picture.width * ROW / picture.height)))


def _image(values: Floats) -> Image.Image:
    """(H, W, 3) or (H, W) in [0, 1]."""
    pixels: NDArray[np.uint8] = quantize(values)
    return Image.fromarray(pixels).convert("RGB")


def _map(plane: Floats, shape: Sequence[int]) -> Image.Image:
    """A feature map at half the size of its image; each place a square, as the network has it."""
    picture = _image(plane)
    height, width = max(1, shape[0] // 2), max(1, shape[1] // 2)
    fine = picture.height >= height
    return picture.resize((width, height), Image.Resampling.BOX if fine else Image.Resampling.NEAREST)


def _sized(picture: Image.Image, height: int, width: int) -> Image.Image:
    if (picture.width, picture.height) == (width, height):
        return picture
    smaller = width < picture.width
    return picture.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)


def _tiled(tiles: Sequence[Image.Image], across: int) -> Image.Image:
    """Tiles of one size in rows of ``across``, nothing between them, whatever the page behind."""
    width, height = tiles[0].size
    rows = -(-len(tiles) // across)
    across = min(across, len(tiles))
    made = Image.new("RGBA", (across * (width + GAP) - GAP, rows * (height + GAP) - GAP))
    for index, tile in enumerate(tiles):
        made.paste(tile, (index % across * (width + GAP), index // across * (height + GAP)))
    return made
