"""The way of a job through the spool, without anything going wrong."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_world import KillSwitch, World

from nst_batch.reasons import Reason
from nst_batch.report.entries import collect
from nst_batch.spool.claims.attempts import RunFailure
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem


def test_a_pair_becomes_a_finished_folder(world: World) -> None:
    """A still pair is claimed, handed out with its inputs, published whole, and its files leave the inbox."""
    world.pair("a")
    view = world.settle()
    assert [pair.names for pair in view.ready] == [("a",)]
    handout = world.hand_out_next()
    assert handout is not None
    assert handout.attempts.runs == 1
    spec = json.loads((handout.folder / "spec.json").read_bytes())
    paths = [handout.claim_folder / item["path"] for item in spec["inputs"]]
    assert [path.read_text() for path in paths] == ["content of a", "style of a"]
    assert sorted(path.name for path in (handout.running / "input").iterdir()) == [
        "a-content.jpg",
        "a-style.jpg",
        "a.yaml",
    ]
    assert world.inbox_files() == {"a-content.jpg", "a-style.jpg"}
    world.work(handout)
    ended = world.finish(handout)
    assert ended.folder == world.outbox / "a"
    assert {path.name for path in ended.folder.iterdir()} == {"a.png", "loss.json", "job.json", "input"}
    world.sweep()
    assert world.inbox_files() == set()
    world.check_books({"a"})


def test_still_means_still_for_the_whole_window(world: World) -> None:
    """Nothing is taken before every file has been unchanged for settle_seconds, at start-up too."""
    world.pair("a")
    view = world.look(4.9)
    assert view.ready == ()
    assert [item.kind for item in view.waiting] == ["settling"]
    world.put("a-style.jpg", "longer than before")
    assert world.look(4.9).ready == ()
    assert world.look(0.05).ready == ()
    world.later(5.1)
    assert len(world.look().ready) == 1


def test_missing_images_wait_and_then_fail_with_what_is_there(world: World) -> None:
    """After incomplete_after of watching the sidecar fails as image_missing, with the image that was there."""
    world.put("b.yaml", "content: gone.jpg\nstyle: s.jpg\n")
    world.put("s.jpg")
    view = world.settle()
    assert [(item.kind, item.why) for item in view.waiting] == [("missing", "missing: gone.jpg")]
    assert world.look(3500).waiting
    view = world.look(200)
    assert [pair.expired for pair in view.ready] == [True]
    ended = world.sweep()
    assert [(end.name, end.code) for end in ended] == [("b", "image_missing")]
    folder = world.failed()["b"]
    assert {path.name for path in (folder / "input").iterdir()} == {"b.yaml", "s.jpg"}
    assert "gone.jpg" in (folder / "error.txt").read_text()
    assert world.inbox_files() == set()


def test_every_missing_image_is_told_with_its_key(world: World) -> None:
    """Not the first one alone, and of very many as many as a person reads."""
    world.put("b.yaml", "content: c.jpg\nstyle: s.jpg\ninit: starry.jpg\nmask: lib.png\n")
    names = ", ".join(f"{n}.jpg" for n in range(30))
    world.put("m.yaml", f"content: [{names}]\nstyle: s.jpg\n")
    for name in ("c.jpg", "s.jpg"):
        world.put(name)
    world.settle()
    world.look(3500)
    world.look(200)
    world.sweep()
    said = (world.failed()["b"] / "error.txt").read_text()
    assert "init: the image starry.jpg is not there\nmask: the image lib.png is not there\n" in said
    said = (world.failed()["m"] / "error.txt").read_text()
    assert said.count("is not there") == 20
    assert "and 10 more" in said


@pytest.mark.parametrize("defaults", ["", "size: 64\n"])
def test_the_wait_for_images_counts_over_another_config(defaults: str, world: World) -> None:
    """A studio that has its config read again every now and then does not wait for ever; below a defaults.yaml too."""
    world.put("b.yaml", "content: gone.jpg\nstyle: gone.jpg\n")
    if defaults:
        world.put("defaults.yaml", defaults)
        world.settle()
    world.settle()
    for _ in range(3):
        world.look(1000)
        world.spool.reload(world.config)
        world.settle()
        if defaults:
            world.settle()
    assert world.look(500).waiting
    assert [pair.expired for pair in world.look(200).ready] == [True]


@pytest.mark.parametrize("defaults", ["", "size: 64\n"])
def test_the_wait_for_images_counts_over_restarts_and_ignores_the_wall_clock(defaults: str, world: World) -> None:
    """A restart, or two at once, does not begin the hour anew; a wall clock set years ahead does not end it."""
    world.put("b.yaml", "content: gone.jpg\nstyle: gone.jpg\n")
    if defaults:
        world.put("defaults.yaml", defaults)
        world.settle()
    world.settle()
    world.look(1800)
    world.spool.close(world.at)
    world.wall += 1e9
    world.start()
    world.look()
    world.spool.close(world.at)
    world.start()
    if defaults:
        world.settle()
    assert world.settle().waiting
    assert world.look(1700).waiting
    assert [pair.expired for pair in world.look(200).ready] == [True]


def test_a_sidecar_that_cannot_be_understood_fails_alone(world: World) -> None:
    """Its images stay in the inbox, so that a corrected sidecar works."""
    world.pair("a", extra="sise: 3\n")
    world.settle()
    ended = world.sweep()
    assert [(end.name, end.state, end.code) for end in ended] == [("a", "failed", "sidecar_invalid")]
    assert {path.name for path in (world.failed()["a"] / "input").iterdir()} == {"a.yaml"}
    assert "size" in (world.failed()["a"] / "error.txt").read_text()
    assert world.inbox_files() == {"a-content.jpg", "a-style.jpg"}
    assert world.claims() == []


def test_a_shared_style_leaves_with_the_last_of_its_sidecars(world: World) -> None:
    """An image that another waiting sidecar or unfinished claim names stays until that is done."""
    for name in ("a", "b", "c"):
        world.pair(name, style="shared.jpg")
    world.settle()
    for left in (True, True, False):
        handout = world.hand_out_next()
        assert handout is not None
        world.work(handout)
        world.finish(handout)
        world.sweep()
        assert ("shared.jpg" in world.inbox_files()) is left
    world.check_books({"a", "b", "c"})


def test_an_unread_sidecar_holds_every_image(world: World) -> None:
    """While a sidecar is being written it may name any image: none leaves until it has been read."""
    world.pair("a", style="shared.jpg")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    world.put("late.yaml", "content: shared.jpg\nstyle: shared.jpg\n")
    world.finish(handout)
    assert "shared.jpg" in world.inbox_files()
    world.settle()
    world.sweep()
    assert world.inbox_files() == {"shared.jpg", "late.yaml"}


def test_an_image_replaced_during_the_job_stays(world: World) -> None:
    """What leaves is the file that was copied; a new one of its name is somebody's next job."""
    handout = world.pair_at_work()
    world.work(handout)
    world.put("a-content.jpg", "another picture altogether")
    world.finish(handout)
    world.sweep()
    assert world.inbox_files() == {"a-content.jpg"}
    assert (world.outbox / "a/input/a-content.jpg").read_text() == "content of a"


