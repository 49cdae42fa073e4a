"""Standard streams that are closed, full or read by nobody: the daemon's work goes on without them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nst_batch.cli.streams import Lenient

COMMAND = [sys.executable, "-m", "nst_batch"]
CONFIG = (
    "weights: untrained\ndevice: cpu\nwatch: {settle_seconds: 0.05, rescan_seconds: 0.2}\nlimits: {min_free_gb: 0}\n"
)


def fill(pipe: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))


def test_what_a_full_disk_does_not_take_is_lost_and_counted() -> None:
    """A log on a full disk ends nothing; the first line that fits again says what is missing."""
    full = os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.pipe()
    log = Lenient(full)
    print("one\ntwo", file=log, flush=True)
    os.dup2(writer, full)  # room again
    print("three", file=log, flush=True)
    assert os.read(reader, 1000) == b"(2 lines could not be written here)\nthree\n"
    for fd in (full, reader, writer):
        os.close(fd)


def test_a_reader_that_has_died_is_no_error() -> None:
    """`nst-batch run 2>&1 | tee log`, and tee is killed."""
    reader, writer = os.pipe()
    os.close(reader)
    lenient = Lenient(writer)
    print("nobody hears this", file=lenient, flush=True)
    assert not lenient.closed
    os.close(writer)


def test_a_reader_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is stopped with Ctrl-S for the night would stop the queue with it."""
    monkeypatch.setattr("nst_batch.cli.streams.ROOM_SECONDS", 0.05)
    reader, writer = os.pipe2(os.O_NONBLOCK)
    fill(writer)
    os.set_blocking(writer, True)
    log = Lenient(writer)
    for _ in range(1000):  # seconds, were each of them waited for
        print("line", file=log)
    with contextlib.suppress(BlockingIOError):
        while os.read(reader, 1 << 16):
            pass
    print("heard", file=log)
    assert os.read(reader, 1000) == b"(1000 lines could not be written here)\nheard\n"
    os.close(reader)
    os.close(writer)


def test_characters_that_are_no_text_are_escaped() -> None:
    """A name that is not UTF-8, or a stream that knows ASCII alone."""
    reader, writer = os.pipe()
    print("n\udcff", file=Lenient(writer))
    print("é", file=Lenient(writer, "ascii"))
    assert os.read(reader, 100) == b"n\\udcff\n\\xe9\n"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("how", ["closed", "log full", "folder removed"])
def test_a_daemon_goes_on_without_its_streams_or_its_working_folder(tmp_path: Path, how: str) -> None:
    """All three closed, standard error on a full disk, the folder it was started in removed, no HOME and no TERM."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/one.yaml").write_text("nonsense: 1\n")
    run = {
        "closed": 'exec "$@" <&- >&- 2>&-',
        "log full": 'exec "$@" 2>/dev/full',
        "folder removed": 'mkdir gone; cd gone; rmdir ../gone; exec "$@"',
    }[how]
    command = ["sh", "-c", run, "sh", *COMMAND, "run", "--once", "--config", str(tmp_path / "config.yaml")]
    environ = {key: value for key, value in os.environ.items() if key not in ("HOME", "TERM")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "outbox/failed/one/error.txt").exists()


def test_without_a_working_folder_a_config_has_to_be_named(tmp_path: Path) -> None:
    """Its defaults would lie in a folder that is not there: the message says what to do."""
    run = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    command = ["sh", "-c", run, "sh", *COMMAND, "status"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "the working folder has been removed" in done.stderr


@pytest.mark.parametrize("how", [">/dev/full", ">&-"])
@pytest.mark.parametrize(
    "command",
    ["status", "status --json", "status --watch", "check", "reasons", "schema config", "stop --help", "--version"],
)
def test_what_cannot_be_told_is_an_error_that_names_the_stream(tmp_path: Path, command: str, how: str) -> None:
    """A disk without room, a stream that is closed: no script takes silence for an empty queue."""
    done = in_a_shell(tmp_path, f'exec "$@" {how}', *command.split())
    why = "No space left on device" if "full" in how else "it is closed"
    assert done.stderr.splitlines() == [
        f"nst-batch: standard output: {why}",
        "nst-batch: what was told there is lost, or some of it; all else that was asked for is done",
    ]
    assert done.returncode == 1


@pytest.mark.parametrize("how", [">/dev/full", ">&-"])
def test_what_cannot_be_told_is_done_all_the_same(tmp_path: Path, how: str) -> None:
    """Of several jobs each; and what the command ends with for a reason of its own stays."""
    (tmp_path / "inbox").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"inbox/{name}.yaml").write_text("content: x.png\nstyle: y.png\n")
    done = in_a_shell(tmp_path, f'exec "$@" {how}', "cancel", "a", "b")
    assert done.returncode == 1, done.stderr
    assert {path.name for path in (tmp_path / "inbox").glob("*.cancel")} == {"a.cancel", "b.cancel"}
    assert in_a_shell(tmp_path, f'exec "$@" {how}', "cancel", "nosuch").returncode == 2


@pytest.mark.parametrize("how", [">/dev/full", ">&-"])
def test_a_daemon_has_nothing_to_tell_on_standard_output(tmp_path: Path, how: str) -> None:
    """Its end does not hang on whether that can be written."""
    done = in_a_shell(tmp_path, f'exec "$@" {how}', "run", "--once")
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """`nst-batch reasons | head -1`."""
    done = in_a_shell(tmp_path, '"$@" | head -1; exec sleep 0', "reasons")
    assert (done.stdout, done.stderr) == ("# Reasons\n", "")


def in_a_shell(folder: Path, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as ``line`` runs it, in a folder that has a config."""
    (folder / "config.yaml").write_text(CONFIG)
    command = ["sh", "-c", line, "sh", *COMMAND, *words]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)
