"""What a person sees while the daemon works: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nst_batch.cli.listeners import Bars, Lines
from nst_batch.daemon.events import Phased, Stepped
from nst_batch.reasons import Reason
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.spool.claims.live_job import Ended


def handout(name: str = "dusk") -> Any:
    spec = SimpleNamespace(settings=resolve(Patch(epochs=3, steps_per_epoch=10)))
    return SimpleNamespace(id=f"id of {name}", name=name, spec=spec, attempts=SimpleNamespace(runs=1))


def progress(**changes: Any) -> dict[str, Any]:
    return {"step": 10, "steps": 30, "epoch": 1, "epochs": 3, "total": 1234.5, "left": 75.0, "scale": "", **changes}


def ended(name: str = "dusk") -> Ended:
    return Ended(f"id of {name}", name, name, "done", None, Path("/outbox") / name)


@contextmanager
def terminal(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Standard error on a terminal of that size; gives a function that reads what was written there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with os.fdopen(slave, "w", buffering=1) as stream, monkeypatch.context() as patch:
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        patch.setattr(sys, "stderr", stream)
        os.set_blocking(master, False)

        def read() -> str:
            said = b""
            while True:
                try:
                    said += os.read(master, 1 << 16)
                except BlockingIOError:
                    return said.decode()

        yield read
    os.close(master)


@pytest.mark.parametrize(("rows", "columns"), [(30, 110), (24, 80), (0, 0)])
def test_bars_show_the_queue_and_the_running_job(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its step, loss and time left; also on a terminal that does not know its size, as `script` makes them."""
    with terminal(rows, columns, monkeypatch) as read:
        bars = Bars()
        bars.queue(1, 2, 4, 0)
        bars.started(handout())
        bars.phased(Phased(handout(), "reading the images"))
        bars.stepped(Stepped(handout(), progress(), epoch_end=True))
        bars.ended(ended())
        bars.close()
        said = read()
    assert "3 jobs to do: 1 running, 2 waiting, 4 done" in said
    assert "dusk:   0%" in said
    assert "step 0/30, reading the images" in said
    assert "dusk:  33%" in said
    assert "step 10/30, epoch 1/3, loss 1234, 1 min 15 s left" in said
    assert "dusk: done, in /outbox/dusk" in said


