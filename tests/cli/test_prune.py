"""`prune`: what is old leaves the outbox, when it is really asked for."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from nst_batch.cli import main
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.outbox.prune import LEAVING_PREFIX


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """An outbox of old and new, of results and failures, and of what is none of ours."""
    (tmp_path / "config.yaml").write_text("{}")
    folder = tmp_path / "outbox"
    (tmp_path / "inbox").mkdir()
    for name, state, days in (
        ("old", "done", 40),
        ("anna/older", "stopped", 90),
        ("new", "done", 2),
        ("failed/old", "failed", 40),
        ("failed/new", "cancelled", 1),
        ("running/busy", "done", 99),
    ):
        place = folder / name
        (place / "input").mkdir(parents=True)
        (place / "input/a.jpg").write_bytes(bytes(500_000))
        ended = datetime.now(UTC) - timedelta(days=days)
        (place / "job.json").write_text(json.dumps({"state": state, "title": "t", "finished_at": ended.isoformat()}))
    (folder / "mine").mkdir()
    (folder / "mine/job.json").write_text("{}")
    (folder / "mine/notes.txt").write_text("keep")
    os.utime(folder / "mine", (0, 0))
    return folder


def prune(outbox: Path, *words: str) -> int:
    return main(["prune", "--config", str(outbox.parent / "config.yaml"), *words])


def there(outbox: Path) -> set[str]:
    """The jobs, and what is not one."""
    return {path.parent.relative_to(outbox).as_posix() for path in outbox.rglob("job.json")}


ALL = {"old", "anna/older", "new", "failed/old", "failed/new", "running/busy", "mine"}


def test_without_yes_it_only_says_what_would_go(outbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oldest first, with its size, and the sum."""
    assert prune(outbox, "--older", "30d") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["anna/older", "old", "failed/old"] or [
        line.split()[-1] for line in lines
    ] == ["anna/older", "failed/old", "old"]
    assert "stopped" in lines[0]
    assert "0.5 MB" in lines[0]
    assert last == "3 jobs, 1.5 MB; nothing is removed without --yes"
    assert there(outbox) == ALL


