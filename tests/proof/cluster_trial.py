"""A night on a cluster: nodes, the daemon and the controller die, and the books hold."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

from cluster import Cluster
from kill_house import Eye, KillHouse


def run_night(root: Path, cluster: Cluster, jobs: int, *, daemon_kills: int = 2) -> Counter[str]:
    """Drop so many jobs; kill a node once, the daemon so often, the controller once. How the jobs ended.

    AssertionError where one is lost, done twice or in part.
    """
    house = KillHouse(root, executor="slurm", slurm={"gpus": 0, "max_queued": 4})
    before = set(cluster.jobs())
    for _ in range(jobs):
        house.drop()
    try:
        with Eye(house) as eye:
            daemon = house.launch()
            deaths = [jobs * (number + 1) // (daemon_kills + 3) for number in range(daemon_kills + 2)]
            for number, due in enumerate(deaths):
                house.wait(lambda due=due: len(house.ended_folders()) >= due)  # type: ignore[misc]
                if number == 1:
                    node = cluster.nodes[0]
                    cluster.kill_node(node)
                    time.sleep(1.0)
                    cluster.start_node(node)
                elif number == 2:
                    cluster.stop_controller()
                    time.sleep(1.0)
                    cluster.start_controller()
                else:
                    daemon.send_signal(signal.SIGKILL)
                    daemon.wait()
                    daemon = house.launch()
            house.wait(lambda: not house.has_work())
            daemon.send_signal(signal.SIGTERM)
            assert house.wait_for_end(daemon) == 0
        eye.check()
        ends = house.check_books(allowed=set())
        ends["allocations"] = len(set(cluster.jobs()) - before)
        return ends
    finally:
        house.end()
