"""``nst-batch again``: a finished job once more, with other settings; the old result stays."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nst_batch.cli.control import KnownJobs
from nst_batch.cli.terminal import AddCommand, say
from nst_batch.config.load import Config, load_config
from nst_batch.errors import EXIT_OK, ProblemsError, UsageError
from nst_batch.filenames import INPUT_FOLDER
from nst_batch.names import fold, title_fault, unique_name
from nst_batch.report.entries import read, walk
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.sidecar.pairs import patch_from_pairs
from nst_batch.spool.disk.attach import refuse_closed, refuse_no_folders
from nst_batch.spool.disk.blocked import command_guard
from nst_batch.spool.disk.retry_notes import failed_names
from nst_batch.spool.outbox.again import SIDECAR_NAME, drop_again, not_again, sidecar_again, text_of
from nst_batch.spool.told import files_of, places_of

EPILOG = """\
Without --set it is the same picture once more. With it, what follows from a changed key follows: --set preset=draft
takes the draft's steps too, unless the sidecar had others, --set size=1024 looks at the style at 1024 as well.

    nst-batch again dusk --set size=1024 --set style_weight=2
"""

NOT_SET = {
    **dict.fromkeys(("content", "style"), "what the result was made of; drop a sidecar for another pair"),
    "output": "the folder in which the result lies; drop a sidecar for another one",
    "title": "--title",
    "vary": "for several jobs of one sidecar; run again once for each value",
}


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "again",
        help="put a finished job back with other settings",
        description="Puts the images of a finished job, and a sidecar with its settings, into inbox/again-TITLE/. "
        "The old result stays; the new one has a title of its own.",
        epilog=EPILOG,
    )
    command.add_argument("job", metavar="JOB", help="the result's name, its folder below the outbox, or the job's id")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any key about the painting")
    command.add_argument("--title", metavar="T", help="the new result's title (default: the old one with a number)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Put it back."""
    config = load_config(arguments.config)
    refuse_no_folders(places_of(config))
    refuse_closed(config.outbox)
    folder = find_result(config.outbox, arguments.job)
    changes = patch_from_pairs(arguments.set, elsewhere=NOT_SET).written()
    title = arguments.title if arguments.title is not None else free_title(folder, names_in_use(config))
    if fault := title_fault(title):
        raise UsageError("usage", f"the title {title!r} {fault}", "give another one with --title")
    with command_guard(f"{config.inbox} cannot take it"):
        fs = files_of(config)
        body = sidecar_again(fs, folder, changes, title)
        text = text_of(body)
        try:
            request = parse_sidecar(text, SIDECAR_NAME, config.sidecar_rules())
        except ProblemsError as error:
            raise UsageError("usage", error.message, "change what is set") from error
        images = dict.fromkeys((*request.content, *request.style, *(name for _, name in request.more)))
        missing = [name for name in images if fs.kind(folder / INPUT_FOLDER / name) != "file"]
        if missing:
            raise not_again(fs, folder / INPUT_FOLDER, missing[0])
        target = drop_again(fs, places_of(config), folder, text, tuple(images), title)
    say(f"{title} will be painted from {target}; {folder} stays as it is")
    return EXIT_OK


def find_result(outbox: Path, name: str) -> Path:
    """The folder of a finished job by its name, its path below the outbox or its id. UsageError."""
    found: list[str] = []
    for folder, (_, written) in walk(str(outbox), {}):
        if folder.partition("/")[0] == "failed":
            continue
        if fold(folder) == fold(name.strip("/")):
            return outbox / folder
        if fold(folder.rpartition("/")[2]) == fold(name) or (_is_id(name) and _id(outbox, folder, written) == name):
            found.append(folder)
    if len(found) > 1:
        places = ", ".join(sorted(found)[:5])
        raise UsageError("job_unknown", f"{name}: several results are called so: {places}", "name one by its folder")
    if not found:
        raise UsageError(
            "job_unknown",
            f"{name}: no finished job is called so",
            "nst-batch status lists the newest; a failed one is put back by nst-batch retry",
        )
    return outbox / found[0]


def _is_id(name: str) -> bool:
    """Whether a name may be a job's id: only then every result is read."""
    return name.count("-") >= 3 and "." in name


def _id(outbox: Path, folder: str, written: int) -> str:
    entry: Any = read(str(outbox), folder, written)
    return "" if entry is None else str(entry.id)


def names_in_use(config: Config) -> set[str]:
    """What jobs are called that have no result: those that wait in the inbox, are at work, or have failed."""
    known, _ = KnownJobs.of(config)
    return {*known.everything, *failed_names(files_of(config), places_of(config))}


def free_title(folder: Path, in_use: Iterable[str]) -> str:
    """The old result's name with a number that no result beside it has, nor a job whose name is ``in_use``.

    A number at its end goes on only where the result without it lies there too: ``holiday-2023`` is a name.
    """
    base = folder.name
    stem, _, number = base.rpartition("-")
    taken = {fold(path.name) for path in folder.parent.iterdir()}
    counted = number.isdecimal() and fold(stem) in taken
    return unique_name(stem if counted else base, {*taken, fold(base), *in_use})