def test_with_yes_what_is_old_goes(outbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is new, at work, or nobody's job stays; a folder goes with the last thing in it; the gallery knows."""
    left = outbox / f"{LEAVING_PREFIX}cut-short"
    left.mkdir()
    assert prune(outbox, "--older", "30d", "--yes") == 0
    assert "3 jobs removed" in capsys.readouterr().out
    assert there(outbox) == {"new", "failed/new", "running/busy", "mine"}
    assert not (outbox / "anna").exists()
    assert (outbox / "failed").is_dir()
    assert not left.exists(), "what a prune that was killed left"
    assert "./new/" in (outbox / "index.html").read_text()
    assert prune(outbox, "--older", "30d", "--yes") == 0
    assert "no job ended more than 30d ago" in capsys.readouterr().out


def add_sheet(outbox: Path, folder: str, jobs: list[str], days: int) -> None:
    """The contact sheet of some jobs, as the gallery leaves it."""
    place = outbox / folder
    place.mkdir(parents=True)
    tiles = [{"base": f"{quote(job)}/", "at": time.time() - days * 86_400} for job in jobs]
    (place / "sheet.json").write_text(json.dumps({"format": 1, "claim": "c", "places": tiles, "shown": tiles}))
    (place / "index.html").write_text("the page")


def test_a_sheet_goes_with_the_last_of_its_jobs(outbox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So do the folders that it was the last thing in; one with a job left, or too young, or only begun stays."""
    add_sheet(outbox, "anna/walk-sheet", ["anna/older", "failed/old", "gone/long & ago"], 40)
    add_sheet(outbox, "deep/down/gone-sheet", ["gone/long & ago"], 50)
    add_sheet(outbox, "half-sheet", ["old", "new"], 40)
    add_sheet(outbox, "young-sheet", ["gone/today"], 1)
    (outbox / "begun-sheet").mkdir()
    (outbox / "begun-sheet/sheet.json").write_text('{"claim": "c"}')
    assert prune(outbox, "--older", "30d", "--failed") == 0
    assert "sheet" not in capsys.readouterr().out
    assert prune(outbox, "--older", "30d", "--yes") == 0
    told = capsys.readouterr().out
    assert re.search(r"  sheet +0\.0 MB  anna/walk-sheet$", told, re.MULTILINE)
    assert "3 jobs and 2 sheets removed" in told
    assert there(outbox) == {"new", "failed/new", "running/busy", "mine"}
    left = {path.parent.name for path in outbox.rglob("sheet.json")}
    assert left == {"half-sheet", "young-sheet", "begun-sheet"}
    assert not (outbox / "anna").exists()
    assert not (outbox / "deep").exists()


def refusing(monkeypatch: pytest.MonkeyPatch, code: int, only: str = "") -> None:
    """Of the file system: folders, or one of them, cannot be renamed."""
    rename = FileSystem.rename_noreplace

    def refuse(self: FileSystem, source: Path, target: Path) -> None:
        if only in str(source):
            raise OSError(code, os.strerror(code), str(source), None, str(target))
        rename(self, source, target)

    monkeypatch.setattr(FileSystem, "rename_noreplace", refuse)


def test_a_disk_that_refuses_is_told_with_the_job_and_what_to_do(
    outbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, as "not now" (75); nothing is said to be removed, and nothing of a queue that would go on by itself."""
    refusing(monkeypatch, errno.EROFS)
    assert prune(outbox, "--older", "30d", "--yes") == 75
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        f"nst-batch: {outbox}/anna/older cannot be removed: the file system is read-only",
        "nst-batch: mount it writable, then give the command again",
    ]
    assert "removed" not in told.out
    assert there(outbox) == ALL


def test_what_may_not_be_removed_keeps_nothing_else(
    outbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of somebody else's is told, once the others are gone and counted."""
    refusing(monkeypatch, errno.EPERM, "/older")
    assert prune(outbox, "--older", "30d", "--yes") == 75
    told = capsys.readouterr()
    assert "2 jobs removed, 1.0 MB" in told.out
    assert told.err.splitlines() == [
        f"nst-batch: {outbox}/anna/older cannot be removed: not permitted",
        "nst-batch: give the command as a user who may write there",
    ]
    assert there(outbox) == ALL - {"old", "failed/old"}
    assert "./old/" not in (outbox / "index.html").read_text()


def test_a_folder_with_anything_else_in_it_stays(outbox: Path) -> None:
    """A person's notes beside results are theirs."""
    (outbox / "anna/notes.txt").write_text("keep")
    assert prune(outbox, "--older", "30d", "--yes") == 0
    assert [path.name for path in (outbox / "anna").iterdir()] == ["notes.txt"]


def test_failures_alone(outbox: Path) -> None:
    """The inputs of what was done well stay beside it."""
    assert prune(outbox, "--older", "12h", "--failed", "--yes") == 0
    assert there(outbox) == ALL - {"failed/old", "failed/new"}


def test_a_link_is_not_followed(outbox: Path, tmp_path: Path) -> None:
    """A folder of somebody else's, linked into the outbox, is no job."""
    elsewhere = tmp_path / "elsewhere"
    (outbox / "old").rename(elsewhere)
    (outbox / "linked").symlink_to(elsewhere)
    assert prune(outbox, "--older", "0", "--yes") == 0
    assert (elsewhere / "job.json").exists()
    assert (outbox / "linked").is_symlink()


@pytest.mark.parametrize("time", ["soon", "-1d", "30 days ago", "1e3"])
def test_a_time_that_is_none_removes_nothing(outbox: Path, capsys: pytest.CaptureFixture[str], time: str) -> None:
    """It says how one is written."""
    assert prune(outbox, f"--older={time}", "--yes") == 2
    assert "such as 30d" in capsys.readouterr().err
    assert there(outbox) == ALL


def test_what_another_user_has_left_keeps_nobody(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of theirs that was killed; only they may remove it."""
    theirs = outbox / f"{LEAVING_PREFIX}theirs"
    theirs.mkdir()
    rmtree = FileSystem.rmtree

    def refuse(self: FileSystem, path: Path) -> None:
        if path == theirs:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        rmtree(self, path)

    monkeypatch.setattr(FileSystem, "rmtree", refuse)
    assert prune(outbox, "--older", "30d", "--yes") == 0
    assert there(outbox) == {"new", "failed/new", "running/busy", "mine"}
