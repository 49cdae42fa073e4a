"""The optimiser that a generation asks for."""

from __future__ import annotations

from nst_batch.transfer.optimizers.adam import Adam
from nst_batch.transfer.optimizers.lbfgs import Lbfgs
from nst_batch.transfer.optimizers.optimizer import Optimizer
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec


def make_optimizer(spec: AdamSpec | LbfgsSpec) -> Optimizer:
    """The optimiser that ``spec`` describes."""
    if isinstance(spec, AdamSpec):
        return Adam(spec)
    return Lbfgs(spec)
