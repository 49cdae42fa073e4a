"""How long each job takes: what it has to do, at the machine's pace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median_low
from typing import NamedTuple

from nst_batch.daemon.pace import WINDOW_SECONDS, Pace, Recipe
from nst_batch.errors import JobError
from nst_batch.protocol import Message
from nst_batch.sidecar.presets import PRESETS, family_of
from nst_batch.sidecar.settings import Patch, Settings, resolve
from nst_batch.sizing import Shape, style_pixels, working_size
from nst_batch.transfer.pyramid import plan_scales

USUAL_SHAPE = Shape(3000, 2000)  # of a photograph of which nothing is known, in pixels
MOST_REMEMBERED = 2000
STYLE_LOOKS = 4  # at a style in each scale, where pictures are shown in frames (transfer/frame.py)
LOOK_COST = 1 / 3  # of a step on as many pixels: no gradient is wanted
FIRST_STEP = 3.0  # what the first one takes, in later ones: the losses of two pictures, with memory that is new
SEVERAL = 3  # calls, of which the one in the middle tells
LONG_CALL_SECONDS = 30.0  # what takes so long is told by one or two
SAVING_SHARE = 0.5  # of what a job takes beside its steps, what comes after the last one


class Leg(NamedTuple):
    """So many steps on a picture of so many pixels, and before them what a large style takes, in steps as well."""

    pixels: int
    steps: int
    before: float = 0.0


def legs(settings: Settings, shape: tuple[int, int] | None) -> tuple[Leg, ...]:
    """What a job has to do, scale by scale; ``shape`` is its content's width and height, None where not known."""
    width, height = shape or USUAL_SHAPE
    try:
        size = working_size(max(1, width), max(1, height), settings.size)
    except JobError:
        return ()  # it will fail at once
    closing = family_of(settings.preset).closing
    scales = plan_scales(*size, settings.scales, settings.epochs, closing=closing)
    before = _style_steps(settings, size)
    return tuple(Leg(scale.height * scale.width, scale.epochs * settings.steps_per_epoch, before) for scale in scales)


def _style_steps(settings: Settings, size: tuple[int, int]) -> float:
    """How many steps of a scale take as long as to look at the style before them, of a shape that photographs have.

    What a style of the result's own size takes is in what every job takes beside its steps.
    """
    try:
        pixels = style_pixels(settings, size, [USUAL_SHAPE])
    except JobError:
        return 0.0
    return _look_cost(settings) * max(0.0, pixels / (size[0] * size[1]) - 1.0)


def _look_cost(settings: Settings) -> float:
    """How many steps take as long as to look at a picture of their size before them, as often as the preset does."""
    return LOOK_COST * (STYLE_LOOKS if PRESETS[settings.preset].framed else 1)


def guessed_seconds(device: str, rate: float) -> float:
    """How long a picture of the default settings may take on a device of which nothing but its rate is known."""
    pace = Pace()
    pace.rate_is(device, rate)
    return Forecast(pace).job_seconds(resolve(Patch()), None, device) or 0.0


def _after(todo: Iterable[Leg], done: int) -> tuple[Leg, ...]:
    """What is left of the legs when the first ``done`` steps are done."""
    left = []
    for leg in todo:
        gone = min(done, leg.steps)
        done -= gone
        left.append(Leg(leg.pixels, leg.steps - gone, 0.0 if gone else leg.before))
    return tuple(left)


_Programs = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]


def _programs(settings: Settings) -> _Programs:
    """What tells jobs apart that need other programs; sizes and weights do not."""
    return (
        settings.preset,
        settings.optimizer,
        settings.precision,
        tuple(settings.content_layers),
        tuple(settings.style_layers),
    )


