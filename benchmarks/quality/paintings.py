"""Painting a pair with a preset, saving it, judging what was saved, and keeping both."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.quality.evaluator import Measures
from benchmarks.quality.figures import Figures
from benchmarks.quality.judges import Judges
from benchmarks.quality.pairs import Pair, at_size
from benchmarks.quality.second import SecondMeasures
from nst_batch import images
from nst_batch.sidecar.presets import PRESETS
from nst_batch.sidecar.settings import Patch, Settings, resolve
from nst_batch.worker.job_images import JobImages
from nst_batch.worker.session import DeviceSession


@dataclass(frozen=True)
class Painting:
    """One picture: where it lies or lay, how it was made, how what was saved is judged."""

    pair: str
    preset: str
    size: int
    path: Path
    steps: int
    precision: str  # of the network
    seconds: float  # of optimisation
    processor_seconds: float | None  # the same, all cores added up; None: painted on a GPU
    measures: Measures
    second: SecondMeasures | None  # None: painted before there was a second judge, and gone since

    def __str__(self) -> str:
        known = asdict(self.measures) | (asdict(self.second) if self.second else {})
        figures = "  ".join(f"{name} {value:.3f}" for name, value in known.items())
        return f"{self.pair} {self.preset} {self.size}: {self.steps} steps, {self.seconds:.0f} s  {figures}"


class Painter:
    """Paints what is not there yet; one network for all, two judges a pair.

    With ``to_look_at`` a picture whose figures are known, but which is gone, counts as not there.
    """

    def __init__(self, folder: Path, figures: Figures, *, to_look_at: bool) -> None:
        self._folder = folder
        self._figures = figures
        self._to_look_at = to_look_at
        self._session: DeviceSession | None = None
        self._judges: dict[str, Judges] = {}
        self._hashes: dict[str, str] = {}

    def kept(self, pair: Pair, preset: str, size: int) -> Painting | None:
        """What was painted before of the same pictures with the very same settings; None where nothing was."""
        stem = self._stem(pair, preset, size)
        known = self._figures.of(stem)
        picture = self._folder / f"{stem}.png"
        if known is None or (self._to_look_at and not picture.exists()):
            return None
        measures, second = Measures(**known.pop("measures")), known.pop("second", None)
        seen = SecondMeasures(**second) if second else None
        return Painting(pair.name, preset, size, picture, measures=measures, second=seen, **known)

    def paint(self, pair: Pair, preset: str, size: int) -> Painting:
        """The picture and its figures, painted now where they are not kept."""
        found = self.kept(pair, preset, size)
        return found if found is not None else self._paint(pair, preset, size)

    def _paint(self, pair: Pair, preset: str, size: int) -> Painting:
        stem = self._stem(pair, preset, size)
        picture = self._folder / f"{stem}.png"
        if self._session is None:
            self._session = DeviceSession.open("auto", "cpu", images.ImageLimits(), 60.0)
        settings = _settings(preset, size)
        precision = self._session.precision("auto")
        model = self._session.model(settings, _job_images(pair, size), precision)
        begun, last = time.process_time(), None
        for step in model.steps():
            last = step
        if last is None:
            raise RuntimeError("no step was made")
        known = {
            "steps": last.step,
            "precision": precision,
            "seconds": round(last.seconds, 1),
            "processor_seconds": round(time.process_time() - begun, 1),
        }
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(images.encode(model.image()))
        judges = self._judges_of(pair)
        measures, second = judges.measure(images.decode(picture).rgb)
        self._figures.add(stem, {**known, "measures": asdict(measures), "second": asdict(second)})
        return Painting(pair.name, preset, size, picture, measures=measures, second=second, **known)

    def _judges_of(self, pair: Pair) -> Judges:
        if pair.name not in self._judges:
            if self._session is None:
                raise RuntimeError("the judges come after the painter")
            self._judges[pair.name] = Judges(self._session.weights, pair.content(), pair.style())
        return self._judges[pair.name]

    def _stem(self, pair: Pair, preset: str, size: int) -> str:
        """The picture's name: equal only for the same pictures painted by the same recipe, whatever else keys say."""
        if pair.name not in self._hashes:
            pixels = hashlib.sha256(pair.content().tobytes() + pair.style().tobytes())
            self._hashes[pair.name] = pixels.hexdigest()
        text = self._hashes[pair.name] + json.dumps(vars(PRESETS[preset]), default=dict, sort_keys=True)
        return f"{pair.name}_{preset}_{size}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _settings(preset: str, size: int) -> Settings:
    return resolve(Patch.model_validate({"preset": preset, "size": size}))


def _job_images(pair: Pair, size: int) -> JobImages:
    """As a job has it: both pictures brought to the size."""
    content, style = at_size(pair.content(), size), at_size(pair.style(), size)
    shape = content.shape[0], content.shape[1]
    return JobImages(content=content, styles=((style, 1.0),), init=None, alpha=None, size=shape, notes=())
