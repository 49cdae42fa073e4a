"""How long jobs will take: what is known beforehand, and what is learned from those at work."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nst_batch.daemon.forecast import Forecast, legs
from nst_batch.daemon.foreteller import content_shape
from nst_batch.daemon.pace import Pace, Recipe
from nst_batch.daemon.shapes import READ_SECONDS, Shapes
from nst_batch.sidecar.expand import InputRequest, JobRequest, parse_sidecar
from nst_batch.sidecar.resolver import FileRef
from nst_batch.sidecar.settings import Settings
from nst_batch.sizing import Shape, size_in_head
from nst_batch.spool.disk.fs import FileSystem

ONE_SCALE = "preset: classic\nepochs: 4\nsteps_per_epoch: 10\nsize: 400\n"
CUT_SHORT = [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x00", b"RIFF" + bytes(40), b"BM", b"GIF8"]


def settings(text: str = "") -> Settings:
    return parse_sidecar(f"content: a.jpg\nstyle: b.jpg\n{text}", "a.yaml").settings


def paint(forecast: Forecast, name: str, step_seconds: float, *, begun: float = 0.0, text: str = ONE_SCALE) -> float:
    """A job at work on one scale of 400 × 300; the moment of its end. It takes three seconds beside its steps."""
    forecast.begins(name, settings(ONE_SCALE), (400, 300), "cpu", begun)
    for step in range(1, 41):
        message = {"step": step, "pixels": 120_000, "seconds": step * step_seconds}
        forecast.stepped(name, message, begun + step * step_seconds, epoch_end=step % 10 == 0)
    end = begun + 3.0 + 40 * step_seconds
    forecast.ends(name, end, whole=True)
    return end


def known(rate: float = 1e12) -> Forecast:
    pace = Pace()
    pace.rate_is("cpu", rate)
    return Forecast(pace)


def seconds(forecast: Forecast, text: str = ONE_SCALE, shape: tuple[int, int] | None = (400, 300)) -> float:
    found = forecast.job_seconds(settings(text), shape, "cpu")
    assert found is not None
    return found


def test_nothing_is_foretold_of_a_device_that_nothing_is_known_of() -> None:
    """No number is better than an invented one."""
    assert Forecast(Pace()).job_seconds(settings(), None, "cpu") is None


def test_the_first_word_comes_from_the_processors_rate() -> None:
    """Twice the rate, half the time; four times the pixels, nearly four times as long."""
    assert 1.7 < seconds(known(1e11), "") / seconds(known(2e11), "") < 2.0
    assert 3.0 < seconds(known(1e11), ONE_SCALE) / seconds(known(1e11), ONE_SCALE.replace("400", "200")) < 4.2


def test_a_job_that_was_painted_tells_how_long_the_next_one_takes() -> None:
    """However wrong the processor's rate was; what a job takes beside its steps is learned too."""
    forecast, end = known(1e14), 0.0
    for number in range(3):
        end = paint(forecast, f"job{number}", 2.0, begun=end + 1.0)
    assert seconds(forecast) == pytest.approx(84.0, rel=0.05)


def test_a_workers_first_job_of_a_kind_takes_longer_and_the_later_ones_do_not() -> None:
    """It makes the programs: learned apart, counted once a kind and round, and anew for a new worker."""
    forecast, worker = known(), {"rate": 1e12}
    other = ONE_SCALE.replace("classic", "fine")
    forecast.worker_is("cpu", worker, 1e12)
    paint(forecast, "job", 1.0)  # three seconds beside its steps, of which half a second is a guess for every job
    assert forecast.pace.tracings.seconds("cpu") == pytest.approx(2.5)
    assert forecast.pace.rests.seconds("cpu") == pytest.approx(0.5)
    forecast.begin_round()
    warm, new, second = seconds(forecast), seconds(forecast, other), seconds(forecast, other)
    assert (warm, new - second) == (pytest.approx(40.6, rel=0.05), pytest.approx(2.5))
    forecast.begin_round()
    assert seconds(forecast, other) == new
    forecast.worker_is("cpu", worker, 1e12)
    assert seconds(forecast) == warm
    forecast.worker_is("cpu", {"rate": 1e12}, 1e12)
    forecast.begin_round()
    assert seconds(forecast) == pytest.approx(warm + 2.5)


