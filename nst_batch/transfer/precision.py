"""The number format that the network computes in: bfloat16 where that is fast, float32 elsewhere."""

from __future__ import annotations

from nst_batch.errors import SetupError
from nst_batch.transfer.spec import Precision

_GPU_CAPABILITY = (8, 0)  # the first NVIDIA GPUs with bfloat16 units
_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def choose_precision(asked: str, *, has_bfloat16: bool) -> Precision:
    """bfloat16 or float32; ``auto`` is bfloat16 where the device computes it fast."""
    if asked == "auto":
        return "bfloat16" if has_bfloat16 else "float32"
    if asked not in ("bfloat16", "float32"):
        raise SetupError("precision_unknown", f"precision {asked!r} is not known", "use auto, bfloat16 or float32")
    return "bfloat16" if asked == "bfloat16" else "float32"


def cpu_has_bfloat16(flags: str) -> bool:
    """Whether a processor with these feature flags, separated by spaces, computes in bfloat16."""
    return any(flag in flags.split() for flag in _CPU_FLAGS)


def gpu_has_bfloat16(capability: tuple[int, ...]) -> bool:
    """Whether an NVIDIA GPU of this compute capability has bfloat16 units."""
    return capability >= _GPU_CAPABILITY
