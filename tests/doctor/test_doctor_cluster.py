"""What doctor says of a cluster: in Slurm's own words where it refuses, and what its nodes may not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nst_batch.config.load import Config, parse_config
from nst_batch.doctor.check import Answer, Check, Machine
from nst_batch.doctor.cluster import COMMANDS, cluster

OK = Answer(0, "", "sbatch: Job 9 to start at 2026-03-02T10:00:00 using 1 processors on nodes n1 in partition gpu\n")


class Fake(Machine):
    """A machine with these commands, whose sbatch answers so."""

    def __init__(self, answer: Answer | None, path: Sequence[str] = COMMANDS, mounts: str = "") -> None:
        self.answer = answer
        self.path = path
        self.mounts = mounts
        self.asked: list[Sequence[str]] = []

    def read(self, path: str) -> str:
        return self.mounts

    def run(self, command: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Answer | None:
        self.asked.append(command)
        return self.answer

    def has_command(self, name: str) -> bool:
        return name in self.path


def config(root: Path) -> Config:
    text = "executor: slurm\nweights: w.h5\nslurm: {partition: gpu, memory: 16G, arguments: [--constraint=a100]}\n"
    return parse_config(text, root / "config.yaml")


def found(machine: Machine, root: Path) -> dict[str, Check]:
    checks = list(cluster(config(root), machine))
    assert all(check.advice for check in checks if check.state != "ok")
    return {check.name: check for check in checks}


def test_slurm_is_asked_for_the_very_worker(tmp_path: Path) -> None:
    """With everything that config.yaml says of one; nothing is submitted."""
    machine = Fake(OK)
    assert found(machine, tmp_path)["Slurm"].state == "ok"
    (command,) = machine.asked
    assert command[:2] == ["sbatch", "--test-only"]
    assert {"--partition=gpu", "--gres=gpu:1", "--mem=16G", "--constraint=a100"} <= set(command)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(1, "", "allocation failure: Invalid partition name specified\n"), "Invalid partition name"),
        (Answer(1, "", "sbatch: error: Munge encode failed: Failed to access socket\n"), "Munge encode failed"),
        (Answer(1, "", ""), "ended with 1"),
        (None, "no answer within 1 min"),
    ],
)
def test_a_refusal_is_told_in_slurms_words(tmp_path: Path, answer: Answer | None, what: str) -> None:
    """A partition, an account, munge, a controller that is away."""
    check = found(Fake(answer), tmp_path)["Slurm"]
    assert (check.state, what in check.what) == ("bad", True)


def test_commands_that_are_not_there_are_named(tmp_path: Path) -> None:
    """As in a service whose PATH lacks Slurm's folder."""
    machine = Fake(OK, ("squeue",))
    check = found(machine, tmp_path)["Slurm"]
    assert (check.state, check.what) == ("bad", "sbatch, scancel not on the PATH")
    assert machine.asked == []


def test_what_nodes_may_not_see_is_told(tmp_path: Path) -> None:
    """Folders, weights and program on a disk of this machine; a network file system is well."""
    line = "30 1 0:30 / / rw - {} server:/all rw\n"
    (shared, own) = (found(Fake(OK, mounts=line.format(kind)), tmp_path)["shared files"] for kind in ("nfs4", "ext4"))
    assert shared.state == "ok"
    assert (own.state, f"{tmp_path}/w.h5 (ext4)" in own.what) == ("warn", True)
    assert "srun --partition=gpu ls -d" in own.advice
