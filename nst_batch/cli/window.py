"""A window that shows a picture as it grows, or a plain error where there is no display.

The Qt inside opencv-python ends the whole process (SIGABRT) when it cannot reach the display. So another
process tries first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from typing import Literal

import cv2

from nst_batch.characters import visible
from nst_batch.colors.curves import Floats
from nst_batch.errors import UsageError
from nst_batch.images.encoding import quantize
from nst_batch.images.resizing import resize_array

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_PROBE = "import cv2; cv2.namedWindow('nst_batch', cv2.WINDOW_NORMAL); cv2.destroyAllWindows()"
_PROBE_SECONDS = 60
_MIN_SIDE, _MAX_SIDE = 384, 1024  # pixels of the long side
_ESCAPE = 27
_ADVICE = "run it in a desktop session (ssh -X where it is remote), or leave out --show"

_opened: set[str] = set()
Heard = Literal["", "q", "closed"]


def show(window: str, rgb: Floats, title: str = "", size: tuple[int, int] | None = None) -> Heard:
    """The picture (H × W × 3, [0, 1]) in a window that is opened where it is not yet, under ``title``.

    It is shown at ``size`` (height, width: the result's, so that the window stays as it is from scale to scale), and
    within 384 to 1,024 pixels of the long side, so that it is seen and fits a screen. Returns at once, but lets the
    window draw itself, and tells what was typed in it (``q``, or Escape) or that it was closed.
    Raises UsageError no_display where none can be opened.
    """
    check_display()
    # Qt warns on the terminal about fonts that a window with a picture in it does not need.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
    if window in _opened and cv2.getWindowProperty(window, cv2.WND_PROP_VISIBLE) < 1:
        _opened.discard(window)
        return "closed"
    pixels = quantize(resize_array(rgb, shown_size(size or (rgb.shape[0], rgb.shape[1]))))
    if window not in _opened:
        cv2.namedWindow(window, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        _opened.add(window)
    cv2.imshow(window, pixels[..., ::-1])
    if title:
        cv2.setWindowTitle(window, visible(title))
    key = cv2.waitKey(1) & 0xFF
    return "q" if key in (ord("q"), ord("Q"), _ESCAPE) else ""


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """At what size (height, width) a picture of that size is shown."""
    long_side = max(size)
    side = min(max(long_side, _MIN_SIDE), _MAX_SIDE)
    height, width = (max(1, round(each * side / long_side)) for each in size)
    return height, width


def close() -> None:
    """Closes every window that ``show`` opened."""
    if any(os.environ.get(name) for name in _DISPLAYS):
        cv2.destroyAllWindows()
    _opened.clear()


def check_display() -> None:
    """Raises UsageError no_display where a window cannot be opened; tried once a display."""
    names = tuple(os.environ.get(name, "") for name in _DISPLAYS)
    if not any(names):
        message = "--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set"
        raise UsageError("no_display", message, _ADVICE)
    reason = _probe(names)
    if reason:
        named = " ".join(f"{k}={v}" for k, v in zip(_DISPLAYS, names, strict=True) if v)
        raise UsageError("no_display", f"--show cannot open a window on {named}: {reason}", _ADVICE)


@lru_cache(maxsize=8)
def _probe(displays: tuple[str, ...]) -> str:
    """Why a window cannot be opened on the DISPLAY and WAYLAND_DISPLAY given; empty where it can."""
    environment = {**os.environ, **dict(zip(_DISPLAYS, displays, strict=True))}
    command = [sys.executable, "-c", _PROBE]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {_PROBE_SECONDS} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[0][:200] if lines else f"the attempt ended with {done.returncode}"
