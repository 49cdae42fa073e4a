"""The names in a folder, by its time."""

from __future__ import annotations

import os
from pathlib import Path

from nst_batch.spool.claims.naming import COARSE_SECONDS, FolderNames
from nst_batch.spool.disk.fs import FileSystem


def test_two_changes_within_one_second_of_a_coarse_clock_are_both_seen(tmp_path: Path) -> None:
    """By SFTP and on vfat a folder's time is in whole seconds: it may be the same after the next job has failed."""
    now = [100.0]
    listing = FolderNames(FileSystem(), tmp_path, lambda: now[0])

    def add(name: str) -> None:
        (tmp_path / name).mkdir()
        os.utime(tmp_path, (1, 1))

    for name in ("Dusk", "Dawn", "Noon"):
        add(name)
        assert name.lower() in listing.names()
        now[0] += 0.5
    now[0] += COARSE_SECONDS
    assert len(listing.names()) == 3
    add("unseen for the same time")
    assert len(listing.names()) == 3  # no disk that is so coarse has it: by then it is another time
