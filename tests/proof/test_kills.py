"""The real daemon under SIGKILL and SIGTERM, with a quick engine at the worker's place and with TensorFlow."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_house import Eye, KillHouse, wait_until
from kill_trials import FAR_STEPS, far_folders, named_steps, random_kills, step_kills
from terms import Terms

pytestmark = pytest.mark.system

Make = Callable[..., KillHouse]


@pytest.fixture
def make(tmp_path: Path, weights_file: Path) -> Iterator[Make]:
    """Makes houses to kill daemons in; whatever still runs ends with the test."""
    houses: list[KillHouse] = []

    def one(name: str = "house", **options: Any) -> KillHouse:
        houses.append(KillHouse(tmp_path / name, weights=weights_file, **options))
        return houses[-1]

    yield one
    for house in houses:
        house.end()


def test_the_house_tells_a_job_from_the_mark_that_it_is_done(make: Make) -> None:
    """Looked at in the moment between two jobs of a claim, the mark was once taken for a job's folder."""
    house = make()
    mark = house.inbox / ".nst_batch/claims/one/jobs/0001.done"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert not house.at_work()


def test_killed_at_random_moments(make: Make) -> None:
    """Daemon, worker or both, half of the kills while a job is at work: nothing lost, twice, or seen in part."""
    tally = random_kills(make(), kills=14, jobs=6, luck=random.Random(7))
    assert tally.kills.total() == 14
    assert tally.at_work >= 7
    assert tally.jobs >= 6


def test_killed_at_every_named_step(make: Make) -> None:
    """At each step of the spool once: every job comes to its end, once and whole."""
    steps = [step for step in named_steps() if step not in FAR_STEPS]
    tally = step_kills(make(), steps)
    assert not tally.missed
    assert tally.kills.total() == len(steps) >= 34


def test_killed_at_every_step_between_file_systems(make: Make) -> None:
    """Claims and results on another file system are copied there; killed meanwhile, they are whole all the same."""
    house = make()
    with far_folders(house) as are_far:
        if not are_far:
            pytest.skip("only root can mount a second file system, where there is one")
        tally = step_kills(house, FAR_STEPS)
        house.end()
    assert not tally.missed


@pytest.mark.parametrize(
    ("kind", "reason", "most"),
    [
        ("segfault", "worker_died", 2),
        ("exit", "worker_died", 3),
        ("hang", "worker_stalled", 3),
        ("memory", "out_of_memory", 3),
    ],
)
def test_a_job_that_ends_its_worker_fails_and_the_next_one_starts(
    make: Make, kind: str, reason: str, most: int
) -> None:
    """At most three runs, the reason in job.json, and the job behind it is done within 30 s."""
    house = make(jobs={"attempts": 3, "backoff_seconds": [0.05], "stall_timeout": 3})
    bad = house.drop(kind, priority=1)
    house.drop()
    begun = time.monotonic()
    assert house.empty() == 1
    assert time.monotonic() - begun < 30
    assert house.check_books(allowed={reason}) == {reason: 1, "done": 1}
    body = house.job(f"failed/{bad}")
    assert body["reason"] == reason
    assert 1 < body["attempts"] <= most
    assert body["message"]


def test_a_result_that_is_not_whole_is_noticed(make: Make) -> None:
    """The eye and the books see what they are there to see: a picture cut short, a job gone, a job twice."""
    house = make()
    title, other = house.drop(), house.drop()
    house.empty()
    house.check_books()
    shutil.copytree(house.outbox / title, house.outbox / "again")
    with pytest.raises(AssertionError, match="twice"):
        house.check_books()
    shutil.rmtree(house.outbox / "again")
    picture = house.outbox / title / f"{title}.png"
    picture.write_bytes(picture.read_bytes()[:-1])
    eye = Eye(house)
    eye.look()
    with pytest.raises(AssertionError):
        eye.check()
    shutil.rmtree(house.outbox / title)
    with pytest.raises(AssertionError, match="lost"):
        house.check_books()
    assert (house.outbox / other).is_dir()


@pytest.mark.timeout(480)
def test_sigterm_in_mid_job_costs_nothing(make: Make) -> None:
    """With TensorFlow on a CPU in float32: ends within 30 s with 0, no attempt spent, and the same picture."""
    terms = Terms.begin(make(quick=False))
    for number in range(2):
        assert terms.term_in_mid_job(random.Random(number)) < 30
    assert terms.end() < 30


def test_a_worker_killed_with_tensorflow_resumes(make: Make) -> None:
    """SIGKILL to the real worker in mid-job: a new one goes on, the job is done once."""
    house = make(quick=False)
    title = house.drop(epochs=3, steps_per_epoch=10)
    daemon = house.launch()
    assert wait_until(house.at_work, 60)
    assert wait_until((house.outbox / "running" / title / "loss.json").exists, 60)
    assert house.kill_workers(daemon) == 1
    assert wait_until((house.outbox / title / "job.json").exists, 60), house.logs()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=30) == 0
    log = house.loss(title)["log"]
    assert [entry["step"] for entry in log] == list(range(1, 31))
