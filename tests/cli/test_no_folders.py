"""What stands at the path of the inbox or the outbox and is no folder: every command says so, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nst_batch.cli import main
from nst_batch.errors import SetupError
from nst_batch.spool.disk.attach import Attachment, no_folder
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import Places

MAKE: dict[str, Callable[[Path], object]] = {
    "a plain file": lambda path: path.write_text("hi"),
    "a pipe, a socket or a device": os.mkfifo,
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("inbox: in\noutbox: out\nweights: untrained\ndevice: cpu\n")
    return path


@pytest.mark.parametrize("which", ["in", "out"])
@pytest.mark.parametrize("kind", MAKE)
def test_every_command_says_what_stands_there(
    config: Path, which: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, where and what to do, with exit code 78; `status` shows it as what the queue waits for."""
    place = config.parent / which
    MAKE[kind](place)
    name = {"in": "inbox", "out": "outbox"}[which]
    words = ["check", "pause", "resume", "retry --all", "retry x", "cancel x", "stop x", "again x"]
    for line in [*words, "prune --older 3d"]:
        assert main([*line.split(), "--config", str(config)]) == 78, line
        assert capsys.readouterr().err == (
            f"nst-batch: {place} is {kind}, and no folder\n"
            f"nst-batch: move it away, or name a folder as {name}: in config.yaml\n"
        ), line
    assert main(["status", "--config", str(config)]) == 0
    assert f"waits    {place} is {kind}, and no folder; move it away, or" in capsys.readouterr().out
    with pytest.raises(SetupError, match=f"{place} is {kind}, and no folder"):  # as the daemon takes hold
        Attachment(FileSystem(), Places(config.parent / "in", config.parent / "out")).attach(0.0)
    assert os.path.lexists(place)
    assert not place.is_dir()


def test_what_stands_above_a_folder_counts_too(tmp_path: Path) -> None:
    """A folder can be made below folders alone; what is a folder, a link to one or not there yet is no fault."""
    (tmp_path / "file").write_text("hi")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "round").symlink_to("round")
    found = no_folder(tmp_path / "file/deep/inbox")
    assert found == f"{tmp_path}/file/deep/inbox cannot be there: {tmp_path}/file is a plain file, and no folder"
    assert "a link that leads nowhere" in no_folder(tmp_path / "round")
    for fine in ("folder", "link", "link/new/one", "not/yet"):
        assert no_folder(tmp_path / fine) == ""