def test_an_image_replaced_before_the_copy_puts_the_sidecar_back(world: World) -> None:
    """The claim is undone as if nothing had happened, and the pair is taken once it is still again."""
    world.pair("a")
    world.settle()
    world.put("a-content.jpg", "another picture altogether")
    assert world.hand_out_next() is None
    assert "a.yaml" in world.inbox_files()
    assert world.claims() == []
    world.settle()
    assert world.hand_out_next() is not None


@pytest.mark.parametrize(
    ("after", "images_left", "inputs"),
    [
        ("archive", False, {"a.yaml", "a-content.jpg", "a-style.jpg"}),
        ("keep", True, {"a.yaml", "a-content.jpg", "a-style.jpg"}),
        ("delete", False, {"a.yaml"}),
    ],
)
def test_what_becomes_of_the_images(tmp_path: Path, after: str, images_left: bool, inputs: set[str]) -> None:
    """`after` says whether images stay in the inbox and whether the result keeps them."""
    world = World(tmp_path, f"after: {after}\n")
    world.start()
    world.pair("a")
    world.settle()
    world.run_all()
    assert {path.name for path in (world.outbox / "a/input").iterdir()} == inputs
    assert world.inbox_files() == ({"a-content.jpg", "a-style.jpg"} if images_left else set())


