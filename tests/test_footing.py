"""footing: a system that lacks what a night rests on is told so at once, in words for people."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nst_batch.footing import USUAL_FILES, Footing, faults, stand

GOOD = Footing("Linux", "6.1", "glibc 2.36", "x86_64", (3, 11), True, 4096)


def test_a_usual_system_is_fine_and_names_itself() -> None:
    """Both processors and all three Pythons."""
    for processor in ("x86_64", "aarch64"):
        for minor in (11, 12, 13):
            assert faults(GOOD._replace(processor=processor, python=(3, minor))) == ()
    assert str(GOOD) == "Linux 6.1, glibc 2.36, x86_64"
    assert faults(Footing.here()) == ()


@pytest.mark.parametrize(
    ("other", "what", "advice"),
    [
        ({"system": "Darwin"}, "this is Darwin", "WSL2"),
        ({"libc": ""}, "not glibc", "Debian"),
        ({"processor": "armv7l"}, "this processor is armv7l", "64-bit"),
        ({"python": (3, 10)}, "this is Python 3.10, and it takes 3.11 to 3.13", "make PYTHON="),
        ({"python": (3, 14)}, "this is Python 3.14", "make PYTHON="),
        ({"proc": False}, "/proc is not mounted", "mount -t proc"),
        ({"files": 10}, "no more than 10 files may be open at once here", "ulimit"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(other: dict[str, Any], what: str, advice: str) -> None:
    """One fault each."""
    (fault,) = faults(GOOD._replace(**other))
    assert what in fault[0]
    assert advice in fault[1]


def test_a_low_soft_limit_is_raised_and_a_high_one_left() -> None:
    """The hard one is the system's word, the soft one a habit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_FILES - 1, before[1]))
        stand()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (USUAL_FILES, before[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_FILES + 9, before[1]))
        stand()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == USUAL_FILES + 9
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_daemon_does_not_start_where_ten_files_may_be_open(tmp_path: Path) -> None:
    """78, since a person has to change it; the limit's name and what to do, and nothing made."""
    (tmp_path / "config.yaml").write_text("weights: untrained\n")
    done = subprocess.run(
        [sys.executable, "-m", "nst_batch", "run", "--once", "--config", str(tmp_path / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)),
    )
    assert done.returncode == 78
    assert "no more than 10 files may be open" in done.stderr
    assert "LimitNOFILE=" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
