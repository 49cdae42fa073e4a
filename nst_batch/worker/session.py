"""What a worker keeps from job to job: the device, the weights, and a network for each precision asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from nst_batch.capacity import (
    Demand,
    Place,
    Room,
    cpu_room,
    free_now_mb,
    gpu_memory_mb,
    gpu_room,
    held_by_others_mb,
    memory_plan,
)
from nst_batch.gpus import MASK
from nst_batch.images import ImageLimits
from nst_batch.machine_memory import total_mb
from nst_batch.sidecar.presets import PRESETS, Preset
from nst_batch.sidecar.settings import Settings
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.transfer.device import Device, choose_device, prepare_tensorflow
from nst_batch.transfer.gpu_memory import card_memory_mb
from nst_batch.transfer.locate import locate_weights
from nst_batch.transfer.spec import AdamSpec, LbfgsSpec, Precision, TransferSpec
from nst_batch.worker.job_images import JobImages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nst_batch.transfer.network import Network
    from nst_batch.transfer.neural_style import NeuralStyleModel
    from nst_batch.transfer.weights import Weights


class DeviceSession:
    """The warm part of a worker. ``spent`` asks for a fresh process after this job."""

    def __init__(
        self,
        weights: Weights,
        device: Device,
        limits: ImageLimits,
        checkpoint_seconds: float,
        room: Room | None = None,
        note: str = "",
        held_by_others_mb: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``room`` None: what the machine's own memory gives. ``note``: on the device, for every job.

        ``held_by_others_mb``: what other programs take of the device's memory now.
        """
        self.weights = weights
        self._device = device
        self.place = Place(room or cpu_room(total_mb()), device.has_bfloat16)
        self._held_by_others_mb = held_by_others_mb
        self._networks: dict[Precision, Network] = {}
        self.limits = limits
        self.checkpoint_seconds = checkpoint_seconds
        self.files = FileSystem()
        self.on_progress: Callable[[], object] = lambda: None
        """Called as the engine gets on, within a step too."""
        self.spent = False
        self.notes = (note,) if note else ()

    @classmethod
    def open(
        cls, weights: str, device: str, limits: ImageLimits, checkpoint_seconds: float, note: str = ""
    ) -> DeviceSession:
        """Load the weights and claim the device (``cpu``, or anything else for the GPU this process may see).

        Raises SetupError where either is not to be had.
        """
        location = locate_weights(weights)  # what is missing is said at once, and not after TensorFlow is loaded
        prepare_tensorflow()
        from nst_batch.transfer.weights import load_weights  # noqa: PLC0415 - loads h5py

        # The pool gave this process one GPU (CUDA_VISIBLE_DEVICES): whatever its number, it is the only one.
        claimed = choose_device("cpu" if device == "cpu" else "gpu")
        from nst_batch.transfer.trial import try_out  # noqa: PLC0415 - loads TensorFlow

        try_out(claimed)
        if claimed.kind == "cpu":
            return cls(load_weights(location), claimed, limits, checkpoint_seconds, cpu_room(total_mb()), note)
        gpu = os.environ.get(MASK, "").partition(",")[0] or None
        told = card_memory_mb()
        room = gpu_room(told[1] if told else gpu_memory_mb(gpu))

        def others() -> float:
            return held_by_others_mb(gpu, os.getpid())

        return cls(load_weights(location), claimed, limits, checkpoint_seconds, room, note, others)

    def _got_on(self) -> None:
        self.on_progress()  # which is another one for each job

    @property
    def device(self) -> str:
        """The device's name, for people."""
        return self._device.name

    @property
    def room(self) -> Room:
        """The memory for a job that begins now: other programs may have taken some of a GPU's since the last one."""
        room = self.place.room
        if self.is_cpu or not room.total_mb:
            return room
        return gpu_room(max(1.0, room.total_mb - self._held_by_others_mb()))

    def rate(self) -> float:
        """What the device multiplies, in operations a second, in the precision that ``auto`` means."""
        from nst_batch.transfer.trial import matrix_rate  # noqa: PLC0415 - loads TensorFlow

        return matrix_rate(self._device, self.precision("auto"))

    @property
    def is_cpu(self) -> bool:
        """Whether it computes on the processor, in the machine's own memory."""
        return self._device.kind == "cpu"

    def precision(self, asked: str) -> Precision:
        """The precision that ``auto`` stands for here."""
        return self.place.precision(asked)

    def model(
        self, settings: Settings, job_images: JobImages, precision: Precision, room_mb: float | None = None
    ) -> NeuralStyleModel:
        """One generation over ``job_images``, ready to step, planned for ``room_mb`` (None: this session's)."""
        from nst_batch.transfer.neural_style import NeuralStyleModel  # noqa: PLC0415 - loads TensorFlow

        spec = transfer_spec(settings, *job_images.size)
        room, memory = self.room.planned_mb if room_mb is None else room_mb, memory_plan(settings, precision)
        return NeuralStyleModel(
            job_images.content,
            job_images.styles,
            spec,
            self.network(precision),
            init_image=job_images.init,
            mask=job_images.mask,
            style_keys=[_content_key(picture) for picture, _ in job_images.styles],
            strip_plan=lambda pixels: memory.strip_plan(pixels, room),
        )

    def check_fits(self, demand: Demand) -> None:
        """Raises JobError out_of_memory where a job is sure not to fit, whatever else holds memory now."""
        demand.check(self.place.room)

    def what_fits(self, demand: Demand) -> dict[str, int]:
        """The sizes with which a job that has run out of memory should fit into what is free now."""
        room = free_now_mb() if self.is_cpu else self.room.planned_mb
        return demand.what_fits(min(room, demand.a_little_less_mb()))

    def network(self, precision: Precision) -> Network:
        """The network in that precision, made when it is first asked for."""
        if precision not in self._networks:
            from nst_batch.transfer.network import Network  # noqa: PLC0415 - loads TensorFlow

            network = self._networks[precision] = Network(self.weights, self._device, precision)
            network.on_progress = self._got_on
        return self._networks[precision]


