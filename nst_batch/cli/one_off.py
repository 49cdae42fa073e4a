"""What commands share that work in their own process: an image looked at, a device opened, a folder for the result.

All that can be known to be wrong is said before TensorFlow is loaded.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nst_batch import images
from nst_batch.cli.terminal import muted_libraries, say
from nst_batch.config.load import Config
from nst_batch.daemon.devices import WorkerDevice, choose_devices, cpu
from nst_batch.errors import SetupError, UsageError
from nst_batch.gpus import find_gpus
from nst_batch.transfer.errors import DEVICE_FAULTS
from nst_batch.transfer.keras_settings import left_aside

if TYPE_CHECKING:
    from nst_batch.worker.session import DeviceSession


def image_limits(config: Config) -> images.ImageLimits:
    """What the config says of images."""
    return images.ImageLimits(max_megapixels=config.limits.max_megapixels, max_file_mb=config.limits.max_file_mb)


def read_header(path: Path, limits: images.ImageLimits) -> images.Header:
    """What an image's header tells. UsageError where there is no such file, JobError as the worker would say."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "there is no such image"
        raise UsageError("image_missing", f"{path}: {what}", "give the path of an image file")
    return images.read_header(path.resolve(), limits)


def work_folder(output: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder within ``output``, which is made if need be, so that a result can be put there by one rename."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".nst_batch-", dir=output)
    except OSError as error:
        raise UsageError(
            "output_unusable", f"{output}: {error.strerror}", "name a folder that can be written"
        ) from error


def open_session(config: Config, limits: images.ImageLimits) -> DeviceSession:
    """The device of the config and its weights, ready. Where it is left to the program: the CPU for a broken GPU."""
    device = choose_devices(config.device, find_gpus())[0]
    os.environ.update(device.environment)  # TensorFlow then sees this device alone, as in a worker
    for note in left_aside(os.environ):
        say(note, error=True)
    with muted_libraries(unless=logging.getLogger().isEnabledFor(logging.DEBUG)):
        try:
            session = _opened(config, limits, device)
        except SetupError as error:
            if error.code not in DEVICE_FAULTS or device.insisted:
                raise
            # Which GPU TensorFlow may see cannot be changed any more: the CPU, whatever other GPUs there are.
            instead = cpu(f"painted on the CPU: {device.name} is left out: {error.message}; {error.advice}")
            session = _opened(config, limits, instead)
    for note in session.notes:
        say(note, error=True)
    return session


def _opened(config: Config, limits: images.ImageLimits, device: WorkerDevice) -> DeviceSession:
    from nst_batch.worker.session import DeviceSession  # noqa: PLC0415 - loads TensorFlow

    return DeviceSession.open(config.weights, device.name, limits, config.jobs.checkpoint_seconds, device.note)
