"""A process's number says whose it is only together with its start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nst_batch.spool.disk.alive import born


def test_each_living_process_has_a_birth_of_its_own() -> None:
    """The same at each look, whatever the process is called; none once it has ended, though nobody has asked how."""
    program = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) Z 1 ('); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        birth = born(other.pid)
        assert birth is not None
        assert born(other.pid) == birth
        assert birth != born(os.getpid())
        other.stdin.close()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert born(other.pid) is None
    assert born(other.pid) is None


@pytest.mark.parametrize("pid", [None, "1", "self", 1.0, -1, 0, 2**70])
def test_what_is_no_process_is_none(pid: object) -> None:
    """A state is a file, and may say anything."""
    assert born(pid) is None
