"""A contact sheet as one picture, of the gallery's small pictures: no larger than some twenty megapixels."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from nst_batch.report.sheet import Head, Sheet, is_made, why_not
from nst_batch.report.tiles import Tile
from nst_batch.sizing import FORMATS

_GROUND, _CARD, _INK, _SOFT, _BAD = "#f6f4f0", "#e9e6df", "#23262b", "#62676f", "#a8371c"
_MOST_PIXELS = 20_000_000  # of all cells together
_LARGEST, _SMALLEST = 384, 24  # pixels, a cell's long side
_QUALITY = 90
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf")  # have more letters than the one that Pillow brings

OpenThumb = Callable[[str], BinaryIO | None]


class _Grid(NamedTuple):
    """Pixels: a cell, the space between two, the heads at the left and above, the text's height."""

    width: int
    height: int
    gap: int
    left: int
    top: int
    text: int

    @property
    def edge(self) -> int:
        """What stays free around everything."""
        return 2 * self.gap

    def begin(self, flows: bool) -> int:
        """Where the first row begins, below the title and the heads."""
        return self.edge + round(4.6 * self.text) + (0 if flows else self.top)

    def height_of_row(self, flows: bool) -> int:
        """From one row to the next; where they flow each cell has a head of its own."""
        return self.height + (self.top if flows else 0) + self.gap

    def size(self, sheet: Sheet) -> tuple[int, int]:
        """Width and height of the whole picture."""
        width = self.left + sheet.across * (self.width + self.gap) - self.gap + 2 * self.edge
        height = self.begin(sheet.flows) + len(sheet.cells) * self.height_of_row(sheet.flows) - self.gap + self.edge
        return max(width, 20 * self.text), height


