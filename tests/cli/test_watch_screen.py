"""`status --watch` on a terminal: the top of the queue stays in view, and what the terminal showed before is kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest
from house import House

from nst_batch.cli.terminal import cut_to

SIZE = os.terminal_size((20, 6))


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([], []),
        (["a", "b", "c", "d", "e"], ["a", "b", "c", "d", "e"]),
        (["a", "b", "c", "d", "e", "f"], ["a", "b", "c", "d", "… and 2 more lines: x"]),
        (["a" * 20, "b" * 41, "c"], ["a" * 20, "b" * 41, "c"]),
        (["a" * 21, "b" * 41, "c"], ["a" * 21, "… and 2 more lines: x"]),
        (["絵" * 11, "b", "c", "d", "e"], ["絵" * 11, "b", "c", "… and 2 more lines: x"]),
        (["a" * 100, "b"], ["… and 2 more lines: x"]),
    ],
)
def test_as_many_lines_as_there_are_rows(lines: list[str], shown: list[str]) -> None:
    """The last row is the cursor's; a wide line takes several rows, and what is left out is counted."""
    assert cut_to(lines, SIZE, "x") == shown


def test_a_terminal_of_one_row_still_tells_how_much_there_is() -> None:
    """It cannot be right there, but nothing goes wrong."""
    assert cut_to(["a", "b", "c"], os.terminal_size((20, 1)), "x") == ["a", "… and 2 more lines: x"]


def test_status_watch_on_a_terminal_that_is_too_low(tmp_path) -> None:
    """Each screen begins with the daemon and the first of the queue; Ctrl-C ends it, and no escape clears what was."""
    house = House(tmp_path, tmp_path / "none.h5")
    for number in range(30):
        house.sidecar(f"job{number:02}", content="x.png", style="y.png")
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    words = [sys.executable, "-m", "nst_batch", "status", "--watch", "--config", str(house.config)]
    with subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        read = b""
        while read.count(b"more lines: nst-batch status\r\n") < 2:
            read += os.read(main, 1 << 16)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # Linux: nobody has the other end open any more
            while more := os.read(main, 1 << 16):
                read += more
        assert process.wait(30) == 0
    os.close(main)
    told = read.decode()
    assert "\x1b[2J" not in told
    assert "\x1b[3J" not in told
    assert "Traceback" not in told
    before, *screens = told.split("\x1b[H\x1b[J")
    assert before == "\r\n" * 10, "what the terminal showed is scrolled up, once"
    assert len(screens) == 2
    for screen in screens:
        rows = screen.split("\r\n")
        assert rows[1].startswith("daemon   not running")
        assert rows[2].startswith("waiting  job00")
        assert rows[8].startswith("… and ")
        assert len(rows) == 10, "the last one is the cursor's"