def test_library_styles_are_only_read(tmp_path: Path) -> None:
    """A style in a library is copied to the result and stays where it is."""
    library = tmp_path / "styles"
    library.mkdir()
    (library / "wave.jpg").write_text("the wave")
    world = World(tmp_path, "library: [styles]\n")
    world.start()
    world.put("a.yaml", "content: c.jpg\nstyle: wave.jpg\n")
    world.put("c.jpg")
    world.settle()
    world.run_all()
    assert (world.outbox / "a/input/wave.jpg").read_text() == "the wave"
    assert (library / "wave.jpg").exists()
    assert world.inbox_files() == set()


def test_a_grid_makes_a_job_each_and_one_bad_image_fails_its_own(world: World) -> None:
    """Lists make a product; a folder named as an image fails only the jobs that name it."""
    world.put("g.yaml", "content: [c1.jpg, c2.jpg]\nstyle: [s1.jpg, folder]\n")
    for name in ("c1.jpg", "c2.jpg", "s1.jpg"):
        world.put(name, name)
    (world.inbox / "folder").mkdir()
    world.settle()
    ended = world.run_all()
    assert sorted((end.name, end.state, end.code) for end in ended) == [
        ("c1-folder", "failed", "image_not_a_file"),
        ("c1-s1", "done", ""),
        ("c2-folder", "failed", "image_not_a_file"),
        ("c2-s1", "done", ""),
    ]
    assert (world.inbox / "folder").is_dir()
    assert world.inbox_files() == set()


def test_a_linked_image_is_archived_as_a_link(world: World, tmp_path: Path) -> None:
    """Links are never followed: the job fails and the link itself goes with it."""
    secret = tmp_path / "secret.jpg"
    secret.write_text("secret")
    world.pair("a")
    (world.inbox / "a-content.jpg").unlink()
    (world.inbox / "a-content.jpg").symlink_to(secret)
    world.settle()
    ended = world.sweep()
    assert [end.code for end in ended] == ["path_outside"]
    archived = world.failed()["a"] / "input/a-content.jpg"
    assert archived.is_symlink()
    assert archived.readlink() == secret
    assert secret.read_text() == "secret"
    assert world.inbox_files() == set()


def test_a_linked_sidecar_fails_as_a_link(world: World, tmp_path: Path) -> None:
    """It is not followed, goes to failed/ as the link that it is, and is not found in the inbox ever after."""
    secret = tmp_path / "secret.yaml"
    secret.write_text("content: a.jpg\nstyle: b.jpg\n")
    (world.inbox / "linked.yaml").symlink_to(secret)
    world.settle()
    ended = world.sweep()
    assert [(end.name, end.code) for end in ended] == [("linked", "sidecar_is_link")]
    archived = world.failed()["linked"] / "input/linked.yaml"
    assert archived.readlink() == secret
    assert not (world.inbox / "linked.yaml").is_symlink()
    assert world.claims() == []