def test_what_one_size_took_tells_of_others() -> None:
    """A step on twice the pixels is expected to be as many times slower than the rate lets expect."""
    forecast = known(1e11)
    paint(forecast, "job", 2.0)
    assert 110 < seconds(forecast, ONE_SCALE.replace("400", "566")) < 200


def test_a_machine_that_has_become_slower_is_followed() -> None:
    """The newest steps count most."""
    forecast = known()
    for number in range(10):
        paint(forecast, f"job{number}", 1.0)
    for number in range(4):
        paint(forecast, f"slow{number}", 3.0)
    assert 110 < seconds(forecast) < 130


def test_what_others_take_of_the_machine_counts_for_other_sizes_before_long() -> None:
    """Four measurements of large steps, each twice what it was, and small ones are known to take longer."""
    pace, recipe = known().pace, Recipe.of(settings(), "cpu")
    for _ in range(5):
        pace.learn_step(recipe, 120_000, 1.0)
        pace.learn_step(recipe, 5_000, 0.1)
    for _ in range(4):
        pace.learn_step(recipe, 120_000, 2.0)
    assert 0.15 < pace.step_seconds(recipe, 5_000) < 0.2


def test_the_time_left_of_a_job_at_work() -> None:
    """Falls with its steps, and comes to its saving alone."""
    forecast = known()
    paint(forecast, "earlier", 2.0)
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 100.0)
    left = [forecast.seconds_left("job", step, 100.0) for step in (0, 20, 40)]
    assert left == [pytest.approx(83, rel=0.05), pytest.approx(41.5, rel=0.05), pytest.approx(1.5, rel=0.05)]


def test_the_first_step_takes_longer_than_the_others() -> None:
    """The style and the content are looked at before it, in frames where the preset has some; then it comes nearer."""
    forecast = known()
    paint(forecast, "earlier", 2.0)
    fine = ONE_SCALE.replace("classic", "fine") + "scales: 1\n"
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 100.0)
    forecast.begins("framed", settings(fine), (400, 300), "cpu", 100.0)
    first = forecast.seconds_to_first_step("job", 100.0)
    framed = forecast.seconds_to_first_step("framed", 100.0)
    reading = 3.0 / 2  # of what the job takes beside its steps, what comes before the first
    assert first == pytest.approx(reading + 2.0 * (3 + 2 / 3), rel=0.02)
    assert first is not None
    assert framed is not None
    assert framed > first + 2.0
    assert forecast.seconds_to_first_step("job", 101.0) == pytest.approx(first - 1.0)
    assert forecast.seconds_to_first_step("job", 1000.0) == 0.0
    assert forecast.seconds_to_first_step("nobody's", 100.0) is None


def test_a_job_that_goes_on_has_its_first_steps_behind_it() -> None:
    """Before a worker has told anything of it, and while it waits."""
    forecast = known()
    paint(forecast, "a", 0.5)
    whole, rest = seconds(forecast), forecast.job_seconds(settings(ONE_SCALE), (400, 300), "cpu", 30)
    assert rest is not None
    assert whole - rest == pytest.approx(30 * 0.5, rel=0.1)
    forecast.begins("b", settings(ONE_SCALE), (400, 300), "cpu", 100.0, 30)
    left = forecast.seconds_left("b", 0, 100.0)
    assert left == pytest.approx(10 * 0.5 + 3.0, rel=0.15)


def test_a_job_that_goes_on_from_a_checkpoint_teaches_from_there() -> None:
    """The seconds of its earlier sittings are not counted as this one's."""
    forecast = known()
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 0.0)
    for step in range(21, 41):
        message = {"step": step, "pixels": 120_000, "seconds": 900.0 + step}
        forecast.stepped("job", message, float(step), epoch_end=step % 10 == 0)
    recipe = Recipe.of(settings(ONE_SCALE), "cpu")
    assert forecast.pace.step_seconds(recipe, 120_000) == pytest.approx(1.0, rel=0.1)


