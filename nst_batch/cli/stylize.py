"""``nst-batch stylize``: one pair, now, in this process; the picture can be watched as it grows."""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from nst_batch.cli.terminal import duration, muted_libraries
from nst_batch.config import Config, load_config
from nst_batch.errors import EXIT_JOB_FAILED, EXIT_OK, JobError, UsageError
from nst_batch.images import ImageLimits
from nst_batch.job import (
    MANIFEST_NAME,
    OUTCOME_NAME,
    SPEC_NAME,
    JobInput,
    JobSpec,
    Outcome,
    manifest,
    now_iso,
)
from nst_batch.names import check_title, unique_name
from nst_batch.settings import conflicts, resolve
from nst_batch.sidecar import patch_from_pairs
from nst_batch.spool.fs import FileSystem
from nst_batch.workers import installed_gpus

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands
    from nst_batch.generation import Progress, Wish
    from nst_batch.settings import Settings

SHOW_SECONDS = 0.2  # a window needs no more than five pictures a second
EPILOG = """\
The result is a folder OUTPUT/TITLE/ with TITLE.png, loss.json, loss.svg and job.json. Any key of a sidecar can be set:

    nst-batch stylize harbour.jpg waves.jpg results --title dusk --set size=768 --set style_weight=2

Ctrl-C ends with the picture as it stands; a second one ends at once, without a result.
"""


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "stylize",
        parents=[common],
        help="one pair, now, into a folder",
        description="Paints CONTENT in the style of STYLE, without inbox or daemon.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    """Paint one pair."""
    config = load_config(arguments.config)
    words = [*arguments.set, *(["save_epoch=true"] if arguments.save_epoch else [])]
    settings = resolve(patch_from_pairs(words, source="--set"), config.defaults)
    for fault in conflicts(settings):
        raise UsageError("usage", f"--set {'.'.join(map(str, fault.path))}: {fault.what}", fault.fix)
    title = check_title(arguments.title or f"{arguments.content.stem}-{arguments.style.stem}")
    for path in (arguments.content, arguments.style):
        if not path.is_file():
            raise UsageError("image_missing", f"{path}: there is no such image", "give the path of an image file")
    if arguments.show:
        from nst_batch.images.window import check_display  # noqa: PLC0415 - loads OpenCV

        check_display()
    arguments.output.mkdir(parents=True, exist_ok=True)
    # Beside the result, so that the finished folder can be put there by one rename.
    with tempfile.TemporaryDirectory(prefix=".nst_batch-", dir=arguments.output) as workshop:
        return _paint(arguments, config, settings, title, Path(workshop))


def _paint(arguments: argparse.Namespace, config: Config, settings: Settings, title: str, workshop: Path) -> int:
    claim, running = workshop / "claim", workshop / "running"
    spec = _prepare(claim, arguments, settings, title)
    running.mkdir()
    print(f"loading TensorFlow and the weights for {title} ...", file=sys.stderr)
    outcome = _generate(config, claim, running, arguments.show)
    if outcome is None or outcome.state == "cancelled":
        print("nst-batch: ended without a result", file=sys.stderr)
        return EXIT_JOB_FAILED
    if outcome.state == "failed":
        raise JobError(outcome.code, outcome.message, outcome.advice)
    (running / MANIFEST_NAME).write_text(manifest(spec, outcome, attempts=1))
    target = _publish(running, arguments.output, title)
    print(target / str(outcome.final))
    return EXIT_OK


def _prepare(claim: Path, arguments: argparse.Namespace, settings: Settings, title: str) -> JobSpec:
    """A job's folder as the daemon would make it, so that one code does the work for both."""
    (claim / "inputs").mkdir(parents=True)
    inputs = []
    for role, path in (("content", arguments.content), ("style", arguments.style)):
        copy = Path("inputs") / f"{role}-{path.name}"
        shutil.copyfile(path, claim / copy)
        inputs.append(JobInput(role=role, name=path.name, path=str(copy)))
    spec = JobSpec(
        id=f"stylize-{int(time.time())}",
        name=title,
        title=title,
        output="",
        settings=settings,
        sidecar={"content": str(arguments.content), "style": str(arguments.style), "title": title},
        inputs=tuple(inputs),
        received_at=now_iso(),
    )
    (claim / SPEC_NAME).write_text(spec.model_dump_json())
    return spec


def _generate(config: Config, claim: Path, running: Path, show: bool) -> Outcome | None:
    from nst_batch.transfer.device import prepare_tensorflow  # noqa: PLC0415

    prepare_tensorflow()
    limits = ImageLimits(max_megapixels=config.limits.max_megapixels, max_file_mb=config.limits.max_file_mb)
    with muted_libraries(unless=logging.getLogger().isEnabledFor(logging.DEBUG)):
        from nst_batch.generation import run_job  # noqa: PLC0415 - loads TensorFlow
        from nst_batch.studio import Studio  # noqa: PLC0415

        studio = Studio.open(config.weights, _device(config), limits, config.jobs.checkpoint_seconds)
    with _Window(show) as window, _Interrupts() as interrupts:
        end = run_job(studio, claim, claim, running, interrupts, window)
    if end == "yielded":
        return None
    return Outcome.model_validate_json((claim / OUTCOME_NAME).read_bytes())


def _device(config: Config) -> str:
    if config.device == "cpu" or (config.device == "auto" and not installed_gpus()):
        return "cpu"
    return "gpu"


def _publish(running: Path, output: Path, title: str) -> Path:
    files = FileSystem()
    while True:
        name = unique_name(title, {path.name for path in output.iterdir()})
        try:
            files.rename_noreplace(running, output / name)
        except FileExistsError:
            # Somebody else took the name between the look and the rename.
            continue
        return output / name


class _Interrupts:
    """Ctrl-C as a wish: the first stops with the picture as it stands, the second is Python's own."""

    def __init__(self) -> None:
        self._stop = False
        self._before: Any = None

    def __enter__(self) -> _Interrupts:
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, *_: object) -> None:
        self._stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def wish(self) -> Wish:
        """What the job should do now."""
        return "stop" if self._stop else "go"


class _Window:
    """The bar on the terminal and, where asked, the picture in a window."""

    def __init__(self, show: bool) -> None:
        self.wants_pictures = show
        form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}"
        self._bar: tqdm[Any] = tqdm(total=1, disable=not sys.stderr.isatty(), leave=False, bar_format=form)
        self._shown = 0.0

    def __enter__(self) -> _Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self.wants_pictures:
            from nst_batch import images  # noqa: PLC0415

            images.close()

    def say(self, what: str, **fields: object) -> None:
        """Show a phase; everything else is for the daemon."""
        if what == "phase":
            self._bar.set_description_str(str(fields["phase"]))

    def step(self, progress: Progress, *, epoch_end: bool) -> None:
        """Move the bar; elsewhere than on a terminal a line an epoch."""
        line = f"epoch {progress.epoch}/{progress.epochs}, loss {progress.total:.5g}, {duration(progress.left)} left"
        if self._bar.disable:
            if epoch_end:
                print(line, file=sys.stderr, flush=True)
            return
        self._bar.total, self._bar.n = progress.steps, progress.step
        self._bar.set_description_str("painting")
        self._bar.set_postfix_str(line)

    def picture(self, rgb: Any) -> None:
        """Show the picture, not more often than an eye follows."""
        from nst_batch import images  # noqa: PLC0415

        now = time.monotonic()
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            images.show("nst_batch", rgb)