def test_priority_then_arrival(world: World) -> None:
    """Higher priority first, also before jobs that were claimed earlier; equal ones as they came."""
    world.put("slow.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name)
    world.settle()
    first = world.hand_out_next()
    assert first is not None
    world.pair("normal")
    world.pair("urgent", extra="priority: 5\n")
    world.settle()
    names = []
    while (handout := world.hand_out_next()) is not None:
        names.append(handout.name)
    assert [first.name, *names] == ["x-s", "urgent", "y-s", "normal"]


def test_equal_titles_get_numbers(world: World) -> None:
    """JOB is unique among live and failed jobs, the finished folder in its place, both ignoring case."""
    world.pair("sub/a", extra="size: wrong\n")
    world.settle()
    world.sweep()
    world.pair("one", extra="title: A\n")
    world.pair("two", extra="title: a\n")
    view = world.settle()
    assert sorted(name for pair in view.ready for name in pair.names) == ["A-2", "a-3"]
    ended = world.run_all()
    assert sorted(end.folder.name for end in ended) == ["A", "a-2"]
    assert {end.folder.name: end.title for end in ended} == {"A": "A", "a-2": "a"}


def test_reserved_names_count_as_taken(world: World) -> None:
    """A title `running` or `failed` never touches the outbox's own folders."""
    world.pair("one", extra="title: Running\n")
    world.pair("two", extra="title: failed\noutput: sub\n")
    world.settle()
    ended = world.run_all()
    assert sorted(str(end.folder.relative_to(world.outbox)) for end in ended) == ["Running-2", "sub/failed"]


def test_equal_image_names_get_a_number_in_input(world: World) -> None:
    """Two images of one name from different folders both stand in input/."""
    world.put("a.yaml", "content: c/x.jpg\nstyle: s/x.jpg\n")
    world.put("c/x.jpg", "content")
    world.put("s/x.jpg", "style")
    world.settle()
    world.run_all()
    folder = world.outbox / "a/input"
    assert (folder / "x.jpg").read_text() == "content"
    assert (folder / "x-2.jpg").read_text() == "style"


def test_ignored_names_are_said_once(world: World) -> None:
    """Temporary names of browsers, Samba and rsync are never taken, and each is told of once."""
    world.put("x.jpg.part")
    world.put(".hidden/y.yaml", "content: a")
    world.look()
    world.look()
    assert sorted(world.notes) == [
        ".hidden is ignored: a temporary, hidden or system's name",
        "x.jpg.part is ignored: a temporary, hidden or system's name",
    ]


def test_cancelling_jobs_that_wait(world: World) -> None:
    """JOB.cancel drops a waiting job, one of a grid alone, and one whose images are missing; the file goes."""
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name)
    world.put("m.yaml", "content: missing.jpg\nstyle: s.jpg\n")
    world.settle()
    world.put("X-S.cancel", "")
    world.put("m.cancel", "")
    world.look()
    ended = world.sweep()
    assert sorted((end.name, end.state) for end in ended) == [("m", "cancelled"), ("x-s", "cancelled")]
    assert {path.name for path in (world.failed()["x-s"] / "input").iterdir()} == {"g.yaml", "x.jpg", "s.jpg"}
    assert world.inbox_files() == {"y.jpg", "s.jpg"}
    handout = world.hand_out_next()
    assert handout is not None
    assert handout.name == "y-s"


@pytest.mark.parametrize("title", ["~$a", "@GMT-a", "~syncthing~a", "a~", "a.part"])
def test_cancelling_a_job_that_is_called_like_a_programs_own_file(world: World, title: str) -> None:
    """Its control file begins as files do that nobody looks at; it is obeyed, once it waits and once it is claimed."""
    for _ in range(2):
        world.pair("a", f"title: {title!r}\n")
        world.settle()
        world.put(f"{title}.cancel", "")
        world.look()
        assert [end.state for end in world.sweep()] == ["cancelled"]
        assert world.inbox_files() == set()
        shutil.rmtree(world.failed()[title])
    world.put("~$nobody.part", "")
    world.put(".a.cancel", "")
    world.look()
    assert {path for path in world.notes if "is ignored" in path} == {
        ".a.cancel is ignored: a temporary, hidden or system's name",
        "~$nobody.part is ignored: a temporary, hidden or system's name",
    }


def test_control_files_that_fit_no_job_stay_and_are_said_once(world: World) -> None:
    """Nothing is removed for them: a person has misspelt a name."""
    world.put("nobody.stop", "")
    world.look()
    world.sweep()
    world.look()
    assert world.notes == ["nobody.stop fits no job, neither by its name nor by its id; it is left"]
    assert world.inbox_files() == {"nobody.stop"}


def test_stop_of_a_waiting_job_says_so_and_goes(world: World) -> None:
    """Stop ends a running job; on one that waits it does nothing, and would else stop it at its start."""
    world.pair("a b")
    world.settle()
    world.put("a b.stop", "")
    world.look()
    assert world.sweep() == []
    world.look()
    assert "nothing to stop; nst-batch cancel 'a b' drops it" in world.notes[-1]
    assert world.inbox_files() == {"a b.yaml", "a b-content.jpg", "a b-style.jpg"}