@dataclass
class _Sitting:
    """A job at work: since when, and from where its steps are measured."""

    begun: float  # monotonic
    device: str
    settings: Settings
    shape: tuple[int, int] | None
    done: int  # steps of earlier sittings
    first_seconds: float | None = None  # of optimisation, when its first step was told
    seconds: float = 0.0  # at the last step that was told
    step: int = 0
    window: tuple[int, int, float] | None = None  # pixels, step and seconds where it begins
    lead: tuple[int, float] = (0, 0.0)  # steps and seconds of this scale before the window: tracing is among them
    tracing: float = 0.0  # seconds of all scales so far
    calls: list[tuple[int, float]] = field(default_factory=list)  # in the window: the steps and seconds of each

    def opens(self, window: tuple[int, int, float], lead: tuple[int, float]) -> None:
        """Steps are measured from here on."""
        self.window, self.lead, self.calls = window, lead, []

    def counts(self, steps: int, seconds: float) -> None:
        """So many steps more, so long after those before; those of one call come all at once, and not all are told."""
        if seconds > 0:
            self.calls.append((steps, seconds))
        elif self.calls:
            before, spent = self.calls[-1]
            self.calls[-1] = (before + steps, spent)

    def step_seconds(self, *, whole: bool) -> float:
        """Of a step, by the call in the middle: one that traced its program says nothing of the others."""
        calls = self.calls if whole or len(self.calls) == 1 else self.calls[:-1]  # of the last one more may come
        return median_low(spent / steps for steps, spent in calls)


