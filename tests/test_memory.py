"""What the kernel tells of memory, and how large a picture would have fitted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch import memory
from nst_batch.fitting import RESERVE, Need, advice, estimate, largest_that_fits, scouted_sides


def machine(root: Path, cgroup: str, limits: dict[str, str]) -> tuple[Path, Path]:
    proc, groups = root / "proc", root / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4096000 kB\n")
    (proc / "vmstat").write_text("nr_free_pages 17\noom_kill 3\n")
    (proc / "self/status").write_text("Name:\tpython\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n")
    (proc / "self/cgroup").write_text(cgroup)
    for path, text in limits.items():
        (groups / path).parent.mkdir(parents=True, exist_ok=True)
        (groups / path).write_text(text)
    return proc, groups


@pytest.mark.parametrize(
    ("cgroup", "limits", "free"),
    [
        ("", {}, 4000),
        ("0::/\n", {}, 4000),
        ("0::/a/b\n", {"a/memory.max": str(800 << 20), "a/memory.current": str(300 << 20)}, 500),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/b/memory.current": "5"}, 4000),
        ("0::/a\n", {"a/memory.max": "5", "a/memory.current": "7"}, 0),
        (
            "3:cpu:/\n4:memory:/x/y\n0::/\n",
            {"memory/x/memory.limit_in_bytes": str(900 << 20), "memory/x/memory.usage_in_bytes": str(200 << 20)},
            700,
        ),
    ],
)
def test_what_is_free_is_the_least_of_all_limits(
    tmp_path: Path, cgroup: str, limits: dict[str, str], free: float
) -> None:
    """The machine's, and that of every control group above the process, of either version."""
    proc, groups = machine(tmp_path, cgroup, limits)
    assert memory.free_mb(proc, groups) == pytest.approx(free)


def test_the_rest_of_what_the_kernel_tells(tmp_path: Path) -> None:
    """Kills for want of memory, and what the process holds and has held; nothing known is nothing found."""
    proc, _ = machine(tmp_path, "", {})
    assert memory.oom_kills(proc) == 3
    assert (memory.resident_mb(proc), memory.peak_mb(proc)) == (100, 200)
    assert memory.oom_kills(tmp_path / "nowhere") == 0
    assert memory.peak_mb() >= memory.resident_mb() > 1
    assert os.path.exists("/proc/vmstat") is (memory.free_mb() > 0)  # noqa: PTH110


@given(st.integers(64, 8192), st.integers(1, 8192))
def test_a_size_that_fits_is_found_by_trying(side: int, most: int) -> None:
    """Below what was asked for, and not much smaller than what fits."""
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= most

    found = largest_that_fits(side, fits)
    assert all(size < side for size in tried)
    assert tried == sorted(tried, reverse=True)
    if found is None:
        assert most < 100 or side < 100
    else:
        assert found <= most
        assert found > 0.84 * min(side, most) - 32


@given(st.integers(512, 8192), st.floats(0.5, 20.0), st.floats(100, 2000), st.floats(0.1, 2.0))
def test_a_size_that_fits_is_told_by_two_that_were_measured(
    side: int, bytes_a_pixel: float, base: float, share: float
) -> None:
    """Where memory grows with the pixels, the estimate fits, and is less than was asked for."""

    def need(size: int) -> float:
        return base + bytes_a_pixel * 1000 * size**2 / memory.MB

    small, large = scouted_sides(side)
    assert small < large
    room = need(side) * share
    found = estimate(side, Need(small, need(small)), Need(large, need(large)), room)
    assert found is not None
    assert 64 <= found < side
    assert need(found) <= RESERVE * room or found == 64
    assert estimate(side, Need(small, 500), Need(large, 500), room) is None


def test_the_advice_names_the_size() -> None:
    """Where it is known."""
    assert "size 1408 would have fitted" in advice(1408)
    assert advice(None).startswith("ask for a smaller size")
