"""What the kernel tells of memory, and how large a picture would have fitted."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch import machine_memory
from nst_batch.capacity import (
    Demand,
    Place,
    advice,
    check_job,
    cpu_room,
    expected_place,
    gpu_memory_mb,
    gpu_room,
    held_by_others_mb,
)
from nst_batch.errors import JobError
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.sizing import Shape
from nst_batch.transfer.memory_plan import MemoryPlan
from nst_batch.transfer.spec import Precision

MEMORY = MemoryPlan("float32")


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
    assert machine_memory.free_mb(proc, groups) == pytest.approx(free)


def test_the_rest_of_what_the_kernel_tells(tmp_path: Path) -> None:
    """Kills for want of memory, and what the process holds; nothing known is nothing found."""
    proc, _ = machine(tmp_path, "", {})
    assert machine_memory.oom_kills(proc) == 3
    assert machine_memory.resident_mb(proc) == 100
    assert machine_memory.oom_kills(tmp_path / "nowhere") == 0
    assert machine_memory.resident_mb() > 1
    assert os.path.exists("/proc/vmstat") is (machine_memory.free_mb() > 0)  # noqa: PTH110


@pytest.mark.parametrize(
    ("cgroup", "limits", "total"),
    [
        ("0::/\n", {}, 9_000_000 / 1024),
        ("0::/a/b\n", {"a/memory.max": str(800 << 20), "a/memory.current": str(300 << 20)}, 800),
    ],
)
def test_what_there_is_is_the_least_of_all_limits(
    tmp_path: Path, cgroup: str, limits: dict[str, str], total: float
) -> None:
    """Whatever is in use of it."""
    proc, groups = machine(tmp_path, cgroup, limits)
    assert machine_memory.total_mb(proc, groups) == pytest.approx(total)
    assert machine_memory.total_mb(tmp_path / "nowhere", groups) == 0


# --- how large a picture fits ---------------------------------------------------------------------------


def test_the_room_of_a_machine() -> None:
    """As docs/engine.md has it: three fifths of a small one, 4 GB of a large one, four fifths of a GPU's."""
    assert cpu_room(2000.0).planned_mb == pytest.approx(1200)
    assert cpu_room(64_000.0).planned_mb == 4096 == cpu_room(0.0).planned_mb
    assert gpu_room(80_000.0).planned_mb == pytest.approx(64_000)
    assert gpu_room(0.0).planned_mb > 1e9


def test_a_gpu_tells_its_memory_or_not() -> None:
    """By its number; the smallest where none is named; nothing where there is no driver, or it does not know."""
    asked: list[tuple[str, ...]] = []

    def smi(*arguments: str) -> str:
        asked.append(arguments)
        return "81559\n24576\n" if len(asked) < 3 else "[N/A]\n"

    assert gpu_memory_mb(1, smi) == 24576
    assert "--id=1" in asked[0]
    assert gpu_memory_mb(None, smi) == 24576
    assert not any(word.startswith("--id") for word in asked[1])
    assert gpu_memory_mb(0, smi) == 0
    assert gpu_memory_mb(0, lambda *_: "") == 0


@pytest.mark.parametrize(
    ("lines", "held"),
    [("7, 500\n8, 20000\n9, 300\n", 20_300), ("8, 20000\n", 0), ("7, 500\n8, [N/A]\n", 0), ("", 0)],
)
def test_what_others_hold_of_a_gpu_is_what_the_driver_lists_beside_ourselves(lines: str, held: float) -> None:
    """In a container it lists processes by other numbers, or none: then nothing is made of them."""
    assert held_by_others_mb("GPU-aa", 7, lambda *_: lines) == held


@given(st.integers(32, 4096), st.integers(32, 4096), st.floats(1500, 60_000), st.booleans())
def test_the_largest_side_fits_and_a_larger_one_does_not(height: int, width: int, room: float, whole: bool) -> None:
    """By the estimate that the plan goes by, for any shape."""
    side = MEMORY.largest_side(height, width, room, whole=whole)
    strip_plan = None if whole else MEMORY.strip_plan(1, 0.0)
    short = side * min(height, width) / max(height, width)
    assert side % 16 == 0
    if side:
        assert MEMORY.peak_mb(int(side * short), strip_plan) <= room + 0.01
    grown = (side + 16) / max(side, 1)
    assert MEMORY.peak_mb(int(max(side * grown * short * grown, 257)) + 1, strip_plan) > room or side == 0


def demand(shape: tuple[int, int], style: tuple[int, int], precision: Precision = "float32", **keys: Any) -> Demand:
    return Demand(resolve(Patch(**keys)), precision, Shape(*shape), (Shape(*style),))


