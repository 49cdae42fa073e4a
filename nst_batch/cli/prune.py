"""``nst-batch prune``: old results and failures leave the outbox. Without ``--yes`` it only says which."""

from __future__ import annotations

import argparse
import os
import stat
import subprocess
import time
from typing import TYPE_CHECKING

from nst_batch.cli.terminal import plural, say
from nst_batch.config.load import load_config
from nst_batch.config.values import duration_seconds
from nst_batch.daemon.gallery_keeper import RENEWAL
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.report.entries import GalleryEntry, read, walk
from nst_batch.spool.commands import prune

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands

MEGA = 1e6
EPILOG = """\
A job is removed with all that lies in its folder: the picture, its epochs, the log and the inputs. Of failed and
cancelled jobs the inputs are mostly the only copy. What is at work, what waits, and folders that hold no job.json of a
job are never touched; the gallery is brought up to date. Without --yes nothing is removed.
"""


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "prune",
        parents=[common],
        help="remove results and failures that are older than some time",
        description="Says which ended jobs in the outbox are older than --older; with --yes it removes them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--older", required=True, metavar="TIME", help="since a job's end, such as 30d or 12h")
    command.add_argument("--failed", action="store_true", help="failed and cancelled jobs alone")
    command.add_argument("--yes", action="store_true", help="really remove them")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say, or do, what is asked."""
    config = load_config(arguments.config)
    seconds = duration_seconds(arguments.older)
    if seconds is None:
        what = f"--older {arguments.older} is no time"
        raise UsageError("usage", what, "write seconds, or a number with m, h or d, such as 30d")
    outbox, before, total = str(config.outbox), time.time() - seconds, 0
    found = [entry for entry in _ended(outbox, only_failed=arguments.failed) if entry.finished_at.timestamp() < before]
    for entry in sorted(found, key=lambda entry: entry.finished_at):
        size = _bytes_in(f"{outbox}/{entry.folder}")
        total += size
        say(f"{entry.finished_at:%Y-%m-%d}  {entry.state:9}  {size / MEGA:9.1f} MB  {entry.folder}")
    if not found:
        say(f"no job ended more than {arguments.older} ago")
    elif not arguments.yes:
        say(f"{plural(len(found), 'job')}, {total / MEGA:,.1f} MB; nothing is removed without --yes")
    else:
        removed = sum(1 for _ in prune(config, [entry.folder for entry in found]))
        subprocess.run([*RENEWAL, outbox], check=False)  # apart: it loads what decodes pictures
        say(f"{plural(removed, 'job')} removed, {total / MEGA:,.1f} MB")
    return EXIT_OK


def _ended(outbox: str, *, only_failed: bool) -> list[GalleryEntry]:
    folders = ((folder, stamp) for folder, stamp in walk(outbox, {}) if folder.startswith("failed/") or not only_failed)
    found = (read(outbox, folder, stamp[1]) for folder, stamp in folders)
    return [entry for entry in found if entry is not None]


def _bytes_in(path: str) -> int:
    """What the files in a folder take, links not followed."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
