"""The folder of a study: index.html, sheet.png, and the pictures of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from nst_batch.filenames import PAGE_NAME
from nst_batch.layers.strips import Strips, sheet, strips
from nst_batch.layers.study import LayerView
from nst_batch.report.layers_page import PICTURES, SHEET_NAME, layers_page

TITLE = "How VGG19 sees"
PARTS = ("maps", "gram", "content", "style")


class Album:
    """Takes layer after layer, and ends with the sheet and the page."""

    def __init__(self, folder: Path, images: Sequence[tuple[str, Any]]) -> None:
        """``images``: each one's name, and the picture (H, W, 3) that the network was shown."""
        self._folder = folder
        self._names = [name for name, _ in images]
        self._rows: list[tuple[LayerView, Strips]] = []
        (folder / PICTURES).mkdir(parents=True)

    def add(self, view: LayerView) -> None:
        """Keep a layer's pictures."""
        shown = strips(view)
        self._rows.append((view, shown))
        self._save(f"{view.layer}-patterns.png", shown.patterns)
        for number, parts in enumerate(shown.images, 1):
            for part, picture in zip(PARTS, parts, strict=True):
                self._save(f"{view.layer}-{number}-{part}.png", picture)

    def finish(self, facts: Mapping[str, str]) -> None:
        """Write the sheet and the page; ``facts`` say what it was made with."""
        whole = sheet(TITLE, self._names, self._rows)
        whole.save(self._folder / SHEET_NAME, optimize=True)
        layers = [_described(view, shown, self._names) for view, shown in self._rows]
        page = layers_page(TITLE, layers, facts, sheet=whole.size)
        (self._folder / PAGE_NAME).write_text(page, encoding="utf-8")

    def _save(self, name: str, picture: Image.Image) -> None:
        picture.save(self._folder / PICTURES / name, optimize=True)


def _described(view: LayerView, shown: Strips, names: Sequence[str]) -> dict[str, Any]:
    """A layer as the page's template has it: names of files, and their sizes."""
    images = []
    for number, (name, pictures) in enumerate(zip(names, shown.images, strict=True), 1):
        parts = {
            part: {"file": f"{PICTURES}/{view.layer}-{number}-{part}.png", "size": picture.size}
            for part, picture in zip(PARTS, pictures, strict=True)
        }
        images.append({"name": name, **parts})
    patterns = {"file": f"{PICTURES}/{view.layer}-patterns.png", "size": shown.patterns.size}
    return {"name": view.layer, "seen": view.seen, "filters": view.filters, "patterns": patterns, "images": images}
