"""Both judges of one pair, and what they say of pictures that somebody else may have made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.quality.evaluator import Evaluator, Measures, Picture
from benchmarks.quality.second import SecondJudge, SecondMeasures
from nst_batch import images
from nst_batch.transfer.weights import Weights


class Judges:
    """The first and the second judge of a content and a style."""

    def __init__(self, weights: Weights, content: Picture, style: Picture) -> None:
        self._first = Evaluator(weights, content, style)
        self._second = SecondJudge(weights, content, style)

    def measure(self, picture: Picture) -> tuple[Measures, SecondMeasures]:
        """What either says of a result."""
        return self._first.measure(picture), self._second.measure(picture)


def judged(weights: Weights, content: Path, style: Path, pictures: Sequence[Path]) -> Iterator[str]:
    """A table of saved pictures, as Markdown, a line at a time: every measure of both judges."""
    names = ("picture", *Measures.names(), *SecondMeasures.names())
    yield "| " + " | ".join(names) + " |"
    yield "|---|" + "---:|" * (len(names) - 1)
    judges = Judges(weights, _read(content), _read(style))
    for picture in pictures:
        first, second = judges.measure(_read(picture))
        figures = (*vars(first).values(), *vars(second).values())
        yield f"| {picture.name} | " + " | ".join(f"{value:.3f}" for value in figures) + " |"


def _read(path: Path) -> Picture:
    return images.decode(path).rgb
