"""``nst-batch check``: is this right? Config, sidecars and images, without running anything."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nst_batch import images, names
from nst_batch.cli.terminal import duration, plural, say
from nst_batch.config.load import Config, load_config
from nst_batch.config.schedule import DAYS, closed_until, open_until
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.open_hours import clock
from nst_batch.daemon.pace import Pace
from nst_batch.errors import EXIT_JOB_FAILED, EXIT_OK, JobError, ProblemsError, UsageError
from nst_batch.filenames import PACE_NAME
from nst_batch.names import is_sidecar, is_temporary, natural_key, passed_over
from nst_batch.sidecar.expand import Expansion, JobRequest, expand, parse_sidecar
from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.resolver import FileResolver, Role
from nst_batch.sidecar.settings import Settings, priority_note
from nst_batch.sizing import result_size
from nst_batch.spool.commands import folders_of
from nst_batch.spool.inbox.folders import Folders
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.told import kept_by_daemon
from nst_batch.transfer.spec import Precision
from nst_batch.worker.capacity import RESERVE, expected_room, gpu_memory_mb
from nst_batch.worker.rate import processor_rate

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands

EPILOG = """\
Without a SIDECAR, every sidecar in the inbox is looked at. A sidecar outside the inbox finds its images beside itself
and in the library. Ends with 1 where something is wrong with a sidecar or an image, 78 where with the config.
"""


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "check",
        parents=[common],
        help="is this right? config, sidecars, images, without running anything",
        description="Reads the config, the sidecars and their images, and says what would be made.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("sidecar", nargs="*", type=Path, metavar="SIDECAR", help="a sidecar NAME.yaml")
    command.add_argument("--no-sidecars", action="store_true", help="the config alone")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and report; everything is looked at before the command ends."""
    config = load_config(arguments.config)
    for path in arguments.sidecar:
        if not path.is_symlink() and not path.is_file():
            what = "is not a file" if path.exists() else "there is no such file"
            raise UsageError("sidecar_missing", f"{path}: {what}", "give the path of a sidecar")
    say(f"config    {config.source or 'none: built-in defaults'}: ok")
    for line in _hours(config, time.time()):
        say(f"hours     {line}")
    if arguments.no_sidecars:
        return EXIT_OK
    paths = arguments.sidecar
    if not paths:
        below = sorted(_files_below(config.inbox), key=lambda path: natural_key(str(path)))
        paths = [path for path in below if is_sidecar(path.name)]
        for path in below:
            if why := passed_over(path.name):
                say(f"note      {path}: not taken: {why}")
    if not paths:
        say(f"sidecars  none in {config.inbox}")
    seen = _Seen(images.ImageLimits(max_megapixels=config.limits.max_megapixels, max_file_mb=config.limits.max_file_mb))
    times, (folders, entries) = _Times(config), folders_of(config)
    checking = _Checking(config, folders, seen, times)
    wrong, looked_at = sum(not _check_sidecar(path, checking) for path in paths), len(paths)
    if not arguments.sidecar:
        verdicts = list(_check_folders(checking, entries))
        wrong, looked_at = wrong + verdicts.count(False), looked_at + len(verdicts)
    if times.jobs > 1 and times.seconds:
        say(f"time      {plural(times.jobs, 'job')}, about {duration(times.seconds)} on one worker")
    if wrong:
        say(f"nst-batch: {plural(wrong, 'sidecar')} of {looked_at} not right", error=True)
    return EXIT_JOB_FAILED if wrong else EXIT_OK


def _hours(config: Config, now: float) -> Iterator[str]:
    """The windows of the schedule, and what it says of this moment."""
    for hours in config.schedule:
        days = "every day" if hours.days == DAYS else ", ".join(hours.days)
        yield f"{hours.window}, {days}, {hours.timezone or 'the time zone of this system'}"
    if config.schedule:
        closed, opened = closed_until(config.schedule, now), open_until(config.schedule, now)
        until = "" if opened is None else f", until {clock(opened, now)}"
        wait = "" if closed is None else clock(closed, now)
        yield f"no job before {wait}, but with now: true" if wait else f"jobs may run now{until}"


