"""Slurm's commands at work: what they said, why they failed, and what becomes of one that hangs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nst_batch.clock import duration
from nst_batch.daemon.slurm.commands import LIMIT_SECONDS, Command, CommandEnd, QueueEntry, queue_entries


def ended(command: Command) -> CommandEnd:
    """How it ended, waited for by the process itself."""
    while (end := command.done(0.0)) is None:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    return end


def test_what_is_given_and_what_is_said() -> None:
    """More than a pipe holds, in both directions."""
    text = "x" * 300_000
    assert ended(Command(["cat"], 0.0, text)) == CommandEnd(text, "")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first >&2; echo 'sbatch: error: no such partition' >&2; exit 1", "sbatch: error: no such partition"),
        ("exit 3", "sh ended with exit code 3"),
    ],
)
def test_why_one_failed(script: str, why: str) -> None:
    """Its last word, or its exit code."""
    assert ended(Command(["sh", "-c", script], 0.0)).why == why


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Sites put scripts of their own in front of Slurm's commands."""
    os.mkfifo(tmp_path / "held")
    script = f"sleep 1000 3>{tmp_path}/held & echo begun >{tmp_path}/held; wait"
    command = Command(["sh", "-c", script], 0.0)
    with (tmp_path / "held").open() as held:
        assert held.readline() == "begun\n"
        assert command.done(LIMIT_SECONDS - 0.1) is None
        end = command.done(LIMIT_SECONDS)
        assert end is not None
        assert end.why == f"sh took more than {duration(LIMIT_SECONDS)}"
        assert held.read() == ""  # its last holder has gone


def test_lines_that_are_none_of_the_queue_are_passed_over() -> None:
    """A banner, an empty line; reasons may hold commas and spaces."""
    text = "Welcome!\n\n 7|nst_batch-a|PENDING||ReqNodeNotAvail, UnavailableNodes:n[1-2]\n8|b|RUNNING|n1|None\n"
    assert queue_entries(text) == [
        QueueEntry("7", "nst_batch-a", "PENDING", "", "ReqNodeNotAvail, UnavailableNodes:n[1-2]"),
        QueueEntry("8", "b", "RUNNING", "n1", "None"),
    ]
