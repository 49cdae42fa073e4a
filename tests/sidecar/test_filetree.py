"""filetree: the disk and a listing of it tell the same, and no link is followed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from nst_batch.sidecar.filetree import DiskTree, ListingTree


@dataclass(frozen=True)
class Entry:
    kind: str


@pytest.fixture
def root(tmp_path):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "sub" / "b.jpg").touch()
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "linked").symlink_to("sub")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def listing(root) -> ListingTree:
    entries = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = (Path(folder) / name).relative_to(root).as_posix()
            entries[path] = Entry(DiskTree(root).kind(path))
    return ListingTree(root, entries)


def test_kinds(root):
    """Files, folders, links (whatever they point to) and other things are told apart; nothing is None."""
    tree = DiskTree(root)
    found = {name: tree.kind(name) for name in ("a.jpg", "sub", "sub/b.jpg", "link.jpg", "linked", "dangling", "pipe")}
    assert found == {
        "a.jpg": "file",
        "sub": "folder",
        "sub/b.jpg": "file",
        "link.jpg": "link",
        "linked": "link",
        "dangling": "link",
        "pipe": "other",
    }
    assert tree.kind("nothing") is None
    assert tree.kind("a.jpg/below") is None
    assert tree.kind("x" * 300) is None


def test_names(root):
    """A folder's names come with their kinds; what is no folder has none."""
    assert DiskTree(root).names("sub") == {"b.jpg": "file", "deep": "folder"}
    assert DiskTree(root).names("")["linked"] == "link"
    assert DiskTree(root).names("nothing") == {}
    assert DiskTree(root).names("a.jpg") == {}


def test_names_that_are_not_text_are_left_out(tmp_path):
    """A name that is not UTF-8 could stand in no sidecar and no job.json."""
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    (tmp_path / "é.jpg").touch()
    assert list(DiskTree(tmp_path).names("")) == ["é.jpg"]


def test_listing_tells_the_same(root):
    """A listing answers like the disk that it was made from."""
    disk, listed = DiskTree(root), listing(root)
    for folder in ("", "sub", "sub/deep", "a.jpg", "nothing"):
        assert listed.names(folder) == disk.names(folder)
    for path in ("a.jpg", "sub", "sub/b.jpg", "link.jpg", "pipe", "nothing"):
        assert listed.kind(path) == disk.kind(path)


def test_a_folder_is_listed_once(root):
    """One object is one look: what comes later is seen by the next."""
    tree = DiskTree(root)
    assert tree.names("sub/deep") == {}
    (root / "sub" / "deep" / "late.jpg").touch()
    assert tree.names("sub/deep") == {}
    assert DiskTree(root).names("sub/deep") == {"late.jpg": "file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_no_permission_is_not_missing(root):
    """A folder that may not be searched is an error of its own, not an empty one."""
    (root / "sub").chmod(0)
    try:
        with pytest.raises(PermissionError):
            DiskTree(root).kind("sub/b.jpg")
        with pytest.raises(PermissionError):
            DiskTree(root).names("sub")
    finally:
        (root / "sub").chmod(0o755)
