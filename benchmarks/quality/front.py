"""The front between time and quality: many recipes painted on the same pairs, judged, and drawn over their cost.

    python -m benchmarks.quality.front --recipes FILE --images FOLDER --pairs A.jpg:C.jpg B.jpg:D.jpg --out FOLDER
    python -m benchmarks.quality.front --recipes FILE --images FOLDER --pairs A.jpg:C.jpg --out FOLDER --clock
    python -m benchmarks.quality.front --out FOLDER --means docs/front.json --draw docs/pictures/front.svg

A recipe is a preset with some of its numbers changed (recipes.py). What was painted is not painted again: the bench can
be ended and gone on with. ``--part 1/4`` does every fourth picture from the second on, for four processes side by side;
each keeps a file of figures of its own in the folder, and all are read. ``--clock`` measures what the recipes take on
the machine that it runs on, on the first pair alone: pictures judged elsewhere, on a GPU say, get the seconds of a
processor so. ``--means`` puts the means over the pairs into a file, of recipes that have all of them, and the seconds,
beside those that stand there; ``--draw`` draws that file (front_drawing.py). Painting needs trained weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.quality.figures import Figures
from benchmarks.quality.front_drawing import draw_front, points_of
from benchmarks.quality.pairs import Pair, at_size, drawn_pairs, pairs_in
from nst_batch.transfer.device import choose_device, prepare_tensorflow

prepare_tensorflow()

import numpy as np  # noqa: E402 - TensorFlow is told to be quiet first
import tensorflow as tf  # noqa: E402

from benchmarks.quality.evaluator import Measures  # noqa: E402
from benchmarks.quality.judges import Judges  # noqa: E402
from benchmarks.quality.recipes import Recipe, read_recipes, teraflops  # noqa: E402
from nst_batch import images  # noqa: E402
from nst_batch.transfer import NeuralStyleModel, find_weights, load_network  # noqa: E402
from nst_batch.transfer.spec import TransferSpec  # noqa: E402

GRAMS = tuple(name for name in Measures.names() if name.startswith("gram"))
MEANS = ("gram_over", "swd_over", "dots", "kept4", "kept5", "patch4", "palette")
SHOWN = ("draft", "fine", "fine before", "fine at first")  # whose names stand beside their dots


class Studio:
    """Paints a pair by a recipe, keeps the picture, has it judged."""

    def __init__(self, folder: Path, figures: Figures, *, picture_format: str) -> None:
        self._folder = folder
        self._figures = figures
        self._format = picture_format
        self._network = load_network(find_weights("auto"), device=choose_device("auto"))
        tf.config.experimental.enable_tensor_float_32_execution(False)  # the judges count in whole float32
        self._judges: dict[str, Judges] = {}
        self._clocked: dict[tuple[float, bool, int], float] = {}  # by plan: TFLOP, framed, levels

    def paint(self, name: str, pair: Pair, recipe: Recipe, size: int) -> dict[str, Any]:
        """One picture and its figures."""
        content, style = at_size(pair.content(), size), at_size(pair.style(), size)
        spec = recipe.spec(*content.shape[:2])
        begun, used = time.perf_counter(), time.process_time()
        model = NeuralStyleModel(content, [(style, 1.0)], spec, self._network, style_keys=[pair.name])
        picture = model.run()
        known = {
            "pair": pair.name,
            "recipe": recipe.name,
            "size": size,
            "steps": model.total_steps,
            "teraflops": round(teraflops(model), 3),
            "seconds": round(time.perf_counter() - begun, 2),
            "processor_seconds": round(time.process_time() - used, 2),
            "device": self._network.device.name,
        }
        options = {"quality": 90} if self._format == "jpg" else {}
        encoded = images.encode(picture, file_format=self._format, **options)
        (self._folder / f"{name}.{self._format}").write_bytes(encoded)
        if pair.name not in self._judges:
            self._judges[pair.name] = Judges(self._network.weights, pair.content(), pair.style())
        first, second = self._judges[pair.name].measure(np.round(picture * 255) / np.float32(255))
        known |= {"measures": asdict(first), "second": asdict(second)}
        self._figures.add(name, known)
        return known

    def clock(self, name: str, pair: Pair, recipe: Recipe, size: int) -> dict[str, Any]:
        """What one picture takes here, every program traced before; it is neither judged nor kept itself.

        Recipes that cost the same by their plan (the same steps, of the same kind) are measured once.
        """
        content, style = at_size(pair.content(), size), at_size(pair.style(), size)
        spec = recipe.spec(*content.shape[:2])

        def model(spec: TransferSpec) -> NeuralStyleModel:
            return NeuralStyleModel(content, [(style, 1.0)], spec, self._network, style_keys=[pair.name])

        cost = round(teraflops(model(spec)), 3)
        plan = (cost, spec.framed, recipe.preset.levels)
        if plan not in self._clocked:
            model(replace(spec, steps_per_epoch=2)).run()
            used = time.process_time()
            model(spec).run()
            self._clocked[plan] = round(time.process_time() - used, 2)
        known = {
            "recipe": recipe.name,
            "size": size,
            "teraflops": cost,
            "clocked": self._clocked[plan],
            "device": self._network.device.name,
        }
        self._figures.add(name, known)
        return known


def work(pairs: Sequence[Pair], recipes: Sequence[Recipe], sizes: Sequence[int]) -> Iterator[tuple[str, Any]]:
    """Everything there is to paint, by name."""
    for size in sizes:
        for recipe in recipes:
            for pair in pairs:
                yield f"{pair.name}_{recipe.name}_{size}_{recipe.digest}", (pair, recipe, size)


def all_known(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures of every part."""
    known: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("figures*.json")):
        known |= json.loads(path.read_bytes())
    return known


