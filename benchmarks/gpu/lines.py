"""What a measuring child tells its parent: a JSON line a figure, everything else is passed over."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

MARK = "figure "
REMARK = re.compile(r"[IW]\d{4} |WARNING: All log messages")  # of TensorFlow's start, whatever its log level is


def emit(part: str, **fields: Any) -> None:
    """Tell one figure."""
    rounded = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in fields.items()}
    print(MARK + json.dumps({"part": part, **rounded}), flush=True)


def complaint(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:400]


def run_child(
    module: str,
    arguments: Sequence[str],
    seconds: float,
    take: Callable[[dict[str, Any]], None],
    environ: dict[str, str] | None = None,
) -> str:
    """Run ``python -m module`` and pass each of its figures to ``take``; why it ended badly, or an empty string."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environ
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        late = threading.Timer(seconds, child.kill)
        said: list[str] = []
        listener = threading.Thread(target=said.extend, args=(child.stderr,), daemon=True)
        listener.start()
        late.start()
        for line in child.stdout:
            if line.startswith(MARK):
                take(json.loads(line.removeprefix(MARK)))
        code = child.wait()
        ended_by_us = not late.is_alive()
        late.cancel()
        listener.join(2.0)
    if code == 0:
        return ""
    if ended_by_us:
        return f"more than {seconds:.0f} s"
    last = next((line.strip() for line in reversed(said) if line.strip() and not REMARK.match(line)), "")
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"{how}: {last[:300]}" if last else how
