"""Which device and precision are chosen, with a machine made up at the boundary."""

from __future__ import annotations

import pytest
import tensorflow as tf

from nst_batch.errors import SetupError
from nst_batch.transfer.device import choose_device, formulation, prepare_tensorflow
from nst_batch.transfer.precision import choose_precision


class Machine:
    """GPUs by name and compute capability, and the processor's flags."""

    def __init__(self, *gpus, flags="fpu sse avx512f"):
        self._gpus = gpus
        self._flags = flags
        self.used = []

    def gpus(self):
        return list(range(len(self._gpus)))

    def details(self, gpu):
        name, capability = self._gpus[gpu]
        return {"device_name": name, "compute_capability": capability} if name else {}

    def use(self, gpu):
        self.used.append(gpu)

    def cpu_flags(self):
        return self._flags


A100 = ("A100", (8, 0))
T4 = ("T4", (7, 5))


def test_auto_takes_the_first_gpu_and_hides_the_others():
    """One worker, one GPU."""
    machine = Machine(A100, T4)
    device = choose_device("auto", boundary=machine)
    assert (device.kind, device.name) == ("gpu", "A100 (GPU 0)")
    assert machine.used == [0]


def test_auto_falls_back_to_the_cpu():
    """Without a GPU, and says so by its kind."""
    machine = Machine()
    assert choose_device("auto", boundary=machine).kind == "cpu"
    assert machine.used == [None]


def test_cpu_hides_every_gpu():
    """Where the CPU is asked for, no GPU is touched."""
    machine = Machine(A100)
    assert choose_device("cpu", boundary=machine).kind == "cpu"
    assert machine.used == [None]


@pytest.mark.parametrize("choice", [1, [1], (1, 0)])
def test_a_number_takes_that_gpu(choice):
    """By itself or first in a list."""
    assert choose_device(choice, boundary=Machine(A100, T4)).name == "T4 (GPU 1)"


@pytest.mark.parametrize(("choice", "machine"), [("gpu", Machine()), (2, Machine(A100, T4)), (-1, Machine(A100))])
def test_a_gpu_that_is_not_there_is_an_error_with_advice(choice, machine):
    """The daemon ends with 78 rather than run silently on the CPU."""
    with pytest.raises(SetupError) as caught:
        choose_device(choice, boundary=machine)
    assert caught.value.code == "device_missing"
    assert caught.value.advice


@pytest.mark.parametrize(
    ("machine", "precision"),
    [
        (Machine(A100), "bfloat16"),
        (Machine(T4), "float32"),
        (Machine(("", None)), "float32"),
        (Machine(), "float32"),
        (Machine(flags="avx512f avx512_bf16"), "bfloat16"),
        (Machine(flags="avx512f amx_bf16 amx_tile"), "bfloat16"),
    ],
)
def test_auto_precision_is_bfloat16_where_it_is_fast(machine, precision):
    """GPUs from 8.0, processors with bfloat16 instructions; float32 elsewhere."""
    device = choose_device("auto", boundary=machine)
    assert choose_precision("auto", has_bfloat16=device.has_bfloat16) == precision


@pytest.mark.parametrize("fast", [False, True])
def test_precision_asked_for_is_kept(fast):
    """Also where it is slow."""
    assert choose_precision("bfloat16", has_bfloat16=fast) == "bfloat16"
    assert choose_precision("float32", has_bfloat16=fast) == "float32"
    with pytest.raises(SetupError):
        choose_precision("float16", has_bfloat16=fast)


@pytest.mark.parametrize(
    ("flags", "told", "expected"),
    [
        ("avx avx2 fma", "1", "transposed"),
        ("avx avx2 fma avx_vnni", None, "transposed"),
        ("avx avx2 fma", None, "forward"),
        ("avx avx2 fma avx_vnni", "0", "forward"),
        ("avx2 avx512f", None, "forward"),
        ("avx2 avx512f avx512_vnni avx512_bf16", None, "plain"),
        ("avx2 avx512f", "1", "plain"),
    ],
)
def test_convolutions_are_computed_as_suits_the_processor(flags, told, expected):
    """By its flags and by the library that TensorFlow computes with, which it may have been told."""
    environ = {} if told is None else {"TF_ENABLE_ONEDNN_OPTS": told}
    assert formulation(flags, environ) == expected


def test_convolutions_on_a_gpu_are_plain():
    """Whatever the processor beside it is."""
    assert choose_device("gpu", boundary=Machine(A100, flags="avx2")).convolution == "plain"


@pytest.mark.parametrize(("told", "tf32"), [("0", False), ("1", True), (None, True)])
def test_nvidias_own_switch_makes_float32_ieee(monkeypatch, told, tf32):
    """NVIDIA_TF32_OVERRIDE=0 counts for TensorFlow's own choice as well as for NVIDIA's libraries."""
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if told is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", told)
    try:
        prepare_tensorflow()
        assert tf.config.experimental.tensor_float_32_execution_enabled() is tf32
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


def test_several_steps_a_call_on_a_gpu_only():
    """A call costs a GPU a launch; on a CPU longer graphs are slower."""
    assert choose_device("cpu", boundary=Machine()).steps_per_call == 1
    assert choose_device("gpu", boundary=Machine(A100)).steps_per_call > 1


def test_real_boundary_knows_this_machine():
    """The real boundary answers, and the CPU can always be had."""
    assert choose_device("cpu").kind == "cpu"
