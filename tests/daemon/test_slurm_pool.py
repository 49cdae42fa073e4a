"""The cluster's pool against a pretended Slurm: what it asks for, what it makes of every end, and of every oddity."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from nst_batch.config.load import Config, parse_config
from nst_batch.daemon.events import Begun, Died, Event, Phased, Yielded
from nst_batch.daemon.slurm import commands
from nst_batch.daemon.slurm import pool as pool_module
from nst_batch.daemon.slurm.allocation import Allocation
from nst_batch.daemon.slurm.commands import CommandEnd
from nst_batch.daemon.slurm.pool import NEW_AT_ONCE, NEW_SECONDS, REVOKED_SECONDS, SlurmPool
from nst_batch.daemon.slurm.scheduler import QUEUE_SECONDS
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem


class Answered:
    """A command that has ended."""

    def __init__(self, end: CommandEnd) -> None:
        self._end = end

    def done(self, _now: float) -> CommandEnd:
        """How."""
        return self._end


class Slurm:
    """Answers commands as the real one does, at once."""

    def __init__(self) -> None:
        self.jobs: dict[str, list[str]] = {}  # number: name, state, node, why
        self.refusal = ""  # of sbatch
        self.is_away = False
        self.cancelled: list[str] = []
        self.submitted = 0

    def __call__(self, arguments: Sequence[str], _now: float, given: str = "") -> Answered:
        return Answered(getattr(self, f"_{arguments[0]}")(arguments, given))

    def _sbatch(self, arguments: Sequence[str], given: str) -> CommandEnd:
        self.submitted += 1
        if self.refusal or self.is_away:
            return CommandEnd("", self.refusal or "Unable to contact slurm controller (connect failure)")
        assert given.startswith("#!/bin/sh\n")
        name = next(item.partition("=")[2] for item in arguments if item.startswith("--job-name="))
        number = str(len(self.jobs) + 1)
        self.jobs[number] = [name, "PENDING", "", "Resources"]
        return CommandEnd(f"{number}\n", "")

    def _squeue(self, _arguments: Sequence[str], _given: str) -> CommandEnd:
        if self.is_away:
            return CommandEnd("", "Unable to contact slurm controller (connect failure)")
        return CommandEnd("".join("|".join((number, *job)) + "\n" for number, job in self.jobs.items()), "")

    def _scancel(self, arguments: Sequence[str], _given: str) -> CommandEnd:
        name, number = arguments[1].partition("=")[2], arguments[2]
        if number in self.jobs and self.jobs[number][0] == name:
            self.cancelled.append(number)
            self.jobs[number][1] = "CANCELLED"
        return CommandEnd("", "")


class World:
    """A pool, its Slurm, and a clock."""

    def __init__(self, root: Path, slurm: Slurm) -> None:
        self.root = root
        self.slurm = slurm
        text = "executor: slurm\nslurm: {gpus: 0, max_queued: 2}\njobs: {attempts: 3, stall_timeout: 60}\n"
        self.config: Config = parse_config(text, root / "config.yaml")
        self.now = 1000.0
        self.restart()

    def restart(self) -> None:
        """Another daemon."""
        self.pool = SlurmPool(self.config, FileSystem(), ("worker",))
        self.pool.jobs_in_hand()

    def job(self, name: str = "a", *, checkpoint: bool = False) -> Job:
        folder = self.root / "claims" / name
        folder.mkdir(parents=True, exist_ok=True)
        fields = {"priority": 0, "claim": "c", "lane": "", "index": 0, "arrival": ""}
        places = {"claim_folder": folder, "folder": folder, "running": self.root / "running" / name}
        return Job(name, name, name, **fields, **places, spec=None, attempts=Attempts(), checkpoint=checkpoint)  # type: ignore[arg-type]

    def give(self, job: Job) -> Allocation:
        next(iter(self.pool.openings(self.now)))(job)
        one = self.pool.at_work_on(job.id)
        assert one is not None
        return one

    def look(self, seconds: float = 2 * QUEUE_SECONDS + 2.0) -> list[Event]:
        """What is told within so many seconds."""
        told = []
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            told += list(self.pool.news(self.now))
        return told

    def say(self, one: Allocation, *messages: dict[str, object]) -> None:
        """As its worker."""
        with (one.folder / "from-worker").open("a") as mail:
            mail.writelines(json.dumps(message) + "\n" for message in messages)

    def begin(self, job: Job, node: str = "n1") -> Allocation:
        """Give a job, and have a worker take it."""
        one = self.give(job)
        self.look()
        self.slurm.jobs[one.record.slurm_id][1:] = ["RUNNING", node, "None"]
        (one.folder / "taken").write_text(one.record.slurm_id)
        self.say(one, {"say": "ready", "device": "cpu"}, {"say": "taken", "job": job.id})
        self.look()
        assert one.at_work
        return one

    def end(self, one: Allocation, state: str) -> None:
        """As Slurm."""
        self.slurm.jobs[one.record.slurm_id][1] = state

    def told_to(self, one: Allocation) -> list[str]:
        return [json.loads(line)["do"] for line in (one.folder / "to-worker").read_text().splitlines()]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A pretended Slurm in place of the commands."""
    one = Slurm()
    monkeypatch.setattr(commands, "Command", one)
    monkeypatch.setattr(pool_module.shutil, "which", lambda name: f"/usr/bin/{name}")
    return one