def means(known: Iterable[Mapping[str, Any]], size: int) -> dict[str, dict[str, float]]:
    """Of each recipe the means over its pairs, where it was painted at that size on as many as any other."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for each in known:
        if each["size"] == size and "second" in each:
            groups.setdefault(each["recipe"], []).append(each)
    most = max((len(group) for group in groups.values()), default=0)
    return {
        name: {"teraflops": round(statistics.fmean(each["teraflops"] for each in group), 2)}
        | {mean: round(statistics.fmean(each["second"][mean] for each in group), 4) for mean in MEANS}
        for name, group in sorted(groups.items())
        if len(group) == most
    }


def clocked_seconds(
    known: Iterable[Mapping[str, Any]], means: Mapping[str, Mapping[str, float]], size: int
) -> dict[str, float]:
    """Of each recipe that was clocked the processor seconds, for what the mean of its pairs costs in TFLOP."""
    return {
        each["recipe"]: round(each["clocked"] * means[each["recipe"]]["teraflops"] / each["teraflops"], 1)
        for each in known
        if "clocked" in each and each["size"] == size and each["recipe"] in means
    }


def line(known: Mapping[str, Any]) -> str:
    """What is said of one picture."""
    first, second = known["measures"], known["second"]
    gram = float(np.mean([first[name] for name in GRAMS]))
    told = {"gram": gram} | {name: second[name] for name in MEANS}
    figures = "  ".join(f"{name} {value:.3f}" for name, value in told.items())
    return (
        f"{known['recipe']} {known['pair']} {known['size']}: {known['steps']} steps, {known['teraflops']:.1f} TFLOP, "
        f"{known['seconds']:.1f} s  {figures}"
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=Path, metavar="FILE", help="without: nothing is painted")
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME", help="of the recipes")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="without: the pairs that the project draws")
    parser.add_argument("--pairs", nargs="+", default=[], metavar="CONTENT:STYLE")
    parser.add_argument("--size", type=int, default=512, help="long side in pixels")
    parser.add_argument("--out", type=Path, default=Path("build/front"), metavar="FOLDER")
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures that are kept")
    parser.add_argument("--clock", action="store_true", help="measure the seconds of each recipe, on the first pair")
    parser.add_argument("--part", default="0/1", metavar="K/N")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no picture after so long")
    parser.add_argument("--means", type=Path, metavar="FILE", help="put the means of all that was painted in here")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="draw those means as SVG")
    asked = parser.parse_args()
    if asked.draw and not asked.means:
        parser.error("--draw draws the file that --means names")
    return asked


def paint_all(asked: argparse.Namespace) -> None:
    """What belongs to this part and is not known yet."""
    begun = time.perf_counter()
    pairs: Sequence[Pair] = drawn_pairs()
    if asked.images:
        pairs = [pair for both in asked.pairs for pair in pairs_in(asked.images, *([name] for name in both.split(":")))]
    recipes = [each for each in read_recipes(asked.recipes) if asked.only is None or each.name in asked.only]
    part, parts = (int(number) for number in asked.part.split("/"))
    asked.out.mkdir(parents=True, exist_ok=True)
    known = all_known(asked.out)
    todo = work(pairs, recipes, [asked.size])
    if asked.clock:
        todo = ((f"clock_{name}", what) for name, what in work(pairs[:1], recipes, [asked.size]))
    missing = [each for number, each in enumerate(todo) if number % parts == part and each[0] not in known]
    if not missing:
        return
    studio = Studio(asked.out, Figures(asked.out / f"figures-{part}.json"), picture_format=asked.format)
    for name, (pair, recipe, size) in missing:
        if time.perf_counter() - begun > asked.seconds:
            print("out of time", flush=True)
            return
        if asked.clock:
            found = studio.clock(name, pair, recipe, size)
            print(f"{recipe.name}: {found['teraflops']} TFLOP, {found['clocked']} processor seconds", flush=True)
        else:
            print(line(studio.paint(name, pair, recipe, size)), flush=True)


def main() -> None:
    """Paint what is missing, then the means, then the drawing, as far as each is asked for."""
    asked = parse()
    if asked.recipes:
        paint_all(asked)
    if asked.means:
        there = json.loads(asked.means.read_bytes()) if asked.means.exists() else {}
        known = all_known(asked.out).values()
        there |= means(known, asked.size)
        for name, found in clocked_seconds(known, there, asked.size).items():
            there[name]["processor_seconds"] = found
        asked.means.write_text(json.dumps(there, indent=1) + "\n")
        if asked.draw:
            asked.draw.write_text(draw_front(points_of(there, SHOWN)))


if __name__ == "__main__":
    main()