def test_a_long_epoch_teaches_before_its_end() -> None:
    """A step that takes a minute is known after the first one."""
    forecast = known()
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 0.0)
    forecast.stepped("job", {"step": 1, "pixels": 120_000, "seconds": 60.0}, 60.0, epoch_end=False)
    forecast.stepped("job", {"step": 2, "pixels": 120_000, "seconds": 120.0}, 120.0, epoch_end=False)
    recipe = Recipe.of(settings(ONE_SCALE), "cpu")
    assert forecast.pace.step_seconds(recipe, 120_000) == pytest.approx(60.0, rel=0.15)


def test_what_was_learned_is_kept_over_a_restart() -> None:
    """As JSON; the next daemon foretells the same."""
    forecast = known()
    for number in range(3):
        paint(forecast, f"job{number}", 2.0)
    again = Forecast(Pace(json.loads(json.dumps(forecast.pace.facts()))))
    assert seconds(again) == pytest.approx(seconds(forecast), rel=0.1)


@pytest.mark.parametrize(
    "facts",
    [
        {"rates": 3},
        {"rates": {"cpu": "fast"}, "steps": {"cpu": 1}},
        {"rates": {"cpu": float("nan")}},
        {"rates": {"cpu": 1e12}, "steps": {"cpu moments adam auto": {"x": 1, "5": float("inf"), "34": 1e300}}},
        {"rates": {"cpu": 1e12}, "rests": [], "gaps": None, "steps": []},
    ],
)
def test_what_makes_no_sense_is_left_out(facts: dict[str, Any]) -> None:
    """A file that a hand went wrong in does no harm."""
    found = Forecast(Pace(facts)).job_seconds(settings(), None, "cpu")
    assert found is None or (math.isfinite(found) and found > 0)


def test_what_is_kept_stays_small() -> None:
    """Whatever sizes a year brings."""
    forecast = known()
    recipe = Recipe.of(settings(), "cpu")
    for number in range(3000):
        forecast.pace.learn_step(recipe, 1000.0 * 1.01**number, 1.0)
    assert len(json.dumps(forecast.pace.facts())) < 3000


def test_a_job_is_counted_scale_by_scale() -> None:
    """As it will be painted: coarse scales are small. One that will fail at once has nothing to do."""
    found = legs(settings("size: 512\nsteps_per_epoch: 50"), (400, 300))
    assert [leg.steps for leg in found] == [100, 50, 50]
    assert [leg.pixels for leg in found] == [96 * 128, 192 * 256, 384 * 512]
    assert legs(settings("size: 32"), (4000, 100)) == ()


def test_a_style_much_larger_than_the_result_takes_its_time() -> None:
    """It is looked at before each scale; beside a panorama it is no larger than that can show."""
    assert [leg.before for leg in legs(settings(), (3000, 2000))] == [0.0, 0.0, 0.0]
    usual, large = (seconds(known(), f"size: 256\nstyle_size: {side}") for side in (256, 2560))
    assert large > 2 * usual
    assert seconds(known(), "preset: classic\nsize: 256\nstyle_size: 2560") < 1.2 * seconds(
        known(), "preset: classic\nsize: 256"
    )
    wide, square = (seconds(known(), "size: 4000", shape) for shape in ((40_000, 1000), (4000, 4000)))
    assert wide < 0.1 * square


def test_what_a_large_style_took_is_no_part_of_the_rest() -> None:
    """The next job's, with a style of its own size, is foretold without it."""
    forecast, text = known(), ONE_SCALE + "style_size: 8000"
    each = seconds(forecast) / 40
    before = legs(settings(text), (400, 300))[0].before * each
    forecast.begins("a", settings(text), (400, 300), "cpu", 0.0)
    for step in range(1, 41):
        at = before + step * each
        forecast.stepped("a", {"step": step, "pixels": 120_000, "seconds": step * each}, at, epoch_end=step % 10 == 0)
    forecast.ends("a", before + 40 * each + 3.0, whole=True)
    assert seconds(forecast) == pytest.approx(40 * each + 3.0, rel=0.15)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "webp"])
