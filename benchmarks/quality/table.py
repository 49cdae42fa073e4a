"""The table of the quality bench, as Markdown, and its place in a document."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.evaluator import Measures
from benchmarks.quality.paintings import Painting

BEGIN, END = "<!-- table: benchmarks.quality -->", "<!-- end of table -->"
GRAMS = tuple(name for name in Measures.names() if name.startswith("gram"))
COLUMNS = ("content4", "content5", "gram", "swd", "grain", "speckle")
SECOND = ("gram_over", "swd_over", "dots", "kept4", "patch3", "used3", "patch4", "used4", "palette")


def table(paintings: Sequence[Painting]) -> str:
    """Means over the pairs a size and preset, then every picture."""
    means, singles = _head("pairs"), _head("pair")
    for size, preset in dict.fromkeys((each.size, each.preset) for each in paintings):
        group = [each for each in paintings if (each.size, each.preset) == (size, preset)]
        means.append(_row(size, preset, str(len(group)), group))
        singles += [_row(size, preset, each.pair, [each]) for each in group]
    return "\n".join(["Means over the pairs:", "", *means, "", "Every picture:", "", *singles])


def _head(what: str) -> list[str]:
    names = ("size", "preset", what, *COLUMNS, *SECOND, "steps", "processor seconds")
    return ["| " + " | ".join(names) + " |", "|---:|---|---|" + "---:|" * (len(names) - 3)]


def _row(size: int, preset: str, what: str, group: Sequence[Painting]) -> str:
    figures = [statistics.fmean(_figure(each, name) for each in group) for name in COLUMNS]
    times = [each.processor_seconds for each in group if each.processor_seconds is not None]
    processor = f"{statistics.fmean(times):.0f}" if times else "–"  # painted on a GPU
    cells = [f"{value:.3f}" for value in figures]
    seconds = [each.second for each in group if each.second is not None]
    for name in SECOND:  # a picture that only the first judge has seen says nothing here
        cells.append(f"{statistics.fmean(getattr(each, name) for each in seconds):.3f}" if seconds else "–")
    return f"| {size} | {preset} | {what} | {' | '.join(cells)} | {group[0].steps} | {processor} |"


def _figure(painting: Painting, name: str) -> float:
    if name == "gram":
        return statistics.fmean(getattr(painting.measures, each) for each in GRAMS)
    return float(getattr(painting.measures, name))


def write_between_marks(path: Path, text: str) -> None:
    """Replace what stands between the two marks in a document. ValueError where it lacks them."""
    document = path.read_text()
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
