"""lock: one daemon an inbox, and a file system that cannot see to that."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest import mock

import pytest

from nst_batch.beneath import Beneath
from nst_batch.errors import NotNowError, SetupError
from nst_batch.spool.disk.lock import lock_inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / ".nst_batch").mkdir()
    return tmp_path


def test_a_second_daemon_is_told_who_has_the_inbox(inbox: Path) -> None:
    """Its process, its machine and since when; once the first lets go the second may."""
    first = lock_inbox(Beneath(), inbox, 0.0)
    with pytest.raises(NotNowError, match=f"worked on already, by process {os.getpid()} on"):
        lock_inbox(Beneath(), inbox, 0.0)
    first.release()
    lock_inbox(Beneath(), inbox, 0.0).release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(inbox: Path, number: int) -> None:
    """As a share mounted without them is: two daemons would paint everything twice; a person has to change it."""
    with (
        mock.patch("fcntl.flock", side_effect=OSError(number, os.strerror(number))),
        pytest.raises(SetupError, match="a file system without locks") as caught,
    ):
        lock_inbox(Beneath(), inbox, 0.0)
    assert str(inbox) in caught.value.message
    assert "local disk" in caught.value.advice