@pytest.mark.parametrize("plain", [False, True])
def test_sizes_in_the_first_bytes(kind: str, plain: bool, tmp_path: Path) -> None:
    """Of the kinds that most photographs are, in each of their forms."""
    path = tmp_path / "picture"
    exif = Image.Exif()
    exif[0x010E] = "x" * 30_000
    options: dict[str, Any] = {"exif": exif} if kind in ("jpeg", "webp") and not plain else {}
    Image.new("RGB", (300, 200), (10, 200, 30)).save(path, kind, **options)
    assert size_in_head(path.read_bytes()) == (300, 200)
    if kind == "webp":
        Image.new("RGB", (300, 200), (10, 200, 30)).save(path, kind, lossless=True)
        assert size_in_head(path.read_bytes()) == (300, 200)


@pytest.mark.parametrize("data", CUT_SHORT)
def test_sizes_of_what_is_cut_short_are_not_known(data: bytes) -> None:
    """Nothing is guessed, and nothing goes wrong."""
    assert size_in_head(data) is None


def test_files_are_looked_at_for_a_moment_in_a_round(tmp_path: Path) -> None:
    """Thousands of contents take thousands of openings: not all at once, and where the disk is slow fewer at a time."""
    ticks = itertools.count(0.0, 0.4 * READ_SECONDS)  # for each reading
    shapes = Shapes(FileSystem(), tmp_path, clock=lambda: next(ticks))
    jobs: list[Any] = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        Image.new("L", (30, 20)).save(path)
        jobs.append(JobRequest(path.name, "", settings(), (InputRequest("content", FileRef(path.name, path.name)),)))
    for known in (3, 6):
        assert [content_shape(shapes.of_wanted(job)) for job in jobs].count(Shape(30, 20)) == known
        assert shapes.were_cut
        shapes.begin_round()
    assert [content_shape(shapes.of_wanted(job)) for job in jobs] == [(30, 20)] * len(jobs)
    assert not shapes.were_cut


def test_all_who_tell_of_a_job_tell_one_time() -> None:
    """What is left as the worker reckons gives way to what is foretold, which the status and the queue go by."""
    forecast = known()
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 0.0)
    progress = {"step": 10, "pixels": 120_000, "seconds": 10.0, "left": 9e9}
    forecast.stepped("job", progress, 10.0, epoch_end=True)
    assert progress["left"] == forecast.seconds_left("job", 10, 10.0)
    assert progress["left"] < 1000.0


def test_a_program_that_is_traced_within_an_epoch_is_no_step() -> None:
    """The second call of a job makes its program for several steps, which takes seconds; later jobs have it."""
    forecast = known()
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 0.0)
    seconds = 0.0
    for step in range(1, 41):
        if step % 5 == 2:  # five steps a call but for the first
            seconds += 9.0 if step == 2 else 1.0
        message = {"step": step, "pixels": 120_000, "seconds": 0.2 + seconds}
        forecast.stepped("job", message, seconds, epoch_end=step % 20 == 0)
    recipe = Recipe.of(settings(ONE_SCALE), "cpu")
    assert forecast.pace.step_seconds(recipe, 120_000) == pytest.approx(0.2, rel=0.15)
    forecast.ends("job", seconds + 1.0, whole=True)
    assert forecast.pace.rests.seconds("cpu") > 8.0


@pytest.mark.parametrize("every", [1, 3])
def test_steps_that_are_not_told_count(every: int) -> None:
    """A worker that is fast does not tell of each step."""
    forecast = known()
    forecast.begins("job", settings(ONE_SCALE), (400, 300), "cpu", 0.0)
    for step in range(1, 41, every):
        message = {"step": step, "pixels": 120_000, "seconds": 0.5 * step}
        forecast.stepped("job", message, 0.5 * step, epoch_end=step == 40)
    recipe = Recipe.of(settings(ONE_SCALE), "cpu")
    assert forecast.pace.step_seconds(recipe, 120_000) == pytest.approx(0.5, rel=0.1)
