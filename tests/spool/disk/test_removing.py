"""Two at one folder: what another has removed is gone, and the rest goes all the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nst_batch.spool.disk.fs import FileSystem


@pytest.mark.parametrize("call", ["unlink", "rmdir", "open"])
def test_a_folder_that_two_remove_goes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Two commands, or one and the daemon, a step apart."""
    for name in ("a/deep", "b/deep", "c"):
        (tmp_path / "old" / name).mkdir(parents=True)
        (tmp_path / "old" / name / "file").touch()
    real, once = getattr(os, call), [True]

    def late(path: Any, *args: Any, **more: Any) -> Any:
        if once and more.get("dir_fd") is not None and str(path) in ("file", "deep"):
            once.clear()
            monkeypatch.undo()
            FileSystem().rmtree(Path(f"/proc/self/fd/{more['dir_fd']}").readlink())
        return real(path, *args, **more)

    monkeypatch.setattr(os, call, late)
    FileSystem().rmtree(tmp_path / "old")
    assert not once
    assert list(tmp_path.iterdir()) == []
