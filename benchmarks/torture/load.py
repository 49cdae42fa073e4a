"""Many files, slow files, many jobs, and nothing to do: what the daemon takes for it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from kill_house import KillHouse, wait_until

from benchmarks.torture.trial import Figures, Trial

SETTLE_SECONDS = 1.5
LONGEST_STALL = 1.0
PIECES = 6
IDLE_SECONDS = 60.0
TINY = {"epochs": 1, "steps_per_epoch": 1, "save_epoch": False}


def slow_files(folder: Path, first: int, size: int) -> Figures:
    """Images that grow piece by piece, their sidecars there first; none may be taken before it is whole."""
    luck = random.Random(first)
    watch = {"settle_seconds": SETTLE_SECONDS, "rescan_seconds": 0.5}
    house = KillHouse(folder / "house", watch=watch)
    daemon = house.launch()
    try:
        growing: dict[Path, tuple[bytes, int, float]] = {}
        for _ in range(size):
            title = house.drop()
            path = house.inbox / f"{title}-content.png"
            whole = house.given[title][path.name]
            path.write_bytes(whole[:1])
            growing[path] = (whole, 1, time.monotonic() + luck.uniform(0, LONGEST_STALL))
        while growing:
            for path, (whole, done, due) in list(growing.items()):
                if time.monotonic() < due:
                    continue
                piece = whole[done : done + max(1, len(whole) // PIECES)]
                with path.open("ab") as file:
                    file.write(piece)
                if done + len(piece) == len(whole):
                    del growing[path]
                else:
                    growing[path] = (whole, done + len(piece), time.monotonic() + luck.uniform(0, LONGEST_STALL))
            time.sleep(0.005)
        assert wait_until(lambda: len(house.ended_folders()) == size, 60 + 2.0 * size), house.logs()[-2000:]
    finally:
        _end(daemon)
        house.end()
    ends = house.check_books(allowed=set())  # an early one has another picture, or not the whole input
    return {"files": size, "taken early": 0, "done": ends["done"]}


def while_stopped(folder: Path, first: int, size: int) -> Figures:
    """Files that come while the process is stopped, more than any queue of events holds."""
    del first
    rescan = 30.0
    house = KillHouse(folder / "house", watch={"settle_seconds": 1, "rescan_seconds": rescan})
    (house.inbox / "PAUSE").touch()
    daemon = house.launch()
    state = house.inbox / ".nst_batch/state.json"
    try:
        assert wait_until(state.exists, 30)
        time.sleep(1)
        daemon.send_signal(signal.SIGSTOP)
        (house.inbox / "style.png").write_bytes(b"style")
        for number in range(size // 2):
            (house.inbox / f"c{number}.png").write_bytes(b"content")
            (house.inbox / f"c{number}.yaml").write_text(f"content: c{number}.png\nstyle: style.png\n")
        daemon.send_signal(signal.SIGCONT)
        begun = time.monotonic()

        def found() -> bool:
            try:
                return len(json.loads(state.read_bytes())["waiting"]) == size // 2
            except (OSError, ValueError):
                return False

        assert wait_until(found, 2 * rescan), f"not all of {size} found within two rescans"
        seconds = time.monotonic() - begun
    finally:
        _end(daemon)
        house.end()
    return {"files": size, "most seconds to find all": seconds, "most rescans": seconds / rescan}


def tiny_jobs(folder: Path, first: int, size: int) -> Figures:
    """Many jobs in one run of the daemon: its memory, descriptors and threads at the start and at the end."""
    del first
    house = KillHouse(folder / "house", defaults=TINY)
    os.environ["QUICK_STEP_SECONDS"] = "0"
    batch, warm = 100, min(200, size // 2)
    daemon = house.launch()
    ended, before = 0, {}
    try:
        while ended < size:
            for _ in range(min(batch, size - ended)):
                house.drop()
            ended += min(batch, size - ended)
            assert wait_until(lambda want=ended: len(house.ended_folders()) >= want, 300), house.logs()[-2000:]  # type: ignore[misc]
            if not before and ended >= warm:
                before = _usage(daemon.pid)
        time.sleep(2)
        after = _usage(daemon.pid)
    finally:
        del os.environ["QUICK_STEP_SECONDS"]
        _end(daemon)
        house.end()
    states = [json.loads((folder / "job.json").read_bytes())["state"] for folder in house.ended_folders()]
    assert states == ["done"] * size
    figures = {f"most {name} grown by": after[name] - before[name] for name in after}
    assert figures["most MB grown by"] < 20, figures
    assert figures["most descriptors grown by"] <= 0, figures
    assert figures["most threads grown by"] <= 0, figures
    return {"jobs": size, "most MB at the end": after["MB"], **figures}


def idle(folder: Path, first: int, size: int) -> Figures:
    """Files that nobody asks for, and a daemon with nothing to do."""
    del first
    house = KillHouse(folder / "house", watch={})
    for number in range(size):
        (house.inbox / f"{number}.jpg").write_bytes(b"picture")
    daemon = house.launch()
    try:
        time.sleep(40)
        before = _cpu_seconds(daemon.pid)
        time.sleep(IDLE_SECONDS)
        share = (_cpu_seconds(daemon.pid) - before) / IDLE_SECONDS
        memory = _usage(daemon.pid)["MB"]
    finally:
        _end(daemon)
        house.end()
    assert share < 0.005, f"{share:.2%} of a core"
    return {"files": size, "most % of a core": 100 * share, "most MB": memory}


def _end(daemon: subprocess.Popen[Any]) -> None:
    daemon.send_signal(signal.SIGCONT)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(timeout=60)


def _usage(pid: int) -> dict[str, float]:
    """Resident memory in MB, open descriptors, threads."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "MB": int(fields["VmRSS"].split()[0]) / 1024,
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(fields["Threads"]),
    }


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


TRIALS = (
    Trial("slow", "slowly written files", "files", 500, 100, slow_files),
    Trial("stopped", "files dropped under SIGSTOP", "files", 20_000, 20_000, while_stopped),
    Trial("tiny", "tiny jobs in one run of the daemon", "jobs", 5_000, 5_000, tiny_jobs),
    Trial("idle", "idle with files in the inbox", "files", 10_000, 10_000, idle),
)
