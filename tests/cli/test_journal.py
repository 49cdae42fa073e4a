"""What the systemd journal gets: a priority and a job with each line."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nst_batch.cli import journal
from nst_batch.cli.listeners import JournalLines
from nst_batch.daemon.events import Phased
from nst_batch.reasons import Reason
from nst_batch.spool.claims.live_job import Ended


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a journal."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "socket"))
    receiver.setblocking(False)
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    yield receiver
    receiver.close()


def received(receiver: socket.socket) -> dict[str, str]:
    """The fields of the next entry, as the native protocol has them: name, length, value."""
    data, fields = receiver.recv(1 << 16), {}
    while data:
        name, _, data = data.partition(b"\n")
        (length,) = struct.unpack("<Q", data[:8])
        fields[name.decode()] = data[8 : 8 + length].decode()
        data = data[9 + length :]
    return fields


def ended(state: str, code: str) -> Ended:
    reason = Reason.of(code, "why") if code else None
    return Ended("1", "dusk", "dusk", state, reason, Path("/outbox/dusk"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "code", "priority"),
    [("done", "", "6"), ("failed", "image_missing", "4"), ("cancelled", "cancelled", "6")],
)
def test_a_failed_job_is_a_warning(entries: socket.socket, state: str, code: str, priority: str) -> None:
    """So `journalctl -p warning` shows a bad night; a job that somebody dropped is none."""
    JournalLines().ended(ended(state, code))
    found = received(entries)
    assert (found["PRIORITY"], found["NST_BATCH_JOB"]) == (priority, "dusk")
    assert found["MESSAGE"].startswith(f"dusk: {state}")


def test_what_a_person_has_to_see_to_is_a_warning_and_other_notes_are_not(entries: socket.socket) -> None:
    """They are about no job."""
    JournalLines().warn("the queue waits: the disk is full")
    JournalLines().note("the queue goes on")
    assert [received(entries) for _ in range(2)] == [
        {"MESSAGE": text, "PRIORITY": priority, "SYSLOG_IDENTIFIER": "nst-batch"}
        for text, priority in (("the queue waits: the disk is full", "4"), ("the queue goes on", "6"))
    ]


def test_a_job_that_goes_on_says_from_where(entries: socket.socket) -> None:
    """Of what a job is at before its first step, that alone is of interest in the morning."""
    job = SimpleNamespace(name="dusk")
    JournalLines().phased(Phased(job, "building the model"))  # type: ignore[arg-type]
    JournalLines().phased(Phased(job, "resumed at epoch 6 of 30, step 507", told=True))  # type: ignore[arg-type]
    assert received(entries)["MESSAGE"] == "dusk: resumed at epoch 6 of 30, step 507"


def test_nothing_in_a_name_forges_a_field(entries: socket.socket) -> None:
    """A line break in a name is written out."""
    assert journal.send("a\nPRIORITY=0", 6, "b\nc", journal.SOCKET)
    found = received(entries)
    assert (found["MESSAGE"], found["NST_BATCH_JOB"], found["PRIORITY"]) == ("a\\nPRIORITY=0", "b\\nc", "6")


def test_without_a_journal_the_line_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its priority stands before it, as systemd reads it from standard error."""
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "none"))
    JournalLines().warn("the queue waits")
    assert capsys.readouterr().err == "<4>the queue waits\n"


def test_the_journal_is_known_by_the_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A standard error that was led elsewhere is not the journal's, whatever the environment says."""
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        status = os.fstat(log.fileno())
        assert journal.is_connected({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not journal.is_connected({"JOURNAL_STREAM": "1:2"})
        assert not journal.is_connected({})