def test_stop_of_a_job_that_waits_for_its_next_attempt(world: World) -> None:
    """With a checkpoint it is handed out before every other, to be published as it stands."""
    handout = world.pair_at_work()
    failure = RunFailure(Reason("worker_error", "it raised ValueError"))
    world.spool.died(handout, failure, world.at)
    (handout.folder / "checkpoint").mkdir()
    (handout.folder / "checkpoint/state").write_text("half")
    world.pair("b", "priority: 5\n")
    world.settle()
    world.put("a.stop", "")
    view = world.look()
    world.sweep()
    assert (world.inbox / "a.stop").exists(), "the worker has to be told"
    again = world.hand_out_next()
    assert again is not None
    assert (again.name, again.checkpoint, again.to_stop) == ("a", True, True)
    assert [control.job and control.job.id for control in view.controls] == [again.id]
    world.work(again)
    world.spool.finish(again, "stopped", {"job.json": b"{}"})
    assert not (world.inbox / "a.stop").exists()
    other = world.hand_out_next()
    assert other is not None
    assert other.name == "b"


@pytest.mark.parametrize("killed", [True, False])
def test_a_stop_before_the_first_step_outlasts_the_daemon(world: World, killed: bool) -> None:
    """The job was at work when it was asked for, and is again: its next worker is told, and makes the first step."""
    handout = world.pair_at_work()
    world.put("a.stop", "")
    world.look()
    world.sweep()
    if not killed:
        world.spool.put_back(handout)
    world.start()
    notes = [note for _ in range(2) for note in (world.look(), world.sweep(), world.look())[2].notes]
    assert notes == ["a.stop: a was interrupted before its first step; it ends with that once it is at work again"]
    again = world.hand_out_next()
    assert again is not None
    assert [control.job and control.job.id for control in world.look().controls] == [again.id]
    world.work(again)
    world.spool.finish(again, "stopped", {"job.json": b"{}"})
    assert not (world.inbox / "a.stop").exists()


def refused(world: World, job: Job) -> None:
    world.spool.take_back(job, Reason("disk_full", "no room"))


def died(world: World, job: Job) -> None:
    world.spool.died(job, RunFailure(Reason("worker_died", "it was killed by SIGKILL"), by_signal=True), world.at)


def ran_out_of_memory(world: World, job: Job) -> None:
    """Its worker said so, and the daemon ended before it had heard."""
    left = {"state": "failed", "retry": True, "reason": {"code": "out_of_memory", "message": "", "advice": ""}}
    (job.folder / "outcome.json").write_text(json.dumps(left))
    world.start()
    world.look()
    world.sweep()
    world.spool.died(world.spool.job(job.id), RunFailure(Reason("out_of_memory", "it did not fit")), world.at)


def looked_cut(world: World, job: Job) -> None:
    failure = RunFailure(
        Reason("image_truncated", "it ends too early"), cut=job.spec.inputs[0].name if job.spec else ""
    )
    world.spool.died(job, failure, world.at)


def lost_its_result(world: World, job: Job) -> None:
    """Its running folder was removed before it could be published."""
    world.work(job)
    shutil.rmtree(job.running)
    with pytest.raises(SpoolBlocked):
        world.spool.finish(job, "stopped", {"job.json": b"{}"})


@pytest.mark.parametrize("ends", [refused, died, ran_out_of_memory, looked_cut, lost_its_result])
def test_a_stop_before_the_first_step_outlasts_the_run(world: World, ends: Callable[[World, Job], None]) -> None:
    """However that ended: the job has begun, and its next worker is told. A restart does not make it one that waits."""
    handout = world.pair_at_work()
    world.put("a.stop", "")
    world.look()
    world.sweep()
    ends(world, handout)
    for _ in range(2):
        world.look()
        world.sweep()
        assert (world.inbox / "a.stop").exists()
        world.start()
    world.look(3600.0)
    world.sweep()
    again = world.hand_out_next()
    assert again is not None
    assert again.attempts.begun
    assert [control.job and control.job.id for control in world.look().controls] == [again.id]
    world.work(again)
    world.spool.finish(again, "stopped", {"job.json": b"{}"})
    assert not (world.inbox / "a.stop").exists()


def test_a_job_that_no_worker_had_begun_with_waits_as_before(world: World) -> None:
    """It came back from a cluster's queue: a stop means nothing to it."""
    handout = world.pair_at_work()
    world.spool.take_back(handout, begun=False)
    world.put("a.stop", "")
    world.look()
    world.sweep()
    assert "nothing to stop" in world.look().notes[-1]
    assert not (world.inbox / "a.stop").exists()


