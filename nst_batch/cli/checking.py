"""What ``nst-batch check`` finds of each file: whether it is right, and what would be made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_batch import images
from nst_batch.beneath import WHAT_IS_NO_FILE, Beneath
from nst_batch.capacity import check_job, gpu_memory_mb
from nst_batch.cli.terminal import plural
from nst_batch.clock import duration
from nst_batch.config.load import Config
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.foreteller import painted_at
from nst_batch.daemon.pace import Pace
from nst_batch.errors import JobError, ProblemsError
from nst_batch.filenames import PACE_NAME
from nst_batch.names import is_sidecar, natural_key, passed_over
from nst_batch.sidecar.expand import Expansion, JobRequest, SidecarRequest, expand, parse_sidecar
from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.resolver import FileResolver, Role
from nst_batch.sidecar.settings import Settings, priority_note
from nst_batch.sizing import Shape
from nst_batch.spool.commands import folders_of
from nst_batch.spool.disk.fs import FileSystem, read_sidecar
from nst_batch.spool.inbox.inbox import folder_of
from nst_batch.spool.inbox.readiness import FolderView
from nst_batch.spool.inbox.special import left_out
from nst_batch.spool.rights import DaemonsRights
from nst_batch.spool.told import kept_by_daemon
from nst_batch.worker.rate import processor_rate

Kind = Literal["sidecar", "photo", "folder", "defaults"]


@dataclass(frozen=True)
class Verdict:
    """One file: whether all is right with it, what is told behind its path, and more lines."""

    kind: Kind
    path: Path
    fine: bool
    told: str
    lines: tuple[str, ...] = ()


class Checker:
    """Looks at one file after another; what many of them share is read once."""

    def __init__(self, config: Config, times: Times | None = None) -> None:
        self._config = config
        limits = images.ImageLimits(config.limits.max_megapixels, config.limits.max_file_mb)
        self._seen = _Seen(limits)
        self.times = times or Times(config)
        self._painted_at = painted_at(config)
        self._folders, self._entries, self._foreseen = folders_of(config)
        self._rights = DaemonsRights(config)
        self._named: set[str] = set()  # images of the inbox that sidecars name

    def of_sidecar(self, path: Path) -> Verdict:
        """A sidecar, wherever it lies."""
        if not is_sidecar(path.name):
            what = "its name is no sidecar's, which are NAME.yaml and NAME.yml, not hidden and no copies under way"
            return _wrong("sidecar", path, passed_over(path.name) or what)
        kind = Beneath().kind(path)
        if kind in WHAT_IS_NO_FILE:
            what = f"it is {WHAT_IS_NO_FILE[kind]}, which is not read; put the file itself there, or rename it"
            return _wrong("sidecar", path, what)
        try:
            text = self._read(path)
        except OSError as error:
            return _wrong("sidecar", path, f"it cannot be read: {error.strerror}")
        return self._of_text("sidecar", path, *self._place(path), text)

    def of_folder_file(self, path: Path) -> Iterator[Verdict]:
        """A ``folder.yaml`` or ``defaults.yaml``, and the photographs that it would have painted."""
        root, relative = self._place(path)
        is_here = root == self._config.inbox
        checker = self if is_here else Checker(self._config.model_copy(update={"inbox": root}), self.times)
        for other in checker._entries:
            if is_sidecar(other.rpartition("/")[2]):  # the images that it names are its own
                with contextlib.suppress(ProblemsError, OSError):
                    checker._expanded(root, other, checker._read(root / other))
        yield from checker.of_folder_files(relative)

    def of_folder_files(self, only: str | None = None) -> Iterator[Verdict]:
        """Each ``folder.yaml`` and ``defaults.yaml`` of the inbox, or ``only`` that at one path in it.

        After each its photographs. Sidecars whose images they are not are to be looked at before.
        """
        self._foreseen.begin()
        seen = self._folders.overlay(self._entries, 0.0, frozenset(self._named))
        painted = self._folders.photographs
        alike = {each: other for each, other in self._foreseen.alike.items() if each not in painted}
        for view in self._folders.views():
            if only in (None, view.path):
                same = {each: other for each, other in alike.items() if folder_of(each) == folder_of(view.path)}
                yield self._of_view(view, len(same))
                own = [each for each in seen if not view.why and folder_of(each) == folder_of(view.path)]
                yield from self._of_photographs(own if view.is_hot else [], same)

    def _of_view(self, view: FolderView, alike: int) -> Verdict:
        path = self._config.inbox / view.path
        kind: Literal["folder", "defaults"] = "folder" if view.is_hot else "defaults"
        if view.why:
            return _wrong(kind, path, *map(view.told, view.problems or (view.why,)), *filter(None, [view.left_out]))
        painted = view.painted - alike
        photographs = plural(view.pending, "photograph")
        photographs += f", {alike:,} more the same as another" if alike else ""
        photographs += f", {painted:,} painted already" if painted else ""
        photographs += f", {view.failed:,} failed" if view.failed else ""
        told = f"ok, {photographs if view.is_hot else 'counts for the sidecars below it'}"
        closed = [f"note: {what}" for what in self._rights.unread(view.path)]
        lines = (f"note: {view.note}" if view.note else "", view.styles, view.left_out, *closed)
        return Verdict(kind, path, True, told, tuple(filter(None, lines)))

    def _of_photographs(self, paths: list[str], alike: dict[str, str]) -> Iterator[Verdict]:
        """``paths`` are as the daemon sees them; ``alike`` are those that have the bytes of another."""
        for each in sorted(paths, key=natural_key):
            if each in alike:
                other = alike[each] if folder_of(alike[each]) != folder_of(each) else alike[each].rpartition("/")[2]
                same = f"ok, the same photograph as {other}, painted once for both"
                yield Verdict("photo", self._config.inbox / each, True, same)
            elif (virtual := self._folders.virtual(each)) is not None:
                path = self._config.inbox / virtual.photograph
                yield self._of_text("photo", path, self._config.inbox, each, virtual.text)

    def _read(self, path: Path) -> bytes:
        """As the daemon reads it: what is no file by now is not waited for. OSError."""
        return read_sidecar(FileSystem(), path, self._config.limits.max_sidecar_bytes)

    def _place(self, path: Path) -> tuple[Path, str]:
        """The folder that stands for the inbox, and a file's path below it."""
        path = path.parent.resolve() / path.name
        if path.is_relative_to(self._config.inbox.resolve()):
            return self._config.inbox, path.relative_to(self._config.inbox.resolve()).as_posix()
        return path.parent, path.name

    def _of_text(
        self, kind: Literal["sidecar", "photo"], path: Path, root: Path, relative: str, text: bytes
    ) -> Verdict:
        """A sidecar by its text; ``relative`` is where it lies, or would lie, below ``root``."""
        if root == self._config.inbox and (why := self._folders.hindrance(folder_of(relative))):
            return _wrong(kind, path, f"it waits: {why}")
        try:
            request, resolver, expansion = self._expanded(root, relative, text, is_photos=kind == "photo")
        except ProblemsError as error:
            return _wrong(kind, path, *map(str, error.problems))
        lines, fine = self._of_jobs(expansion, root)
        note = priority_note(request.parsed, request.settings)
        lines += filter(None, [note])
        lines += (f"{name}: {note}" for name, note in self._seen.new_notes())
        if root == self._config.inbox:
            images = dict.fromkeys(each.file for job in expansion.jobs for each in job.inputs)
            here = (file.path for file in images if file.is_taken and not file.library)
            lines += (f"note: {what}" for what in self._rights.hindrances(relative, here))
        lines += filter(None, [left_out(resolver.unread)])
        lines += _missing(expansion)
        told = f"{'ok' if fine else 'wrong'}, {plural(len(expansion.jobs), 'job')}"
        return Verdict(kind, path, fine, told, tuple(lines))

    def _expanded(
        self, root: Path, relative: str, text: bytes, *, is_photos: bool = False
    ) -> tuple[SidecarRequest, FileResolver, Expansion]:
        """What a sidecar asks for; the images of the inbox that it names are nobody else's. Raises ProblemsError."""
        config = self._config
        is_here = root == config.inbox
        rules = self._folders.rules_of(folder_of(relative)) if is_here else config.sidecar_rules()
        request = parse_sidecar(text, relative, rules)
        shelves = [DiskTree(folder) for folder in config.library]
        resolver = FileResolver(DiskTree(root), folder_of(relative), shelves, most=config.limits.max_jobs)
        expansion = expand(request, resolver)
        if is_here and not is_photos:
            files = (each.file for job in expansion.jobs for each in job.inputs)
            self._named |= {file.path for file in files if not file.library}
        return request, resolver, expansion

    def _of_jobs(self, expansion: Expansion, root: Path) -> tuple[list[str], bool]:
        """A line for each job, and whether all of them can be done."""
        lines, fine = [], not expansion.missing
        for job in expansion.jobs:
            line, job_is_fine = self._of_job(job, root)
            lines.append(line)
            fine = fine and job_is_fine
        return lines, fine

    def _of_job(self, job: JobRequest, root: Path) -> tuple[str, bool]:
        settings, refusal = job.settings, job.refusal
        if refusal is not None:
            return f"{job.title}: {refusal.code}: {refusal.message}; {refusal.advice}", False
        look = self._seen.look
        try:
            pictures = [
                (each.role, each.file.name, look(root / each.file.path, each.role, settings.format))
                for each in job.inputs
            ]
            demand = check_job(settings, pictures, self._painted_at)
        except JobError as error:
            return f"{job.title}: {error.code}: {error.in_one_line}", False
        _, name, content = pictures[0]
        height, width = demand.result
        styles = " + ".join(each.file.name for each in job.inputs if each.role == "style")
        return (
            f"{job.title}: {name} ({content.width} × {content.height}) with {styles}, "
            f"{width} × {height}, {settings.preset}, "
            f"{plural(settings.total_epochs, 'epoch')} of {plural(settings.steps_per_epoch, 'step')}, "
            f"about {demand.need_mb(self._painted_at.room.planned_mb) / 1024:.1f} GiB of memory"
            f"{self.times.told(settings, content)}",
            True,
        )


