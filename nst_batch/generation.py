"""One sitting at one job: from the job's folder to an outcome, with a checkpoint wherever it may be cut short.

Files in, arrays through :mod:`nst_batch.transfer`, files out. The same code serves the worker and
``nst-batch stylize``; who asks is only seen through :class:`Wishes` (go on, stop, cancel, yield) and
:class:`Listener` (what to tell).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from nst_batch import fitting
from nst_batch.checkpoints import Checkpoints
from nst_batch.errors import JobError
from nst_batch.job import OUTCOME_NAME, JobSpec, Outcome, load_spec, now_iso, versions
from nst_batch.material import Facts, Material, load_material
from nst_batch.results import STEPS_NAME, LossLog, Results, Saver
from nst_batch.scouting import Scout
from nst_batch.transfer.errors import LossNotFiniteError, OutOfMemoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nst_batch.studio import Studio
    from nst_batch.transfer.neural_style import NeuralStyleModel, Step

Wish = Literal["go", "stop", "cancel", "yield"]
End = Literal["done", "stopped", "failed", "cancelled", "yielded"]


class Progress(NamedTuple):
    """Where a job stands, for a person: ``left`` is in seconds, ``scale`` the size of one scale of several."""

    step: int
    steps: int
    epoch: int
    epochs: int
    total: float
    left: float
    scale: str


class Wishes(Protocol):
    """What is wanted of the job at work; asked after every step."""

    def wish(self) -> Wish:
        """What the job should do now."""


class Listener(Protocol):
    """Who is told how the job gets on."""

    def say(self, what: str, **fields: object) -> None:
        """Something happened: a phase began, a checkpoint was written."""

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """A step was made."""

    def picture(self, rgb: NDArray[np.float32]) -> None:
        """The picture of the last step told; called only where ``wants_pictures``."""

    wants_pictures: bool


def run_job(
    studio: Studio,
    claim: Path,
    folder: Path,
    running: Path,
    wishes: Wishes,
    listener: Listener,
    *,
    last_for_memory: bool = False,
) -> End:
    """Work on the job in ``folder`` until it is finished or wanted back; leaves ``outcome.json`` where finished.

    ``claim`` is what the inputs' paths are relative to; ``running`` is where pictures and loss.json go. With
    ``last_for_memory`` it is found out how large a picture would have fitted, should this one not.
    """
    sitting = Sitting(studio, claim, folder, running, wishes, listener)
    started_at, clock = now_iso(), time.monotonic()
    try:
        if last_for_memory:
            sitting.say_what_fits()
        outcome = sitting.work()
    except (OutOfMemoryError, MemoryError) as error:
        studio.spent = True
        outcome = sitting.out_of_memory(error, how_large=last_for_memory)
    except JobError as error:
        outcome = Outcome(
            state="failed", code=error.code, message=error.message, advice=error.advice, retry=error.retry
        )
    finally:
        sitting.close()
    if outcome is None:
        return "yielded"
    outcome = outcome.model_copy(
        update={
            "inputs": sitting.facts.all(),
            "notes": tuple(sitting.notes),
            "weights": {"source": studio.weights_source, "sha256": studio.weights_sha256},
            "device": studio.device,
            "precision": sitting.precision,
            "versions": versions(),
            "started_at": sitting.started_before or started_at,
            "finished_at": now_iso(),
            "seconds": sitting.seconds_before + time.monotonic() - clock,
            "steps_done": sitting.steps_done,
        }
    )
    studio.files.write_durable(folder / OUTCOME_NAME, outcome.model_dump_json(indent=2).encode())
    return outcome.state


class Sitting:
    """The state of one sitting; :meth:`work` is the way through it."""

    def __init__(
        self, studio: Studio, claim: Path, folder: Path, running: Path, wishes: Wishes, listener: Listener
    ) -> None:
        self._studio = studio
        self._claim = claim
        self._folder = folder
        self._running = running
        self._wishes = wishes
        self._listener = listener
        self._saver = Saver()
        self._spec: JobSpec = load_spec(folder)
        self._scout = Scout(studio, self._spec, claim, listener)
        self.facts = Facts(self._spec)
        self.precision: str | None = None
        self.notes: list[str] = []
        self.steps_done = 0
        self.seconds_before = 0.0
        self.started_before: str | None = None

    def work(self) -> Outcome | None:
        """Decode, optimise, save; None where the job was wanted back before its end."""
        self._listener.say("phase", phase="reading the images")
        material = load_material(self._spec, self._claim, self._studio.limits, self.facts)
        self.notes += material.notes
        precision = self._studio.precision(self._spec.settings.precision)
        try:
            return self._optimise(material, precision)
        except LossNotFiniteError as error:
            if precision == "float32":
                raise self._not_finite(error) from error
            self.notes.append(f"the loss was not finite at step {error.step} in {precision}; begun anew in float32")
            self._listener.say("phase", phase="once more in float32")
            Checkpoints(self._studio.files, self._folder).clear()
        try:
            return self._optimise(material, "float32")
        except LossNotFiniteError as error:
            raise self._not_finite(error) from error

    def say_what_fits(self) -> None:
        """Told beforehand: a process that the kernel ends for want of memory says nothing any more."""
        size = self._scout.before_the_last_run()
        if size is not None:
            self._listener.say("fits", size=size)

    def out_of_memory(self, error: BaseException, *, how_large: bool) -> Outcome:
        """The outcome of a job that did not fit; ``how_large`` has smaller sizes tried until one does."""
        settings = self._spec.settings
        return Outcome(
            state="failed",
            code="out_of_memory",
            message=f"size {settings.size} does not fit into the memory of {self._studio.device}: {_first_line(error)}",
            advice=fitting.advice(self._scout.after_a_failure() if how_large else None),
            retry=True,
        )

    def close(self) -> None:
        """End the saving thread."""
        self._saver.close()

    # -- the optimisation ---------------------------------------------------------------------------

    def _optimise(self, material: Material, precision: Literal["float32", "bfloat16"]) -> Outcome | None:
        self.precision = precision
        self._listener.say("phase", phase="building the model")
        model = self._studio.model(self._spec.settings, material, precision)
        self._note_scales(len(model.scales))
        files = self._studio.files
        results = Results(files, self._running, self._spec, material)
        log = LossLog(self._folder / STEPS_NAME, self._spec, model.spec.statistic)
        checkpoints = Checkpoints(files, self._folder)
        self._resume(model, log, results, checkpoints, precision)
        end = self._steps(model, log, results, checkpoints)
        self._saver.wait()
        if end == "yielded":
            return None
        if end == "cancelled":
            return Outcome(
                state="cancelled",
                code="cancelled",
                message="cancelled on request",
                advice="nst-batch retry puts it back",
            )
        self._listener.say("phase", phase="saving")
        final = results.final(model.image(), log.text(), {"device": self._studio.device, "precision": precision})
        return Outcome(state=end, final=final, outputs=results.outputs())

    def _note_scales(self, found: int) -> None:
        """Say where fewer scales are painted than were asked for: a coarse one can be too small to show anything."""
        asked = self._spec.settings.scales
        note = f"painted in {found} of {asked} scales: coarser ones would be too small, or have no epoch"
        if found < asked and note not in self.notes:
            self.notes.append(note)

    def _resume(
        self,
        model: NeuralStyleModel,
        log: LossLog,
        results: Results,
        checkpoints: Checkpoints,
        precision: str,
    ) -> None:
        for checkpoint in checkpoints.newest_first():
            # A checkpoint of another precision or whose log is gone would not give the undisturbed picture.
            if checkpoint.facts.get("precision") == precision and log.resume(checkpoint.step):
                model.restore(checkpoint.state)
                results.forget_epochs_after(checkpoint.epoch)
                self.steps_done = checkpoint.step
                self.seconds_before = float(checkpoint.facts["seconds"])
                self.started_before = str(checkpoint.facts["started_at"])
                self._listener.say("phase", phase=f"going on from step {checkpoint.step}")
                break
        else:
            log.clear()
            results.forget_epochs_after(0)
        self.notes += checkpoints.notes

    def _steps(
        self, model: NeuralStyleModel, log: LossLog, results: Results, checkpoints: Checkpoints
    ) -> Literal["done", "stopped", "cancelled", "yielded"]:
        started_at, clock = self.started_before or now_iso(), time.monotonic()
        last_checkpoint = clock

        def keep(step: Step) -> None:
            nonlocal last_checkpoint
            last_checkpoint = time.monotonic()
            log.flush()
            facts = {
                "precision": self.precision,
                "seconds": self.seconds_before + last_checkpoint - clock,
                "started_at": started_at,
            }
            checkpoints.write(model.state(), step=step.step, epoch=_epochs_whole(step), facts=facts)
            self._listener.say("checkpoint", step=step.step)

        for step in model.steps():
            log.add(step)
            self.steps_done = step.step
            self._listener.step(self._progress(step, model), epoch_end=step.epoch_end)
            if self._listener.wants_pictures:
                self._listener.picture(model.image())
            if step.epoch_end:
                picture, text, number = model.image(), log.text(), step.epoch
                self._saver.submit(lambda n=number, p=picture, t=text: results.epoch(n, p, t))  # type: ignore[misc]
            match self._wishes.wish():
                case "stop":
                    return "stopped"
                case "cancel":
                    return "cancelled"
                case "yield":
                    self._saver.wait()
                    keep(step)
                    return "yielded"
            if step.epoch_end or time.monotonic() - last_checkpoint >= self._studio.checkpoint_seconds:
                # The epoch's picture must be there before a checkpoint that counts it as done.
                self._saver.wait()
                keep(step)
        return "done"

    def _progress(self, step: Step, model: NeuralStyleModel) -> Progress:
        settings = self._spec.settings
        return Progress(
            step=step.step,
            steps=model.total_steps,
            epoch=step.epoch,
            epochs=settings.epochs,
            total=float(step.total),
            left=model.seconds_left(),
            scale=f"{step.width} × {step.height}" if len(model.scales) > 1 else "",
        )

    def _not_finite(self, error: LossNotFiniteError) -> JobError:
        return JobError(
            "loss_not_finite",
            f"the loss was not finite at step {error.step}, in float32 too",
            "lower learning_rate, or the largest of content_weight, style_weight and tv_weight",
        )


def _epochs_whole(step: Step) -> int:
    return step.epoch if step.epoch_end else step.epoch - 1


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
