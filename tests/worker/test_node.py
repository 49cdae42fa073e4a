"""The worker of a node: alone in its folder, and gone as soon as it may have lost its job."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nst_batch.daemon.slurm.allocation import Allocation, AllocationRecord
from nst_batch.mailbox import MailWriter
from nst_batch.protocol import TO_WORKER_NAME
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.node import REVOKED_EXIT, take
from nst_batch.worker.process import InstructionQueue

LISTEN = """
import os, sys
from pathlib import Path
from nst_batch.worker import node
from nst_batch.worker.process import InstructionQueue
node.POLL_SECONDS = 0.01
queue = InstructionQueue()
tell = queue.tell
queue.tell = lambda message: (tell(message), print(message["do"], flush=True))
node.Post(Path(sys.argv[1]), os.geteuid()).listen(queue)
"""


def test_a_folder_has_one_worker(tmp_path: Path) -> None:
    """A second Slurm job, and the same one put back into the queue, is not it."""
    assert take(tmp_path, "7") == os.geteuid()
    assert take(tmp_path, "8") is None
    assert take(tmp_path, "7") is None


@pytest.mark.parametrize("how", ["told", "its folder has gone"])
def test_a_worker_that_was_given_up_ends_at_once(tmp_path: Path, how: str) -> None:
    """By the daemon's word, or because the daemon has put the folder away meanwhile."""
    writer = MailWriter(tmp_path / TO_WORKER_NAME, os.geteuid())
    writer.post({"do": "job"})
    command = [sys.executable, "-c", LISTEN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "job\n"
        if how == "told":
            writer.post({"do": "revoked"})
        else:
            (tmp_path / TO_WORKER_NAME).unlink()
        _, said = process.communicate(timeout=20)
    assert process.returncode == REVOKED_EXIT
    assert "let go of its job" in said


def test_a_worker_that_cannot_look_does_nothing() -> None:
    """A frozen one that goes on looks first: its job may be another's by now."""
    queue, found = InstructionQueue(), []
    queue.known_until(time.monotonic() - 1.0)
    thread = threading.Thread(target=lambda: found.append(queue.instruction()))
    thread.start()
    queue.tell({"do": "yield"})
    assert found == []
    queue.known_until(time.monotonic() + 60.0)
    thread.join()
    assert found == ["yield"]


# --- the script around it -------------------------------------------------------------------------------------


def _script(folder: Path, setup: str = "") -> subprocess.CompletedProcess[str]:
    text = Allocation(FileSystem(), folder, AllocationRecord(token="t"), 0.0).script(setup, ("echo", "worker", "in"))
    return subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=False)


def test_the_script_keeps_what_is_said(tmp_path: Path) -> None:
    """Of the lines that prepare a node too; a folder with a quote in its name is one as well."""
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    assert _script(folder, "echo {braces} >&2").returncode == 0
    assert (folder / "worker.log").read_text() == f"{{braces}}\nworker in {folder}\n"
    assert (folder / "worker.log").stat().st_mode & 0o077 == 0


def test_the_script_ends_where_the_folder_is_not(tmp_path: Path) -> None:
    """On a node without the shared file system; and when it comes a second time."""
    assert _script(tmp_path / "nowhere").returncode == 72
    assert _script(tmp_path).returncode == 0
    assert _script(tmp_path).returncode not in (0, 72, 74)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_the_script_works_in_nobody_elses_folder(tmp_path: Path) -> None:
    """Whoever may rename the daemon's folder puts one there in which the log is a link, or nothing."""
    (tmp_path / "secret").write_text("mine\n")
    (tmp_path / "planted").mkdir()
    os.chown(tmp_path / "planted", 65534, 65534)
    assert _script(tmp_path / "planted").returncode == 74
    (tmp_path / "planted/worker.log").unlink()
    (tmp_path / "planted/worker.log").symlink_to(tmp_path / "secret")
    assert _script(tmp_path / "planted").returncode not in (0, 72)
    assert (tmp_path / "secret").read_text() == "mine\n"
