"""What a Slurm cluster asks of the daemon: jobs claimed and published a second, its memory and share of a core.

    python -m benchmarks.cluster [--jobs 200] [--nodes 2] [--processors 4] [--queued 50]
    python -m benchmarks.cluster --claims [--jobs 1000]    nothing is painted: the nodes are drained
    python -m benchmarks.cluster --deaths [--jobs 200]     a node, the controller and the daemon (twice) are killed

Starts a Slurm cluster of its own on the loopback (Debian: slurm-wlm, munge), whose nodes pretend to have so
many processors, with workers that only pretend to paint: the hash engine of the kill tests, each in a moment.
What is left is the work of the daemon and of the file system. With ``--deaths`` every job must have its end once, and
whole; the exit code is 1 where one has not.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "proof"), str(TESTS)]

from cluster import Cluster, missing  # noqa: E402
from cluster_trial import run_night  # noqa: E402
from kill_house import KillHouse  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def spent(pid: int) -> tuple[float, float]:
    """Processor seconds of a process and the most memory that it has held, in MB of 2²⁰ bytes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / TICKS, int(peak.split()[1]) / 1024


def tell_costs(processor: float, memory: float, seconds: float, jobs: int, more: str) -> None:
    """What the daemon took for so many jobs."""
    print(f"the daemon: {100 * processor / seconds:.1f} % of a core ({1000 * processor / jobs:.0f} ms a job)")
    print(f"            {memory:.0f} MB at most; {more}")


def measure(root: Path, cluster: Cluster, jobs: int, queued: int) -> None:
    """Drop so many jobs, and print what they took."""
    house = settled_house(root / "house", jobs, queued)
    claims = house.inbox / ".nst_batch/claims"
    begun = time.monotonic()
    daemon = house.launch()
    try:
        house.wait(claims.exists)
        given = {}
        while len(house.ended_folders()) < jobs:
            known = len(list((house.inbox / ".nst_batch/slurm").glob("*/record.json")))
            if known >= min(queued, jobs) and "full" not in given:
                given["full"] = time.monotonic() - begun
                print(f"{known} allocations asked for in {given['full']:.1f} s", flush=True)
                processor, memory = spent(daemon.pid)
                print(f"  by then {100 * processor / given['full']:.1f} % of a core, {memory:.0f} MB", flush=True)
            time.sleep(1.0)
        seconds = time.monotonic() - begun
        processor, memory = spent(daemon.pid)
        print(f"{jobs} jobs over {len(cluster.nodes)} nodes: {jobs / seconds:.2f} claimed and published a second")
        tell_costs(processor, memory, seconds, jobs, f"Slurm's jobs: {len(cluster.jobs())}")
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()
        house.end()


def measure_claims(root: Path, cluster: Cluster, jobs: int) -> None:
    """Drop so many jobs on a cluster without a node, and print what claiming and submitting all of them took."""
    cluster.ask("scontrol", "update", f"NodeName={','.join(cluster.nodes)}", "State=DRAIN", "Reason=measured")
    house = settled_house(root / "house", jobs, jobs)
    slurm = house.inbox / ".nst_batch/slurm"
    begun = time.monotonic()
    daemon = house.launch()
    try:
        while len(cluster.jobs()) < jobs:
            time.sleep(2.0)
        seconds = time.monotonic() - begun
        processor, memory = spent(daemon.pid)
        print(f"{jobs} jobs claimed and in Slurm's queue in {seconds:.0f} s: {jobs / seconds:.1f} a second")
        tell_costs(processor, memory, seconds, jobs, f"{len(list(slurm.iterdir()))} folders of allocations")
        time.sleep(10.0)
        print(f"with all of them waiting: {100 * (spent(daemon.pid)[0] - processor) / 10.0:.1f} % of a core")
    finally:
        daemon.kill()
        daemon.wait()
        house.end()


def settled_house(root: Path, jobs: int, queued: int) -> KillHouse:
    """A house with so many jobs of a moment each."""
    house = KillHouse(root, executor="slurm", slurm={"gpus": 0, "max_queued": queued})
    house.configure(
        executor="slurm",
        slurm={"gpus": 0, "max_queued": queued},
        defaults={"epochs": 1, "steps_per_epoch": 1, "size": 48, "precision": "float32"},
        watch={"settle_seconds": 0.1},
    )
    for _ in range(jobs):
        house.drop()
    return house


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="what a Slurm cluster asks of the daemon")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--processors", type=int, default=4, help="that a node pretends to have")
    parser.add_argument("--queued", type=int, default=50, help="allocations in Slurm's queue at a time")
    parser.add_argument("--claims", action="store_true", help="measure claiming and submitting alone")
    parser.add_argument("--deaths", action="store_true", help="kill a node, the controller, and the daemon twice")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the cluster would outlive this
    if missing():
        print(missing(), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        root = Path(folder)
        nodes = tuple(f"n{number + 1}" for number in range(asked.nodes))
        with Cluster(root / "cluster", nodes, cpus=asked.processors) as cluster:
            os.environ.update(cluster.environment)
            if asked.deaths:
                begun = time.monotonic()
                ends = run_night(root / "house", cluster, asked.jobs)
                print(f"{dict(ends)} in {time.monotonic() - begun:.0f} s")
                return int(ends["done"] != asked.jobs)
            if asked.claims:
                measure_claims(root, cluster, asked.jobs)
            else:
                measure(root, cluster, asked.jobs, asked.queued)
    return 0


if __name__ == "__main__":
    sys.exit(main())
