"""The contact sheet: what stands beside what."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nst_batch.transfer.device import prepare_tensorflow

prepare_tensorflow()

from benchmarks.quality.evaluator import Measures  # noqa: E402 - TensorFlow is told to be quiet first
from benchmarks.quality.paintings import Painting  # noqa: E402
from benchmarks.quality.pairs import Pair  # noqa: E402
from benchmarks.quality.sheet import GAP, LABEL, SIDE, draw_crops, draw_sheet  # noqa: E402
from nst_batch import images  # noqa: E402


@pytest.mark.parametrize(("sizes", "columns", "rows"), [((64,), 4, 1), ((64, 128), 2, 3)])
def test_presets_stand_side_by_side_or_below_each_other(tmp_path, sizes, columns, rows):
    """Of one size, a pair is one row: content, style, every preset; of several, each preset is a row of its own."""
    grey = np.full((48, 64, 3), 0.5, np.float32)
    measures = Measures(**dict.fromkeys(Measures.names(), 0.0))
    paintings = []
    for preset in ("draft", "fine"):
        for size in sizes:
            path = tmp_path / f"{preset}{size}.png"
            path.write_bytes(images.encode(np.full((size * 3 // 4, size, 3), 0.25, np.float32)))
            paintings.append(Painting("a", preset, size, path, 1, "float32", 1.0, 1.0, measures, None))
    draw_sheet(tmp_path / "sheet.jpg", [Pair("a", lambda: grey, lambda: grey)], paintings)
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        height = SIDE * 3 // 4 + LABEL + GAP
        assert sheet.size == (columns * (SIDE + GAP) + GAP, rows * height + GAP)


def test_crops_show_pixels_around_the_focus(tmp_path):
    """Each pixel of the place that the eye goes to is a square, at the edge of a picture too."""
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[:, 150:] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    painting = Painting("a", "fine", 256, tmp_path / "a.png", 1, "float32", 1.0, 1.0, None, None)
    for focus, share in ((1.0, 0.5), (0.75, 0.5), (0.0, 0.0)):
        pair = Pair("a", lambda: picture, lambda: picture, (focus, 0.5))
        draw_crops(tmp_path / "crops.jpg", [pair], [painting])
        with Image.open(tmp_path / "crops.jpg") as sheet:
            crop = np.asarray(sheet.convert("L"))[GAP + LABEL : GAP + LABEL + SIDE, GAP : GAP + SIDE]
        assert (crop > 128).mean() == pytest.approx(50 / 90 if focus == 1.0 else share, abs=0.01)