@pytest.mark.parametrize(("columns", "head"), [(80, "3 jobs to do: "), (40, "")])
def test_the_queue_is_told_whole_on_a_narrow_terminal(columns: int, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for how many are left, what they are at is not cut."""
    with terminal(24, columns, monkeypatch) as read:
        bars = Bars()
        bars.queue(1, 2, 4, 1)
        said = read()
        bars.close()
    assert f"{head}1 running, 2 waiting, 4 done, 1 failed" in said
    assert ("to do" in said) == bool(head)


def test_a_long_name_leaves_room_for_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A title may have 200 bytes, a terminal has 80 columns."""
    with terminal(24, 100, monkeypatch) as read:
        bars = Bars()
        bars.started(handout("n" * 190))
        bars.stepped(Stepped(handout("n" * 190), progress(), epoch_end=True))
        bars.close()
        said = read()
    assert "…:  33%|" in said
    assert "1 min 15 s left" in said


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_a_bar_has_room_on_every_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a job in several scales, with a long name and a long way to go: what is least worth knowing is left out."""
    at = progress(step=12345, steps=30000, epoch=12, epochs=30, scale="1024 × 768", total=98765.4, left=7261.0)
    with terminal(24, columns, monkeypatch) as read:
        bars = Bars()
        bars.started(handout("a long name of a job as people have them"))
        read()
        bars.stepped(Stepped(handout(), at, epoch_end=False))
        bars.stepped(Stepped(handout("a long name of a job as people have them"), at, epoch_end=True))
        said = read()
        bars.close()
    line = next(part for part in said.split("\r") if " 41%" in part).split("\n")[0].split("\x1b")[0].rstrip()
    assert len(line) <= columns - 4  # room for the ^C that the terminal itself shows
    assert len(line.split("|")[1]) >= (10 if columns >= 60 else 1)
    assert line.endswith("left")
    assert ("step 12345/30000, epoch 12/30 at 1024 × 768, loss 9.877e+04, 2 h 01 min left" in line) == (columns >= 200)
    assert ("loss" in line) == (columns >= 80)


def failure(message: str, advice: str) -> Ended:
    return Ended(
        "id", "dusk", "dusk", "failed", Reason("image_truncated", message, advice), Path("/outbox/failed/dusk")
    )


def test_a_failure_is_laid_out_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What, what to do, and where its inputs are, each on lines of its own, broken between words."""
    message = "harbour.jpg: the file is cut short: 17 of 204 rows are there, and then it ends in the midst of a block"
    with terminal(24, 80, monkeypatch) as read:
        bars = Bars()
        bars.ended(failure(message + "\nand a second", "copy it again, whole"))
        bars.close()
        lines = [line.strip("\r") for line in read().split("\n")]
    at = next(number for number, line in enumerate(lines) if "dusk: failed (image_truncated)" in line)
    assert lines[at + 1 : at + 6] == [
        "    harbour.jpg: the file is cut short: 17 of 204 rows are there, and then it",
        "      ends in the midst of a block",
        "    and a second",
        "    copy it again, whole",
        "    its inputs are in /outbox/failed/dusk",
    ]


def test_a_result_in_a_long_folder_is_laid_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder on a line of its own, where both do not fit on one."""
    with terminal(24, 80, monkeypatch) as read:
        bars = Bars()
        bars.ended(ended("a name, as people give them, " * 3))
        bars.close()
        lines = [line.strip("\r") for line in read().split("\n")]
    assert any(line.endswith("them, : done") for line in lines)


def test_nothing_is_left_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ^C that the terminal itself shows beside a bar is cleared as well."""
    with terminal(24, 80, monkeypatch) as read:
        bars = Bars()
        bars.queue(1, 0, 0, 0)
        bars.started(handout())
        bars.close()
        assert read().endswith("\r\x1b[J")


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_a_further_scale_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, at its first step, and why the loss grows; not of a job in one scale, nor of the scale it begins with."""
    with terminal(24, 120, monkeypatch) as read:
        listener = Bars() if kind == "bars" else Lines()
        listener.started(handout())
        for scale in ("", "", "96 × 64", "96 × 64", "192 × 128", "192 × 128"):
            listener.stepped(Stepped(handout(), progress(scale=scale), epoch_end=False))
        if isinstance(listener, Bars):
            listener.close()
        said = read()
    assert said.count("now at") == 1
    assert "dusk: now at 192 × 128: a larger picture has a larger loss" in said


def test_bars_of_several_jobs_keep_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new job takes the line of one that has ended, and not that of one at work."""
    with terminal(24, 80, monkeypatch):
        bars = Bars()
        for name in ("a", "b"):
            bars.started(handout(name))
        bars.ended(ended("a"))
        bars.started(handout("c"))
        assert sorted(bar.position for bar in bars.jobs.values()) == [1, 2]
        bars.close()


def test_lines_are_one_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps between say nothing; a start, an end and a note have a line each."""
    lines = Lines()
    lines.started(handout())
    lines.stepped(Stepped(handout(), progress(step=9), epoch_end=False))
    lines.stepped(Stepped(handout(), progress(), epoch_end=True))
    lines.phased(Phased(handout(), "saving"))
    lines.ended(ended())
    assert capsys.readouterr().err.splitlines() == [
        "dusk: started",
        "dusk: epoch 1/3, loss 1234.5, 1 min 15 s left",
        "dusk: done, in /outbox/dusk",
    ]


def test_a_loss_of_one_of_several_scales_says_of_which(capsys: pytest.CaptureFixture[str]) -> None:
    """The loss of a larger picture is a larger number: no reason to worry that it grows."""
    at = progress(epoch=2, scale="96 × 64", total=5524.2)
    Lines().stepped(Stepped(handout(), at, epoch_end=True))
    assert capsys.readouterr().err == "dusk: epoch 2/3 at 96 × 64, loss 5524.2, 1 min 15 s left\n"


EVIL = "a\x1b]0;owned\x07\n\u202eb"


def test_names_that_command_a_terminal_are_harmless_in_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bar, beside it and above it; tqdm's own commands are all that is left."""
    with terminal(24, 80, monkeypatch) as read:
        bars = Bars()
        bars.started(handout(EVIL))
        bars.phased(Phased(handout(EVIL), f"reading {EVIL}"))
        bars.phased(Phased(None, EVIL))
        bars.ended(ended(EVIL))
        bars.close()
        said = read()
    assert "a\\x1b]0;owned\\x07\\n\\u202eb: done" in said
    assert "\x1b]" not in said
    assert not set("\x07\u202e") & set(said)


def test_an_event_is_one_line_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the names and messages in it: no line can be forged."""
    lines = Lines()
    lines.started(handout(EVIL))
    lines.note(EVIL)
    lines.ended(Ended("id", EVIL, "t", "failed", Reason("code", "first\nsecond", "advice"), Path("/outbox/failed")))
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 3
    assert "first; second; advice" in told
    assert "\x1b" not in told
