"""What the system is asked for while a night goes by: no path of the inbox or a library by name, at any depth."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from spool_world import World

from nst_batch.reasons import Reason
from nst_batch.spool.claims.attempts import RunFailure

WATCHED = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod")
_heard: list[tuple[str, str]] = []
_watch = {"at": ""}


def _hear(event: str, args: tuple[Any, ...]) -> None:
    """Every call by name to somewhere below the watched folder, by Python's own audit of them."""
    root = _watch["at"]
    if root and event in WATCHED:
        for arg in args[:2]:
            if isinstance(arg, (str, bytes, os.PathLike)) and os.fsdecode(arg).startswith(f"{root}/"):
                _heard.append((event, os.fsdecode(arg)))


@pytest.fixture(scope="module", autouse=True)
def _ears() -> None:
    sys.addaudithook(_hear)  # it cannot be taken back, so it hears nothing unless it is told where to listen


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_no_path_is_looked_up_by_name_below_its_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Found, read, claimed, copied, looked at again, cleared: each by a name in a folder that was opened without links.

    So no path that was checked can mean something else when it is used.
    """
    world = World(tmp_path, f"library: [library]\nafter: {after}\n")
    (tmp_path / "library/sub").mkdir(parents=True)
    (tmp_path / "library/sub/lib.jpg").write_text("style")
    world.start()
    looked: list[str] = []
    for name in ("stat", "lstat", "readlink", "access", "utime", "unlink", "symlink"):
        monkeypatch.setattr(os, name, _noting(getattr(os, name), looked, world.inbox, tmp_path / "library"))
    world.pair("deep/er/a", extra="output: sub\n")
    world.put("deep/b.jpg", "half")
    world.put("deep/b.yaml", "content: b.jpg\nstyle: sub/lib.jpg\n")
    for root in (world.inbox, tmp_path / "library"):
        (root / "nothing").touch()
    world.put("bad.yaml", "sise: 1\n")
    looked.clear()
    _heard.clear()
    _watch["at"] = str(tmp_path)
    try:
        world.settle()
        world.sweep()
        handout = world.hand_out_next()
        assert handout is not None
        world.spool.died(handout, RunFailure(Reason("image_truncated", "ends too early"), cut="b.jpg"), world.at)
        world.later(100.0)
        _watch["at"] = ""  # the worker of this world writes by name
        world.run_all()
    finally:
        _watch["at"] = ""
    assert {"sub/a", "b"} <= world.finished().keys() or {"b"} <= world.finished().keys()
    roots = (world.inbox, tmp_path / "library")
    below = [path for _event, path in _heard for root in roots if path.startswith(f"{root}/")]
    assert below == []
    own = str(world.inbox / ".nst_batch")
    assert [path for path in looked if path != own and not path.startswith(f"{own}/")] == []


def _noting(call: Any, looked: list[str], *roots: Path) -> Any:
    def noted(path: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and kwargs.get("dir_fd") is None:
            text = os.fspath(path)
            if _watch["at"] and any(str(text).startswith(f"{root}/") for root in roots):
                looked.append(str(text))
        return call(path, *args, **kwargs)

    return noted
