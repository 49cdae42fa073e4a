"""Child processes that are waited for, and those that cannot be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from nst_batch.child import Answer, ask


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Processes that no signal of ours ends, as in the kernel's uninterruptible sleep; their numbers."""
    started: list[int] = []

    def deaf(process: subprocess.Popen[bytes]) -> None:
        started.append(process.pid)

    monkeypatch.setattr(subprocess.Popen, "kill", deaf)
    monkeypatch.setattr("nst_batch.child.GO_SECONDS", 0.1)
    yield started
    for pid in started:
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_command_is_run_to_its_end() -> None:
    """Its status, what it wrote, and what it was told besides."""
    answer = ask(["sh", "-c", "echo $WORD; echo bad >&2; exit 3"], 20.0, {"WORD": "said", "PATH": os.environ["PATH"]})
    assert answer == Answer(3, "said\n", "bad\n")


def test_one_that_cannot_be_started_has_no_answer() -> None:
    """As a driver's command on a machine without one."""
    assert ask(["/nowhere/nvidia-smi"], 20.0) is None


def test_one_that_takes_too_long_is_ended() -> None:
    """It is gone when there is no answer."""
    begun = time.monotonic()
    assert ask(["sleep", "1000"], 0.1) is None
    assert time.monotonic() - begun < 20.0


def test_one_that_the_kernel_holds_is_left_to_itself(held: list[int]) -> None:
    """Nobody waits for nvidia-smi of a GPU that has fallen off the bus: not the daemon, not a worker, not doctor."""
    begun = time.monotonic()
    assert ask(["sleep", "1000"], 0.1) is None
    assert time.monotonic() - begun < 20.0
    assert len(held) == 1
