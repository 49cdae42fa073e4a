"""Which GPUs there are to choose from: the driver's listing, instances of them, and a mask that was inherited."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nst_batch.daemon.devices import choose_devices
from nst_batch.errors import SetupError
from nst_batch.gpus import Gpu, Gpus, device_faults, find_gpus, nvidia_on_the_bus
from nst_batch.transfer.gpu_words import find_trouble

A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000001", "GPU-bbbbbbbb-0000-0000-0000-000000000002"
M0, M1 = "MIG-11111111-0000-0000-0000-000000000001", "MIG-22222222-0000-0000-0000-000000000002"
TWO = f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\nGPU 1: Tesla T4 (UUID: {B})\n"
DIVIDED = f"""GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})
  MIG 3g.20gb     Device  0: (UUID: {M0})
  MIG 3g.20gb     Device  1: (UUID: {M1})
GPU 1: Tesla T4 (UUID: {B})
"""


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """The device files of two GPUs, whose minor numbers are not what CUDA counts, and of their driver."""
    for name in ("nvidia1", "nvidia4", "nvidiactl", "nvidia-uvm", "nvidia-caps"):
        (tmp_path / name).touch()
    return tmp_path


def names(gpus: Gpus) -> list[str]:
    return [gpu.cuda_name for gpu in gpus.found]


def test_the_drivers_listing_goes_before_the_device_files(dev: Path) -> None:
    """Minor numbers are not CUDA's indices: each GPU is named by its UUID."""
    found = find_gpus(dev, {}, lambda: TWO)
    assert [(gpu.name, gpu.cuda_name) for gpu in found.found] == [("gpu:0", A), ("gpu:1", B)]
    assert [(d.name, d.environment["CUDA_VISIBLE_DEVICES"]) for d in choose_devices("auto", found)] == [
        ("gpu:0", A),
        ("gpu:1", B),
    ]


def test_where_the_driver_does_not_answer_device_files_are_counted(dev: Path) -> None:
    """As in a container without nvidia-smi; nvidiactl and nvidia-uvm are no GPUs."""
    assert names(find_gpus(dev, {}, lambda: "")) == ["1", "4"]


def test_a_machine_without_device_files_asks_nobody(tmp_path: Path) -> None:
    """nvidia-smi takes seconds on some machines, and there is nothing to list."""
    assert find_gpus(tmp_path, {}, lambda: pytest.fail("asked")).found == ()


def test_in_wsl_the_listing_alone_tells(tmp_path: Path) -> None:
    """There all GPUs share one device file, which an AMD one has too."""
    (tmp_path / "dxg").touch()
    assert names(find_gpus(tmp_path, {}, lambda: TWO)) == [A, B]
    assert names(find_gpus(tmp_path, {}, lambda: "")) == []


def test_a_gpu_that_is_divided_up_counts_by_its_instances(dev: Path) -> None:
    """CUDA shows one instance to a process: each gets a worker, and [0] means all of the first GPU's."""
    found = find_gpus(dev, {}, lambda: DIVIDED)
    assert [(gpu.name, gpu.cuda_name) for gpu in found.found] == [("gpu:0.0", M0), ("gpu:0.1", M1), ("gpu:1", B)]
    assert [device.name for device in choose_devices((0,), found)] == ["gpu:0.0", "gpu:0.1"]
    assert [device.name for device in choose_devices((M1,), found)] == ["gpu:0.1"]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("1", [B]),
        ("1,0", [B, A]),
        (B[:12], [B]),
        (f"{B},{A}", [B, A]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,-1,1", [A]),
        ("7", []),
        (" 0 , 1 ", [A, B]),
    ],
)
def test_an_inherited_mask_is_kept_to(dev: Path, mask: str, expected: list[str]) -> None:
    """Slurm and containers hand out GPUs so: the others are somebody else's. Read as CUDA reads it."""
    found = find_gpus(dev, {"CUDA_VISIBLE_DEVICES": mask}, lambda: TWO)
    assert names(found) == expected
    devices = choose_devices("auto", found)
    assert [device.environment["CUDA_VISIBLE_DEVICES"] for device in devices] == (expected or ["-1"])


