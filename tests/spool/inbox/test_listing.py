"""One walk over the inbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nst_batch.spool.disk.blocked import InboxLost
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.listing import Lister


def test_everything_is_listed_and_nothing_followed(tmp_path: Path) -> None:
    """Files, folders, links and pipes by their kind; a linked folder is a link, whatever lies behind it."""
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    (inbox / "sub/deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.jpg").write_text("x")
    (inbox / "a.jpg").write_text("abc")
    (inbox / "sub/deep/b.jpg").write_text("x")
    (inbox / "linked").symlink_to(outside)
    os.mkfifo(inbox / "pipe")
    (inbox / ".nst_batch/claims").mkdir(parents=True)
    listing = Lister(FileSystem(), inbox, list).look()
    assert {path: entry.kind for path, entry in listing.entries.items()} == {
        "a.jpg": "file",
        "sub": "folder",
        "sub/deep": "folder",
        "sub/deep/b.jpg": "file",
        "linked": "link",
        "pipe": "other",
    }
    status = (inbox / "a.jpg").stat()
    assert listing.entries["a.jpg"].identity == (status.st_ino, 3, status.st_mtime_ns)
    assert listing.ignored == frozenset()


@pytest.mark.parametrize(
    "name",
    [
        *("a.jpg.part", "a.filepart", "a.crdownload", "a.tmp", "a~", ".a.jpg.Xy12zA", "~$a.yaml", ".~lock.a#"),
        *("._a.jpg", ".nfs0001", "@eaDir", "Thumbs.db", "desktop.ini", ".DS_Store", "~syncthing~a.jpg.tmp"),
    ],
)
def test_unfinished_and_foreign_names_are_left_out(tmp_path: Path, name: str) -> None:
    """What is left out is named, so that it can be said once."""
    (tmp_path / name).write_text("x")
    (tmp_path / "a.jpg").write_text("x")
    listing = Lister(FileSystem(), tmp_path, list).look()
    assert set(listing.entries) == {"a.jpg"}
    assert listing.ignored == {name}


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    """No sidecar, log or job.json could hold it."""
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_text("x")
    listing = Lister(FileSystem(), tmp_path, list).look()
    assert not listing.entries
    assert len(listing.ignored) == 1


def test_a_missing_inbox_is_no_empty_one(tmp_path: Path) -> None:
    """It raises, whatever the reason."""
    (tmp_path / "file").write_text("x")
    for name in ("gone", "file"):
        with pytest.raises(InboxLost, match=name):
            Lister(FileSystem(), tmp_path / name, list).look()
