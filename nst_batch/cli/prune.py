"""``nst-batch prune``: old results and failures leave the outbox. Without ``--yes`` it only says which."""

from __future__ import annotations

import argparse
import os
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from nst_batch.beneath import folders_below
from nst_batch.cli.terminal import AddCommand, plural, say
from nst_batch.config.load import Config, load_config
from nst_batch.config.values import duration_seconds
from nst_batch.daemon.gallery_keeper import RENEWAL
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.reasons import NO_PERMISSION
from nst_batch.report.entries import read, walk
from nst_batch.report.sheet_notes import left_alone
from nst_batch.spool.commands import prune
from nst_batch.spool.disk.attach import refuse_closed, refuse_no_folders
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.told import files_of, places_of

MEGA = 1e6
SHEET = "sheet"
EPILOG = """\
A job is removed with all that lies in its folder: the picture, its epochs, the log and the inputs. Of failed and
cancelled jobs the inputs are mostly the only copy. A contact sheet goes once none of its jobs is left in the outbox,
and a folder with the last thing in it. What is at work, what waits, and folders that hold no job.json of a job are
never touched; the gallery is brought up to date. Without --yes nothing is removed.
"""


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "prune",
        help="remove results and failures that are older than some time",
        description="Says which ended jobs in the outbox are older than --older; with --yes it removes them.",
        epilog=EPILOG,
    )
    command.add_argument("--older", required=True, metavar="TIME", help="since a job's end, such as 30d or 12h")
    command.add_argument("--failed", action="store_true", help="failed and cancelled jobs alone")
    command.add_argument("--yes", action="store_true", help="really remove them")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say, or do, what is asked."""
    config = load_config(arguments.config)
    refuse_no_folders(places_of(config))
    refuse_closed(config.outbox)
    seconds = duration_seconds(arguments.older)
    if seconds is None:
        what = f"--older {arguments.older} is no time"
        raise UsageError("usage", what, "write seconds, or a number with m, h or d, such as 30d")
    found = _old(config, time.time() - seconds, only_failed=arguments.failed)
    sizes = {}
    for each in found:
        sizes[each] = size = _bytes_in(f"{config.outbox}/{each.folder}")
        say(f"{each.ended:%Y-%m-%d}  {each.state:9}  {size / MEGA:9.1f} MB  {each.folder}")
    if not found:
        say(f"no job ended more than {arguments.older} ago")
    elif arguments.yes:
        _remove(config, sizes)
    else:
        say(f"{_counted(found)}, {sum(sizes.values()) / MEGA:,.1f} MB; nothing is removed without --yes")
    return EXIT_OK


def _remove(config: Config, sizes: Mapping[_Old, int]) -> None:
    """Remove them, and say what is gone; of what may not be removed alone only then. SpoolBlocked."""
    gone: list[_Old] = []
    refused: list[SpoolBlocked] = []
    for each in sizes:
        try:
            if prune(config, each.folder):
                gone.append(each)
        except SpoolBlocked as error:
            refused.append(error)
            if error.code != NO_PERMISSION:
                break  # a disk that refuses one refuses all
    if gone or not refused:
        subprocess.run([*RENEWAL, str(config.outbox)], check=False)  # apart: it loads what decodes pictures
        say(f"{_counted(gone)} removed, {sum(sizes[each] for each in gone) / MEGA:,.1f} MB")
    if refused:
        raise SpoolBlocked(refused[-1].code, [error.message for error in refused], refused[-1].advice)


class _Old(NamedTuple):
    """A folder of the outbox that is to leave it."""

    ended: datetime
    state: str  # of a job, or SHEET
    folder: str


def _old(config: Config, before: float, *, only_failed: bool) -> list[_Old]:
    """The jobs that ended before then (seconds since 1970), the oldest first; then the sheets that lose all theirs."""
    outbox = str(config.outbox)
    folders = ((folder, stamp) for folder, stamp in walk(outbox, {}) if folder.startswith("failed/") or not only_failed)
    read_ones = (read(outbox, folder, stamp[1]) for folder, stamp in folders)
    jobs = [_Old(each.finished_at, each.state, each.folder) for each in read_ones if each is not None]
    jobs = sorted(job for job in jobs if job.ended.timestamp() < before)
    if only_failed:
        return jobs
    sheets = left_alone(config.outbox, files_of(config), [job.folder for job in jobs])
    old = (_Old(datetime.fromtimestamp(at).astimezone(), SHEET, folder) for folder, at in sheets if at < before)
    return [*jobs, *sorted(old)]


def _counted(found: Sequence[_Old]) -> str:
    """``3 jobs``, ``3 jobs and 1 sheet``."""
    sheets = sum(each.state == SHEET for each in found)
    jobs = plural(len(found) - sheets, "job")
    return f"{jobs} and {plural(sheets, SHEET)}" if sheets else jobs


def _bytes_in(path: str) -> int:
    """What the files in a folder take, links not followed."""
    total = 0
    for folder, _, files in folders_below(path):
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
