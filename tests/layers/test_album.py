"""The folder of a study: what the page names is there, at the size it says, and names break out of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from nst_batch.layers.album import Album
from nst_batch.layers.study import ImageView, LayerView

EVIL = '"><script>alert(1)</script>{{ 7 * 7 }}.png'
GENERATOR = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return GENERATOR.random(shape, np.float32)


def view(layer: str, places: int, filters: int, images: int) -> LayerView:
    """A layer's view with random pictures."""
    each = ImageView(
        tuple(drawn(places, places * 2) for _ in range(6)), drawn(filters, filters), drawn(40, 80, 3), drawn(40, 80, 3)
    )
    return LayerView(layer, 3, (1, 2, 3, 4, 5, 60), drawn(6, 20, 20, 3), (each,) * images)


def test_page_and_pictures(tmp_path: Path) -> None:
    """Every picture of the page lies beside it, at the size that stands there, and no path is absolute."""
    album = Album(tmp_path, [(EVIL, None), ("b.png", None)])
    for layer, places, filters in (("block1_conv1", 40, 64), ("block5_conv4", 2, 512)):
        album.add(view(layer, places, filters, images=2))
    album.finish({"weights": "path"})
    page = (tmp_path / "index.html").read_text()
    shown = re.findall(r'<img src="([^"]+)" width="(\d+)" height="(\d+)" alt="[^"]+"', page)
    assert len(shown) == page.count("<img ") == 2 * (1 + 2 * 4)
    for name, width, height in shown:
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (int(width), int(height))
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")} == {
        "sheet.png",
        *(name for name, _, _ in shown),
    }
    assert not re.search(r'(src|href)="(/|file:|https?:)', page)
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert 'href="#block5"' in page
    assert 'href="#block3"' not in page


def test_the_sheet_has_a_row_a_layer_and_columns_for_each_image(tmp_path: Path) -> None:
    """Of no image it is narrow, and there is no gap for one."""
    sizes = {}
    for images in (0, 1, 2):
        folder = tmp_path / str(images)
        album = Album(folder, [(EVIL, None)] * images)
        for layer in ("block1_conv1", "block1_conv2"):
            album.add(view(layer, 8, 64, images))
        album.finish({})
        with Image.open(folder / "sheet.png") as sheet:
            sizes[images] = sheet.size
    assert sizes[0][1] == sizes[1][1] == sizes[2][1]
    assert sizes[1][0] - sizes[0][0] == sizes[2][0] - sizes[1][0] > 500