def as_advised(asked: Demand, error: JobError) -> Demand:
    """The same job with the sizes that the advice names."""
    told = error.advice.partition(" should")[0]
    named = {key: int(side) for key, side in re.findall(r"(size|style_size) (\d+)", told)}
    if "no more" in error.advice:
        named["style_size"] = named["size"]
    return replace(asked, settings=asked.settings.model_copy(update=named))


@given(
    st.tuples(st.integers(300, 9000), st.integers(300, 9000)),
    st.tuples(st.integers(300, 9000), st.integers(300, 9000)),
    st.sampled_from(["full", 512, 4000, 16384]),
    st.sampled_from([None, 512, 4000, 16384]),
    st.sampled_from(["fine", "nnst", "classic"]),
    st.sampled_from(["adam", "lbfgs"]),
    st.sampled_from(["float32", "bfloat16"]),
    st.floats(1500, 64_000),
)
def test_what_is_advised_fits(
    shape: tuple[int, int],
    style: tuple[int, int],
    size: Any,
    style_size: int | None,
    preset: Any,
    optimizer: Any,
    precision: Precision,
    total: float,
) -> None:
    """Whoever does as the advice of `out_of_memory` says hears no more of it, and has no picture that is too small."""
    place = Place(cpu_room(total), has_bfloat16=precision == "bfloat16")
    asked = demand(shape, style, precision, size=size, style_size=style_size, preset=preset, optimizer=optimizer)
    try:
        asked.check(place.room)
    except JobError as error:
        if "no size of it fits" not in error.advice:
            advised = as_advised(asked, error)
            advised.check(place.room)
            inputs: Any = [("content", "a", advised.content), ("style", "b", *advised.styles)]
            assert check_job(advised.settings, inputs, place).need_mb(place.room.planned_mb) <= total


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"size": 16384}, {"size", "style_size"}),
        ({"size": 128, "style_size": 16384}, {"style_size"}),
        ({"size": 16384, "style_size": 256}, {"size"}),
        ({"size": 16384, "style_size": 16383}, {"size", "style_size"}),
        ({"size": 16384, "style_size": 16384}, {"size", "style_size"}),
    ],
)
def test_the_advice_names_what_helps(keys: dict[str, int], named: set[str]) -> None:
    """Of the result's size and the style's the one that is too large, or both, each with what fits."""
    asked = demand((4000, 3000), (3000, 3000), **keys)
    fits = asked.what_fits(8192.0)
    assert set(fits) == named
    for key, side in fits.items():
        assert 64 <= side < keys.get(key, 16384)
    with pytest.raises(JobError) as caught:
        asked.check(cpu_room(8192.0))
    assert ("style" in caught.value.message) is (named == {"style_size"})
    assert caught.value.advice == advice(asked.what_fits(0.9 * 8192.0))


def test_where_no_size_fits_none_is_named() -> None:
    """Neither one that is too large still, nor one at which a narrow picture has too few pixels."""
    for asked in (demand((400, 300), (400, 300)), demand((16_000, 33), (3000, 3000), size="full")):
        with pytest.raises(JobError) as caught:
            asked.check(cpu_room(1000.0))
        assert caught.value.advice.startswith("no size of it fits here")


def test_the_advice_names_the_sizes() -> None:
    """Where they are known."""
    assert advice({"style_size": 1408}).startswith("style_size 1408 should fit: ask for that")
    assert advice({"size": 96, "style_size": 96}).startswith("size 96 should fit (with a style_size of no more)")
    assert advice({"size": 1408, "style_size": 96}).startswith("size 1408 with style_size 96 should fit: ask for those")
    assert advice(None).startswith("ask for a smaller size")


def test_where_jobs_are_painted_is_told_without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's memory and whether it has bfloat16, else the processor's flags and the machine's memory."""
    answers = {"memory.total": "8000\n24000\n", "compute_cap": "9.0\n7.5\n"}

    def smi(query: str, *_: str) -> str:
        return answers[query.partition("=")[2]]

    assert expected_place("auto", smi) == Place(gpu_room(8000.0), has_bfloat16=False)
    answers["compute_cap"] = "[N/A]\n"
    assert expected_place((0, 1), smi).precision("auto") == "bfloat16"
    monkeypatch.setattr(machine_memory, "total_mb", lambda: 9000.0)
    for flags, bfloat16 in (("fpu amx_bf16", True), ("fpu", False)):
        monkeypatch.setattr("nst_batch.capacity.TensorFlowDevices.cpu_flags", lambda _self, flags=flags: flags)
        assert expected_place("cpu", smi) == Place(cpu_room(9000.0), bfloat16)
        assert expected_place("auto", lambda *_: "").room == cpu_room(9000.0)
