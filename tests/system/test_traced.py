"""The kernel's own view of a night: which names the daemon, its worker and the gallery ever hand to it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house import House, draw

pytestmark = pytest.mark.system
STRACE = shutil.which("strace")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def may_trace() -> bool:
    """Whether strace is there and may follow a process."""
    return (
        STRACE is not None and subprocess.run([STRACE, "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0
    )


@pytest.mark.skipif(not may_trace(), reason="no strace that may trace (Debian: apt-get install strace)")
def test_no_file_of_the_inbox_or_a_library_is_looked_up_by_its_path(tmp_path: Path) -> None:
    """Found, read, claimed, copied, looked at again, archived, shown in the gallery: by its last name in a folder that
    openat2 has opened beneath the root without links. So what was checked is what is used.
    """
    house = House(tmp_path, Path("untrained"), library=["library"], after="archive")
    dropped = [
        draw(house.inbox / "deep/er" / name, hue=40 * number) for number, name in enumerate(("a1.png", "a2.png"))
    ]
    dropped.append(draw(tmp_path / "library/prints/wave.png", hue=90))
    dropped.append(draw(house.inbox / "deep/cut.png"))
    dropped[-1].write_bytes(dropped[-1].read_bytes()[:-40])
    dropped.append(house.sidecar("grid", folder="deep/er", content="a*.png", style="prints/wave.png", output="series"))
    dropped.append(house.sidecar("half", folder="deep", content="cut.png", style="prints/wave.png"))
    dropped.append(house.sidecar("broken", folder="deep", sise=1))
    trace = tmp_path / "trace"
    strace = [str(STRACE), "-f", "-qq", "-s", "4096", "-e", "trace=%file,openat2", "-o", str(trace)]
    run = [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(house.config)]
    done = subprocess.run([*strace, *run], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 1, done.stderr[-2000:]  # the broken ones have failed
    assert {"a1-wave", "a2-wave"} <= {path.name for path in (house.outbox / "series").iterdir()}
    assert {path.name for path in (house.outbox / "failed").iterdir()} == {"half", "broken"}
    calls = trace.read_text(errors="replace").splitlines()
    beneath = [call for call in calls if "openat2(" in call]
    assert len(beneath) > 100
    assert all("RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH" in call for call in beneath)
    tails = tuple("/".join(path.parts[-2:]) for path in dropped)  # its folder's name and its own
    by_path = [call for call in calls if any(name.endswith(tails) for name in _QUOTED.findall(call))]
    assert by_path == []