def transfer_spec(settings: Settings, height: int, width: int, preset: Preset | None = None) -> TransferSpec:
    """The engine's spec for a job's settings; what only a preset sets comes from ``preset`` (None: the job's)."""
    preset = preset or PRESETS[settings.preset]
    optimizer: AdamSpec | LbfgsSpec = (
        AdamSpec(
            settings.learning_rate,
            preset.beta_1,
            preset.beta_2,
            preset.epsilon,
            preset.final_rate,
            preset.levels,
        )
        if settings.optimizer == "adam"
        else LbfgsSpec(settings.learning_rate)
    )
    return TransferSpec(
        height=height,
        width=width,
        content_layers=settings.content_layers,
        style_layers=settings.style_layers,
        content_weight=settings.content_weight * preset.loss_scale,
        style_weight=settings.style_weight * preset.loss_scale,
        tv_weight=settings.tv_weight * preset.loss_scale,
        optimizer=optimizer,
        epochs=settings.epochs,
        steps_per_epoch=settings.steps_per_epoch,
        scales=settings.scales,
        init=_OWN_STARTS.get(settings.init, "image"),
        seed=settings.seed,
        stop_when_flat=settings.stop_when_flat,
        family=preset.family,
        framed=preset.framed,
    )


# Of the words of ``init``, those for which the engine needs no image.
_OWN_STARTS: Mapping[str, Literal["content", "noise", "patches"]] = MappingProxyType(
    {"content": "content", "noise": "noise", "patches": "patches"}
)


def _content_key(picture: NDArray[np.float32]) -> Hashable:
    """A style's identity by its pixels, so that jobs with the same style share its statistics."""
    return hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest()
