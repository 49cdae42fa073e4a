"""One run of one job, with the real engine on small pictures and the untrained network."""

from __future__ import annotations

import io
import json
import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from house import draw
from PIL import Image, ImageSequence

from nst_batch import images
from nst_batch.capacity import Room
from nst_batch.filenames import OUTCOME_NAME, SPEC_NAME
from nst_batch.job import JobInput, JobSpec, Outcome, now_iso
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.transfer import memory_plan
from nst_batch.transfer.checkpoint import pack, unpack
from nst_batch.transfer.device import choose_device
from nst_batch.transfer.errors import LossNotFiniteError
from nst_batch.worker import job_run
from nst_batch.worker.job_run import JobRun
from nst_batch.worker.run_listener import Progress
from nst_batch.worker.session import DeviceSession


class Bench:
    """A job's folder, and what is wanted and told while it is at work."""

    wants_pictures = False

    def __init__(self, root: Path, **keys: Any) -> None:
        self.claim = root
        self.running = root / "running"
        self.running.mkdir(parents=True)
        draw(root / "inputs/c.png", size=(96, 64))
        draw(root / "inputs/s.png", size=(64, 64), hue=90)
        self.instructions: dict[int, str] = {}
        self.steps: list[Progress] = []
        self.told: Callable[[int], None] = lambda _: None
        self.said: list[tuple[str, dict[str, object]]] = []
        self.write(**keys)

    def write(self, **keys: Any) -> None:
        given = {"size": 64, "epochs": 3, "steps_per_epoch": 4, "precision": "float32", **keys}
        spec = JobSpec(
            id="20260101-000000-000000-0000.0001",
            name="picture",
            title="picture",
            output="",
            settings=resolve(Patch(**given)),
            sidecar={},
            inputs=(
                JobInput(role="content", name="c.png", path="inputs/c.png"),
                JobInput(role="style", name="s.png", path="inputs/s.png"),
            ),
            received_at=now_iso(),
        )
        (self.claim / SPEC_NAME).write_text(spec.model_dump_json())

    def instruction(self) -> Any:
        return self.instructions.pop(self.steps[-1].step if self.steps else 0, "go")

    def say(self, what: str, **fields: object) -> None:
        self.said.append((what, fields))

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        self.steps.append(progress)
        self.told(progress.step)

    def picture(self, rgb: object) -> None:
        raise AssertionError("no pictures were asked for")

    def run(self, session: DeviceSession) -> str:
        return JobRun(session, self.claim, self.claim, self.running, self, self).run()

    def outcome(self) -> Outcome:
        return Outcome.model_validate_json((self.claim / OUTCOME_NAME).read_bytes())

    def loss(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.running / "loss.json").read_text())
        return loaded


@pytest.fixture(scope="module")
def session() -> DeviceSession:
    """One warm session for the module, as a worker has it."""
    return DeviceSession.open("untrained", "cpu", images.ImageLimits(), checkpoint_seconds=60)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    """Makes benches."""
    made = iter(range(100))
    return lambda **keys: Bench(tmp_path / f"bench{next(made)}", **keys)


def test_what_is_sure_not_to_fit_is_not_begun(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """In all the memory there is, however it is cut up: at once, and not again and again."""
    small = DeviceSession(session.weights, choose_device("cpu"), images.ImageLimits(), 60.0, Room(1000.0, 600.0))
    job = bench()
    assert job.run(small) == "failed"
    outcome = job.outcome()
    assert outcome.reason is not None
    assert (outcome.reason.code, outcome.retry, outcome.steps_done) == ("out_of_memory", False, 0)
    assert "there are 1.0 GiB" in outcome.reason.message
    assert outcome.reason.advice.startswith("no size of it fits here")


def test_a_job_leaves_its_picture_losses_and_outcome(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """Every step is logged once, and the outcome names what was made."""
    job = bench(save_epoch=True)
    assert job.run(session) == "done"
    assert [entry["step"] for entry in job.loss()["log"]] == list(range(1, 13))
    outcome = job.outcome()
    assert outcome.steps_done == 12
    assert set(outcome.outputs) == {
        "picture.png",
        "loss.json",
        "loss.svg",
        "index.html",
        *(f"epochs/picture_epoch_{n:04d}.png" for n in (1, 2, 3)),
    }
    assert [(each.width, each.height) for each in outcome.inputs] == [(96, 64), (64, 64)]
    with Image.open(job.running / "picture.png") as picture:
        assert picture.text["Title"] == "picture"


def test_a_long_epoch_shows_itself(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview is renewed between epochs' ends, and the picture that comes of it is the same."""
    undisturbed = bench(epochs=1, steps_per_epoch=6)
    assert undisturbed.run(session) == "done"
    job, seen = bench(epochs=1, steps_per_epoch=6), []
    monkeypatch.setattr(job_run, "PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr(job_run.Saver, "glance", lambda _saver, work: work())

    def instruction() -> str:
        preview = job.running / "preview.png"
        seen.append(preview.read_bytes() if preview.exists() else b"")
        return "go"

    monkeypatch.setattr(job, "instruction", instruction)
    assert job.run(session) == "done"
    assert len(set(seen[2:])) > 2
    pictures = [(each.running / "picture.png").read_bytes() for each in (undisturbed, job)]
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(data))) for data in pictures))


