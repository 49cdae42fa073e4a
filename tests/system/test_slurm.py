"""The same inbox on a real Slurm cluster: two nodes, which die, and a daemon and a controller that do so too."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, missing
from cluster_trial import run_night
from house import House
from kill_house import KillHouse
from PIL import Image

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with two nodes of one processor each."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as one:
        yield one


@pytest.fixture
def studio(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., KillHouse]]:
    """Makes houses whose daemons hand their jobs to the cluster, with workers that only pretend to paint."""
    with cluster.houses(monkeypatch) as houses:

        def make(**slurm: Any) -> KillHouse:
            houses.append(KillHouse(tmp_path / "house", executor="slurm", slurm={"gpus": 0, "max_queued": 2, **slurm}))
            return houses[-1]

        yield make


def running(house: House) -> dict[str, Any] | None:
    """What is told of the first job that has made a step."""
    state = house.inbox / ".nst_batch" / "state.json"
    if not state.exists():
        return None
    entries = [entry for entry in json.loads(state.read_text())["running"] if entry["step"]]
    return entries[0] if entries else None


def done(house: House) -> set[str]:
    return {path.parent.name for path in house.outbox.glob("*/job.json")}


def steps(house: House, name: str) -> list[int]:
    return [entry["step"] for entry in house.loss(name)["log"]]


def test_a_cluster_paints_the_same_and_the_jobs_share_an_allocation(
    cluster: Cluster, make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cluster paints, by the real worker, equals what this machine paints, and two jobs pay for one start."""
    for key, value in cluster.environment.items():
        monkeypatch.setenv(key, value)
    before = len(cluster.jobs())
    houses = [make_house("far", executor="slurm", slurm={"gpus": 0, "max_queued": 1}), make_house("near")]
    for house in houses:
        house.pair("first")
        house.pair("second", hue=40)
        ended = house.once()
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(cluster.jobs()) == before + 1
    for name in ("first", "second"):
        # Beside the pixels a file tells the job's own id.
        far, near = (Image.open(house.outbox / name / house.job(name)["final"]).tobytes() for house in houses)
        assert far == near
        totals = [[entry["total"] for entry in house.loss(name)["log"]] for house in houses]
        assert totals[0] == totals[1]


def test_jobs_outlive_their_daemon_and_are_never_submitted_twice(
    studio: Callable[..., KillHouse], cluster: Cluster
) -> None:
    """A daemon that is killed, or told to end, leaves its jobs to the cluster, and the next one publishes them."""
    before = len(cluster.jobs())
    house = studio(max_queued=1)
    title = house.drop(epochs=300, steps_per_epoch=12)
    first = house.launch()
    house.wait(lambda: running(house) is not None)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = house.launch()
    house.wait(lambda: house.logs().count("worker ready") == 2)
    second.send_signal(signal.SIGTERM)
    assert house.wait_for_end(second) == 0
    assert house.empty() == 0
    assert house.job(title)["attempts"] == 1
    assert steps(house, title) == list(range(1, 3601))
    assert len(cluster.jobs()) == before + 1


def test_a_node_that_dies_costs_no_job(studio: Callable[..., KillHouse], cluster: Cluster) -> None:
    """Its job goes on from its checkpoint; a controller that is away for a while stops nobody."""
    house = studio()
    title = house.drop(epochs=400, steps_per_epoch=12)
    house.launch()
    house.wait(lambda: running(house) is not None)
    node = cluster.ask("squeue", "--noheader", "--states=RUNNING", "--format=%N").split()[0]
    cluster.stop_controller()
    cluster.kill_node(node)
    cluster.start_controller()
    cluster.start_node(node)
    house.wait(lambda: title in done(house))
    assert house.job(title)["state"] == "done"
    assert steps(house, title) == list(range(1, 4801))


def test_a_preempted_job_gives_itself_back_and_goes_on(studio: Callable[..., KillHouse], cluster: Cluster) -> None:
    """Somebody more important takes the nodes: the job saves its state on the warning, waits, and loses no step."""
    house = studio(max_queued=1)
    title = house.drop(epochs=300, steps_per_epoch=12)
    house.launch()
    house.wait(lambda: running(house) is not None)
    cluster.ask("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    house.wait(lambda: title in done(house))
    assert house.job(title)["attempts"] == 1
    assert steps(house, title) == list(range(1, 3601))


def test_what_waits_in_the_queue_can_be_cancelled(studio: Callable[..., KillHouse], cluster: Cluster) -> None:
    """A job that has no node yet leaves Slurm's queue with its cancel file."""
    blocker = cluster.ask("sbatch", "--parsable", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 300")
    house = studio(max_queued=1)
    title = house.drop()
    house.launch()
    house.wait(lambda: "PENDING" in cluster.jobs().values())
    (house.inbox / f"{title}.cancel").touch()
    house.wait((house.outbox / "failed" / title / "job.json").exists)
    assert house.job(f"failed/{title}")["state"] == "cancelled"
    house.wait(lambda: "PENDING" not in cluster.jobs().values())
    cluster.ask("scancel", blocker.strip())


def test_what_slurm_refuses_is_said(studio: Callable[..., KillHouse]) -> None:
    """A partition that is not there keeps jobs waiting, with Slurm's own words, and loses nothing."""
    house = studio(partition="nowhere")
    house.drop()
    house.launch()
    house.wait(lambda: "Slurm takes no job" in house.logs())
    assert "partition" in house.logs()
    house.wait(lambda: "Slurm takes no job" in house.command("status").stdout)
    assert not house.ended_folders()


def test_the_other_executor_leaves_a_clusters_jobs_alone(studio: Callable[..., KillHouse]) -> None:
    """A config that is back at ``local`` while the cluster has jobs is told so, and touches nothing."""
    house = studio()
    title = house.drop(epochs=400, steps_per_epoch=12)
    daemon = house.launch()
    house.wait(lambda: running(house) is not None)
    daemon.send_signal(signal.SIGTERM)
    assert house.wait_for_end(daemon) == 0
    whole = house.config.read_text()
    house.config.write_text(whole.replace('"executor": "slurm"', '"executor": "local"'))
    assert house.wait_for_end(house.launch("--once")) == 75
    assert "Slurm may still be at work" in house.logs()
    house.config.write_text(whole)
    assert house.empty() == 0
    assert done(house) == {title}


def test_a_night_of_deaths_loses_nothing(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node, the controller and, twice, the daemon die; forty jobs are done, each of them once and whole."""
    for key, value in cluster.environment.items():
        monkeypatch.setenv(key, value)
    ends = run_night(tmp_path / "house", cluster, 40)
    assert ends["done"] == 40
