"""One run of one job: from the job's folder to an outcome, with a checkpoint wherever it may be cut short.

Files in, arrays through :mod:`nst_batch.transfer`, files out. The same code serves the worker and
``nst-batch stylize``; who asks is only seen through :mod:`nst_batch.worker.run_listener`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nst_batch.capacity import Demand, advice
from nst_batch.errors import JobError
from nst_batch.filenames import OUTCOME_NAME, STEPS_NAME
from nst_batch.job import JobSpec, Outcome, load_spec, now_iso, versions
from nst_batch.reasons import CANCELLED, IMAGE_TOO_SLOW, IMAGE_TRUNCATED, OUT_OF_MEMORY, Reason
from nst_batch.sidecar.presets import PRESETS
from nst_batch.sizing import Shape
from nst_batch.transfer.errors import DamagedCheckpointError, LossNotFiniteError, OutOfMemoryError
from nst_batch.worker.checkpoints import Checkpoint, Checkpoints
from nst_batch.worker.job_images import JobImages, KnownInputs, load_job_images
from nst_batch.worker.loss_log import LossLog
from nst_batch.worker.result_files import Results, Saver
from nst_batch.worker.run_listener import Instructions, Interrupted, Progress, RunEnd, RunListener
from nst_batch.worker.shown import show
from nst_batch.worker.timelapse import Timelapse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nst_batch.transfer.neural_style import NeuralStyleModel, Step
    from nst_batch.worker.session import DeviceSession

PREVIEW_SECONDS = 30.0  # between two looks at a picture whose epoch is long
BEAT_SECONDS = 2.0  # between two signs of life within a step


class JobRun:
    """One run of the job in ``folder``, until it is finished or wanted back.

    ``claim`` is what the inputs' paths are relative to; ``running`` is where pictures and loss.json go. With
    ``last_for_memory``, for a job on which memory has run out, all is done with as little as can be, and it is told
    how large a picture should fit.
    """

    def __init__(
        self,
        session: DeviceSession,
        claim: Path,
        folder: Path,
        running: Path,
        instructions: Instructions,
        listener: RunListener,
        *,
        last_for_memory: bool = False,
    ) -> None:
        self._session = session
        self._claim = claim
        self._folder = folder
        self._running = running
        self._instructions = instructions
        self._listener = listener
        self._saver = Saver()
        self._spec: JobSpec = load_spec(folder)
        self._sparing = last_for_memory
        self._demand: Demand | None = None  # once the images are read
        self._facts = KnownInputs(self._spec)
        self._precision: str | None = None
        self._notes: list[str] = list(session.notes)
        self._steps_done = 0
        self._seconds_before = 0.0
        self._started_before: str | None = None
        self._last_beat = 0.0
        session.on_progress = self._beat

    def _beat(self) -> None:
        """Tell, now and then, that a step gets on: only work that is done comes by here, never a clock.

        Raises Interrupted where the job is to be no more: the step that it is in is thrown away. Who wants it to go
        on later waits for the step's end.
        """
        wanted, now = self._instructions.instruction(), time.monotonic()
        if wanted == "cancel":
            raise Interrupted("cancelled")
        if wanted == "stop" and self._steps_done:
            raise Interrupted("stopped")
        if now - self._last_beat >= BEAT_SECONDS:
            self._last_beat = now
            self._listener.say("beat")

    def run(self) -> RunEnd:
        """Work on it; leaves ``outcome.json`` where it is finished."""
        started_at, clock = now_iso(), time.monotonic()
        try:
            outcome = self._work()
        except (OutOfMemoryError, MemoryError) as error:
            self._session.spent = True
            outcome = self._out_of_memory(error)
        except Interrupted:  # before there is a picture
            outcome = _cancelled()
        except JobError as error:
            # The decoder of one that is too slow still runs, and cannot be ended.
            self._session.spent = self._session.spent or error.code == IMAGE_TOO_SLOW
            cut = self._facts.first_unknown if error.code == IMAGE_TRUNCATED else None
            outcome = Outcome(state="failed", reason=error.reason, retry=error.retry, cut=cut)
        finally:
            self._session.on_progress = lambda: None
            self._saver.close()
        if outcome is None:
            return "yielded"
        outcome = outcome.model_copy(
            update={
                "inputs": self._facts.all(),
                "notes": tuple(self._notes),
                "weights": {"source": self._session.weights.source, "sha256": self._session.weights.sha256},
                "device": self._session.device,
                "precision": self._precision,
                "versions": versions(),
                "started_at": self._started_before or started_at,
                "finished_at": now_iso(),
                "seconds": self._seconds_before + time.monotonic() - clock,
                "steps_done": self._steps_done,
            }
        )
        if outcome.reason is None:
            outcome = show(self._session.files, self._running, self._spec, outcome)
        self._session.files.write_durable(self._folder / OUTCOME_NAME, outcome.model_dump_json(indent=2).encode())
        return outcome.state

    def _work(self) -> Outcome | None:
        """Decode, optimise, save; None where the job was wanted back before its end."""
        self._listener.say("phase", phase="reading the images")
        settings = self._spec.settings
        precision = self._session.precision(settings.precision)

        def check_fits(content: Shape, styles: tuple[Shape, ...]) -> None:
            self._demand = Demand(settings, precision, content, styles)
            self._session.check_fits(self._demand)
            if self._sparing:
                # Told beforehand: a process that the kernel ends for want of memory says nothing any more.
                self._listener.say("fits", **self._session.what_fits(self._demand))

        job_images = load_job_images(self._spec, self._claim, self._session.limits, self._facts, check_fits, self._beat)
        self._notes += job_images.notes
        try:
            return self._optimise(job_images, precision)
        except LossNotFiniteError as error:
            if precision == "float32":
                raise self._not_finite(error) from error
            self._notes.append(f"the loss was not finite at step {error.step} in {precision}; begun anew in float32")
            self._listener.say("phase", phase="once more in float32")
            self._saver.wait()
            Checkpoints(self._session.files, self._folder).clear()
        try:
            return self._optimise(job_images, "float32")
        except LossNotFiniteError as error:
            raise self._not_finite(error) from error

    def _out_of_memory(self, error: BaseException) -> Outcome:
        """The outcome of a job that did not fit."""
        size, style = self._spec.settings.size, self._spec.settings.style_size
        fits = None if self._demand is None else self._session.what_fits(self._demand)
        asked = f"size {size}" if style == size else f"size {size} with style_size {style}"
        what = f"{asked} does not fit into the memory of {self._session.device}: {_first_line(error)}"
        return Outcome(state="failed", reason=Reason.of(OUT_OF_MEMORY, what, advice(fits)), retry=True)

    # -- the optimisation ---------------------------------------------------------------------------

    def _optimise(self, job_images: JobImages, precision: Literal["float32", "bfloat16"]) -> Outcome | None:
        self._precision, self._steps_done = precision, 0  # once more in float32, it begins anew
        self._listener.say("phase", phase="building the model")
        files = self._session.files
        results = Results(files, self._running, self._spec, job_images)
        log = LossLog(files, self._folder / STEPS_NAME, self._spec, PRESETS[self._spec.settings.preset].family)
        checkpoints = Checkpoints(files, self._folder)
        checkpoint = self._last_checkpoint(checkpoints, log, precision)
        # A picture goes on as it was begun, so that it is bit-equal; unless memory has run out on it since.
        room = 0.0 if self._sparing else self._session.room.planned_mb  # none: it has run out before
        if checkpoint is not None and not self._sparing:
            room = float(checkpoint.facts.get("room_mb", room))
        model = self._session.model(self._spec.settings, job_images, precision, room)
        self._note_plan(model)
        self._resume(model, checkpoint, results, log)
        film = None
        if self._spec.settings.timelapse:
            from_content = self._spec.settings.init == "content"
            film = Timelapse(files, self._folder, job_images, self._saver, from_content=from_content)
        if film is not None:
            film.resume(self._steps_done if checkpoint else 0)
            film.shoot(self._steps_done if checkpoint else 0, model.image)
        del checkpoint  # its arrays are as large as the model's own
        try:
            end = self._steps(model, log, results, checkpoints, room, film)
        except Interrupted as early:
            end = early.end
        self._saver.wait()
        if end == "yielded":
            return None
        if end == "cancelled":
            results.losses(log.text())
            return _cancelled()
        self._listener.say("phase", phase="saving")
        final = results.final(model.image(), log.text(), {"device": self._session.device, "precision": precision})
        if film is not None:
            self._listener.say("phase", phase="making the film")
            results.films(film.films(model.image()))
        return Outcome(state=end, final=final, outputs=results.outputs())

    def _note_plan(self, model: NeuralStyleModel) -> None:
        """Say where fewer scales are painted than were asked for, and where memory is saved."""
        asked, found = self._spec.settings.scales, len(model.scales)
        # A preset's own number means as many as fit, and most pictures have no place for all.
        if found < asked != PRESETS[self._spec.settings.preset].scales:
            self._note(f"painted in {found} of {asked} scales: coarser ones would be too small, or have no epoch")
        if model.in_strips:
            self._note("painted in strips, to save memory; the picture is the same within rounding")

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _last_checkpoint(self, checkpoints: Checkpoints, log: LossLog, precision: str) -> Checkpoint | None:
        """The newest one that gives the undisturbed picture: of this precision, and with all of its log."""
        found = next(
            (
                each
                for each in checkpoints.newest_first()
                if each.facts.get("precision") == precision and log.resume(each.step)
            ),
            None,
        )
        if found is None:
            log.clear()
        self._notes += checkpoints.notes
        return found

    def _resume(self, model: NeuralStyleModel, checkpoint: Checkpoint | None, results: Results, log: LossLog) -> None:
        """Go on from the checkpoint, or begin anew; pictures of later epochs are painted again."""
        if checkpoint is not None:
            try:
                model.restore(checkpoint.state)
            except DamagedCheckpointError as error:
                self._note(f"{error}; begun anew")
                self._listener.say("phase", phase=f"{error}; begun anew", told=True)
                log.clear()
                checkpoint = None
        results.forget_epochs_after(checkpoint.epoch if checkpoint else 0)
        if checkpoint is None:
            return
        self._steps_done = checkpoint.step
        self._seconds_before = float(checkpoint.facts["seconds"])
        self._started_before = str(checkpoint.facts["started_at"])
        epoch = min(checkpoint.epoch + 1, self._spec.settings.total_epochs)
        self._listener.say("phase", phase=f"resumed at epoch {epoch}, after step {checkpoint.step}", told=True)

    def _steps(
        self,
        model: NeuralStyleModel,
        log: LossLog,
        results: Results,
        checkpoints: Checkpoints,
        room_mb: float,
        film: Timelapse | None,
    ) -> Literal["done", "stopped", "cancelled", "yielded"]:
        started_at, clock = self._started_before or now_iso(), time.monotonic()
        last_checkpoint = last_look = clock

        def keep(step: Step) -> None:
            nonlocal last_checkpoint
            last_checkpoint = time.monotonic()
            facts = {
                "precision": self._precision,
                "room_mb": room_mb,
                "seconds": self._seconds_before + last_checkpoint - clock,
                "started_at": started_at,
            }
            state, whole_epochs = model.state(), step.epoch if step.epoch_end else step.epoch - 1

            def write() -> None:
                log.flush(step.step)
                checkpoints.write(state, step=step.step, epoch=whole_epochs, facts=facts)
                self._listener.say("checkpoint", step=step.step)

            # After the epoch's picture: a checkpoint counts it as done. Where the state is large it is not kept beside
            # the one that comes next, which the plan for the memory does not reckon with.
            self._saver.submit(write, sum(value.nbytes for value in state.values() if hasattr(value, "nbytes")))

        if self._steps_done and self._instructions.instruction() == "stop":
            return "stopped"  # it was begun again only to be published as it stands
        for step in model.steps():
            log.add(step)
            self._steps_done = step.step
            self._listener.step(self._progress(step, model), epoch_end=step.epoch_end)
            if self._listener.wants_pictures:
                self._listener.picture(model.image())
            if film is not None:
                film.shoot(step.step, model.image)
            if step.epoch_end:
                self._save(step, model.image(), log, results)
                last_look = time.monotonic()
            elif time.monotonic() - last_look >= PREVIEW_SECONDS:
                self._glance(step, model.image(), log, results)
                last_look = time.monotonic()
            match self._instructions.instruction():
                case "stop":
                    return "stopped"
                case "cancel":
                    return "cancelled"
                case "yield":
                    keep(step)
                    return "yielded"
            if time.monotonic() - last_checkpoint >= self._session.checkpoint_seconds:
                keep(step)
        return "done"

    def _save(self, step: Step, picture: NDArray[np.float32], log: LossLog, results: Results) -> None:
        """What an epoch leaves: its picture where asked, the preview, the losses so far."""
        if self._spec.settings.save_epoch:
            self._saver.submit(lambda: results.epoch(step.epoch, picture), picture.nbytes)
        self._glance(step, picture, log, results)

    def _glance(self, step: Step, picture: NDArray[np.float32], log: LossLog, results: Results) -> None:
        """What people look at meanwhile: the preview, the losses so far."""
        self._saver.glance(lambda: results.glance(picture, log.text(step.step)))

    def _progress(self, step: Step, model: NeuralStyleModel) -> Progress:
        settings = self._spec.settings
        return Progress(
            step=step.step,
            steps=model.total_steps,
            epoch=step.epoch,
            epochs=settings.total_epochs,
            total=float(step.total),
            left=model.seconds_left(),
            scale=f"{step.width} × {step.height}" if len(model.scales) > 1 else "",
            pixels=step.width * step.height,
            seconds=step.seconds,
        )

    def _not_finite(self, error: LossNotFiniteError) -> JobError:
        return JobError("loss_not_finite", f"the loss was not finite at step {error.step}, in float32 too")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _cancelled() -> Outcome:
    return Outcome(state="cancelled", reason=Reason.of(CANCELLED, "cancelled on request"))