def test_every_strip_is_a_sign_of_life(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow machine says that it gets on within a step; nothing is said by the passing of time alone."""
    monkeypatch.setattr(job_run, "BEAT_SECONDS", 0.0)
    whole = bench(epochs=1, steps_per_epoch=1, size=96)
    assert whole.run(session) == "done"
    monkeypatch.setattr(memory_plan, "VIEW", 96 * 64 * 40)
    monkeypatch.setattr(memory_plan, "LADDER", memory_plan.LADDER[2:])
    cut = bench(epochs=1, steps_per_epoch=1, size=96)
    assert cut.run(session) == "done"
    beats = [sum(what == "beat" for what, _ in job.said) for job in (whole, cut)]
    assert beats[0] >= 1
    assert beats[1] > beats[0] + 2


def blocks(picture: Image.Image) -> Any:
    """The means of 8 × 6 parts: what compression does to single pixels does not count."""
    return np.asarray(picture.convert("RGB").resize((8, 6), Image.Resampling.BOX)).astype(float)


def test_a_time_lapse_goes_on_with_its_job(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """The film begins with the start, ends with the result, stands on the page; put back and gone on with it is as
    long as otherwise, and no picture of an epoch is kept for it.
    """
    undisturbed, disturbed = bench(timelapse=True, learning_rate=0.1), bench(timelapse=True, learning_rate=0.1)
    disturbed.instructions = {6: "yield"}
    assert undisturbed.run(session) == "done"
    assert disturbed.run(session) == "yielded"
    assert disturbed.run(session) == "done"
    films = []
    for job in (undisturbed, disturbed):
        assert "picture_timelapse.webp" in job.outcome().outputs
        assert not (job.running / "epochs").exists()
        assert "picture_timelapse" in (job.running / "index.html").read_text()
        with Image.open(job.running / "picture_timelapse.webp") as film:
            films.append([blocks(frame) for frame in ImageSequence.Iterator(film)])
    assert len(films[0]) == len(films[1]) > 4
    with Image.open(undisturbed.running / "picture.png") as saved:
        result = blocks(saved)
    away = [np.abs(frame - result).mean() for frame in films[0]]
    assert away[-1] < min(away) + 0.1  # of 255: each frame is compressed for itself
    assert away[-1] < away[0] / 2


def test_checkpoints_go_by_time_alone(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """Short epochs on a fast device would write one every moment; three of them take less than a minute here."""
    job = bench(save_epoch=True)
    assert job.run(session) == "done"
    assert not [fields for what, fields in job.said if what == "checkpoint"]


def test_the_last_entry_speaks_of_the_saved_picture(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """The losses of the last entry are those of the picture in the file, up to its rounding to 8 bits."""
    job = bench(content_weight=0.0, tv_weight=0.01)
    job.run(session)
    saved = images.decode(job.running / "picture.png").rgb
    tv = float(abs(np.diff(saved, axis=0)).sum() + abs(np.diff(saved, axis=1)).sum())
    last = job.loss()["log"][-1]
    assert math.isclose(last["tv"], tv, rel_tol=0.02)
    assert last["total"] < job.loss()["log"][0]["total"]


@pytest.mark.parametrize("moment", [1, 4, 6, 11])
def test_a_job_put_back_gives_the_undisturbed_picture(
    session: DeviceSession, bench: Callable[..., Bench], moment: int
) -> None:
    """Put back at any step and taken up again: the same bytes, and every step in the log once."""
    undisturbed, disturbed = bench(save_epoch=True), bench(save_epoch=True)
    undisturbed.run(session)
    disturbed.instructions = {moment: "yield"}
    assert disturbed.run(session) == "yielded"
    assert disturbed.run(session) == "done"
    for name in ("picture.png", "epochs/picture_epoch_0002.png"):
        assert (undisturbed.running / name).read_bytes() == (disturbed.running / name).read_bytes()
    entries = [{k: v for k, v in entry.items() if k != "seconds"} for entry in disturbed.loss()["log"]]
    assert entries == [{k: v for k, v in entry.items() if k != "seconds"} for entry in undisturbed.loss()["log"]]
    seconds = [entry["seconds"] for entry in disturbed.loss()["log"]]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("keys", [{}, {"optimizer": "lbfgs"}])
def test_steps_go_on_while_a_checkpoint_is_written(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    """It is of its own step, whatever has been painted since; the epochs that it counts are there before it."""
    undisturbed, job, again = (bench(save_epoch=True, **keys) for _ in range(3))
    undisturbed.run(session)
    really, eighth, written = session.files.write_durable, threading.Event(), []

    def slowly(path: Path, data: Any) -> None:
        """The checkpoint of step 5 reaches the disk once step 8 has been told; the disk as it is then is kept."""
        if path.name == "checkpoint":
            written.append(len(job.steps))
        fifth = path.name == "checkpoint" and len(written) == 5
        assert not fifth or eighth.wait(60)
        really(path, data)
        if fifth:
            shutil.copytree(job.claim, again.claim, dirs_exist_ok=True)

    monkeypatch.setattr(session, "checkpoint_seconds", 0)
    monkeypatch.setattr(session.files, "write_durable", slowly)
    job.told = lambda step: eighth.set() if step == 8 else None
    assert job.run(session) == "done"
    monkeypatch.undo()
    assert again.run(session) == "done"
    assert again.steps[0].step == 6
    for name in ("picture.png", "epochs/picture_epoch_0001.png", "epochs/picture_epoch_0002.png"):
        assert (again.running / name).read_bytes() == (undisturbed.running / name).read_bytes()
    assert [entry["step"] for entry in again.loss()["log"]] == list(range(1, 13))


def test_scales_go_on_from_a_checkpoint_too(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """Three epochs over two scales, cut in the second scale."""
    undisturbed, disturbed = bench(size=200, scales=2), bench(size=200, scales=2)
    undisturbed.run(session)
    disturbed.instructions = {9: "yield"}
    disturbed.run(session)
    assert disturbed.run(session) == "done"
    assert {entry["scale"] for entry in undisturbed.loss()["log"]} == {1, 2}
    picture = "picture.png"
    assert (undisturbed.running / picture).read_bytes() == (disturbed.running / picture).read_bytes()


def test_scales_that_do_not_fit_are_told(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """A picture too small for the scales asked for is painted in fewer, and job.json's notes say so."""
    fits, too_many, nobody_asked = bench(size=200, scales=2, epochs=2), bench(scales=3), bench()
    for job in (fits, too_many, nobody_asked):
        assert job.run(session) == "done"
    assert fits.outcome().notes == nobody_asked.outcome().notes == ()
    assert too_many.outcome().notes == ("painted in 1 of 3 scales: coarser ones would be too small, or have no epoch",)


def test_a_damaged_checkpoint_is_set_aside(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it is used; the picture is the same, and job.json's notes say what happened."""
    monkeypatch.setattr(session, "checkpoint_seconds", 0.0)
    undisturbed, disturbed = bench(), bench()
    undisturbed.run(session)
    disturbed.instructions = {9: "yield"}
    disturbed.run(session)
    newest = disturbed.claim / "checkpoint"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    assert disturbed.run(session) == "done"
    assert ("phase", {"phase": "resumed at epoch 3, after step 8", "told": True}) in disturbed.said
    assert any("checkpoint is not usable" in note for note in disturbed.outcome().notes)
    picture = "picture.png"
    assert (undisturbed.running / picture).read_bytes() == (disturbed.running / picture).read_bytes()


def rewrite(checkpoint: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with checkpoint.open("rb") as file:
        state, facts = unpack(file)
    change(state)
    checkpoint.write_bytes(b"".join(pack(state, facts)))


def test_a_checkpoint_of_the_version_before_is_gone_on_with(
    session: DeviceSession, bench: Callable[..., Bench]
) -> None:
    """It does not know yet of objectives that are renewed; the picture is that of an undisturbed run."""
    undisturbed, disturbed = bench(), bench()
    undisturbed.run(session)
    disturbed.instructions = {9: "yield"}
    disturbed.run(session)
    rewrite(disturbed.claim / "checkpoint", lambda state: state.pop("renewed"))
    assert disturbed.run(session) == "done"
    assert ("phase", {"phase": "resumed at epoch 3, after step 9", "told": True}) in disturbed.said
    assert (undisturbed.running / "picture.png").read_bytes() == (disturbed.running / "picture.png").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("epoch_start"),
        lambda state: state.update({"optimizer/third": np.zeros(3, np.float32)}),
        lambda state: state.update(image=np.zeros((1, 8, 8, 3), np.float32)),
        lambda state: state.update(scale=5),
    ],
)
def test_a_checkpoint_that_this_version_cannot_use_is_left_aside(
    session: DeviceSession, bench: Callable[..., Bench], change: Callable[[dict[str, Any]], object]
) -> None:
    """Whatever differs: the job begins anew, with its whole log, and job.json's notes say why."""
    undisturbed, disturbed = bench(save_epoch=True), bench(save_epoch=True)
    undisturbed.run(session)
    disturbed.instructions = {9: "yield"}
    disturbed.run(session)
    rewrite(disturbed.claim / "checkpoint", change)
    assert disturbed.run(session) == "done"
    assert [note for note in disturbed.outcome().notes if "of another version" in note and "begun anew" in note]
    assert [entry["step"] for entry in disturbed.loss()["log"]] == [e["step"] for e in undisturbed.loss()["log"]]
    assert (undisturbed.running / "picture.png").read_bytes() == (disturbed.running / "picture.png").read_bytes()


class SmallDevice:
    """A device whose memory does not do for pictures of more pixels than ``most`` in one piece, as a small GPU's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int, words: str = "") -> None:
        import tensorflow as tf

        from nst_batch.transfer.network import Network

        really = {name: getattr(Network, name) for name in ("advance", "losses", "style_statistics")}
        error = tf.errors.InternalError if words else tf.errors.ResourceExhaustedError

        def refusing(name: str) -> Any:
            def method(network: Network, image: Any, *args: Any, **kwargs: Any) -> Any:
                if image.shape[1] * image.shape[2] > most:
                    raise error(None, None, words or "OOM when allocating tensor")
                return really[name](network, image, *args, **kwargs)

            return method

        for name in really:
            monkeypatch.setattr(Network, name, refusing(name))


@pytest.mark.parametrize("words", ["", "CUDNN_STATUS_ALLOC_FAILED"])
def test_a_picture_that_does_not_fit_is_painted_in_strips(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The failure asks for a fresh process; there it is made in strips, and is the same within rounding."""
    alike = [rung for rung in memory_plan.LADDER if rung.strip_plan is None or rung.strip_plan.winograd]
    monkeypatch.setattr(memory_plan, "LADDER", alike)  # other convolutions round otherwise
    whole = bench(size=144, preset="classic")
    assert whole.run(session) == "done"
    SmallDevice(monkeypatch, most=100 * 67, words=words)
    monkeypatch.setattr(session, "spent", False)
    job = bench(size=144, preset="classic")
    assert job.run(session) == "failed"
    outcome = job.outcome()
    assert (outcome.reason.code, outcome.retry, session.spent) == ("out_of_memory", True, True)
    assert "144" in outcome.reason.message
    assert JobRun(session, job.claim, job.claim, job.running, job, job, last_for_memory=True).run() == "done"
    assert any("in strips" in note for note in job.outcome().notes)
    pictures = [images.decode(each.running / "picture.png").rgb for each in (whole, job)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2 / 255


def test_a_picture_that_fits_by_no_means_says_what_would(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the advice, and before the last run too, for the kernel may end the process without a word."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "spent", False)
    monkeypatch.setattr("nst_batch.transfer.neural_style.NeuralStyleModel.steps", refuse)
    job = bench(size=600)
    assert JobRun(session, job.claim, job.claim, job.running, job, job, last_for_memory=True).run() == "failed"
    said = dict(job.said)
    assert 32 <= said["fits"]["size"] < 600
    assert f"size {said['fits']['size']} should fit" in job.outcome().reason.advice


def test_a_picture_goes_on_as_it_was_begun(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In strips, where it was begun in strips: resumed with other room to plan with, it is still bit-equal."""
    sparing = bench(size=144)
    monkeypatch.setattr(type(session), "room", Room(0.0, 0.0))
    assert sparing.run(session) == "done"
    disturbed = bench(size=144)
    disturbed.instructions = {6: "yield"}
    assert disturbed.run(session) == "yielded"
    monkeypatch.setattr(type(session), "room", Room(0.0, 1e6))
    assert disturbed.run(session) == "done"
    assert any("in strips" in note for note in disturbed.outcome().notes)
    picture = "picture.png"
    assert (sparing.running / picture).read_bytes() == (disturbed.running / picture).read_bytes()


def test_stop_and_cancel(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """Stop saves the picture as it stands; cancel saves none."""
    job = bench()
    job.instructions = {5: "stop"}
    assert job.run(session) == "stopped"
    assert len(job.loss()["log"]) == 5
    assert (job.running / "picture.png").exists()
    dropped = bench()
    dropped.instructions = {5: "cancel"}
    assert dropped.run(session) == "cancelled"
    assert not (dropped.running / "picture.png").exists()
    assert len(dropped.loss()["log"]) == dropped.outcome().steps_done == 5


class Impatient(Bench):
    """Wants ``wish`` from the ``asked``-th time on that it is asked what it wants."""

    def __init__(self, root: Path, wish: str, asked: int, **keys: Any) -> None:
        super().__init__(root, **keys)
        self.wish, self.left = wish, asked

    def instruction(self) -> Any:
        self.left -= 1
        return self.wish if self.left <= 0 else super().instruction()


@pytest.mark.parametrize("preset", ["fine", "nnst"])
def test_cancel_is_heard_at_every_turn(session: DeviceSession, tmp_path: Path, preset: str) -> None:
    """While images are read, a style is looked at, a step is made: after that nothing more is done."""
    asked = Impatient(tmp_path / "whole", "go", 10_000, preset=preset, epochs=1, steps_per_epoch=2)
    assert asked.run(session) == "done"
    turns = 10_000 - asked.left
    assert turns > 2 + 4 + 4  # images, frames or turns of the style, of the content or what is matched; then the steps
    steps = []
    for turn in range(1, turns + 1):
        job = Impatient(tmp_path / str(turn), "cancel", turn, preset=preset, epochs=1, steps_per_epoch=2)
        assert job.run(session) == "cancelled", turn
        assert job.left == 0, "it was asked again"
        assert not (job.running / "picture.png").exists()
        steps.append(job.outcome().steps_done)
    assert steps == sorted(steps)
    assert steps[0] == 0


def test_stop_is_heard_within_a_step(session: DeviceSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture in strips: the last whole step is what is published, as if it had been stopped there."""
    monkeypatch.setattr(type(session), "room", Room(0.0, 0.0))
    pictures: dict[int, set[bytes]] = {}
    for turn in (30, 40, 47):
        job = Impatient(tmp_path / str(turn), "stop", turn, size=144, epochs=1, steps_per_epoch=4)
        assert job.run(session) == "stopped"
        done = job.outcome().steps_done
        assert done == len(job.loss()["log"]) == job.steps[-1].step
        pictures.setdefault(done, set()).add((job.running / "picture.png").read_bytes())
    assert len(pictures) > 1
    for done, found in pictures.items():
        job = Bench(tmp_path / f"at{done}", size=144, epochs=1, steps_per_epoch=4)
        job.instructions = {done: "stop"}
        assert job.run(session) == "stopped"
        assert found == {(job.running / "picture.png").read_bytes()}


def test_a_stop_before_the_first_step_leaves_the_picture_of_it(session: DeviceSession, tmp_path: Path) -> None:
    """Whenever it came: while the images were read, in the step itself, and where it is begun anew in float32."""
    for turn in range(1, 12):
        job = Impatient(tmp_path / str(turn), "stop", turn, epochs=1, steps_per_epoch=4)
        assert job.run(session) == "stopped"
        done = job.outcome().steps_done
        assert done == len(job.loss()["log"]) >= 1


def test_a_stop_while_it_is_begun_anew_in_float32_leaves_a_picture_of_that(
    session: DeviceSession, bench: Callable[..., Bench]
) -> None:
    """The steps before do not count: their picture is gone, and a stop is no cancel."""
    job = bench(precision="bfloat16")

    def told(step: int) -> None:
        if step == 3:
            job.instruction = lambda: "stop"  # type: ignore[method-assign]
            raise LossNotFiniteError(step, "bfloat16")

    job.told = told
    assert job.run(session) == "stopped"
    assert any("begun anew in float32" in note for note in job.outcome().notes)
    assert [entry["step"] for entry in job.loss()["log"]] == [1]
    assert job.outcome().steps_done == 1


def test_a_job_that_is_begun_again_only_to_be_stopped_paints_nothing_more(
    session: DeviceSession, tmp_path: Path
) -> None:
    """What its checkpoint holds is what is published."""
    job = Impatient(tmp_path, "stop", 10_000)
    job.instructions = {5: "yield"}
    assert job.run(session) == "yielded"
    job.left = 0
    assert job.run(session) == "stopped"
    assert len(job.loss()["log"]) == job.outcome().steps_done == 5
    assert (job.running / "picture.png").exists()


def test_a_decoder_that_does_not_end_is_left_behind_with_its_worker(
    session: DeviceSession, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job fails with a reason of its own, and the next one gets a fresh process."""
    monkeypatch.setattr(session, "spent", False)
    monkeypatch.setattr("nst_batch.images.decoding.DECODE_SECONDS", 0.0)
    job = bench()
    Image.effect_noise((3000, 2000), 90.0).save(job.claim / "inputs/c.png")  # a small one may be there by then
    assert job.run(session) == "failed"
    assert (job.outcome().reason.code, session.spent) == ("image_too_slow", True)


def test_an_image_that_cannot_be_read_fails_with_its_own_name(
    session: DeviceSession, bench: Callable[..., Bench]
) -> None:
    """The reason names the image as the person knows it, and what is known of the others is kept."""
    job = bench()
    style = job.claim / "inputs/s.png"
    style.write_bytes(style.read_bytes()[:200])
    assert job.run(session) == "failed"
    outcome = job.outcome()
    assert outcome.reason.code == "image_truncated"
    assert "s.png" in outcome.reason.message
    assert str(job.claim) not in outcome.reason.message
    assert outcome.inputs[0].width == 96
    assert outcome.inputs[1].width is None


def test_a_loss_that_is_not_finite_fails_after_float32(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """In bfloat16 the job is begun anew in float32; where that fails too the reason says so."""
    job = bench(precision="bfloat16", style_weight=1e38, learning_rate=1000.0)
    assert job.run(session) == "failed"
    outcome = job.outcome()
    assert outcome.reason.code == "loss_not_finite"
    assert any("begun anew in float32" in note for note in outcome.notes)
    assert outcome.precision == "float32"


def test_alpha_comes_back_on_the_result(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """A content with a transparent half gives a result with the same half transparent."""
    job = bench()
    content = Image.open(job.claim / "inputs/c.png").convert("RGBA")
    content.putalpha(Image.new("L", content.size, 255))
    content.paste((0, 0, 0, 0), (0, 0, 48, 64))
    content.save(job.claim / "inputs/c.png")
    job.run(session)
    with Image.open(job.running / "picture.png") as result:
        assert result.mode == "RGBA"
        alpha = result.getchannel("A")
        assert alpha.getpixel((8, 20)) == 0
        assert alpha.getpixel((56, 20)) == 255


def test_a_jpg_of_a_transparent_content_says_that_it_stands_on_white(
    session: DeviceSession, bench: Callable[..., Bench]
) -> None:
    """In job.json, where people look, and not in the file alone."""
    job = bench(format="jpg")
    content = Image.open(job.claim / "inputs/c.png").convert("RGBA")
    content.paste((0, 0, 0, 0), (0, 0, 48, 64))
    content.save(job.claim / "inputs/c.png")
    assert job.run(session) == "done"
    (note,) = [note for note in job.outcome().notes if "transparency" in note]
    assert note.endswith(": jpg has no transparency, so the picture is put on white")
    assert images.decode(job.running / "picture.jpg").rgb[20, 8].min() > 0.98


def test_the_contents_colours_are_kept_where_asked(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """With `color: content` only luminance changes: the differences between channels are the content's."""
    job = bench(color="content", format="tiff")
    assert job.run(session) == "done"
    content = images.resize(images.decode(job.claim / "inputs/c.png"), 64).rgb
    result = images.decode(job.running / "picture.tiff").rgb
    inside = ((result > 0.02) & (result < 0.98)).all(axis=-1)
    assert inside.mean() > 0.3
    chroma = np.abs((result[..., 0] - result[..., 2]) - (content[..., 0] - content[..., 2]))
    assert chroma[inside].max() < 0.02
    assert np.abs(result - content).mean() > 0.01


def with_mask(job: Bench, mask: Image.Image) -> Bench:
    """The job with a mask beside its pair."""
    mask.save(job.claim / "inputs/m.png")
    spec = JobSpec.model_validate_json((job.claim / SPEC_NAME).read_text())
    more = JobInput(role="mask", name="sky.png", path="inputs/m.png")
    (job.claim / SPEC_NAME).write_text(spec.model_copy(update={"inputs": (*spec.inputs, more)}).model_dump_json())
    return job


def right_half(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Black to the left, white to the right."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (size[0] // 2, 0, *size))
    return mask


@pytest.mark.parametrize("keys", [{}, {"color": "content"}, {"init": "noise"}, {"scales": 3, "size": 192, "epochs": 2}])
def test_what_a_mask_keeps_is_the_photograph(
    session: DeviceSession, bench: Callable[..., Bench], keys: dict[str, Any]
) -> None:
    """In the result and in every epoch's picture, those of coarse scales too."""
    job = with_mask(bench(save_epoch=True, **keys), right_half())
    assert job.run(session) == "done"
    outcome = job.outcome()
    assert [(each.role, each.name) for each in outcome.inputs][-1] == ("mask", "sky.png")
    content = images.resize(images.decode(job.claim / "inputs/c.png"), keys.get("size", 64)).rgb
    middle = content.shape[1] // 2
    for name in (name for name in outcome.outputs if name.endswith(".png")):
        difference = np.abs(images.decode(job.running / name).rgb - content)
        assert difference[:, : middle - 1].max() <= 0.51 / 255
        assert difference[:, middle + 1 :].mean() > 0.01


def test_what_is_transparent_in_a_mask_stays(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """A white shape on transparent ground means what a white one on black does."""
    white = Image.new("RGBA", (96, 64), (255, 255, 255, 255))
    white.putalpha(right_half())
    pictures = []
    for mask in (white, right_half()):
        job = with_mask(bench(), mask)
        assert job.run(session) == "done"
        pictures.append(images.decode(job.running / "picture.png").rgb)
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize(
    ("mask", "code"), [(right_half((64, 64)), "mask_shape"), (Image.new("L", (96, 64), 0), "mask_empty")]
)
def test_a_mask_that_cannot_be_meant_fails(
    session: DeviceSession, bench: Callable[..., Bench], mask: Image.Image, code: str
) -> None:
    """One of another shape than its content, and one that paints nothing, with the name that the person gave it."""
    job = with_mask(bench(), mask)
    assert job.run(session) == "failed"
    assert (job.outcome().reason.code, job.outcome().retry) == (code, False)
    assert "sky.png" in job.outcome().reason.message


@pytest.mark.parametrize(
    "keys",
    [
        {"color": "match"},
        {"init": "style"},
        {"init": "noise"},
        {"init": "patches"},
        {"style_size": 48},
        {"optimizer": "lbfgs"},
    ],
)
def test_other_ways_to_paint(session: DeviceSession, bench: Callable[..., Bench], keys: dict[str, Any]) -> None:
    """Each key changes the picture, and the same keys give the same bytes."""
    plain, changed, again = bench(), bench(**keys), bench(**keys)
    for job in (plain, changed, again):
        assert job.run(session) == "done"
    pictures = [images.decode(job.running / "picture.png").rgb for job in (plain, changed, again)]
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[1], pictures[2])


def test_a_blend_lies_between_its_styles(session: DeviceSession, bench: Callable[..., Bench]) -> None:
    """All the weight on one style is that style alone; half and half is neither."""
    first, second, between = bench(), bench(), bench()
    draw(second.claim / "inputs/s.png", size=(64, 64), hue=200)
    draw(between.claim / "inputs/t.png", size=(64, 64), hue=200)
    spec = json.loads((between.claim / SPEC_NAME).read_text())
    spec["inputs"][1]["weight"] = 0.5
    spec["inputs"].append({"role": "style", "name": "t.png", "path": "inputs/t.png", "weight": 0.5})
    (between.claim / SPEC_NAME).write_text(json.dumps(spec))
    pictures = []
    for job in (first, second, between):
        assert job.run(session) == "done"
        pictures.append(images.decode(job.running / "picture.png").rgb)
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert len(between.outcome().inputs) == 3