@pytest.mark.parametrize("restart", [True, False])
def test_a_control_that_was_obeyed_is_not_told_to_fit_no_job(world: World, restart: bool) -> None:
    """Of a claimed job, after a restart too: the sweep that ends it looks at the inbox itself, for its images."""
    world.pair("a")
    world.put("waits.yaml", "content: a-content.jpg\nstyle: a-style.jpg\nmask: missing.png\n")  # they stay for it
    world.settle()
    assert world.hand_out_next() is not None
    world.put("a.cancel", "")
    if restart:
        world.start()
    else:
        (job,) = world.spool.jobs()
        world.spool.put_back(job)
    world.look()
    assert [end.state for end in world.sweep()] == ["cancelled"]
    world.look()
    world.look(40.0)
    assert world.notes == []
    assert not [name for name in world.inbox_files() if name.endswith(".cancel")]


def test_a_control_that_comes_while_images_are_cleared_is_seen_at_the_next_look(world: World) -> None:
    """The clearing lists the inbox too, and what came by then is not old at the next look."""
    world.pair("a")
    world.put("b.yaml", "content: a-content.jpg\nstyle: a-style.jpg\n")
    world.put("waits.yaml", "content: a-content.jpg\nstyle: a-style.jpg\nmask: missing.png\n")  # they stay for it
    world.settle()
    jobs = [world.hand_out_next(), world.hand_out_next()]
    world.look()
    first, second = [job for job in jobs if job is not None]
    world.work(first)
    world.finish(first)
    world.put(f"{second.name}.cancel", "")
    world.put("odd.cancel", "")
    world.sweep()
    assert [control.name for control in world.look().controls] == [second.name]
    assert world.notes == ["odd.cancel fits no job, neither by its name nor by its id; it is left"]


@pytest.mark.parametrize("step", ["publish.recorded", "publish.renamed"])
@pytest.mark.parametrize("name", ["a.cancel", "A.stop"])
def test_a_control_goes_with_a_job_that_a_restart_publishes(tmp_path: Path, step: str, name: str) -> None:
    """It was meant for that one, which had its end when the daemon died, and would act on the next of its name."""

    def kill(reached: str) -> None:
        if reached == step:
            raise KillSwitch(reached)

    world = World(tmp_path)
    world.start(FileSystem(kill))
    world.pair("a")
    world.settle()
    job = world.hand_out_next()
    assert job is not None
    world.work(job)
    with pytest.raises(KillSwitch):
        world.finish(job)
    world.put(name, "")
    assert [end.state for end in world.start()] == ["done"]
    world.settle()
    world.sweep()
    assert world.notes in ([], [f"{name} came too late, the job has its end; it is removed"])
    assert world.inbox_files() == set()


def test_a_control_that_comes_just_too_late_does_not_wait_for_the_next_job_of_that_name(world: World) -> None:
    """Who wrote it could not know that the job had its end; later on it fits no job, and is left."""
    world.pair("a")
    world.settle()
    job = world.hand_out_next()
    assert job is not None
    world.work(job)
    world.finish(job)
    world.later(100.0)
    world.put("A.cancel", "")
    world.put(f"{job.id}.stop", "")
    world.put("b.cancel", "")
    world.look()
    assert world.notes == [
        f"{job.id}.stop came too late, the job has its end; it is removed",
        "A.cancel came too late, the job has its end; it is removed",
        "b.cancel fits no job, neither by its name nor by its id; it is left",
    ]
    world.later(31.0)
    world.put("a.cancel", "")
    world.look()
    assert world.notes[3:] == ["a.cancel fits no job, neither by its name nor by its id; it is left"]


