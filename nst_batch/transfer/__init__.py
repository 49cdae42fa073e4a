"""The engine: arrays in, steps out. Knows no paths but that of the weights, and prints nothing.

Importing this package costs nothing; TensorFlow is loaded when one of the names below is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_batch.transfer.errors import LossNotFiniteError, OutOfMemoryError
    from nst_batch.transfer.network import Network, load_network
    from nst_batch.transfer.neural_style import NeuralStyleModel, Step
    from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, TransferSpec
    from nst_batch.transfer.vgg19 import StyleContentModel
    from nst_batch.transfer.weights import Weights, find_weights

_HOME = {
    "AdamSpec": "spec",
    "LbfgsSpec": "spec",
    "LossNotFiniteError": "errors",
    "Network": "network",
    "NeuralStyleModel": "neural_style",
    "Step": "neural_style",
    "OutOfMemoryError": "errors",
    "StyleContentModel": "vgg19",
    "TransferSpec": "spec",
    "Weights": "weights",
    "find_weights": "weights",
    "load_network": "network",
}
_ON_TENSORFLOW = ("network", "neural_style", "vgg19")

__all__ = [
    "AdamSpec",
    "LbfgsSpec",
    "LossNotFiniteError",
    "Network",
    "NeuralStyleModel",
    "OutOfMemoryError",
    "Step",
    "StyleContentModel",
    "TransferSpec",
    "Weights",
    "find_weights",
    "load_network",
]


def __getattr__(name: str) -> Any:
    """The public name, its module imported at first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOME[name] in _ON_TENSORFLOW:
        import_module(f"{__name__}.device").prepare_tensorflow()
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