class _Times:
    """How long the jobs take: as the daemon has learned here, else by what the processor multiplies."""

    def __init__(self, config: Config) -> None:
        self.jobs, self.seconds = 0, 0.0
        pace = Pace(kept_by_daemon(config, PACE_NAME))
        numbers = config.device if isinstance(config.device, tuple) else (None,)
        on_gpu = config.device != "cpu" and any(gpu_memory_mb(number) for number in numbers)
        self._device = "gpu" if on_gpu or config.device not in ("auto", "cpu") else "cpu"
        self._forecast = Forecast(pace)

    def told(self, settings: Settings, content: _Image) -> str:
        """``, about 3 min 20 s``; empty where nothing is known of the device."""
        pace = self._forecast.pace
        if self._device == "cpu" and not pace.knows("cpu"):
            pace.rate_is("cpu", processor_rate())
        seconds = self._forecast.job_seconds(settings, (content.width, content.height), self._device)
        if seconds is None:
            return ""
        self.jobs, self.seconds = self.jobs + 1, self.seconds + seconds
        return f", about {duration(seconds)}"


@dataclass
class _Checking:
    """What is looked at, and what was found."""

    config: Config
    folders: Folders
    seen: _Seen
    times: _Times
    named: set[str] = field(default_factory=set)  # images of the inbox that sidecars name


class _Image(NamedTuple):
    width: int
    height: int


class _Seen:
    """The images looked at so far, decoded as a job would: one that many jobs share is decoded once."""

    def __init__(self, limits: images.ImageLimits) -> None:
        self._limits = limits
        self._known: dict[tuple[Path, bool], _Image | JobError] = {}
        self._notes: list[tuple[str, str]] = []

    def look(self, path: Path, role: Role) -> _Image:
        """Its size. Raises the JobError that a job would end with."""
        key = (path, role == "mask")
        if key not in self._known:
            from nst_batch.worker.job_images import mask_plane  # noqa: PLC0415 - it loads NumPy

            try:
                picture = images.decode(path, self._limits)
                if role == "mask":
                    mask_plane(path.name, picture, (picture.height, picture.width))
            except JobError as error:
                self._known[key] = error
            else:
                self._known[key] = _Image(picture.width, picture.height)
                self._notes += ((path.name, note) for note in picture.notes)
        known = self._known[key]
        if isinstance(known, JobError):
            raise known
        return known

    def new_notes(self) -> Iterator[tuple[str, str]]:
        """Image and note, each told once."""
        notes, self._notes = self._notes, []
        yield from notes


def _files_below(inbox: Path) -> Iterator[Path]:
    """Where the daemon would look; its own folder, in which things come and go, is not entered."""
    for folder, folders, files in os.walk(inbox):
        folders[:] = [name for name in folders if not is_temporary(name)]
        yield from (Path(folder, name) for name in files)


def _check_folders(checking: _Checking, entries: Mapping[str, Entry]) -> Iterator[bool]:
    """Say what each ``folder.yaml`` and ``defaults.yaml`` does; whether each, and each photograph, is right."""
    folders = checking.folders
    seen = folders.overlay(entries, 0.0, frozenset(checking.named))
    for view in folders.views():
        path = checking.config.inbox / view.path
        if view.why:
            yield _wrong(path, *(view.problems or (view.why,)))
            continue
        yield True
        what = plural(view.pending, "photograph") if view.is_hot else "counts for the sidecars below it"
        say(f"{'folder' if view.is_hot else 'defaults':8}  {path}: ok, {what}")
        own = [each for each in seen if view.is_hot and folders.virtual(each) and _folder(each) == _folder(view.path)]
        for each in sorted(own, key=natural_key):
            virtual = folders.virtual(each)
            assert virtual is not None
            yield _check_text(checking.config.inbox / virtual.photograph, each, virtual.text, checking)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _check_sidecar(path: Path, checking: _Checking) -> bool:
    if names.is_special(path.name):
        return _wrong(path, "it speaks for its folder: nst-batch check without a name says what it does")
    if not is_sidecar(path.name):
        what = "its name is no sidecar's, which are NAME.yaml and NAME.yml, not hidden and no copies under way"
        return _wrong(path, passed_over(path.name) or what)
    if path.is_symlink():
        return _wrong(path, "it is a symbolic link, and links are not followed; put the file itself there")
    try:
        text = path.read_bytes()
    except OSError as error:
        return _wrong(path, f"it cannot be read: {error.strerror}")
    return _check_text(path, "", text, checking)


