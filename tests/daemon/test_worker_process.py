"""Devices, the messages, and one real worker process."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from house import PATIENCE_SECONDS

from nst_batch.daemon.devices import choose_devices, cpu, gpu
from nst_batch.daemon.worker_process import WORKER_COMMAND, WorkerProcess
from nst_batch.gpus import Gpu, Gpus
from nst_batch.protocol import LineReader, WorkerOptions, to_line
from nst_batch.spool.disk.fs import FileSystem


def listed(*numbers: int) -> Gpus:
    return Gpus(tuple(Gpu(number) for number in numbers))


@pytest.mark.parametrize(
    ("wanted", "gpus", "names"),
    [
        ("auto", (), ["cpu"]),
        ("auto", (0, 1), ["gpu:0", "gpu:1"]),
        ("cpu", (0,), ["cpu"]),
        ("gpu", (0, 1), ["gpu:0", "gpu:1"]),
        ("gpu", (), ["gpu:0"]),
        ((1,), (0, 1), ["gpu:1"]),
    ],
)
def test_one_worker_a_device(wanted: Any, gpus: tuple[int, ...], names: list[str]) -> None:
    """Every GPU asked for gets a worker; without any the CPU does, unless a GPU was insisted on."""
    assert [device.name for device in choose_devices(wanted, listed(*gpus))] == names


@pytest.mark.parametrize(("wanted", "insisted"), [("auto", False), ("gpu", True), ((0, 1), True)])
def test_a_gpu_is_insisted_on_only_where_it_was_asked_for(wanted: Any, insisted: bool) -> None:
    """`auto` goes by device files, which may be there without anything that can use the GPU."""
    assert {device.insisted for device in choose_devices(wanted, listed(0, 1))} == {insisted}


def test_a_worker_sees_one_gpu_or_none() -> None:
    """The environment hides every other device from TensorFlow."""
    assert gpu(Gpu(3)).environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert cpu().environment["CUDA_VISIBLE_DEVICES"] == "-1"


def test_messages_come_whole_however_the_pipe_cuts_them() -> None:
    """A message is read when its line is complete; the end of the pipe is noticed."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    reader = LineReader(reading)
    line = to_line({"say": "step", "step": 1})
    os.write(writing, line + line[:5])
    assert reader.read() == [{"say": "step", "step": 1}]
    os.write(writing, line[5:])
    assert reader.read() == [{"say": "step", "step": 1}]
    assert not reader.at_end
    os.close(writing)
    assert reader.read() == []
    assert reader.at_end
    os.close(reading)


BARE = (sys.executable, str(Path(__file__).with_name("bare_worker.py")))  # takes no seconds to load TensorFlow


def started(log: Path, weights: str, parent: int, command: Sequence[str] = BARE) -> WorkerProcess[str]:
    options = WorkerOptions(
        parent=parent,
        weights=weights,
        device="cpu",
        max_megapixels=50,
        max_file_mb=100,
        checkpoint_seconds=60,
    )
    return WorkerProcess(cpu(), options, FileSystem(), log, time.monotonic(), command)


def until(worker: WorkerProcess[str], done: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done() and not worker.closed and time.monotonic() < end:
        select.select([worker], [], [], 1.0)
        worker.read(time.monotonic())
    assert done(), worker.stderr_tail()


def test_a_worker_gets_ready_and_ends_when_told(tmp_path: Path, weights_file: Path) -> None:
    """It loads TensorFlow, says on which device and with which weights it works, and ends with 0."""
    worker = started(tmp_path / "log", str(weights_file), os.getpid(), WORKER_COMMAND)
    until(worker, lambda: worker.idle)
    assert (worker.details["weights"], worker.details["device"]) == ("path", "CPU")
    worker.end()
    until(worker, lambda: worker.closed)
    assert worker.reap().code == 0


def test_a_worker_without_weights_says_what_is_wrong(tmp_path: Path) -> None:
    """A fault names the file; the exit code is that of a wrong set-up."""
    worker = started(tmp_path / "log", str(tmp_path / "none.h5"), os.getpid(), WORKER_COMMAND)
    until(worker, lambda: worker.closed)
    assert worker.fault is not None
    assert "none.h5" in worker.fault["reason"]["message"]
    assert worker.reap().code == 78


def test_a_worker_whose_parent_is_gone_ends_at_once(tmp_path: Path) -> None:
    """Started with another parent than it has, it does not even load TensorFlow."""
    worker = started(tmp_path / "log", "untrained", 1 if os.getpid() != 1 else 2, WORKER_COMMAND)
    until(worker, lambda: worker.closed)
    assert worker.reap().code == 70


def test_a_worker_ends_when_the_daemon_closes_the_pipe(tmp_path: Path) -> None:
    """The end of its standard input is the daemon's end."""
    worker = started(tmp_path / "log", "untrained", os.getpid())
    until(worker, lambda: worker.idle)
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    until(worker, lambda: worker.closed)
    assert worker.reap().code == 70


def test_a_log_that_leads_elsewhere_is_not_written_to(tmp_path: Path) -> None:
    """Whoever can put a link in its place has no file of the daemon's user emptied."""
    (tmp_path / "private").write_text("mine")
    (tmp_path / "log").symlink_to(tmp_path / "private")
    with pytest.raises(OSError, match="log"):
        started(tmp_path / "log", "untrained", os.getpid())
    assert (tmp_path / "private").read_text() == "mine"


def test_what_has_the_place_of_its_log_later_is_not_told_as_its_words(tmp_path: Path) -> None:
    """Its folder may be exchanged for another while it runs."""
    script = "import sys\nsys.stdin.readline()\nprint('its own words', file=sys.stderr, flush=True)\nsys.exit(3)\n"
    (tmp_path / "own").mkdir()
    worker = started(tmp_path / "own/log", "untrained", os.getpid(), (sys.executable, "-c", script))
    (tmp_path / "own").rename(tmp_path / "away")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/log").write_text("somebody else's\n")
    worker.end()
    until(worker, lambda: worker.closed)
    assert worker.reap().last_words == ": its own words"


@pytest.mark.parametrize("last", ["", "a fault of the driver"])
def test_what_a_worker_said_while_it_started_is_not_why_it_died_later(last: str, tmp_path: Path) -> None:
    """TensorFlow's remarks on a machine without a GPU are nobody's last words."""
    script = (
        "import sys\nprint('no GPU here', file=sys.stderr, flush=True)\nprint('{\"say\": \"ready\"}', flush=True)\n"
        f"sys.stdin.readline()\nprint({last!r}, file=sys.stderr, flush=True)\nsys.exit(3)\n"
    )
    worker = started(tmp_path / "log", "untrained", os.getpid(), (sys.executable, "-c", script))
    until(worker, lambda: worker.idle)
    worker.end()
    until(worker, lambda: worker.closed)
    assert worker.reap().last_words == (f": {last}" if last else "")


def test_the_death_of_a_worker_is_told_by_its_signal(tmp_path: Path) -> None:
    """Killed from outside: the signal's name, for error.txt."""
    worker = started(tmp_path / "log", "untrained", os.getpid())
    until(worker, lambda: worker.idle)
    worker.kill()
    until(worker, lambda: worker.closed)
    failure = worker.reap()
    assert (failure.kind, str(failure)) == ("signal", "was killed by SIGKILL")