@pytest.mark.parametrize("step", ["publish.renamed", "publish.ended", "publish.forgotten", "claim.closed", ""])
@pytest.mark.parametrize("name", ["A.cancel", "{id}.stop"])
def test_a_control_that_comes_too_late_goes_after_a_kill_too(tmp_path: Path, step: str, name: str) -> None:
    """It came when the job had its end, of which nothing but its folder in the outbox is left when the daemon dies."""
    reached: list[str] = []

    def kill(at: str) -> None:
        reached.append(at)
        if at == step:
            raise KillSwitch(at)

    world = World(tmp_path)
    world.start(FileSystem(kill))
    world.pair("a")
    world.settle()
    job = world.hand_out_next()
    assert job is not None
    world.work(job)
    with contextlib.nullcontext() if not step else pytest.raises(KillSwitch):
        world.finish(job)
        world.sweep()
        world.later(5.0)
        world.spool.look(world.at)
    late = world.put(name.format(id=job.id), "")
    world.put("b.cancel", "")
    world.later(1e6)
    world.start()
    world.settle()
    world.sweep()
    assert f"{late.name} came too late, the job has its end; it is removed" in world.notes
    assert world.inbox_files() == {"b.cancel"}
    world.later(31.0)
    world.put("a.cancel", "")
    world.look()
    assert world.notes[-1] == "a.cancel fits no job, neither by its name nor by its id; it is left"
    world.start()
    world.look()
    assert world.inbox_files() == {"a.cancel", "b.cancel"}, "it is no news any more, to the next daemon neither"


@pytest.mark.parametrize("refused", ["folder", "damaged"])
def test_ends_do_not_wait_for_the_note_of_them(world: World, refused: str) -> None:
    """It is a courtesy: a disk that refuses it, or a file that is no text, holds up nothing."""
    note = world.inbox / ".nst_batch/ended"
    if refused == "folder":
        note.mkdir()
    else:
        note.write_bytes(b"\xff\x00half")
    world.start()
    world.pair("a")
    world.settle()
    assert world.paint_next().state == "done"
    world.put("a.cancel", "")
    world.look()
    assert world.notes[-1] == "a.cancel came too late, the job has its end; it is removed"
    world.look(31.0)
    assert not (world.inbox / "a.cancel").exists()


def test_a_running_job_keeps_its_control_until_its_end(world: World) -> None:
    """The daemon acts on it; it is removed when the job has its end, by name or by id."""
    handout = world.pair_at_work()
    world.put(f"{handout.id}.stop", "")
    view = world.look()
    assert [(item.action, item.job and item.job.name) for item in view.controls] == [("stop", "a")]
    assert world.sweep() == []
    world.work(handout)
    world.spool.finish(handout, "stopped")
    world.sweep()
    assert world.inbox_files() == set()


def test_pause_is_seen(world: World) -> None:
    """PAUSE at the root is told of for as long as it stands."""
    world.put("PAUSE", "")
    assert world.look().paused
    (world.inbox / "PAUSE").unlink()
    assert not world.look().paused


def test_a_glob_waits_for_a_match_and_for_all_to_be_still(world: World) -> None:
    """A glob without a match is missing; a new match makes the pair wait again."""
    world.put("g.yaml", 'content: "p/*.jpg"\nstyle: s.jpg\n')
    world.put("s.jpg")
    assert world.settle().waiting[0].kind == "missing"
    world.put("p/1.jpg")
    assert world.look(3.0).waiting[0].kind == "settling"
    world.put("p/2.jpg")
    assert world.look(3.0).waiting[0].kind == "settling"
    world.later(3.0)
    assert [job.title for job in world.look().ready[0].wanted.jobs] == ["1-s", "2-s"]


class MountBelow(FileSystem):
    """A folder of the outbox is a mount of its own: nothing is renamed into it from without."""

    def __init__(self, mount: Path) -> None:
        super().__init__()
        self.mount = mount

    def rename_noreplace(self, source: Path, target: Path) -> None:
        if target.is_relative_to(self.mount) and not source.is_relative_to(self.mount):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        super().rename_noreplace(source, target)


def test_a_result_is_never_put_into_another_ones_folder(tmp_path: Path) -> None:
    """Nobody would see it there, and it would go with that one: the output folder gets a number, the same for all."""
    world = World(tmp_path)
    world.start()
    world.pair("dusk")
    world.settle()
    world.run_all()
    before = world.results()["dusk"]
    deep = "/".join("abcdefghijklmnopqrs")
    for name, output in (("a", "dusk"), ("b", "dusk"), ("c", "dusk/input/deep"), ("d", deep)):
        world.pair(name, extra=f"output: {output}\n")
    world.settle()
    world.run_all()
    assert set(world.finished()) == {"dusk", "dusk-2/a", "dusk-2/b", "dusk-2/input/deep/c", f"{deep}/d"}
    assert world.results()["dusk"] == before
    assert collect(world.outbox).done == 5


