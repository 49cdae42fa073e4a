"""``nst-batch layers``: how VGG19 sees, as a contact sheet and a page, in this process."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from nst_batch import images
from nst_batch.characters import visible
from nst_batch.cli import one_off
from nst_batch.cli.terminal import AddCommand, erase_rest, room_for_bars, say
from nst_batch.clock import duration
from nst_batch.config.load import load_config
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.filenames import PAGE_NAME
from nst_batch.sizing import working_size
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.transfer.locate import locate_weights

if TYPE_CHECKING:
    from nst_batch.worker.session import DeviceSession

SMOOTHING = 0.0  # of the bar's rate: the mean from the beginning on

EPILOG = """\
DIR gets index.html, which opens from the disk, sheet.png with all on one sheet, and the pictures. Without an IMAGE it
shows what the filters of each layer answer to most; with some (a content and a style, say) also their feature maps,
their Gram matrices, and each rebuilt from the content and from the style of every layer alone:

    nst-batch layers harbour.jpg waves.jpg --out layers

docs/layers.md shows one, and says what to choose when. Ctrl-C ends without a result.
"""


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "layers",
        help="how VGG19 sees, to choose layers by eye",
        description="Shows what each of VGG19's 16 layers sees, and what it keeps of an image.",
        epilog=EPILOG,
    )
    command.add_argument("images", type=Path, nargs="*", metavar="IMAGE", help="an image to look at through each layer")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder for the result")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the sheet and the page. Whatever can be known to be wrong is said before TensorFlow is loaded."""
    from nst_batch.layers.study import SIDE  # noqa: PLC0415 - loads NumPy

    config = load_config(arguments.config)
    limits = one_off.image_limits(config)
    for path in arguments.images:
        header = one_off.read_header(path, limits)
        working_size(header.width, header.height, SIDE, path.name, key="")
    target: Path = arguments.out
    _check_free(target)
    locate_weights(config.weights)
    shown = [(path.name, images.resize(images.decode(path.resolve(), limits), SIDE).rgb) for path in arguments.images]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with one_off.work_folder(target.absolute().parent) as work_folder:
        say("loading TensorFlow and the weights ...", error=True)
        session = one_off.open_session(config, limits)
        made = Path(work_folder) / "layers"
        _make(session, shown, made)
        with contextlib.suppress(FileNotFoundError):
            target.rmdir()  # one that is there is empty
        FileSystem().rename_noreplace(made, target)
    say(str(target / PAGE_NAME))
    return EXIT_OK


def _check_free(target: Path) -> None:
    """UsageError where there is something already, which is never written over."""
    try:
        taken = any(target.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError("output_unusable", f"{target}: {error.strerror}", "name a new folder") from error
    if taken:
        raise UsageError("output_taken", f"{target}: there is something in it already", "name a new folder")


def _make(session: DeviceSession, shown: Sequence[tuple[str, Any]], folder: Path) -> None:
    from nst_batch.layers.album import Album  # noqa: PLC0415 - loads Pillow
    from nst_batch.layers.effort import efforts  # noqa: PLC0415
    from nst_batch.layers.study import LAYERS, study  # noqa: PLC0415

    begun = time.monotonic()
    network = session.network(session.precision("auto"))
    album = Album(folder, shown)
    ahead = list(efforts([rgb.shape[:2] for _, rgb in shown]))
    steps = iter(ahead)
    bar: tqdm[Any] = tqdm(
        total=sum(ahead),
        desc=LAYERS[0],
        disable=not sys.stderr.isatty(),
        leave=False,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {remaining} left",
        smoothing=SMOOTHING,
        **room_for_bars(),
    )
    with contextlib.ExitStack() as tidy:
        tidy.callback(erase_rest)
        tidy.enter_context(bar)
        for number, view in enumerate(study(network, [rgb for _, rgb in shown], lambda: bar.update(next(steps))), 1):
            album.add(view)
            if bar.disable:
                say(f"{view.layer}: done, {number} of {len(LAYERS)}", error=True)
            bar.set_description_str(LAYERS[min(number, len(LAYERS) - 1)])
    facts = {
        "weights": session.weights.source,
        "on": session.device,
        "in": session.precision("auto"),
        "made in": duration(time.monotonic() - begun),
    }
    if shown:
        facts = {"of": ", ".join(visible(name) for name, _ in shown), **facts}
    album.finish(facts)
