"""``nst-batch demo``: a sample pair, drawn here, goes through a real inbox; the picture is the proof."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from nst_batch.cli.listeners import Bars, Lines
from nst_batch.cli.terminal import AddCommand, muted_libraries, say
from nst_batch.config.load import Config, load_config
from nst_batch.daemon.devices import WorkerDevice, choose_devices
from nst_batch.daemon.loop import Daemon
from nst_batch.daemon.once import Once
from nst_batch.daemon.pace import STEP_FLOPS_A_PIXEL
from nst_batch.errors import EXIT_OK, SetupError
from nst_batch.filenames import PAGE_NAME
from nst_batch.gpus import find_gpus
from nst_batch.spool.claims.live_job import Ended
from nst_batch.transfer.locate import UNTRAINED, locate_weights

TITLE = "valley-in-swirls"
CONTENT_NAME, STYLE_NAME = "valley.png", "swirls.png"
SAMPLE_SIDE = 768

# Long side and steps an epoch, the best to look at first. The first that this machine paints in PAINTING_SECONDS is
# taken, so that the demo takes less than two minutes with the start of TensorFlow and the drawing of the pair.
CHOICES = ((512, 50), (448, 50), (384, 50), (384, 40), (320, 40), (256, 40))
PAINTING_SECONDS = 85.0
SHARE_OF_MATRIX_RATE = 0.5  # what float32 convolutions reach of a matrix product's rate on a processor, at the least
SCALES = 1.5  # all scales together cost so many times the last one, at the most

# Chosen by looking at what they draw of the sample pair; docs/decisions.md.
TRAINED: dict[str, Any] = {"preset": "fine"}
BY_THE_UNTRAINED: dict[str, Any] = {
    "preset": "draft",
    "content_layers": ["block2_conv1", "block3_conv1"],
    "content_weight": 0.1,
    "tv_weight": 0.01,
    "learning_rate": 0.015,
}
UNTRAINED_SIDE = 384  # its hatches are as fine as its filters: in a larger picture they are hardly seen


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "demo",
        help="a sample pair becomes a picture, in under two minutes",
        description="Draws a landscape and a painting, drops them into a fresh inbox, runs the daemon once, "
        "and says where the picture is. Without VGG19's weights it paints with the untrained network. "
        "Of the config only weights and device count.",
    )
    command.add_argument(
        "--folder",
        type=Path,
        default=Path("demo"),
        help="where its inbox and outbox are made (default: demo)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; returns the daemon's exit code."""
    folder: Path = arguments.folder
    base = load_config(arguments.config)
    weights, missing = choose_weights(base)
    inbox = folder / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    device = list(base.device) if isinstance(base.device, tuple) else base.device
    config = {"weights": weights, "device": device, "watch": {"settle_seconds": 1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    say(f"drawing the sample pair into {inbox} ...", error=True)
    rate = _in_a_child(inbox, choose_devices(base.device, find_gpus())[0])
    sidecar = {
        "content": CONTENT_NAME,
        "style": STYLE_NAME,
        "title": TITLE,
        "save_epoch": True,
        **recipe(trained=weights != UNTRAINED, rate=rate),
    }
    # The sidecar last: it says that the pair is complete.
    (inbox / f"{TITLE}.yaml").write_text(yaml.safe_dump(sidecar, sort_keys=False))
    seen = _Results(Bars() if sys.stderr.isatty() else Lines())
    code = Daemon(load_config(folder / "config.yaml"), seen, once=Once()).run()
    if isinstance(seen.listener, Bars):
        seen.listener.close()
    for ended in seen.done:
        say(f"The picture: {ended.folder / f'{ended.title}.png'}")
        say(f"Beside it: its epochs, loss.json and loss.svg; {folder / 'outbox' / PAGE_NAME} shows everything.")
    if weights == UNTRAINED and code == EXIT_OK:
        say("It was painted by the untrained network, which hatches rather than paints. For the real thing:")
        say(f"  {missing.advice if missing else 'say weights: auto in the config'}")
    return code


def recipe(*, trained: bool, rate: float) -> dict[str, Any]:
    """The sidecar's keys for a device of ``rate`` float32 operations a second; infinite for a GPU."""
    base = TRAINED if trained else BY_THE_UNTRAINED
    most = CHOICES[0][0] if trained else UNTRAINED_SIDE
    choices = [choice for choice in CHOICES if choice[0] <= most]
    size, steps = next((each for each in choices if painting_seconds(*each, rate) <= PAINTING_SECONDS), choices[-1])
    return {**base, "size": size, "steps_per_epoch": steps}


def painting_seconds(size: int, steps: int, rate: float) -> float:
    """How long the sample pair is painted; it is half as wide again as it is high."""
    pixels = size * size * 2 / 3
    return SCALES * steps * pixels * STEP_FLOPS_A_PIXEL / rate


def _rate(device: WorkerDevice) -> float:
    """Convolutions a second, in float32 operations, on the device that will paint; infinite on a GPU."""
    from nst_batch.transfer.device import TensorFlowDevices  # noqa: PLC0415
    from nst_batch.worker.rate import processor_rate  # noqa: PLC0415 - loads NumPy

    if device.name != "cpu":
        os.environ.update(device.environment)
        with muted_libraries(unless=False):
            if TensorFlowDevices().gpus():
                return float("inf")
    return processor_rate() * SHARE_OF_MATRIX_RATE


def choose_weights(config: Config) -> tuple[str, SetupError | None]:
    """What the demo paints with, and why it is the untrained network though ``auto`` was asked for."""
    if config.weights == UNTRAINED:
        return UNTRAINED, None
    say("looking for VGG19's weights ...", error=True)
    try:
        location = locate_weights(config.weights)
    except SetupError as error:
        if config.weights != "auto":
            raise
        say(f"{error.message}; going on with the untrained network", error=True)
        return UNTRAINED, error
    say(f"weights: {location.path}", error=True)
    return config.weights, None


def _in_a_child(inbox: Path, device: WorkerDevice) -> float:
    """Draw the pair, and measure the device.

    NumPy, OpenCV and TensorFlow stay out of the daemon, whose only work is to wait.
    """
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_draw_and_measure, str(inbox), device).result()
    except (BrokenProcessPool, ImportError) as error:
        raise SetupError("demo_pair", f"the sample pair could not be drawn: {error}", "run nst-batch doctor") from error


def _draw_and_measure(inbox: str, device: WorkerDevice) -> float:
    import numpy as np  # noqa: PLC0415

    from nst_batch import images  # noqa: PLC0415
    from nst_batch.sample import draw_landscape, draw_painting  # noqa: PLC0415

    for name, draw in ((CONTENT_NAME, draw_landscape), (STYLE_NAME, draw_painting)):
        picture = draw(SAMPLE_SIDE, SAMPLE_SIDE * 2 // 3, seed=0).astype(np.float32) / np.float32(255.0)
        Path(inbox, name).write_bytes(images.encode(picture))
    return _rate(device)


class _Results:
    """Passes everything on, and keeps what was published."""

    def __init__(self, listener: Bars | Lines) -> None:
        self.listener = listener
        self.done: list[Ended] = []

    def ended(self, ended: Ended) -> None:
        """A job has its end."""
        if ended.state == "done":
            self.done.append(ended)
        self.listener.ended(ended)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.listener, name)
