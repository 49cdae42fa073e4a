"""An outbox that is a folder of the inbox by another path: refused, or one job would be painted for ever."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.errors import SetupError
from nst_batch.spool.disk.apart import refuse_nested

BOUND = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 22 8:1 {source} {point} rw - ext4 /dev/sda1 rw\n"


def folders(root: Path, *names: str) -> list[Path]:
    made = [root / name for name in names]
    for folder in made:
        folder.mkdir(parents=True)
    return made


@pytest.mark.parametrize("inner", ["outbox", "inbox"])
def test_a_link_into_the_other_folder_is_seen_through(tmp_path: Path, inner: str) -> None:
    """Both ways: results in the inbox, and an inbox among the results."""
    outer, _ = folders(tmp_path, "outer", "outer/in")
    link = tmp_path / "link"
    link.symlink_to(outer / "in")
    pair = (outer, link) if inner == "outbox" else (link, outer)
    with pytest.raises(SetupError, match=f"{link} is a folder inside the"):
        refuse_nested(*pair, mountinfo="")


@pytest.mark.parametrize("inner", ["outbox", "inbox"])
def test_a_mount_of_a_folder_in_the_other_one_is_told_by_the_mount_table(tmp_path: Path, inner: str) -> None:
    """A bind mount has its own path and its own parents: only the table knows of which folder it is."""
    outer, inside, mounted = folders(tmp_path, "outer", "outer/a/in", "mounted")
    table = BOUND.format(source=inside.parent, point=mounted)
    (mounted / "in").mkdir()  # as it looks through the mount
    pair = (outer, mounted / "in") if inner == "outbox" else (mounted / "in", outer)
    with pytest.raises(SetupError, match="by a link or a mount"):
        refuse_nested(*pair, mountinfo=table)
    refuse_nested(*pair, mountinfo="22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")


def test_the_same_folder_twice_is_refused_and_neighbours_are_not(tmp_path: Path) -> None:
    """Names that begin alike are no nesting."""
    one, other = folders(tmp_path, "box", "box2")
    refuse_nested(one, other)
    link = tmp_path / "again"
    link.symlink_to(one)
    with pytest.raises(SetupError):
        refuse_nested(one, link)


def test_a_daemon_does_not_take_hold_of_such_folders(tmp_path: Path) -> None:
    """By a link that config.yaml's own check has not seen, since it was made after it; nothing is put there."""
    world = World(tmp_path)
    inside = world.inbox / "results"
    inside.mkdir(parents=True)
    world.outbox.symlink_to(inside)
    with pytest.raises(SetupError) as caught:
        world.spool.open(world.at)
    assert caught.value.code == "folders_nested"
    assert list(inside.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_real_bind_mount_is_refused(tmp_path: Path) -> None:
    """What the kernel says of it is what the table of the tests above says."""
    inbox, inside, outbox = folders(tmp_path, "inbox", "inbox/res", "outbox")
    done = subprocess.run(["mount", "--bind", str(inside), str(outbox)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no mounts in this container")
    try:
        with pytest.raises(SetupError, match="inside the inbox"):
            refuse_nested(inbox, outbox)
    finally:
        subprocess.run(["umount", str(outbox)], check=True)
