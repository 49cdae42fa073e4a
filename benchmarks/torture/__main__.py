"""Run the long proof, or one trial of it, and print its figures.

    python -m benchmarks.torture                   everything, two to six hours; killed, it goes on where it was
    python -m benchmarks.torture kills --count 80  one trial alone, with another count; keeps no state
    python -m benchmarks.torture --list

A trial is cut into slices. After each one its figures go into the state file, so that a run that was ended is
gone on with. A slice that fails is told at once, stands in the figures as failed, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.torture import crowd, damage, hostile, kills, load, power
from benchmarks.torture.trial import Trial, merge

TRIALS: tuple[Trial, ...] = (*kills.TRIALS, *power.TRIALS, *load.TRIALS, *crowd.TRIALS, *hostile.TRIALS, *damage.TRIALS)


def run_trial(trial: Trial, count: int, state: dict[str, Any], save: Path | None) -> bool:
    """All slices of a trial that are not done yet; whether every one held."""
    mine = state.setdefault(trial.name, {"done": 0, "seconds": 0.0, "figures": {}})
    held = True
    while mine["done"] < count:
        size = min(trial.slice, count - mine["done"])
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="torture-", dir=trial.place()) as folder:
                figures = trial.run(Path(folder), mine["done"], size)
        except Exception:
            traceback.print_exc()
            print(f"{trial.name}: FAILED in the slice {mine['done']} to {mine['done'] + size}", flush=True)
            figures, held = {"slices failed": 1}, False
        merge(mine["figures"], figures)
        mine["done"] += size
        mine["seconds"] += time.monotonic() - begun
        if save is not None:
            aside = save.with_suffix(".new")
            aside.write_text(json.dumps(state, indent=1))
            os.replace(aside, save)  # noqa: PTH105
        print(f"  {trial.name}: {mine['done']}/{count}, {mine['seconds']:.0f} s", flush=True)
    return held and not mine["figures"].get("slices failed")


def report(trial: Trial, state: dict[str, Any]) -> None:
    """One line of figures."""
    mine = state[trial.name]
    figures = ", ".join(f"{name} {value:g}" for name, value in sorted(mine["figures"].items()))
    print(f"{trial.name} ({mine['done']} {trial.unit}, {mine['seconds']:.0f} s): {figures}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=[trial.name for trial in TRIALS], help="one trial alone")
    parser.add_argument("--count", type=int, help="with a name: how many")
    parser.add_argument("--state", type=Path, default=Path("build/torture.json"))
    parser.add_argument("--list", action="store_true", help="the trials and their counts")
    asked = parser.parse_args()
    if asked.list:
        for trial in TRIALS:
            print(f"{trial.name:10} {trial.count:7} {trial.unit:28} {trial.what}")
        return 0
    if asked.name:
        trial = next(trial for trial in TRIALS if trial.name == asked.name)
        state: dict[str, Any] = {}
        held = run_trial(trial, asked.count or trial.count, state, None)
        report(trial, state)
        return 0 if held else 1
    asked.state.parent.mkdir(parents=True, exist_ok=True)
    state = json.loads(asked.state.read_bytes()) if asked.state.exists() else {}
    held = [run_trial(trial, trial.count, state, asked.state) for trial in TRIALS]
    print()
    for trial in TRIALS:
        report(trial, state)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