def sheet_jpeg(sheet: Sheet, open_thumb: OpenThumb) -> bytes:
    """The sheet as a JPEG; ``open_thumb`` opens a small picture by its name, None where it is gone."""
    grid = _grid(sheet)
    edge, top, height_of_row = grid.edge, grid.begin(sheet.flows), grid.height_of_row(sheet.flows)
    picture = Image.new("RGB", grid.size(sheet), _GROUND)
    pen = _Pen(picture, grid.text, open_thumb)
    common = " · ".join(
        label.text if label.is_image else f"{label.axis} {label.text}" for label in sheet.same if label.text
    )
    pen.write(edge, edge, sheet.name, picture.width - 2 * edge, size=1.5)
    about = " · ".join(filter(None, [sheet.told(), common]))
    pen.write(edge, edge + round(1.8 * grid.text), about, picture.width - 2 * edge, _SOFT)
    for column in range(0 if sheet.flows else sheet.across):
        x = edge + grid.left + column * (grid.width + grid.gap)
        pen.head(sheet.columns[column], x, top - grid.top, grid.width, grid.top - grid.gap // 2)
    for row, tiles in enumerate(sheet.cells):
        y = top + row * height_of_row
        if not sheet.flows:
            pen.head(sheet.rows[row], edge, y, grid.left - grid.gap, grid.height)
        for column, tile in enumerate(tiles):
            x = edge + grid.left + column * (grid.width + grid.gap)
            if sheet.flows:
                head = sheet.columns[row * sheet.across + column]
                pen.head(head, x, y, grid.width, grid.top - grid.gap // 2, alone=tile)
            pen.cell(tile, x, y + (grid.top if sheet.flows else 0), grid.width, grid.height)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_QUALITY, optimize=True)
    return held.getvalue()


def _grid(sheet: Sheet) -> _Grid:
    """Cells of the shape that most pictures have, as large as they may be: two columns of hundreds are a long strip."""
    shapes = sorted(tile["thumb"][1] / tile["thumb"][2] for tile in sheet.tiles if is_made(tile) and tile["thumb"])
    aspect = min(max(shapes[len(shapes) // 2], 0.4), 2.5) if shapes else 4 / 3
    short = min(aspect, 1 / aspect)
    room = _MOST_PIXELS / (len(sheet.cells) * sheet.across * short)
    side = max(_SMALLEST, min(_LARGEST, math.floor(math.sqrt(room))))
    while max((grid := _grid_of(sheet, side, aspect)).size(sheet)) > FORMATS["jpg"] and side > 1:
        side = side * 7 // 8
    return grid


def _grid_of(sheet: Sheet, side: int, aspect: float) -> _Grid:
    """With cells of that long side."""
    width, height = round(side * min(1.0, aspect)), round(side * min(1.0, 1 / aspect))
    text = max(9, min(17, side // 16))
    heads = [*sheet.columns, *sheet.rows]
    lines = max((len(head) for head in heads), default=0) or 1
    seen = any(label.thumb for head in sheet.columns for label in head)
    top = round(lines * 1.4 * text) + (round(0.35 * side) if seen else 0) + text // 2
    left = 0 if sheet.flows else max(round(0.5 * side), 8 * text)
    return _Grid(max(width, 1), max(height, 1), max(4, side // 28), left, top, text)


class _Pen:
    """Draws on the sheet."""

    def __init__(self, picture: Image.Image, text: int, open_thumb: OpenThumb) -> None:
        self._picture = picture
        self._draw = ImageDraw.Draw(picture)
        self._text = text
        self._open = open_thumb
        self._fonts: dict[float, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    def write(self, x: int, y: int, text: str, room: int, color: str = _INK, size: float = 1.0) -> int:
        """One line, cut where it has no room; returns the next one's y."""
        font = self._fonts.setdefault(size, _font(round(size * self._text)))
        shown = text.replace("\n", " ")
        while shown and font.getlength(shown) > room:
            shown = shown[: max(0, min(len(shown) - 2, int(len(shown) * room / font.getlength(shown))))].rstrip() + "…"
            if len(shown) < 2:
                break
        self._draw.text((x, y), shown, color, font)
        return y + round(1.4 * size * self._text)

    def head(self, head: Head, x: int, y: int, width: int, height: int, alone: Tile | None = None) -> None:
        """What stands at an edge: small pictures above their names, then what is varied; a cell's own title if none."""
        seen = [label for label in head if label.thumb]
        lines = max(1, len(head))
        room = (height - round(1.4 * self._text) * lines) // max(1, len(seen))
        for label in head:
            if label.thumb and room > self._text:
                y += self._place(label.thumb[0], x, y, width, room) + 2
            y = self.write(x, y, label.shown if label.is_image else f"{label.axis} {label.shown}", width)
        if not head and alone is not None:
            self.write(x, y, alone["title"], width)

    def cell(self, tile: Tile | None, x: int, y: int, width: int, height: int) -> None:
        """The picture at the top of its place, in the middle, or why there is none."""
        thumb = tile["thumb"] if tile is not None and is_made(tile) else None
        if thumb and self._place(thumb[0], x, y, width, height, middle=True):
            return
        self._draw.rectangle((x, y, x + width - 1, y + height - 1), _CARD)
        if tile is not None:
            why = tile["title"] if is_made(tile) else why_not(tile)
            self.write(x + self._text // 2, y + height // 2 - self._text // 2, why, width - self._text, _BAD)

    def _place(self, name: str, x: int, y: int, width: int, height: int, *, middle: bool = False) -> int:
        """Draw a small picture within a box; its height, 0 where it is gone."""
        opened = self._open(name)
        if opened is None:
            return 0
        try:
            with opened, Image.open(opened, formats=["WEBP"]) as image:
                small = image.convert("RGBA")
        except (OSError, ValueError):  # something else was put there
            return 0
        scale = min(width / small.width, height / small.height)
        size = (max(1, round(small.width * scale)), max(1, round(small.height * scale)))
        small = small.resize(size, Image.Resampling.LANCZOS)
        at = (x + (width - size[0]) // 2, y) if middle else (x, y)
        self._picture.paste(small, at, small)
        return size[1]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)
