"""``nst-batch check``: is this right? Config, sidecars and images, without running anything."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nst_batch.beneath import WHAT_IS_NO_FILE, Beneath, Kind, folders_below
from nst_batch.cli.checking import Checker, Verdict
from nst_batch.cli.terminal import AddCommand, plural, say, say_set_in
from nst_batch.clock import duration
from nst_batch.config.load import Config, load_config
from nst_batch.config.schedule import DAYS, closed_until, open_until, zone_at
from nst_batch.errors import EXIT_JOB_FAILED, EXIT_OK, UsageError
from nst_batch.names import is_sidecar, is_special, is_temporary, natural_key, passed_over
from nst_batch.report.markup import clock
from nst_batch.spool.disk.attach import refuse_closed, refuse_no_folders
from nst_batch.spool.inbox.control import is_meant
from nst_batch.spool.told import places_of

EPILOG = """\
Without a SIDECAR, every sidecar in the inbox is looked at, every folder.yaml with the photographs that it would have
painted, and every defaults.yaml. What lies outside the inbox finds its images beside itself and in the library. Ends
with 1 where something is wrong with a sidecar or an image, 78 where with the config.
"""
NOUNS = {"sidecar": "sidecar", "photo": "photograph", "folder": "folder file", "defaults": "folder file"}


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "check",
        help="is this right? config, sidecars, images, without running anything",
        description="Reads the config, the sidecars and their images, and says what would be made.",
        epilog=EPILOG,
    )
    what = "a sidecar NAME.yaml, a folder.yaml or a defaults.yaml"
    command.add_argument("sidecar", nargs="*", type=Path, metavar="SIDECAR", help=what)
    command.add_argument("--no-sidecars", action="store_true", help="the config alone")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and report; everything is looked at before the command ends."""
    config = load_config(arguments.config)
    refuse_no_folders(places_of(config))
    if not (arguments.sidecar or arguments.no_sidecars):
        refuse_closed(config.inbox)
    for path in arguments.sidecar:
        kind = Beneath().kind(path)
        if kind is None:
            raise UsageError("sidecar_missing", f"{path}: there is no such file")
        if kind in ("folder", "other"):
            raise UsageError("sidecar_missing", f"{path} is {WHAT_IS_NO_FILE[kind]}, and no sidecar")
    _line(f"config    {config.source or 'none: built-in defaults'}: ok")
    for line in _hours(config, time.time()):
        _line(f"hours     {line}")
    for name, why in config.hooks.faults():
        _line(f"note      hooks.{name}: {why}")
    if arguments.no_sidecars:
        return EXIT_OK
    checker = Checker(config)
    wrong, seen = _told(_named(arguments.sidecar, checker) if arguments.sidecar else _whole_inbox(config, checker))
    if checker.times.jobs > 1 and checker.times.seconds:
        _line(f"time      {plural(checker.times.jobs, 'job')}, about {duration(checker.times.seconds)} on one worker")
    if wrong:
        parts = (f"{plural(count, noun)} of {seen[noun]}" for noun, count in wrong.items())
        say(f"nst-batch: {' and '.join(parts)} not right", error=True)
    return EXIT_JOB_FAILED if wrong else EXIT_OK


def _named(paths: Iterable[Path], checker: Checker) -> Iterator[Verdict]:
    """What is to be said of the files that were named."""
    for path in paths:
        if is_special(path.name):
            yield from checker.of_folder_file(path)
        else:
            yield checker.of_sidecar(path)


def _whole_inbox(config: Config, checker: Checker) -> Iterator[Verdict]:
    """What is to be said of everything that lies in the inbox."""
    below = sorted(_below(config.inbox), key=lambda found: natural_key(str(found[0])))
    paths = [path for path, kind in below if kind in ("file", "link") and is_sidecar(path.name)]
    for path, kind in below:
        if why := passed_over(path.name, kind):
            _line(f"note      {path}: not taken: {why}")
        if kind == "folder" and path.parent == config.inbox and is_meant(path.name):
            _line(f"note      {path} is a folder, so it is no control file: give it another name")
    if not paths:
        _line(f"sidecars  none in {config.inbox}")
    yield from map(checker.of_sidecar, paths)
    yield from checker.of_folder_files()


def _told(verdicts: Iterable[Verdict]) -> tuple[Counter[str], Counter[str]]:
    """Say them; how many of each kind were wrong, and how many were looked at.

    A running daemon takes sidecars, and then their images, at any moment: what is gone by now is no mistake.
    """
    wrong: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for verdict in verdicts:
        if not verdict.fine and not os.path.lexists(verdict.path):
            _line(f"{verdict.kind:8}  {verdict.path}: gone meanwhile; a daemon takes what is complete")
            continue
        seen[NOUNS[verdict.kind]] += 1
        wrong[NOUNS[verdict.kind]] += not verdict.fine
        _line(f"{verdict.kind:8}  {verdict.path}: {verdict.told}")
        for line in verdict.lines:
            _line(f"{'':10}{line}")
    return +wrong, seen


def _line(text: str) -> None:
    """One line: a word, and from the tenth column on what is said; of that more lines where it is long."""
    say_set_in(text, 12)


def _hours(config: Config, now: float) -> Iterator[str]:
    """The windows of the schedule, and what it says of this moment."""
    for hours in config.schedule:
        days = "every day" if hours.days == DAYS else ", ".join(hours.days)
        yield f"{hours.window}, {days}, {hours.timezone or 'the time zone of this system'}"
    if config.schedule:
        closed, opened = closed_until(config.schedule, now), open_until(config.schedule, now)
        until = "" if opened is None else f", until {clock(opened, now, zone_at(config.schedule, opened))}"
        wait = "" if closed is None else clock(closed, now, zone_at(config.schedule, closed))
        yield f"no job before {wait}, but with now: true" if wait else f"jobs may run now{until}"


def _below(inbox: Path) -> Iterator[tuple[Path, Kind]]:
    """What lies where the daemon would look; its own folder, where all moves, is left. All but sidecars are files."""
    files = Beneath()
    for folder, folders, others in folders_below(inbox):
        folders[:] = [name for name in folders if not is_temporary(name)]
        yield from ((Path(folder, name), "folder") for name in folders)
        for path in (Path(folder, name) for name in others):
            kind = files.kind(path) if is_sidecar(path.name) else "file"
            if kind is not None:  # a daemon may have taken it meanwhile
                yield path, kind
