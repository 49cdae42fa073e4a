"""``nst-batch stylize``: one pair, now, in this process; the picture can be watched as it grows."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from nst_batch import images
from nst_batch.capacity import check_job, expected_place
from nst_batch.cli import one_off
from nst_batch.cli.display import Display, Interrupts
from nst_batch.cli.terminal import AddCommand, say
from nst_batch.config.load import Config, load_config
from nst_batch.errors import EXIT_JOB_FAILED, EXIT_OK, JobError, UsageError
from nst_batch.filenames import MANIFEST_NAME, OUTCOME_NAME, RUNNING_FOLDER, SPEC_NAME
from nst_batch.job import JobInput, JobSpec, Outcome, manifest, now_iso
from nst_batch.names import check_title
from nst_batch.sidecar.conflicts import conflicts
from nst_batch.sidecar.pairs import patch_from_pairs
from nst_batch.sidecar.resolver import Role
from nst_batch.sidecar.settings import Settings, resolve
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import INPUTS_FOLDER, claim_id
from nst_batch.transfer.locate import locate_weights

Files = tuple[tuple[Role, Path], ...]

EPILOG = """\
The result is a folder OUTPUT/TITLE/ with TITLE.png, loss.json, loss.svg and job.json. Any optimisation key of a sidecar
can be set (docs/sidecar.md), and `defaults:` in the config count:

    nst-batch stylize harbour.jpg waves.jpg results --title dusk --set size=768 --set style_weight=2

Ctrl-C, or q in the window of --show, ends with the picture as it stands. A second Ctrl-C ends without a result.
"""


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "stylize",
        help="one pair, now, into a folder",
        description="Paints CONTENT in the style of STYLE, without inbox or daemon.",
        epilog=EPILOG,
    )
    command.add_argument("content", type=Path, metavar="CONTENT", help="the image to paint")
    command.add_argument("style", type=Path, metavar="STYLE", help="the image whose style is taken")
    command.add_argument("output", type=Path, metavar="OUTPUT", help="the folder for the result; made if need be")
    command.add_argument("--title", help="the result's name (default: CONTENT-STYLE)")
    command.add_argument("--save-epoch", action="store_true", help="keep the picture of every epoch")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any optimisation key of a sidecar, as often as needed",
    )
    command.add_argument("--show", action="store_true", help="watch the picture grow in a window")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Paint one pair. Whatever can be known to be wrong is said before TensorFlow is loaded."""
    config = load_config(arguments.config)
    words = [*arguments.set, *(["save_epoch=true"] if arguments.save_epoch else [])]
    patch = patch_from_pairs(words)
    settings = resolve(patch, config.defaults)
    if found := conflicts(settings):
        told = [conflict.told_of(patch.written()) for conflict in found]
        fixes = "; ".join(conflict.fix for conflict in found)
        raise UsageError("usage", [f"--set {key}: {what}" for key, what in told], fixes)
    title = check_title(arguments.title or f"{arguments.content.stem}-{arguments.style.stem}")
    files: Files = (("content", arguments.content), ("style", arguments.style))
    more: Files = tuple((role, Path(name)) for role, name in settings.images())
    files += more
    settings = settings.model_copy(update={role: path.name for role, path in more})
    limits = one_off.image_limits(config)
    size = _check_images(files, settings, limits, config)
    locate_weights(config.weights)
    if arguments.show:
        from nst_batch.cli.window import check_display  # noqa: PLC0415 - loads OpenCV

        check_display()
    asked = {"content": str(arguments.content), "style": str(arguments.style), "title": title, **patch.written()}
    # A service manager or a batch system that ends this early finds nothing left over.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with one_off.work_folder(arguments.output) as work_folder:
        spec = _prepare(Path(work_folder), files, settings, title, asked)
        return _paint(config, limits, spec, Path(work_folder), arguments.output, size if arguments.show else None)


def _check_images(files: Files, settings: Settings, limits: images.ImageLimits, config: Config) -> tuple[int, int]:
    """What the worker would say of the images, as far as their headers tell; the result's height and width."""
    headers = [(role, path.name, one_off.read_header(path, limits)) for role, path in files]
    return check_job(settings, headers, expected_place(config.device)).result


def _prepare(work_folder: Path, files: Files, settings: Settings, title: str, asked: dict[str, Any]) -> JobSpec:
    """A job's folder as the daemon would make it, so that one code does the work for both."""
    (work_folder / INPUTS_FOLDER).mkdir()
    (work_folder / RUNNING_FOLDER).mkdir()
    for role, path in files:
        shutil.copyfile(path, work_folder / INPUTS_FOLDER / role)
    spec = JobSpec(
        id=f"{claim_id(time.time_ns(), secrets.token_hex(4))}.0001",
        name=title,
        title=title,
        output="",
        settings=settings,
        sidecar=asked,
        inputs=tuple(JobInput(role=role, name=path.name, path=f"{INPUTS_FOLDER}/{role}") for role, path in files),
        received_at=now_iso(),
    )
    (work_folder / SPEC_NAME).write_text(spec.model_dump_json())
    return spec


def _paint(
    config: Config,
    limits: images.ImageLimits,
    spec: JobSpec,
    work_folder: Path,
    output: Path,
    window: tuple[int, int] | None,
) -> int:
    """``window``: at what size (height, width) to show the picture as it grows; None: not at all."""
    say(f"loading TensorFlow and the weights for {spec.title} ...", error=True)
    running = work_folder / RUNNING_FOLDER
    outcome = _generate(config, limits, spec, work_folder, window)
    if outcome is None or outcome.state == "cancelled":
        say("nst-batch: ended without a result", error=True)
        return EXIT_JOB_FAILED
    if outcome.reason is not None:
        raise JobError.of(outcome.reason)
    (running / MANIFEST_NAME).write_text(manifest(spec, outcome, attempts=1))
    target = FileSystem().rename_free(running, output, spec.title)
    say(str(target / str(outcome.final)))
    return EXIT_OK


def _generate(
    config: Config, limits: images.ImageLimits, spec: JobSpec, work_folder: Path, window: tuple[int, int] | None
) -> Outcome | None:
    session = one_off.open_session(config, limits)
    from nst_batch.worker.job_run import JobRun  # noqa: PLC0415 - loads TensorFlow

    steps = spec.settings.total_epochs * spec.settings.steps_per_epoch
    with Interrupts() as interrupts, Display(spec.title, steps=steps, size=window, interrupts=interrupts) as display:
        end = JobRun(session, work_folder, work_folder, work_folder / RUNNING_FOLDER, interrupts, display).run()
    if end == "yielded":
        return None
    return Outcome.model_validate_json((work_folder / OUTCOME_NAME).read_bytes())