def test_a_mask_of_uuids_is_passed_on_where_the_driver_lists_nothing(dev: Path) -> None:
    """A container may have the device files and no nvidia-smi."""
    assert names(find_gpus(dev, {"CUDA_VISIBLE_DEVICES": M1}, lambda: "")) == [M1]


def test_a_gpu_outside_the_mask_is_refused(dev: Path) -> None:
    """Asked for by number or UUID, it is somebody else's; without a mask the worker is to say what is wrong."""
    masked = find_gpus(dev, {"CUDA_VISIBLE_DEVICES": "0"}, lambda: TWO)
    for wanted in (1, B):
        with pytest.raises(SetupError, match="CUDA_VISIBLE_DEVICES=0"):
            choose_devices((wanted,), masked)
    with pytest.raises(SetupError, match="CUDA_VISIBLE_DEVICES=-1"):
        choose_devices("gpu", Gpus((), "-1"))
    assert [device.name for device in choose_devices((7,), find_gpus(dev, {}, lambda: TWO))] == ["gpu:7"]


def test_one_gpu_named_twice_has_one_worker(dev: Path) -> None:
    """By number and by UUID it is the same one."""
    assert [device.name for device in choose_devices((0, A), find_gpus(dev, {}, lambda: TWO))] == ["gpu:0"]


def test_a_card_without_a_driver_is_seen_on_the_bus(tmp_path: Path) -> None:
    """NVIDIA's display and computing cards count, their sound devices and other makers' cards do not."""
    for place, vendor, kind in (("0", "0x10de", "0x040300"), ("1", "0x1002", "0x030000")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "vendor").write_text(vendor + "\n")
        (tmp_path / place / "class").write_text(kind + "\n")
    assert not nvidia_on_the_bus(tmp_path)
    (tmp_path / "0" / "class").write_text("0x030200\n")
    assert nvidia_on_the_bus(tmp_path)


def test_a_machine_with_a_card_that_no_driver_serves_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto paints on the CPU, and not in silence; a mask that hides all GPUs is somebody's will."""
    monkeypatch.setattr("nst_batch.daemon.devices.nvidia_on_the_bus", lambda: True)
    (device,) = choose_devices("auto", Gpus())
    assert device.name == "cpu"
    assert device.note.startswith("painted on the CPU: an NVIDIA card is in this machine")
    assert choose_devices("auto", Gpus((), "-1"))[0].note == ""
    assert choose_devices("gpu", Gpus((Gpu(0),)))[0].insisted


def test_device_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """As when the driver is not loaded: the file is there and leads nowhere. A machine without any has no fault."""
    assert device_faults(tmp_path) == ""
    (tmp_path / "nvidia-uvm").touch()
    with socket.socket(socket.AF_UNIX) as unopenable:
        unopenable.bind(str(tmp_path / "nvidiactl"))
        assert device_faults(tmp_path) == f"{tmp_path}/nvidiactl: No such device or address\n"
        found = find_trouble(device_faults(tmp_path))
    assert found is not None
    assert "not loaded" in found[0]


def test_a_gpu_without_rights_is_named_and_not_woken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a GPU's own file makes its driver start it, and waits for one that is broken."""
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr("nst_batch.gpus.os.access", lambda *_: False)  # root may open everything
    opened: list[str] = []
    really = os.open

    def note(path: Path, *rest: int) -> int:
        opened.append(Path(path).name)
        return really(path, *rest)

    monkeypatch.setattr("nst_batch.gpus.os.open", note)
    assert device_faults(tmp_path) == f"{tmp_path}/nvidia0: Permission denied\n"
    assert "nvidia0" not in opened