@pytest.fixture
def world(tmp_path: Path, slurm: Slurm) -> Iterator[World]:
    """A daemon's pool in its own folder."""
    return World(tmp_path, slurm)


def ends(told: list[Event]) -> list[Event]:
    return [event for event in told if not isinstance(event, Phased | Begun)]


# --- ends of allocations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["NODE_FAIL", "CANCELLED", "TIMEOUT", "PREEMPTED", "DEADLINE", "forgotten"])
def test_a_worker_that_may_live_on_lets_go_first(world: World, state: str) -> None:
    """The node has told nothing of this end: nobody else has the job before its worker had time to hear of it."""
    job = world.job()
    one = world.begin(job)
    if state == "forgotten":
        world.slurm.jobs.clear()
    else:
        world.end(one, state)
    while one.revoked_at is None:
        assert ends(world.look(1.0)) == []
    assert world.told_to(one)[-1] == "revoked"
    assert ends(world.look(REVOKED_SECONDS - 1.0)) == []
    assert world.pool.jobs_in_hand() == {"a"}
    assert ends(world.look(1.0)) == [Yielded(job)]
    assert not one.folder.exists()
    assert world.pool.at_work_on("a") is None
    assert world.give(job) is not one


def test_an_end_that_the_node_tells_waits_for_nobody(world: World) -> None:
    """A worker that has come to its end, died, or wanted more memory than it had."""
    for state, code in (("COMPLETED", ""), ("FAILED", "worker_died"), ("OUT_OF_MEMORY", "out_of_memory")):
        job = world.job(state)
        one = world.begin(job)
        world.end(one, state)
        (told,) = ends(world.look())
        assert told == Yielded(job) if not code else isinstance(told, Died) and told.failure.reason.code == code
        if state == "OUT_OF_MEMORY":
            assert isinstance(told, Died)
            assert "slurm: memory" in told.failure.reason.advice


def test_what_never_began_comes_back_uncounted(world: World) -> None:
    """An administrator takes it out of the queue: no attempt, no pause, no complaint of workers that do not start."""
    job = world.job()
    one = world.give(job)
    world.look()
    world.end(one, "CANCELLED")
    assert world.look() == [Yielded(job, counted=False)]
    assert world.pool.trouble is None


def test_a_worker_that_is_warned_at_once_is_told_of(world: World) -> None:
    """A partition whose limit is shorter than the warning would make the daemon ask for ever, in silence."""
    job = world.job()
    one = world.give(job)
    world.look()
    world.say(one, {"say": "ready", "device": "cpu", "weights": ""}, {"say": "ended"})
    world.slurm.jobs[one.record.slurm_id][1:] = ["COMPLETED", "n1", "None"]
    assert ends(world.look()) == [Yielded(job, counted=False)]
    assert "shorter than slurm: warn_seconds" in str(world.pool.trouble)


def test_a_node_without_the_shared_folder_is_told_of(world: World) -> None:
    """A worker that ends before it has written a line has not found its folder."""
    one = world.give(world.job())
    world.look()
    world.slurm.jobs[one.record.slurm_id][1:] = ["FAILED", "n7", "NonZeroExitCode"]
    world.look()
    assert "on n7 (failed: NonZeroExitCode)" in str(world.pool.trouble)
    assert "is the inbox there on that node, at the same path?" in str(world.pool.trouble)


