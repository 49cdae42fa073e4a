"""Names that command a terminal, forge lines of a log or turn text around: harmless wherever they are printed."""

from __future__ import annotations

import json
import logging
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from house import House, draw

from nst_batch.cli import main
from nst_batch.cli.terminal import VisibleFormatter

EVIL = "a\x1b]0;owned\x07\x1b[2J\nnst-batch: all is well\r\u202egnp\x9b31m"
BYTES = os.fsdecode(b"caf\xe9\x1b[2J")  # a byte that is not UTF-8


def tame(text: str) -> bool:
    """Nothing in it but printable characters and the ends of lines."""
    bad = [char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char != "\n"]
    return not bad and not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(text)


@pytest.fixture
def evil(make_house: Callable[..., House], tmp_path: Path) -> House:
    """A house at a hostile place, with hostile names in the inbox and texts in the sidecars."""
    house = make_house(tmp_path / BYTES / EVIL)
    draw(house.inbox / f"{EVIL}.png")
    draw(house.inbox / f"{BYTES}.png")
    house.sidecar(EVIL, content=f"{EVIL}.png", style="b.png")
    house.sidecar("glob", content="*.png", style="*.png", title="glob")
    house.sidecar("title", content="*.png", style="*.png", title=EVIL)
    house.sidecar("lonely", content=f"no{EVIL}.png", style="b.png", **{EVIL: EVIL})
    house.sidecar(f"{EVIL}/deep", content="none.png", style="none.png")
    (house.inbox / f"{EVIL}.cancel").touch()
    (house.inbox / f"{EVIL}.yaml.txt").touch()
    (house.inbox / f".{EVIL}").touch()
    return house


def said(captured: pytest.CaptureFixture[str]) -> str:
    told = captured.readouterr()
    assert tame(told.out), told.out
    assert tame(told.err), told.err
    assert "nst-batch: all is well" not in [line.strip() for line in (told.out + told.err).splitlines()]
    return told.out + told.err


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", EVIL],
        ["status"],
        ["stop", EVIL],
        ["cancel", f"glob{EVIL}"],
        ["retry", EVIL, BYTES],
        ["pause"],
        ["resume"],
        ["stylize", EVIL, "b", "c"],
        ["stylize", BYTES, "b", "c", "--title", EVIL],
        ["stylize", "a", "b", "c", "--set", f"{EVIL}={EVIL}", "--set", EVIL],
        ["status", "--config", EVIL],
        ["status", "--debug", "--config", BYTES],
    ],
    ids=lambda words: " ".join(words).split("\x1b")[0].split("\udce9")[0],
)
def test_every_command(evil: House, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Whatever it is asked and whatever lies in the inbox."""
    more = [] if "--config" in words else ["--config", str(evil.config)]
    main([*words, *more])
    assert said(capfd)


def test_a_wrong_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    """What was typed stands in the complaint."""
    with pytest.raises(SystemExit):
        main(["status", EVIL])
    assert "owned" in said(capfd)


def test_status_stays_json(evil: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Escaped as JSON has it, so that a program reads the very names."""
    assert main(["status", "--json", "--config", str(evil.config)]) == 0
    told = capfd.readouterr().out
    assert tame(told)
    assert json.loads(told)["inbox"] == str(evil.inbox)


def test_the_daemon_and_what_it_leaves(evil: House) -> None:
    """Its log, error.txt of every job and the state that others read; nothing of it ends the daemon."""
    done = evil.once("--incomplete", "fail")
    assert done.returncode == 1, done.stderr
    assert tame(done.stderr), done.stderr
    assert "\nnst-batch: all is well" not in done.stderr
    errors = list(evil.outbox.glob("failed/*/error.txt"))
    assert len(errors) == 4, done.stderr
    assert evil.job("glob")["state"] == "done"  # an image is an image, whatever its name
    for path in errors:
        assert tame(path.read_text()), path
    assert main(["status", "--config", str(evil.config)]) == 0


def test_what_libraries_log() -> None:
    """Their words hold names of files as well."""
    record = logging.LogRecord("x", logging.INFO, "x", 1, f"cannot read {EVIL}", None, None)
    assert tame(VisibleFormatter("%(message)s").format(record))


def test_letters_that_the_terminal_has_not_are_escaped(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A result on an ASCII terminal is no reason to fail."""
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        house.sidecar("été", content="夜.png", style="夜.png")
        assert main(["check", "--config", str(house.config)]) == 1
    assert "\\u591c.png" in (tmp_path / "out").read_text()
