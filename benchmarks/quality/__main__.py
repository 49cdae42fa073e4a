"""How good do the presets look, and for how long? A table over pairs, presets and sizes, and a sheet to look at.

    python -m benchmarks.quality --images FOLDER --contents A.jpg B.jpg --styles C.jpg D.jpg --write docs/quality.md
    python -m benchmarks.quality --sheet docs/pictures/presets.jpg      the project's own drawn pairs
    python -m benchmarks.quality --crops docs/pictures/crops.jpg        the same at 400 %
    python -m benchmarks.quality --judge CONTENT STYLE PICTURE…         what both judges say of any saved pictures

Every picture is painted, saved as PNG into the folder ``--keep``, and judged by what was saved (evaluator.py measures
what presets aim at, second.py what none does). Its
figures go into the file ``--figures``, and what stands there is not painted again: the bench can be ended and gone on
with, on another machine too, where that file was kept (docs/quality.json is the one of the table in docs/quality.md).
Small sizes come first, and the slow preset last. Needs trained weights (``NST_BATCH_WEIGHTS`` or the Keras cache).
Seconds are those of the optimisation on this machine; processor seconds, all cores added up, are steadier where others
use the machine too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.quality.figures import Figures
from benchmarks.quality.pairs import Pair, drawn_pairs, pairs_in
from nst_batch.sidecar.presets import PRESETS
from nst_batch.transfer.device import prepare_tensorflow
from nst_batch.transfer.locate import locate_weights

prepare_tensorflow()

from benchmarks.quality.judges import judged  # noqa: E402
from benchmarks.quality.paintings import Painter, Painting  # noqa: E402 - TensorFlow is told to be quiet first
from benchmarks.quality.sheet import draw_crops, draw_sheet  # noqa: E402
from benchmarks.quality.table import table, write_between_marks  # noqa: E402
from nst_batch.transfer.weights import load_weights  # noqa: E402

SIZES = (256, 512)
LARGE = 1024  # of the first two pairs
SLOW_LAST = ("draft", "fine", "nnst", "classic")


def plan(pairs: Sequence[Pair], presets: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[Pair, str, int]]:
    """Everything there is to paint: sizes in order, what is slow last."""
    for size in sizes:
        for preset in sorted(presets, key=SLOW_LAST.index):
            for pair in pairs[:2] if size >= LARGE else pairs:
                yield pair, preset, size


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where the pictures of the table lie")
    parser.add_argument("--contents", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--styles", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[*SIZES, LARGE], help="long sides in pixels")
    parser.add_argument("--keep", type=Path, default=Path("build/quality"), metavar="FOLDER")
    parser.add_argument("--figures", type=Path, default=Path("build/quality/figures.json"), metavar="FILE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in this file")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw a contact sheet of the drawn pairs")
    parser.add_argument("--crops", type=Path, metavar="FILE", help="draw crops of the drawn pairs at 400 %%")
    parser.add_argument(
        "--judge", nargs="+", type=Path, metavar="FILE", help="a content, a style, and pictures of them"
    )
    parser.add_argument("--only-shown", action="store_true", help="paint nothing; show what is there")
    asked = parser.parse_args()
    if asked.judge and len(asked.judge) < 3:
        parser.error("--judge wants a content, a style, and at least one picture")
    named = asked.images and asked.contents and asked.styles
    if not (asked.judge or asked.sheet or asked.crops or named):
        parser.error("name pictures (--images, --contents, --styles), or ask for --sheet, --crops or --judge")
    return asked


def main() -> int:
    """Paint what is missing, then show the table or draw the sheet."""
    asked = parse()
    if asked.judge:
        content, style, *pictures = asked.judge
        for line in judged(load_weights(locate_weights("auto")), content, style, pictures):
            print(line, flush=True)
        return 0
    drawn = asked.sheet or asked.crops
    pairs = drawn_pairs() if drawn else pairs_in(asked.images, asked.contents, asked.styles)
    painter = Painter(asked.keep, Figures(asked.figures), to_look_at=bool(drawn))
    paintings: list[Painting] = []
    for pair, preset, size in plan(pairs, asked.presets, asked.sizes):
        painting = painter.kept(pair, preset, size) if asked.only_shown else painter.paint(pair, preset, size)
        if painting is not None:
            paintings.append(painting)
            print(painting, flush=True)
    if asked.sheet:
        draw_sheet(asked.sheet, pairs, paintings)
    if asked.crops:
        draw_crops(asked.crops, pairs, paintings)
    if not drawn:
        text = table(paintings)
        print(text)
        if asked.write:
            write_between_marks(asked.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
