"""What is remembered of jobs that have had their ends, over a restart."""

from __future__ import annotations

from pathlib import Path

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.end_news import EndNews


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """A full disk took half of a name, and then took the next ones: those are known to the daemon that follows."""
    path = tmp_path / "ended"
    path.write_bytes(b"dawn\n20261128-000000.0")
    news = EndNews(FileSystem(), path)
    news.add("Dusk", "id-1")
    later = EndNews(FileSystem(), path)
    later.restore()
    assert [later.has(word) for word in ("dawn", "dusk", "id-1", "noon")] == [True, True, True, False]
