"""``nst-batch demo``: a sample pair, drawn here, goes through a real inbox; the picture is the proof."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nst_batch.cli.listeners import Bars, Lines
from nst_batch.config import load_config
from nst_batch.daemon import Daemon, Once
from nst_batch.errors import EXIT_OK, SetupError
from nst_batch.spool import Ended
from nst_batch.transfer.locate import locate_weights
from nst_batch.workers import installed_gpus

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands

TITLE = "valley-in-swirls"
CONTENT_NAME, STYLE_NAME = "valley.png", "swirls.png"
SAMPLE_SIDE = 768

# Chosen by looking at what they draw of the sample pair within two minutes on two cores; docs/decisions.md.
TRAINED: dict[str, Any] = {"preset": "draft", "size": 512}
# A processor without bfloat16 takes twice as long for the same picture.
TRAINED_IN_FLOAT32: dict[str, Any] = {"preset": "draft", "size": 384}
UNTRAINED: dict[str, Any] = {
    "preset": "draft",
    "size": 384,
    "steps_per_epoch": 60,
    "content_layers": ["block2_conv1", "block3_conv1"],
    "content_weight": 0.1,
    "tv_weight": 0.01,
    "learning_rate": 0.015,
}


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "demo",
        parents=[common],
        help="a sample pair becomes a picture, in under two minutes",
        description="Draws a landscape and a painting, drops them into a fresh inbox, runs the daemon once, "
        "and says where the picture is. Without VGG19's weights it paints with the untrained network.",
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
    missing = _missing_weights()
    inbox = folder / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    config = {"weights": "untrained" if missing else "auto", "watch": {"settle_seconds": 1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    print(f"drawing the sample pair into {inbox} ...", file=sys.stderr)
    _draw(inbox)
    sidecar = {
        "content": CONTENT_NAME,
        "style": STYLE_NAME,
        "title": TITLE,
        "save_epoch": True,
        **_recipe(trained=missing is None),
    }
    # The sidecar last: it says that the pair is complete.
    (inbox / f"{TITLE}.yaml").write_text(yaml.safe_dump(sidecar, sort_keys=False))
    seen = _Results(Bars() if sys.stderr.isatty() else Lines())
    code = Daemon(load_config(folder / "config.yaml"), seen, once=Once()).run()
    if isinstance(seen.listener, Bars):
        seen.listener.close()
    for ended in seen.done:
        print(f"The picture: {ended.folder / f'{ended.title}.png'}")
        print(f"Beside it: its epochs, loss.json and loss.svg; {folder / 'outbox' / 'index.html'} shows everything.")
    if missing and code == EXIT_OK:
        print("It was painted by the untrained network, which hatches rather than paints. For the real thing:")
        print(f"  {missing.advice}")
    return code


def _recipe(*, trained: bool) -> dict[str, Any]:
    if not trained:
        return UNTRAINED
    from nst_batch.transfer.device import TensorFlowDevices, cpu_has_bfloat16  # noqa: PLC0415

    fast = bool(installed_gpus()) or cpu_has_bfloat16(TensorFlowDevices())
    return TRAINED if fast else TRAINED_IN_FLOAT32


def _missing_weights() -> SetupError | None:
    """Why there are no trained weights, or None where there are."""
    print("looking for VGG19's weights ...", file=sys.stderr)
    try:
        location = locate_weights("auto")
    except SetupError as error:
        print(f"{error.message}; going on with the untrained network", file=sys.stderr)
        return error
    print(f"weights: {location.path}", file=sys.stderr)
    return None


def _draw(inbox: Path) -> None:
    # Drawing needs NumPy and OpenCV; a child keeps them out of the daemon, whose only work is to wait.
    import multiprocessing  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_draw_here, args=(str(inbox),))
    child.start()
    child.join()
    if child.exitcode:
        raise SetupError("demo_pair", "the sample pair could not be drawn", "run nst-batch doctor")


def _draw_here(inbox: str) -> None:
    import numpy as np  # noqa: PLC0415

    from nst_batch import images  # noqa: PLC0415
    from nst_batch.sample import draw_landscape, draw_painting  # noqa: PLC0415

    for name, draw in ((CONTENT_NAME, draw_landscape), (STYLE_NAME, draw_painting)):
        picture = draw(SAMPLE_SIDE, SAMPLE_SIDE * 2 // 3, seed=0).astype(np.float32) / np.float32(255.0)
        Path(inbox, name).write_bytes(images.encode(picture))


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