def _check_text(path: Path, relative: str, text: bytes, checking: _Checking) -> bool:
    """Look at a sidecar; ``relative`` is where a photograph's own one would lie in the inbox."""
    config = checking.config
    root, relative = (config.inbox, relative) if relative else _place(path, config)
    rules = checking.folders.rules_of(_folder(relative)) if root == config.inbox else config.sidecar_rules()
    if root == config.inbox and (why := checking.folders.hindrance(_folder(relative))):
        return _wrong(path, f"it waits: {why}")
    try:
        request = parse_sidecar(text, relative, rules)
        resolver = FileResolver(
            DiskTree(root),
            str(Path(relative).parent),
            [DiskTree(folder) for folder in config.library],
            most=config.limits.max_jobs,
        )
        expansion = expand(request, resolver)
    except ProblemsError as error:
        return _wrong(path, *map(str, error.problems))
    if root == config.inbox:
        files = (each.file for job in expansion.jobs for each in job.inputs)
        checking.named |= {file.path for file in files if not file.library}
    note = priority_note(request.parsed, request.settings)
    return _report(path, expansion, root, checking, resolver, *filter(None, [note]))


def _wrong(path: Path, *lines: str) -> bool:
    say(f"sidecar   {path}: wrong")
    for line in lines:
        say(f"          {line}")
    return False


def _place(path: Path, config: Config) -> tuple[Path, str]:
    """The folder that stands for the inbox, and the sidecar's path below it."""
    path = path.resolve()
    if path.is_relative_to(config.inbox.resolve()):
        return config.inbox, path.relative_to(config.inbox.resolve()).as_posix()
    return path.parent, path.name


def _report(
    path: Path, expansion: Expansion, root: Path, checking: _Checking, resolver: FileResolver, *notes: str
) -> bool:
    lines, fine = [], not expansion.missing
    for job in expansion.jobs:
        line, job_is_fine = _job_line(job, root, checking)
        lines.append(line)
        fine = fine and job_is_fine
    say(f"sidecar   {path}: {'ok' if fine else 'wrong'}, {plural(len(expansion.jobs), 'job')}")
    for line in lines:
        say(f"          {line}")
    for note in notes:
        say(f"          {note}")
    for name, note in checking.seen.new_notes():
        say(f"          {name}: {note}")
    if resolver.unread:
        names = sorted(resolver.unread, key=natural_key)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        say(f"          left out, not read here: {', '.join(names[:3])}{more}; export what is wanted as TIFF")
    for missing in expansion.missing:
        hint = f"; {missing.hint}" if missing.hint else ""
        say(f"          line {missing.line}, {missing.role}: {missing.why}{hint}")
    return fine


def _job_line(job: JobRequest, root: Path, checking: _Checking) -> tuple[str, bool]:
    config, seen = checking.config, checking.seen
    settings, refusal = job.settings, job.refusal
    if refusal is not None:
        return f"{job.title}: {refusal.code}: {refusal.message}; {refusal.advice}", False
    try:
        pictures = [(each.role, each.file.name, seen.look(root / each.file.path, each.role)) for each in job.inputs]
        height, width = result_size(settings, pictures)
    except JobError as error:
        return f"{job.title}: {error.code}: {error.in_one_line}", False
    _, name, content = pictures[0]
    styles = " + ".join(each.file.name for each in job.inputs if each.role == "style")
    return (
        f"{job.title}: {name} ({content.width} × {content.height}) with {styles}, "
        f"{width} × {height}, {settings.preset}, "
        f"{plural(settings.total_epochs, 'epoch')} of {plural(settings.steps_per_epoch, 'step')}, "
        f"{_memory(settings, (height, width), config)}{checking.times.told(settings, content)}",
        True,
    )


def _memory(settings: Settings, size: tuple[int, int], config: Config) -> str:
    """What the job will hold at its peak, and what would fit where that is more than there is."""
    from nst_batch.worker.session import memory_plan, transfer_spec  # noqa: PLC0415 - loads NumPy

    memory = memory_plan(transfer_spec(settings, *size), _precision(settings))
    room, pixels = expected_room(config.device), size[0] * size[1]
    need = memory.peak_mb(pixels, memory.strip_plan(pixels, room.planned_mb))
    told = f"about {need / 1024:.1f} GiB of memory"
    if not room.total_mb or need <= room.total_mb:
        return told
    fits = memory.largest_side(*size, RESERVE * room.total_mb)
    return f"{told}, more than the {room.total_mb / 1024:.1f} GiB here: size {fits} should fit"


def _precision(settings: Settings) -> Precision:
    """As far as it can be told without TensorFlow: what needs more memory, where it is not written."""
    return "bfloat16" if settings.precision == "bfloat16" else "float32"