def test_many_are_asked_for_by_and_by(world: World) -> None:
    """Each is claimed first; a worker that is warm waits for nothing."""
    world.config = world.config.model_copy(update={"slurm": world.config.slurm.model_copy(update={"max_queued": 1000})})
    world.restart()
    counts = []
    for _ in range(3):
        counts.append(len(list(world.pool.openings(world.now))))
        assert list(world.pool.openings(world.now + NEW_SECONDS - 0.1)) == []
        assert world.pool.start_due == world.now + NEW_SECONDS
        world.now += NEW_SECONDS
    assert counts == [NEW_AT_ONCE] * 3


# --- asked back -----------------------------------------------------------------------------------------------


def test_no_job_begins_in_a_pause(world: World) -> None:
    """What waits in Slurm's queue leaves it; what runs runs on."""
    running, waiting = world.job("running"), world.job("waiting")
    world.begin(running)
    queued = world.give(waiting)
    world.look()
    world.pool.call_back()
    assert ends(world.look()) == [Yielded(waiting, counted=False)]
    assert world.slurm.cancelled == [queued.record.slurm_id]
    assert world.pool.jobs_in_hand() == {"running"}


@pytest.mark.parametrize("action", ["cancel", "yield", "stop"])
def test_what_is_asked_of_a_job_in_the_queue_brings_it_back(world: World, action: str) -> None:
    """The spool does then what it does with every job that waits."""
    job = world.job()
    one = world.give(job)
    world.look()
    one.tell({"do": action})
    assert ends(world.look()) == [Yielded(job, counted=False)]
    assert world.slurm.jobs[one.record.slurm_id][1] == "CANCELLED"


def test_a_picture_can_be_stopped_in_the_queue(world: World) -> None:
    """It waits for a worker that saves it as it stands."""
    one = world.give(world.job(checkpoint=True))
    world.look()
    one.tell({"do": "stop"})
    assert world.look() == []
    assert world.slurm.cancelled == []


def test_a_job_that_has_begun_can_be_stopped_in_the_queue(world: World) -> None:
    """It waits for a worker that makes its first step, however often it comes back without one."""
    one = world.give(replace(world.job(), attempts=Attempts(begun=True)))
    world.look()
    one.tell({"do": "stop"})
    assert world.look() == []
    assert world.slurm.cancelled == []


def test_a_job_whose_machine_goes_before_its_worker_is_up_has_begun(world: World) -> None:
    """`status` had told it as one at work, and `stop` had said what it would end with."""
    job = world.job()
    one = world.give(job)
    world.look()
    world.slurm.jobs[one.record.slurm_id][1] = "RUNNING"
    world.look()
    world.slurm.jobs[one.record.slurm_id][1] = "NODE_FAIL"
    assert ends(world.look()) == [Yielded(job, counted=False, begun=True)]


def test_what_slurm_refuses_can_be_cancelled_and_given_back(world: World) -> None:
    """It has never been in a queue; a daemon that ends leaves nothing to a cluster that has heard of nothing."""
    world.slurm.refusal = "Batch job submission failed: Invalid partition name specified"
    first, second = world.job("first"), world.job("second")
    one = world.give(first)
    world.give(second)
    world.look()
    assert "Invalid partition name" in str(world.pool.trouble)
    one.tell({"do": "cancel"})
    assert ends(world.look()) == [Yielded(first, counted=False)]
    world.pool.end()
    assert [given.record.job for given in world.pool.giving_back] == ["second"]
    assert ends(world.look()) == [Yielded(second, counted=False)]
    assert world.pool.giving_back == ()
    assert not list((world.root / "inbox/.nst_batch/slurm").iterdir())


# --- Slurm's own accidents ------------------------------------------------------------------------------------


def test_a_number_that_is_given_anew_is_somebody_elses(world: World) -> None:
    """A controller that has lost its state begins at 1 again: another's job is neither watched nor cancelled."""
    job = world.job()
    one = world.begin(job)
    number = one.record.slurm_id
    world.slurm.jobs = {number: ["another", "RUNNING", "n1", "None"]}
    told = world.look(3 * QUEUE_SECONDS + REVOKED_SECONDS + 3.0)
    assert ends(told) == [Yielded(job)]
    assert world.slurm.jobs[number][1] == "RUNNING"


def test_a_requeued_allocation_is_given_up(world: World) -> None:
    """Its worker is no more, and the next one in it would find an old mailbox."""
    job = world.job()
    one = world.begin(job)
    world.slurm.jobs[one.record.slurm_id][1:] = ["PENDING", "", "BeginTime"]
    told = world.look(2 * QUEUE_SECONDS + REVOKED_SECONDS + 3.0)
    assert world.slurm.cancelled == [one.record.slurm_id]
    assert ends(told) == [Yielded(job)]