class Forecast:
    """Learns from the jobs at work and foretells the rest. ``now`` is monotonic."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._sittings: dict[str, _Sitting] = {}
        self._ended: dict[str, float] = {}  # by device, when its last job ended
        self._workers: dict[str, object] = {}  # by device, which one is at work there
        self._traced: dict[str, set[_Programs]] = {}  # by device, what its worker has painted by: those programs it has
        self._counted: set[_Programs] = set()  # new ones of this round, which one job of the queue has to make
        self._known: dict[tuple[int, tuple[int, int] | None], tuple[Settings, tuple[Leg, ...]]] = {}

    # --- learning -----------------------------------------------------------------------------------------

    def worker_is(self, device: str, worker: object, rate: float) -> None:
        """Who works there, known by what it said when it was ready, and its rate: a new one has no programs yet."""
        self.pace.rate_is(device, rate)
        if self._workers.get(device) is not worker:
            self._workers[device] = worker
            self._traced[device] = set()

    def begins(
        self, job_id: str, settings: Settings, shape: tuple[int, int] | None, device: str, now: float, done: int = 0
    ) -> None:
        """A worker has been given the job, of whose steps ``done`` were made before."""
        self._sittings[job_id] = _Sitting(now, device, settings, shape, done)
        ended = self._ended.pop(device, None)
        if ended is not None and 0.0 <= now - ended < WINDOW_SECONDS:
            self.pace.gaps.learn(device, now - ended)

    def stepped(self, job_id: str, progress: Message, now: float, *, epoch_end: bool) -> None:
        """A job got on. What it has left is put right in ``progress``, so that all who tell of it say the same."""
        sitting = self._sittings.get(job_id)
        if sitting is None or "pixels" not in progress:
            return
        self._learn(sitting, progress, epoch_end=epoch_end)
        left = self.seconds_left(job_id, progress["step"], now)
        if left is not None:
            progress["left"] = left

    def _learn(self, sitting: _Sitting, progress: Message, *, epoch_end: bool) -> None:
        pixels, step, seconds = progress["pixels"], progress["step"], progress["seconds"]
        last, sitting.seconds, sitting.step = (sitting.step, sitting.seconds), seconds, step
        if sitting.window is None:  # its first steps, unless it went on from a checkpoint, began at nought
            is_new = seconds < WINDOW_SECONDS or step <= 1
            sitting.first_seconds = 0.0 if is_new else seconds
            sitting.opens((pixels, step, seconds), (step, seconds) if is_new else (0, 0.0))
            return
        before, first, since = sitting.window
        if before != pixels:
            sitting.opens((pixels, step, seconds), (step - first, seconds - since))
            return
        sitting.counts(step - last[0], seconds - last[1])
        spent = seconds - since
        enough = spent >= WINDOW_SECONDS if len(sitting.calls) > SEVERAL else spent >= LONG_CALL_SECONDS
        if step > first and sitting.calls and (epoch_end or enough):
            each, weight = sitting.step_seconds(whole=epoch_end), min(1.0, 0.2 + spent / WINDOW_SECONDS)
            self.pace.learn_step(Recipe.of(sitting.settings, sitting.device), pixels, each, weight)
            lead_steps, lead_seconds = sitting.lead
            sitting.tracing += max(0.0, lead_seconds - lead_steps * each) + max(0.0, spent - (step - first) * each)
            sitting.opens((pixels, step, seconds), (0, 0.0))

    def ends(self, job_id: str, now: float, *, whole: bool) -> None:
        """The worker has the job no more; ``whole`` where it came to the job's end."""
        sitting = self._sittings.pop(job_id, None)
        if sitting is None or not whole:
            return
        self._ended[sitting.device] = now
        if sitting.first_seconds is not None:
            beside = now - sitting.begun - (sitting.seconds - sitting.first_seconds) + sitting.tracing
            beside -= self._style_seconds(sitting)
            if (new := self._new_programs(sitting.settings, sitting.device)) is not None:
                self.pace.tracings.learn(sitting.device, beside - self.pace.rests.seconds(sitting.device))
                self._traced[sitting.device].add(new)
            else:
                self.pace.rests.learn(sitting.device, beside)

    def _new_programs(self, settings: Settings, device: str) -> _Programs | None:
        """What the worker at work there has to make first for such a job; None where it has it."""
        traced, programs = self._traced.get(device), _programs(settings)
        return None if traced is None or programs in traced else programs

    # --- foretelling --------------------------------------------------------------------------------------

    def begin_round(self) -> None:
        """The whole queue is told anew: of several jobs of a new kind the first one makes the programs."""
        self._counted.clear()

    def job_seconds(
        self, settings: Settings, shape: tuple[int, int] | None, device: str, done: int = 0
    ) -> float | None:
        """How long a job takes from its beginning to the next one's; None where nothing is known of the device.

        ``done``: how many of its steps it has behind it already.
        """
        if not self.pace.knows(device):
            return None
        todo = _after(self._legs(settings, shape), done)
        if not todo:
            return 0.0
        beside = self.pace.rests.seconds(device) + self.pace.gaps.seconds(device)
        new = self._new_programs(settings, device)
        if new is not None and new not in self._counted:
            self._counted.add(new)
            beside += self.pace.tracings.seconds(device)
        return self._seconds(settings, todo, device) + beside

    def seconds_left(self, job_id: str, step: int, now: float) -> float | None:
        """What a job at work has before it."""
        sitting = self._sittings.get(job_id)
        if sitting is None or not self.pace.knows(sitting.device):
            return None
        device = sitting.device
        todo = _after(self._legs(sitting.settings, sitting.shape), step or sitting.done)
        rest = self.pace.rests.seconds(device)
        saving = SAVING_SHARE * rest
        if (new := self._new_programs(sitting.settings, device)) is not None:
            self._counted.add(new)
            rest += self.pace.tracings.seconds(device)
        rest = saving if step else max(saving, rest - (now - sitting.begun))
        return self._seconds(sitting.settings, todo, device) + rest

    def seconds_to_first_step(self, job_id: str, now: float) -> float | None:
        """In how long a job at work will have made its first step, of which there is a picture then.

        Before it the style and the content are looked at, and the losses of the picture that it starts from.
        """
        sitting = self._sittings.get(job_id)
        todo = None if sitting is None else self._legs(sitting.settings, sitting.shape)
        if sitting is None or not todo or not self.pace.knows(sitting.device):
            return None
        device, settings = sitting.device, sitting.settings
        beside = (1.0 - SAVING_SHARE) * self.pace.rests.seconds(device)
        if self._new_programs(settings, device) is not None:
            beside += self.pace.tracings.seconds(device)
        steps = todo[0].before + 2 * _look_cost(settings) + FIRST_STEP
        each = self.pace.step_seconds(Recipe.of(settings, device), todo[0].pixels)
        return max(0.0, beside + steps * each - (now - sitting.begun))

    def _legs(self, settings: Settings, shape: tuple[int, int] | None) -> tuple[Leg, ...]:
        """As :func:`legs`, remembered: thousands of waiting jobs mostly ask for the same."""
        key = (id(settings), shape)
        known = self._known.get(key)
        if known is None or known[0] is not settings:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[key] = (settings, legs(settings, shape))
        return known[1]

    def _style_seconds(self, sitting: _Sitting) -> float:
        """What of a job's time went by before the steps of its scales because its style is large."""
        recipe, todo = Recipe.of(sitting.settings, sitting.device), self._legs(sitting.settings, sitting.shape)
        return sum(leg.before * self.pace.step_seconds(recipe, leg.pixels) for leg in _after(todo, sitting.done))

    def _seconds(self, settings: Settings, todo: Iterable[Leg], device: str) -> float:
        recipe = Recipe.of(settings, device)
        return sum((leg.before + leg.steps) * self.pace.step_seconds(recipe, leg.pixels) for leg in todo if leg.steps)
