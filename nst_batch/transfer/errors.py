"""What can go wrong in the engine. Importing this costs nothing."""

from __future__ import annotations

from nst_batch.errors import JobError, NstError
from nst_batch.reasons import DEVICE_FAILED, DEVICE_MISSING, OUT_OF_MEMORY

DEVICE_FAULTS = (DEVICE_MISSING, DEVICE_FAILED)


class LossNotFiniteError(JobError):
    """The loss became NaN or infinite; in bfloat16 a second try in float32 may help."""

    def __init__(self, step: int, precision: str) -> None:
        super().__init__(
            "loss_not_finite",
            f"the loss is not a finite number at step {step} ({precision})",
            "lower the weights or the learning rate, or set precision: float32",
            retry=precision != "float32",
        )
        self.step = step
        self.precision = precision


class OutOfMemoryError(NstError):
    """The device has not the memory for a picture of this size.

    Not a :class:`JobError`: the process should not be used again, and the job may fit into a fresh one.
    """

    def __init__(self, height: int, width: int, what: str) -> None:
        super().__init__(
            OUT_OF_MEMORY,
            f"no memory for {f'a scale of {width}×{height} pixels' if height else 'the network'}: {what}",
        )
        self.height = height
        self.width = width


class DamagedCheckpointError(JobError):
    """These bytes are not a whole, unharmed checkpoint."""

    def __init__(self, what: str) -> None:
        super().__init__("checkpoint_damaged", f"the checkpoint is not usable: {what}")
