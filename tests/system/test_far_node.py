"""Two hosts and a mount between them that tells no events, caches attributes and carries no locks: a node beyond it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing
from far_host import FarHost, why_not
from kill_house import KillHouse

REASON = missing() or why_not()
pytestmark = [pytest.mark.system, pytest.mark.skipif(bool(REASON), reason=REASON or "-")]

LISTENER = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init1(0)
assert libc.inotify_add_watch(fd, sys.argv[1].encode(), 0xFFF) >= 0
print("listens", flush=True)
sys.stdin.readline()
print("heard" if select.select([fd], [], [], 1.0)[0] else "nothing", sorted(os.listdir(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarHost]:
    """The other host, which has this one's folder ``shared`` over the wire."""
    folder = tmp_path_factory.mktemp("far") / "shared"
    folder.mkdir()
    with FarHost(folder) as host:
        yield host


@pytest.fixture(scope="module")
def cluster(host: FarHost) -> Iterator[Cluster]:
    """A node on each host; Slurm takes ``a-far`` first."""
    with Cluster(host.folder.parent / "cluster", ("a-far", "b-near"), far={"a-far": host}) as one:
        yield one


@pytest.fixture
def studio(
    cluster: Cluster, host: FarHost, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], KillHouse]]:
    """Makes a house in the shared folder whose jobs go to a node."""
    with cluster.houses(monkeypatch) as houses:

        def make(*arguments: str) -> KillHouse:
            slurm = {"gpus": 0, "max_queued": 1, "arguments": list(arguments)}
            jobs = {"attempts": 3, "backoff_seconds": [0.05], "stall_timeout": 60}
            houses.append(KillHouse(host.folder / request.node.name, executor="slurm", slurm=slurm, jobs=jobs))
            return houses[-1]

        yield make


def steps(house: KillHouse, name: str) -> list[int]:
    return [entry["step"] for entry in house.loss(name)["log"]]


def at_work_on(house: KillHouse, node: str) -> bool:
    state = house.inbox / ".nst_batch" / "state.json"
    if not state.exists():
        return False
    running = json.loads(state.read_text())["running"]
    return any(node in entry["device"] and entry["step"] for entry in running)


def test_the_mount_tells_no_events_of_the_other_host(host: FarHost, tmp_path: Path) -> None:
    """What the tests below rest on: a file of the other host is there, and nothing has told of it."""
    folder = host.folder / "events"
    folder.mkdir()
    command = [*host.prefix, sys.executable, "-c", LISTENER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listens\n"
        (folder / "file").touch()
        assert listener.communicate("go\n")[0] == "nothing ['file']\n"


def test_a_node_beyond_a_mount_paints_and_listens(studio: Callable[..., KillHouse], cluster: Cluster) -> None:
    """Results, losses and ``stop`` cross the mount both ways, by looking alone."""
    house = studio("--nodelist=a-far")
    long = house.drop(epochs=4000, steps_per_epoch=12)
    others = [house.drop(), house.drop()]
    house.launch()
    house.wait(lambda: at_work_on(house, "a-far"))
    (house.inbox / f"{long}.stop").touch()
    house.wait(lambda: len(house.ended_folders()) == 3)
    assert house.job(long)["state"] == "stopped"
    assert [house.job(title)["state"] for title in others] == ["done", "done"]
    count = len(steps(house, long))
    assert steps(house, long) == list(range(1, count + 1))
    assert 1 <= count < 48000


def test_a_daemon_beyond_a_mount_finds_what_is_dropped(studio: Callable[..., KillHouse], host: FarHost) -> None:
    """The inbox lies on the mount of the daemon's host, people drop files on the other, which has the node as well."""
    house = studio("--nodelist=b-near")
    house.prefix = tuple(host.prefix)
    daemon = house.launch()
    house.wait((house.inbox / ".nst_batch" / "state.json").exists)
    titles = [house.drop(), house.drop()]
    house.wait(lambda: len(house.ended_folders()) == 2)
    assert [house.job(title)["state"] for title in titles] == ["done", "done"]
    daemon.send_signal(signal.SIGTERM)
    assert house.wait_for_end(daemon) == 0


def test_a_node_behind_a_broken_network_lets_go(studio: Callable[..., KillHouse], host: FarHost) -> None:
    """Slurm gives it up and the job goes on elsewhere; once the wire is mended, the first worker lets go of it."""
    house = studio()
    title = house.drop(epochs=400, steps_per_epoch=12)
    house.launch()
    house.wait(lambda: at_work_on(house, "a-far"))
    host.cut()
    house.wait(lambda: at_work_on(house, "b-near"))
    assert host.processes("quick_worker")
    host.mend()
    house.wait(lambda: not host.processes("quick_worker"))
    house.wait(lambda: len(house.ended_folders()) == 1)
    assert house.job(title)["state"] == "done"
    assert steps(house, title) == list(range(1, 4801))