def _wrong(kind: Kind, path: Path, *lines: str) -> Verdict:
    return Verdict(kind, path, False, "wrong", lines)


def _missing(expansion: Expansion) -> Iterator[str]:
    """What is not there, and what was probably meant."""
    for missing in expansion.missing:
        hint = f"; {missing.hint}" if missing.hint else ""
        line = f"line {missing.line}, " if missing.line else ""  # a default has none
        yield f"{line}{missing.role}: {missing.why}{hint}"


class Times:
    """How long the jobs take: as the daemon has learned here, else by what the processor multiplies."""

    def __init__(self, config: Config) -> None:
        self.jobs, self.seconds = 0, 0.0
        pace = Pace(kept_by_daemon(config, PACE_NAME))
        numbers = config.device if isinstance(config.device, tuple) else (None,)
        on_gpu = config.device != "cpu" and any(gpu_memory_mb(number) for number in numbers)
        self._device = "gpu" if on_gpu or config.device not in ("auto", "cpu") else "cpu"
        self._forecast = Forecast(pace)

    def told(self, settings: Settings, content: Shape) -> str:
        """``, about 3 min 20 s``; empty where nothing is known of the device."""
        pace = self._forecast.pace
        if self._device == "cpu" and not pace.knows("cpu"):
            pace.rate_is("cpu", processor_rate())
        seconds = self._forecast.job_seconds(settings, (content.width, content.height), self._device)
        if seconds is None:
            return ""
        self.jobs, self.seconds = self.jobs + 1, self.seconds + seconds
        return f", about {duration(seconds)}"


