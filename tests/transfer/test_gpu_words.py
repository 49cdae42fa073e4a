"""What TensorFlow and CUDA say of a GPU that does not do, and what it means."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import tensorflow as tf

from nst_batch.transfer.gpu_words import (
    COMPILES,
    LARGEST_ARCHITECTURE,
    LEAST_ARCHITECTURE,
    find_trouble,
    is_out_of_memory,
    telling_line,
)

TENSORFLOW = Path(tf.__file__).parent


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        (
            "Could not load dynamic library 'libcudnn.so.9'; dlerror: x",
            "libcudnn.so.9 is missing",
            "requirements/gpu.txt",
        ),
        ("ImportError: libcublas.so.12: cannot open shared object file", "libcublas.so.12 is missing", "gpu.txt"),
        ("Cannot dlopen some GPU libraries. Please make sure", "some of CUDA's libraries", "gpu.txt"),
        ("kernel version 570.1.0 does not match DSO version 580.2.0", "was updated", "restart"),
        ("CUDA driver version is insufficient for CUDA runtime version", "too old", "525.60"),
        ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the provided PTX", "too old", "525.60"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image", "architecture", "compute capability"),
        ("'cuLaunchKernel(...)' failed with 'CUDA_ERROR_INVALID_HANDLE'", "architecture", "compute capability"),
        ("Ignoring visible gpu device (device: 0, name: Quadro M2000", "too old", "compute capability"),
        ("CUDA_ERROR_INVALID_PTX: a PTX JIT compilation failed", "architecture", "compute capability"),
        ("CUDA_ERROR_DEVICE_UNAVAILABLE: CUDA-capable device(s) is/are busy", "for itself", "nvidia-smi -c DEFAULT"),
        ("failed: open /dev/nvidia0: Permission denied", "may not be opened", "rights"),
        ("/dev/nvidiactl: Operation not permitted", "may not be opened", "systemctl restart"),
        ("/dev/nvidiactl: No such device or address", "not loaded", "modprobe"),
        ("kernel driver does not appear to be running on this host (night)", "not loaded", "modprobe"),
        ("INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)", "no NVIDIA driver", "install NVIDIA"),
        ("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", "fault of its own", "Xid"),
        ("CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error", "fault of its own", "Xid"),
        ("failed call to cuInit: INTERNAL: CUDA error: CUDA_ERROR_NO_DEVICE", "shows no GPU", "CUDA_VISIBLE_DEVICES"),
        ("failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error", "does not start up", "nvidia-modprobe"),
        ("Could not find cuda drivers on your machine, GPU will not be used", "some of CUDA's libraries", "gpu.txt"),
        (
            "Could not find cuda drivers on your machine\nFailed call to cuInit: UNKNOWN ERROR (303)",
            "neither NVIDIA's driver (libcuda.so.1) nor TensorFlow's CUDA packages",
            "525.60 or newer, and the locked CUDA packages",
        ),
    ],
)
def test_each_cause_has_its_remedy(words: str, what: str, advice: str) -> None:
    """By TensorFlow's own words, wherever in a log they stand."""
    found = find_trouble(f"I0000 a line before\n{words}\nW a line after\n")
    assert found is not None
    assert what in found[0]
    assert advice in found[1]


def test_a_log_without_trouble_tells_nothing() -> None:
    """Ordinary remarks are no cause."""
    assert find_trouble("oneDNN custom operations are on.\nCreated device /GPU:0 with 76000 MB memory") is None


@pytest.mark.parametrize(
    ("words", "log"),
    [
        ("does not match DSO version", "kernel version 570.1.0 does not match DSO version 580.2.0"),
        ("Could not load dynamic library", "Could not load dynamic library 'libcudnn.so.9'"),
        *(
            (words, words)
            for words in (
                COMPILES,
                "Ignoring visible gpu device",
                "Cannot dlopen some GPU libraries",
                "Loaded runtime CuDNN library",
                "Could not find cuda drivers",
                "kernel driver does not appear to be running",
                "no NVIDIA GPU device is present",
                "failed call to cuInit",
                "OOM when allocating",
                "Dst tensor is not initialized",
            )
        ),
    ],
)
def test_the_words_are_those_of_the_tensorflow_that_is_installed(words: str, log: str) -> None:
    """Another version may say it otherwise: then what it says now has to be learnt."""
    with (
        (TENSORFLOW / "libtensorflow_framework.so.2").open("rb") as library,
        mmap.mmap(library.fileno(), 0, access=mmap.ACCESS_READ) as held,
    ):
        assert held.find(words.encode()) >= 0
    assert words == COMPILES or find_trouble(log) is not None or is_out_of_memory(log)


def test_the_architectures_are_those_that_it_was_built_for() -> None:
    """By its own record of the build: what is newer than the last of them is compiled by the driver, or fails."""
    built = tf.sysconfig.get_build_info()["cuda_compute_capabilities"]
    numbers = sorted(int(name.rpartition("_")[2]) for name in built)
    assert [f"{number // 10}.{number % 10}" for number in (numbers[0], numbers[-1])] == [
        LEAST_ARCHITECTURE,
        LARGEST_ARCHITECTURE,
    ]


@pytest.mark.parametrize(
    ("words", "free_mb", "found"),
    [
        ("OOM when allocating tensor with shape[1,64,2048,1536]", None, True),
        ("Dst tensor is not initialized.", None, True),
        ("No algorithm worked!  Error messages: ...", None, True),
        ("CUDNN_STATUS_ALLOC_FAILED", None, True),
        ("CUDNN_STATUS_NOT_INITIALIZED", 200.0, True),
        ("CUBLAS_STATUS_NOT_INITIALIZED", 200.0, True),
        ("CUDNN_STATUS_NOT_INITIALIZED", 20_000.0, False),
        ("CUBLAS_STATUS_NOT_INITIALIZED", None, False),
        ("Incompatible shapes", 10.0, False),
    ],
)
def test_running_out_of_memory_is_known_in_all_its_words(words: str, free_mb: float | None, found: bool) -> None:
    """A library that does not start lacks memory only where little is free."""
    assert is_out_of_memory(words, free_mb) is found


def test_the_line_that_names_the_lack_is_the_one_to_tell() -> None:
    """TensorFlow begins with where it was."""
    text = "Graph execution error:\n\nDetected at node conv2d\nOOM when allocating tensor with shape[1,64]\n"
    assert telling_line(text) == "OOM when allocating tensor with shape[1,64]"
    assert telling_line("something else\nmore") == "something else"
