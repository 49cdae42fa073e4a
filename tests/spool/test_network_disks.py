"""What a network's file system, or a stick's, does not give: renames that refuse, lasting numbers, names, links.

Each by a disk that behaves so; the world around it is real.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
from spool_world import KillSwitch, World

from nst_batch.spool.disk import primitives as module
from nst_batch.spool.disk.fs import FileSystem


class Dying(FileSystem):
    """Dies, once, before it removes a file of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def remove(self, path: Path) -> None:
        if path.name == self.name:
            self.name = ""
            raise KillSwitch(path)
        super().remove(path)


@pytest.fixture(params=[0o644, 0o640], ids=["for all to read", "for the group"])
def unflagged(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A pair on NFS, whose rename knows no flags: a file gets a name by a link, and loses the old one after that."""

    def missing(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(module, "renameat2", missing)
    world = World(tmp_path)
    world.start()
    world.pair("a").chmod(request.param)
    world.settle()
    return world


def test_a_sidecar_is_taken_in_one_step(unflagged: World) -> None:
    """Killed between a link and the removal of the old name, it would be in the claim and in the inbox: done twice."""
    unflagged.start(Dying("a.yaml"))
    unflagged.settle()
    with contextlib.suppress(KillSwitch):
        unflagged.hand_out_next()
    unflagged.start()
    unflagged.run_all()
    unflagged.check_books({"a"})
    assert unflagged.inbox_files() == set()


def test_a_sidecar_that_was_on_its_way_back_is_taken_once(unflagged: World) -> None:
    """Killed between its two names: the claim has it, and the inbox has it."""
    unflagged.start(Dying("a.yaml"))
    unflagged.settle_without_reading()
    unflagged.look()
    unflagged.put("a-content.jpg", "another picture by now")
    with contextlib.suppress(KillSwitch):
        unflagged.hand_out_next()
    assert (unflagged.inbox / "a.yaml").stat().st_nlink == 2
    unflagged.start()
    unflagged.sweep()
    unflagged.settle()
    unflagged.run_all()
    unflagged.check_books({"a"})
    assert unflagged.inbox_files() == set()