@dataclass(frozen=True)
class _Look:
    """What is kept of an image: its size, and what is to be told of it."""

    shape: Shape
    transparent: images.Transparent
    notes: tuple[str, ...]


class _Seen:
    """The images looked at so far, decoded as a job would: one that many jobs share is decoded once."""

    def __init__(self, limits: images.ImageLimits) -> None:
        self._limits = limits
        self._known: dict[tuple[Path, bool], _Look | JobError] = {}
        self._told: set[tuple[Path, str]] = set()
        self._notes: list[tuple[str, str]] = []

    def look(self, path: Path, role: Role, file_format: str) -> Shape:
        """Its size, for a job whose result is a ``file_format``. Raises the JobError that the job would end with."""
        key = (path, role == "mask")
        if key not in self._known:
            self._known[key] = self._decoded(path, role)
        known = self._known[key]
        if isinstance(known, JobError):
            raise known
        note = images.transparency_note(role, known.transparent, file_format)
        new = [(path, each) for each in (*known.notes, note) if each and (path, each) not in self._told]
        self._told.update(new)
        self._notes += ((path.name, each) for path, each in new)
        return known.shape

    def _decoded(self, path: Path, role: Role) -> _Look | JobError:
        from nst_batch.worker.job_images import mask_plane  # noqa: PLC0415 - it loads NumPy

        try:
            picture = images.decode(path, self._limits)
            if role == "mask":
                mask_plane(path.name, picture, (picture.height, picture.width))
        except JobError as error:
            return error
        return _Look(Shape(picture.width, picture.height), picture.transparent, picture.notes)

    def new_notes(self) -> Iterator[tuple[str, str]]:
        """Image and note, each told once."""
        notes, self._notes = self._notes, []
        yield from notes