def test_a_submission_that_was_not_heard_of_is_found(world: World) -> None:
    """By its name, after a restart; of two with that name one is cancelled."""
    one = world.give(world.job())
    name = one.name
    world.slurm.jobs = {"4": [name, "RUNNING", "n1", "None"], "5": [name, "PENDING", "", "Priority"]}
    world.restart()
    world.look()
    (found,) = world.pool.workers
    assert (found.record.slurm_id, world.slurm.cancelled, world.slurm.submitted) == ("4", ["5"], 0)


def test_a_controller_that_is_away_is_waited_for(world: World) -> None:
    """By who has jobs there; somebody who waits for the end of nothing but refusals is sent away."""
    world.slurm.is_away = True
    world.give(world.job("unheard"))
    assert not world.pool.gives_up
    world.look(4 * QUEUE_SECONDS)
    assert world.pool.gives_up
    assert "does not answer: Unable to contact" in str(world.pool.trouble)
    assert world.slurm.submitted == 0
    world.slurm.is_away = False
    world.look(2 * QUEUE_SECONDS)
    assert world.pool.trouble is None
    world.slurm.is_away = True
    world.look(5 * QUEUE_SECONDS)
    assert not world.pool.gives_up


def test_a_job_begins_when_its_worker_does(world: World) -> None:
    """Until then ``status`` has it among those that wait, with Slurm's own reason; hold and drain show there."""
    job = world.job()
    one = world.give(job)
    assert world.look() == []
    assert world.pool.queued == {"a": "in Slurm's queue as 1 (pending: Resources)"}
    assert not one.at_work
    world.slurm.jobs["1"][1:] = ["RUNNING", "n1", "None"]
    world.say(one, {"say": "ready", "device": "cpu"}, {"say": "taken", "job": "a"})
    told = world.look()
    assert [event.job for event in told if isinstance(event, Begun)] == [job]
    assert (world.pool.queued, world.slurm.cancelled) == ({}, [])


def test_a_mailbox_that_cannot_be_read_keeps_nobody_else_unheard(world: World) -> None:
    """It is told of once all others have been heard, and read as soon as that can be done."""
    ones = [world.begin(world.job(name), node=name) for name in "ab"]
    mail = ones[0].folder / "from-worker"
    mail.rename(mail.with_name("elsewhere"))
    mail.mkdir()
    told: list[Event] = []
    for one in ones:
        with one.folder.joinpath("elsewhere" if one is ones[0] else "from-worker").open("a") as file:
            file.write(json.dumps({"say": "phase", "phase": "saving"}) + "\n")
    world.now += 1.0
    with pytest.raises(SpoolBlocked):
        told.extend(world.pool.news(world.now))
    assert [event.job.id for event in told if isinstance(event, Phased) and event.job] == ["b"]
    mail.rmdir()
    mail.with_name("elsewhere").rename(mail)
    assert [event.job.id for event in world.look(2.0) if isinstance(event, Phased) and event.job] == ["a"]


def test_nobody_else_has_a_job_before_its_worker_could_be_told(world: World) -> None:
    """A disk that refuses the letter: it is written again before the time for reading it begins."""
    job = world.job()
    one = world.begin(job)
    world.end(one, "NODE_FAIL")
    mail = one.folder / "to-worker"
    mail.rename(mail.with_name("elsewhere"))
    mail.mkdir()
    for _ in range(int(REVOKED_SECONDS) + 10):
        world.now += 1.0
        with contextlib.suppress(SpoolBlocked):
            assert ends(list(world.pool.news(world.now))) == []
    mail.rmdir()
    mail.with_name("elsewhere").rename(mail)
    assert ends(world.look(REVOKED_SECONDS - 1.0)) == []
    assert world.told_to(one)[-1] == "revoked"
    assert ends(world.look(2.0)) == [Yielded(job)]


def test_a_start_that_could_not_read_who_is_at_work_reads_it_again(world: World) -> None:
    """A network's disk that is away for a moment: what is not known to be at work would be painted by two."""

    class Away(FileSystem):
        answers = 1

        def reader(self, path: Path) -> BinaryIO:
            self.answers -= 1
            if self.answers == -1:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
            return super().reader(path)

    for name in "ab":
        world.begin(world.job(name), node=name)
    world.pool = SlurmPool(world.config, Away(), ("worker",))
    with pytest.raises(OSError, match="Stale"):
        world.pool.jobs_in_hand()
    assert world.pool.jobs_in_hand() == {"a", "b"}
