"""Who may not look into the inbox or the outbox, such as a new colleague who has not logged in anew, is told so."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from nst_batch.cli import main
from nst_batch.doctor.folders import folder
from nst_batch.spool.disk import attach


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of an inbox and an outbox that the system says are not for us: root, who runs some tests, may look anywhere."""
    path = tmp_path / "config.yaml"
    path.write_text("inbox: in\noutbox: out\nweights: untrained\ndevice: cpu\n")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o770)
    closed = {str(tmp_path / "in"), str(tmp_path / "out")}
    system = os.access

    def access(asked: Path, mode: int, **how: bool) -> bool:
        return str(asked) not in closed and system(asked, mode, **how)

    monkeypatch.setattr(attach.os, "access", access)
    monkeypatch.setattr(attach.os, "getgroups", lambda: [])
    monkeypatch.setattr(attach.os, "getegid", lambda: -1)
    monkeypatch.setattr(attach.names, "group_called", lambda _gid: "studio")
    monkeypatch.setattr(attach.names, "user_called", lambda _uid: "carol")
    return path


JOIN = "its group studio may: sudo usermod -aG studio carol, then log in anew"


@pytest.mark.parametrize(
    ("line", "which"),
    [
        ("status", "out"), ("status --json", "out"), ("prune --older 3d", "out"), ("again x", "out"),
        ("check", "in"), ("stop x", "in"), ("cancel x", "in"), ("retry --all", "in"), ("pause", "in"), ("resume", "in"),
    ],
)  # fmt: skip
def test_every_command_says_that_a_folder_is_closed(
    line: str, which: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never that it is empty; with who may, and how to become one of those."""
    assert main([*line.split(), "--config", str(config)]) == 75
    told = f"nst-batch: {config.parent / which} may not be read by user carol\nnst-batch: {JOIN}\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("line", ["stop x", "cancel x", "retry x", "retry --all"])
def test_a_closed_outbox_is_told_where_its_failed_jobs_count(
    line: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The inbox may be open all the same."""
    (config.parent / "in").rename(config.parent / "open")
    config.write_text(config.read_text().replace("in\n", "open\n", 1))
    assert main([*line.split(), "--config", str(config)]) == 75
    assert f"{config.parent / 'out'} may not be read by user carol" in capsys.readouterr().err


def test_status_tells_that_it_cannot_see_what_waits_in_a_closed_inbox(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside what the outbox has; nothing says that the queue is empty. What lies below cannot even be asked for."""
    system = Path.stat

    def stat(asked: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if asked.parent == config.parent / "in":
            raise PermissionError(errno.EACCES, "Permission denied", str(asked))
        return system(asked, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    (config.parent / "out").rename(config.parent / "open")
    config.write_text(config.read_text().replace("out\n", "open\n", 1))
    assert main(["status", "--json", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["blocked"] == f"{config.parent / 'in'} may not be read by user carol; {JOIN}"
    assert told["empty_at"] is None


def test_where_the_group_may_not_either_it_is_the_folders_mode(config: Path) -> None:
    """Then joining helps nobody. A config is checked whoever asks."""
    (config.parent / "in").chmod(0o700)
    with pytest.raises(attach.NotNowError) as caught:
        attach.refuse_closed(config.parent / "in", config.parent / "not there")
    assert caught.value.advice == f"let user carol read it: chown or chmod {config.parent / 'in'}"
    assert main(["check", "--no-sidecars", "--config", str(config)]) == 0


def test_doctor_says_it_too(config: Path) -> None:
    """In place of a right for one user alone."""
    assert folder("inbox", config.parent / "in", write=True).advice == JOIN