def test_an_output_folder_that_is_a_link_is_none(tmp_path: Path) -> None:
    """Results do not leave the outbox: the folder gets a number beside the link, and nothing lies beyond it."""
    world = World(tmp_path)
    world.start()
    (tmp_path / "third").mkdir()
    (world.outbox / "elsewhere").symlink_to(tmp_path / "third", target_is_directory=True)
    world.pair("a", extra="output: elsewhere/deep\n")
    world.settle()
    world.run_all()
    assert (world.outbox / "elsewhere-2/deep/a/a.png").exists()
    assert list((tmp_path / "third").iterdir()) == []


def test_the_inbox_on_another_file_system(tmp_path: Path) -> None:
    """Claims and results can lie on different file systems; what is published is whole all the same."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    import shutil
    import tempfile

    outbox = Path(tempfile.mkdtemp(dir=shm))
    try:
        world = World(tmp_path, outbox=outbox)
        world.start(MountBelow(outbox / "elsewhere"))
        world.pair("a", extra="output: elsewhere\n")
        world.settle()
        world.run_all()
        assert (outbox / "elsewhere/a/a.png").exists()
        assert not (outbox / "running/a").exists()
        world.pair("b")
        world.settle()
        world.run_all()
        assert (outbox / "b/b.png").exists()
        assert world.inbox_files() == set()
    finally:
        shutil.rmtree(outbox)


def test_sidecars_that_are_passed_over_are_told_once_with_what_to_do(world: World) -> None:
    """Another version from a synchronising program, and Notepad's suffix; what lies in a server's bin is not told."""
    for name in ("a (conflicted copy 2026-01-31 221503).yaml", "b.sync-conflict-20260131-221503-ABC2DEF.yaml"):
        world.put(name, "content: x.jpg\nstyle: x.jpg\n")
    world.put("job.yaml.txt", "content: x.jpg\nstyle: x.jpg\n")
    world.put("#recycle/gone.yaml", "content: x.jpg\nstyle: x.jpg\n")
    world.put("x.jpg")
    world.settle()
    world.look()
    assert sorted(note.split(":")[0] for note in world.notes if "not taken" in note) == [
        "a (conflicted copy 2026-01-31 221503).yaml is not taken",
        "b.sync-conflict-20260131-221503-ABC2DEF.yaml is not taken",
        "job.yaml.txt is not taken",
    ]
    assert "rename it to job.yaml" in str(world.notes)
    view = world.look()
    assert not view.ready
    assert not view.waiting


def test_a_name_that_is_no_text_is_told_with_what_to_do(world: World) -> None:
    """A ZIP of an old Windows makes such names; nothing could speak of them."""
    (world.inbox / os.fsdecode(b"caf\xe9.yaml")).write_text("content: x.jpg\nstyle: x.jpg\n")
    world.look()
    (note,) = world.notes
    assert "its name is not UTF-8; rename it" in note


def draw_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first three claims get the same id, the others one each."""
    ids = iter(["20261127-120000-000000-beef"] * 3 + [f"20261127-120000-000000-{number:04x}" for number in range(99)])
    monkeypatch.setattr("nst_batch.spool.intent.claim_id", lambda *_parts: next(ids))


def test_a_claim_that_draws_the_id_of_another_one_leaves_that_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of an unpacked archive arrive at one moment; the second one took the first one's claim away."""
    draw_one_id(monkeypatch)
    for name in ("a", "b"):
        world.pair(name)
    world.settle()
    jobs: list[Job] = []
    while len(jobs) < 2:
        world.look()
        jobs += filter(None, [world.hand_out_next()])
    for job in jobs:
        world.work(job)
        world.finish(job)
    world.run_all()
    assert set(world.finished()) == {"a", "b"}
    world.check_books({"a", "b"})


def test_sidecars_with_a_mistake_that_draw_one_id_fail_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side."""
    draw_one_id(monkeypatch)
    for name in ("a", "b", "c"):
        world.pair(name, "nonsense: 1\n")
    world.settle()
    world.run_all()
    assert set(world.failed()) == {"a", "b", "c"}
    world.check_books({"a", "b", "c"})
