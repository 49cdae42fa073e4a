"""The device a worker computes on.

A worker owns one device. What TensorFlow knows of devices is asked for through :class:`DeviceBoundary`, so
that every choice can be tested without a GPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from nst_batch.errors import SetupError
from nst_batch.reasons import DEVICE_MISSING
from nst_batch.transfer.keras_settings import OURS, own_settings
from nst_batch.transfer.precision import cpu_has_bfloat16, gpu_has_bfloat16

# TensorFlow computes with oneDNN where the processor has one of these, with Eigen elsewhere, unless it is told by
# TF_ENABLE_ONEDNN_OPTS (tensorflow/core/util/util.cc, IsMKLEnabled).
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_ONEDNN_FLAGS = ("avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16")

# NVIDIA's own switch: 0 forbids its libraries to round the factors of float32 products to TF32. TensorFlow, which asks
# them for that, is told too.
_TF32 = "NVIDIA_TF32_OVERRIDE"

# Which of TensorFlow's operations computes a float32 convolution, on the way forward and on the way back. The two
# compute the same of a kernel and of its turned one; how fast is another matter (docs/decisions.md has the rates):
# plain: forward a convolution, back a transposed one (GPUs; oneDNN with AVX-512).
# forward: both ways a convolution (Eigen, whose transposed one is slow).
# transposed: both ways a transposed one (oneDNN with AVX2, whose convolution is slow).
Formulation = Literal["plain", "forward", "transposed"]


@dataclass(frozen=True)
class Device:
    """The device in use. ``steps_per_call`` steps are run by one call: launches are dear on a GPU."""

    kind: Literal["cpu", "gpu"]
    name: str  # for people: "NVIDIA H200 (GPU 0)", "CPU"
    has_bfloat16: bool
    steps_per_call: int
    convolution: Formulation = "plain"


class DeviceBoundary(Protocol):
    """What is asked of TensorFlow and of the machine."""

    def gpus(self) -> Sequence[Any]:
        """The physical GPUs that TensorFlow sees."""

    def details(self, gpu: Any) -> dict[str, Any]:
        """``device_name`` and ``compute_capability`` of a GPU, where known."""

    def use(self, gpu: Any | None) -> None:
        """Hide every GPU but this one (all, for None), and let its memory grow with need."""

    def cpu_flags(self) -> str:
        """The processor's feature flags, separated by spaces."""


class TensorFlowDevices:
    """The real boundary. Importing TensorFlow is put off until it is asked."""

    def gpus(self) -> Sequence[Any]:
        return list(_tensorflow().config.list_physical_devices("GPU"))

    def details(self, gpu: Any) -> dict[str, Any]:
        return dict(_tensorflow().config.experimental.get_device_details(gpu))

    def use(self, gpu: Any | None) -> None:
        config = _tensorflow().config
        config.set_visible_devices([] if gpu is None else [gpu], "GPU")
        if gpu is not None:
            config.experimental.set_memory_growth(gpu, True)

    def cpu_flags(self) -> str:
        try:
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return next((line for line in text.splitlines() if line.startswith("flags")), "")


def prepare_tensorflow() -> None:
    """Load TensorFlow and its Keras: quiet at their start, told which library to compute with, and nothing else.

    Raises SetupError where somebody has loaded Keras before, for another backend.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if _is_avx2(TensorFlowDevices().cpu_flags().split()):
            os.environ.setdefault(_ONEDNN, "1")
    with own_settings():
        import keras  # noqa: PLC0415 - loaded when first asked
        import tensorflow  # noqa: PLC0415
    if os.environ.get(_TF32) == "0":
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    if keras.config.backend() != OURS["backend"]:
        raise SetupError(
            "keras_backend",
            f"Keras is already loaded in this process, for {keras.config.backend()}; nst_batch is TensorFlow's",
            "load nst_batch first, or set KERAS_BACKEND=tensorflow",
        )


def choose_device(choice: str | int | Sequence[int] = "auto", *, boundary: DeviceBoundary | None = None) -> Device:
    """Claim the device that ``choice`` means for this process: ``auto``, ``cpu``, ``gpu``, or a GPU's number.

    Of several numbers the first is taken (one worker a GPU). Raises SetupError where it is not there.
    """
    at = boundary or TensorFlowDevices()
    if choice == "cpu":
        return _use_cpu(at)
    gpus = at.gpus()
    if choice in ("auto", "gpu"):
        if gpus:
            return _use_gpu(at, gpus, 0)
        if choice == "auto":
            return _use_cpu(at)
        raise _no_gpu("TensorFlow sees no GPU")
    number = choice if isinstance(choice, int) else int(choice[0])
    if not 0 <= number < len(gpus):
        raise _no_gpu(f"device: GPU {number} is not there; TensorFlow sees {len(gpus)}")
    return _use_gpu(at, gpus, number)


def formulation(cpu_flags: str, environ: Mapping[str, str] | None = None) -> Formulation:
    """How a processor computes float32 convolutions fastest; decided by what it is, so that it is always the same."""
    flags = cpu_flags.split()
    told = (os.environ if environ is None else environ).get(_ONEDNN)
    if not (told == "1" if told else any(flag in flags for flag in _ONEDNN_FLAGS)):
        return "forward"
    return "transposed" if _is_avx2(flags) else "plain"


def _is_avx2(flags: Sequence[str]) -> bool:
    """Whether AVX2 is the widest that the processor has."""
    return "avx2" in flags and "avx512f" not in flags


def _use_cpu(at: DeviceBoundary) -> Device:
    at.use(None)
    flags = at.cpu_flags()
    return Device("cpu", "CPU", cpu_has_bfloat16(flags), steps_per_call=1, convolution=formulation(flags))


def _use_gpu(at: DeviceBoundary, gpus: Sequence[Any], number: int) -> Device:
    gpu = gpus[number]
    at.use(gpu)
    details = at.details(gpu)
    capability = tuple(details.get("compute_capability") or (0, 0))
    name = f"{details.get('device_name', 'GPU')} (GPU {number})"
    return Device("gpu", name, gpu_has_bfloat16(capability), steps_per_call=5)


def _no_gpu(what: str) -> SetupError:
    return SetupError(DEVICE_MISSING, what, f"{gpu_advice()}; device: cpu in config.yaml paints without")


def gpu_advice() -> str:
    """What to install where TensorFlow sees no GPU: its CUDA packages, which only the ``gpu`` extra brings, or more."""
    if find_spec("nvidia") is None:
        return "install TensorFlow's CUDA packages (pip install '.[gpu]' in nst_batch's folder) and NVIDIA's driver"
    return "TensorFlow's CUDA packages are installed: see to NVIDIA's driver (does nvidia-smi show the GPU?)"


def _tensorflow() -> Any:
    prepare_tensorflow()
    import tensorflow  # noqa: PLC0415 - loaded when first asked

    return tensorflow
