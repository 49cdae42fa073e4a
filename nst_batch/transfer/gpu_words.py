"""What TensorFlow and CUDA say when a GPU does not do, and what to do about it. Words alone: nothing is imported.

TensorFlow writes the cause to its log and goes on without the GPU, or raises an error whose first line names neither.
The words are those of TensorFlow 2.21, CUDA 12 and their drivers; the first entry that fits is the most telling one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LEAST_DRIVER = "525.60"  # of CUDA 12 on Linux (its release notes, table of minor-version compatibility)
LEAST_ARCHITECTURE, LARGEST_ARCHITECTURE = "6.0", "9.0"  # that TensorFlow 2.21 brings code for
COMPILES = "jit-compiled from PTX"  # on newer ones, at first use: half an hour by TensorFlow's own words


@dataclass(frozen=True)
class Trouble:
    """One cause: what is wrong, and the remedy. ``{0}`` is what the words name, such as a library."""

    pattern: str
    what: str
    advice: str


_ARCHITECTURES = f"{LEAST_ARCHITECTURE} to {LARGEST_ARCHITECTURE}"
_EXTRA = (
    "install the locked CUDA packages (pip install --require-hashes -r requirements/gpu.txt; "
    "the service: sudo make install-service GPU=1)"
)
TROUBLES = (
    Trouble(
        r"(?:kernel version [\d.]+ does not match DSO version [\d.]+|[Dd]river/library version mismatch"
        r"|SYSTEM_DRIVER_MISMATCH)",
        "NVIDIA's driver was updated and the old one is still loaded",
        "restart the machine",
    ),
    Trouble(
        r"(?:CUDA_ERROR_NOT_PERMITTED|CUDA_ERROR_OPERATING_SYSTEM|OS call failed|"
        r"nvidia\S*: (?:[Pp]ermission denied|Operation not permitted)|[Pp]ermission denied\S* .*nvidia)",
        "the GPU's device files may not be opened",
        "see to the rights of /dev/nvidia*; a service whose driver came after its start has to be started anew "
        "(systemctl restart nst-batch), for systemd lets in what is there by then",
    ),
    Trouble(  # 303: the library that only the driver brings cannot be loaded
        r"(?s)Could not find cuda drivers.*UNKNOWN ERROR \(303\)",
        "neither NVIDIA's driver (libcuda.so.1) nor TensorFlow's CUDA packages are installed",
        f"install NVIDIA's driver, {LEAST_DRIVER} or newer, and {_EXTRA.removeprefix('install ')}",
    ),
    Trouble(
        r"UNKNOWN ERROR \(303\)",
        "no NVIDIA driver (libcuda.so.1) is installed",
        f"install NVIDIA's driver, {LEAST_DRIVER} or newer",
    ),
    Trouble(
        r"(?:driver version is insufficient|INSUFFICIENT_DRIVER|UNSUPPORTED_PTX_VERSION|forward compatibility)",
        "NVIDIA's driver is too old for CUDA 12",
        f"install driver {LEAST_DRIVER} or newer",
    ),
    Trouble(
        r"(?:no kernel image is available|NO_BINARY_FOR_GPU|INVALID_PTX|device kernel image is invalid"
        r"|JIT compil\w+ failed|PTX .*(?:unsupported|error)|CUDA_ERROR_INVALID_HANDLE)",
        "this TensorFlow has no code for the GPU's architecture, and its driver could not compile any",
        f"use a GPU of compute capability {_ARCHITECTURES}, or a newer driver; device: cpu paints without",
    ),
    Trouble(
        r"(?:Ignoring visible gpu device)",
        "the GPU is too old for this TensorFlow",
        f"use a GPU of compute capability {_ARCHITECTURES}",
    ),
    Trouble(
        r"(?:DEVICE_UNAVAILABLE|CUDA-capable device\(s\) is/are busy|all CUDA-capable devices are busy)",
        "another program has the GPU for itself (compute mode EXCLUSIVE_PROCESS)",
        "end it, or let them share the GPU: nvidia-smi -c DEFAULT",
    ),
    Trouble(
        r"(?:nvidia\S*: No such device|kernel driver does not appear to be running|no NVIDIA GPU device is present)",
        "NVIDIA's driver is not loaded",
        "as root: modprobe nvidia, then nvidia-modprobe -u -c 0; dmesg says why it does not load",
    ),
    Trouble(
        r"(?:Could not load dynamic library '?([\w.+-]+\.so[.\d]*)|([\w.+-]+\.so[.\d]*): cannot open shared object)",
        "the library {0} is missing or cannot be loaded",
        _EXTRA,
    ),
    Trouble(
        r"(?:Cannot dlopen some GPU libraries|Could not find cuda drivers)",  # which means its CUDA runtime
        "some of CUDA's libraries are missing or cannot be loaded",
        _EXTRA,
    ),
    Trouble(
        r"(?:Loaded runtime CuDNN library|CUDNN_STATUS_VERSION_MISMATCH|was compiled with: [\d.]+)",
        "another version of cuDNN is loaded than TensorFlow was built with",
        f"{_EXTRA}, and take other CUDA libraries out of LD_LIBRARY_PATH",
    ),
    Trouble(
        r"(?:ECC_UNCORRECTABLE|HARDWARE_STACK_ERROR|fallen off the bus|GPU is lost|CUDA_ERROR_ILLEGAL_ADDRESS"
        r"|LAUNCH_FAILED|CONTAINED|MMU fault)",
        "the GPU reports a fault of its own",
        "look for Xid in dmesg; the machine may have to be restarted, or the GPU replaced",
    ),
    Trouble(
        r"(?:CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected)",
        "the driver shows no GPU to this process",
        "see to /dev/nvidia*, to CUDA_VISIBLE_DEVICES, and to the container's options",
    ),
    Trouble(
        r"(?:CUDA_ERROR_UNKNOWN|failed call to cuInit|CUDA_ERROR_NOT_INITIALIZED)",
        "the driver does not start up for this process",
        "as root: nvidia-modprobe -u -c 0, and nvidia-persistenced; after a suspend, reload the module nvidia_uvm",
    ),
)

_OUT_OF_MEMORY = (
    "out of memory",
    "out_of_memory",
    "oom when allocating",
    "alloc_failed",
    "failed to allocate",
    "dst tensor is not initialized",
    "no algorithm worked",
    "memory_allocation",
)
_PERHAPS = ("cudnn_status_not_initialized", "cublas_status_not_initialized", "cudnn_status_internal_error")
SHORT_MB = 1024.0  # less than that free, and a library that does not start lacks memory rather than anything else


def find_trouble(text: str) -> tuple[str, str] | None:
    """What is wrong and what to do, as far as ``text`` tells it: a log of TensorFlow's, or an error."""
    for trouble in TROUBLES:
        if found := re.search(trouble.pattern, text):
            named = next((group for group in found.groups() if group), "")
            return trouble.what.format(named), trouble.advice
    return None


def is_out_of_memory(text: str, free_mb: float | None = None) -> bool:
    """Whether these are words for want of memory.

    Some are so only where little is free (``free_mb``, None where that is not known).
    """
    said = text.lower()
    if any(words in said for words in _OUT_OF_MEMORY):
        return True
    return free_mb is not None and free_mb < SHORT_MB and any(words in said for words in _PERHAPS)


def telling_line(text: str) -> str:
    """The line of an error that names the want of memory; TensorFlow's first ones only say where it was."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if is_out_of_memory(line, 0.0)), lines[0] if lines else "")
