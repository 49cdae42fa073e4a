"""show: a window where there is a display, one plain error where there is none, never an abort."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from nst_batch.cli.window import close, show, shown_size
from nst_batch.errors import UsageError

PICTURE = np.full((48, 64, 3), 0.5, np.float32)
PROGRAM = (
    "import numpy as np; from nst_batch.cli.window import close, show\n"
    "for side in (64, 1500): show('nst_batch test', np.full((side, 64, 3), 0.5, np.float32))\n"
    "close(); print('shown')"
)


def test_without_a_display_show_says_what_to_do(monkeypatch):
    """Neither DISPLAY nor WAYLAND_DISPLAY: a usage error with advice, at once."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match="needs a display") as caught:
        show("x", PICTURE)
    assert caught.value.code == "no_display"
    assert "--show" in caught.value.advice


def test_a_display_that_does_not_answer_is_an_error_not_an_abort(monkeypatch):
    """Qt would end the process here (SIGABRT); instead the display's name and Qt's reason are told."""
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match="DISPLAY=:987") as caught:
        show("x", PICTURE)
    assert caught.value.code == "no_display"
    close()  # nothing was opened: nothing happens


@pytest.mark.parametrize(
    ("size", "shown"),
    [((512, 768), (512, 768)), ((96, 128), (288, 384)), ((1500, 3000), (512, 1024)), ((3, 3000), (1, 1024))],
)
def test_a_picture_is_shown_at_a_sensible_size(size, shown):
    """As it is; a small one larger, so that it can be seen, a large one smaller, so that it fits a screen."""
    assert shown_size(size) == shown


@pytest.mark.system
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed: no display to be had")
def test_a_window_opens_where_there_is_a_display():
    """On a real X server the window opens, takes two pictures and closes."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    try:
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        environment = {**os.environ, "DISPLAY": f":{number}"}
        environment.pop("WAYLAND_DISPLAY", None)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout == "shown\n", done.stderr
        assert time.monotonic() - started < 100
    finally:
        server.terminate()
        server.wait(10)
