"""Devices that fail and come back: who is to have a worker, and what is told of it."""

from __future__ import annotations

from nst_batch.daemon.devices import WorkerDevice, choose_devices, cpu
from nst_batch.daemon.roster import Roster
from nst_batch.gpus import Gpu, Gpus
from nst_batch.reasons import Reason

TEN_MINUTES, HOUR = 600.0, 3600.0  # as docs/questions.md and docs/service.md have it
TWO = Gpus((Gpu(0), Gpu(1)))


def names(roster: Roster, now: float) -> list[str]:
    return [device.name for device in roster.in_use(now)]


def fail(roster: Roster, device: WorkerDevice, now: float) -> str:
    return roster.failed(device, Reason("device_failed", "it is taken", "end the other program"), now)


def test_a_failed_gpu_is_left_out_and_tried_again_later() -> None:
    """The other one goes on; each further failure makes the pause longer, up to a bound; a success ends it."""
    first, second = devices = choose_devices("auto", TWO)
    roster = Roster(devices)
    note = fail(roster, second, 0.0)
    assert note == "gpu:1 is left out: it is taken; end the other program"
    assert names(roster, 1.0) == ["gpu:0"]
    assert names(roster, TEN_MINUTES) == ["gpu:0", "gpu:1"]
    fail(roster, second, TEN_MINUTES)
    assert names(roster, 2 * TEN_MINUTES) == ["gpu:0"]
    assert names(roster, TEN_MINUTES + HOUR) == ["gpu:0", "gpu:1"]
    roster.works(second)
    assert roster.notes == ()
    assert not roster.exhausted
    assert first.name == "gpu:0"


def test_the_cpu_paints_until_a_gpu_works_again() -> None:
    """With auto; while the GPU is tried again the CPU keeps its worker, and loses it when the GPU computes."""
    (gpu,) = devices = choose_devices("auto", Gpus((Gpu(0),)))
    roster = Roster(devices)
    note = fail(roster, gpu, 0.0)
    assert note.startswith("painted on the CPU: gpu:0 is left out: it is taken")
    (instead,) = roster.in_use(1.0)
    assert (instead.name, instead.note) == ("cpu", note)
    assert not roster.exhausted
    assert names(roster, TEN_MINUTES) == ["gpu:0", "cpu"]
    roster.works(gpu)
    assert names(roster, TEN_MINUTES + 1) == ["gpu:0"]
    assert not roster.uses(cpu(), TEN_MINUTES + 1)


def test_who_demands_a_gpu_gets_none_or_a_fault() -> None:
    """The last one that fails exhausts the roster; the CPU is not taken instead."""
    first, second = devices = choose_devices("gpu", TWO)
    roster = Roster(devices)
    fail(roster, first, 0.0)
    assert not roster.exhausted
    fail(roster, second, 0.0)
    assert roster.exhausted
    assert names(roster, 1.0) == []


def test_a_gpu_whose_device_file_comes_later_is_found() -> None:
    """At boot the daemon may be earlier than the driver: a night on the CPU would be lost."""
    found = [choose_devices("auto", Gpus())]
    roster = Roster(found[0], look=lambda: found[-1])
    assert names(roster, 0.0) == ["cpu"]
    found.append(choose_devices("auto", TWO))
    assert names(roster, TEN_MINUTES - 1) == ["cpu"]
    assert names(roster, TEN_MINUTES) == ["gpu:0", "gpu:1"]


def test_two_deaths_before_it_is_ready_make_a_gpu_a_failed_one() -> None:
    """TensorFlow aborts on some broken installations instead of raising; the CPU is another matter."""
    (gpu,) = choose_devices("gpu", Gpus((Gpu(0),)))
    roster = Roster((gpu,))
    assert [roster.died(gpu), roster.died(gpu)] == [False, True]
    roster.works(gpu)
    assert not roster.died(gpu)
    assert not any(roster.died(cpu()) for _ in range(5))
