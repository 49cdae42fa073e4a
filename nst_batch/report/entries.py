"""What stands in the outbox, read from its folders' job.json: cheap, bounded, never upset by what is there.

A folder with a job.json is a job and is not searched further; any other folder may hold jobs. Who keeps the
stamps of the last look (:func:`walk`) reads again only what has changed since.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from nst_batch.beneath import DEEPEST
from nst_batch.filenames import (
    EPOCHS_FOLDER,
    ERROR_NAME,
    FAILED_FOLDER,
    INPUT_FOLDER,
    LOSS_NAME,
    MANIFEST_NAME,
    PAGE_NAME,
    PLOT_NAME,
    RUNNING_FOLDER,
    TIMELAPSE,
)
from nst_batch.reasons import END_STATES

NEWEST = 500  # jobs of each kind that ``collect`` gives; older ones are counted only
SHOWN_BY_BROWSERS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif"})
_PICTURES = SHOWN_BY_BROWSERS | {".tif", ".tiff"}
# What a page links to of a job's folder, and by which words.
LINKS = {
    PAGE_NAME: "page",
    PLOT_NAME: "losses",
    MANIFEST_NAME: MANIFEST_NAME,
    LOSS_NAME: LOSS_NAME,
    ERROR_NAME: ERROR_NAME,
    INPUT_FOLDER: "inputs",
    EPOCHS_FOLDER: "epochs",
}
ROLES = ("content", "init", "mask", "style")  # in order; styles last, of which there may be more than are told of
_IN_FAILED = f"{FAILED_FOLDER}/"
_MAX_FOLDERS = 100_000
_SHA256 = re.compile("[0-9a-f]{64}")
_MAX_JSON = 4 << 20  # bytes; a job.json holds a sidecar (1 MiB at most, set in more lines there) and little else
_MAX_VARIED = 10  # keys that are varied at once
_MAX_INPUTS = 20  # that are told of
_MAX_EPOCHS = 500  # pictures of epochs that are told of
_LAST_ENTRY = 1 << 16  # bytes at the end of loss.json that hold its last entry


@dataclass(frozen=True, slots=True)
class Input:
    """An image that went in: its name, and where it lies below the job's folder if it does."""

    role: str  # one of ROLES
    name: str
    file: str | None
    sha256: str  # "" where it is not known


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One job as the gallery shows it. ``folder`` is relative to the outbox, files are to ``folder``."""

    folder: str
    title: str
    id: str
    state: str
    reason: str
    message: str
    advice: str
    finished_at: datetime
    seconds: float
    steps: int
    untrained: bool
    picture: str | None
    files: frozenset[str]  # which of the files that the page links to are there
    epochs: tuple[str, ...]  # the pictures of the epochs, in order
    loss: float | None  # the total of the last step; only as good as another of the same settings and size
    inputs: tuple[Input, ...]
    settings: Mapping[str, Any]
    facts: tuple[tuple[str, str], ...]  # device, precision, attempts
    sidecar: str  # the name of the sidecar that asked for it; "" where it is not known
    jobs: int  # how many that sidecar asked for
    varied: tuple[str, ...]  # the keys that it varied

    @property
    def name(self) -> str:
        """The folder's own name; of a failed job that is JOB, which commands take."""
        return self.folder.rpartition("/")[2]


@dataclass(frozen=True)
class Collection:
    """The newest jobs, newest first, and how many there are, ``failed`` being those in the folder of that name.

    ``unreadable`` are the folders of jobs of which nothing is known: their job.json is missing, or none that can be
    read, as far as that was tried.
    """

    entries: tuple[GalleryEntry, ...]
    done: int = 0
    failed: int = 0
    unreadable: tuple[str, ...] = ()


Stamp = tuple[int, int]  # mtime (ns) of a job's folder and of its job.json


def collect(outbox: Path, *, newest: int = NEWEST) -> Collection:
    """The finished and failed jobs below ``outbox``; not what is at work, hidden, linked or broken.

    Of those that are done and of those that failed the ``newest`` are given, and all are counted. Never raises on what
    it finds there.
    """
    kinds: dict[bool, dict[str, Stamp]] = {False: {}, True: {}}
    without: list[str] = []
    for folder, stamp in walk(str(outbox), {}, without=without):
        kinds[folder.startswith(_IN_FAILED)][folder] = stamp
    # A person may have gathered some of those that failed in a folder there.
    unreadable = [each for each in without if not any(job.startswith(f"{each}/") for job in kinds[True])]
    found, counts = [], []
    for stamps in kinds.values():
        recent = heapq.nlargest(newest, stamps.items(), key=lambda item: (item[1][1], item[0]))
        read_ones = {folder: read(str(outbox), folder, stamp[1]) for folder, stamp in recent}
        found += [entry for entry in read_ones.values() if entry is not None]
        broken = [folder for folder, entry in read_ones.items() if entry is None]
        unreadable += broken
        counts.append(len(stamps) - len(broken))
    found.sort(key=lambda entry: (entry.finished_at, entry.id, entry.folder), reverse=True)
    return Collection(tuple(found), counts[0], counts[1], tuple(sorted(unreadable)))


def walk(
    outbox: str, known: Mapping[str, Stamp], mark: str = MANIFEST_NAME, without: list[str] | None = None
) -> Iterator[tuple[str, Stamp]]:
    """Each job's folder, relative to the outbox, with its stamp; one stat a folder where nothing has changed.

    With another ``mark`` each folder that has a file of that name, with that file's time; those of jobs are passed by.
    Those of jobs that have none, or no file that can be looked at in its place, are added to ``without``.
    """
    pending = [("", 0)]
    budget = _MAX_FOLDERS
    while pending:
        parent, depth = pending.pop()
        for name, modified in _folders(f"{outbox}/{parent}"):
            budget -= 1
            if budget < 0:
                return
            folder = f"{parent}/{name}" if parent else name
            if folder == RUNNING_FOLDER:
                continue
            stamp = known.get(folder)
            if stamp and stamp[0] == modified:
                yield folder, stamp
            elif written := _modified(f"{outbox}/{folder}/{mark}"):
                yield folder, (modified, written)
            elif depth < DEEPEST and (mark == MANIFEST_NAME or not _modified(f"{outbox}/{folder}/{MANIFEST_NAME}")):
                pending.append((folder, depth + 1))
                if without is not None and _was_a_jobs(f"{outbox}/{folder}", folder):
                    without.append(folder)


def _folders(path: str) -> list[tuple[str, int]]:
    try:
        with os.scandir(path) as listing:
            return [
                (item.name, item.stat(follow_symlinks=False).st_mtime_ns)
                for item in listing
                if not item.name.startswith(".") and item.is_dir(follow_symlinks=False)
            ]
    except OSError:  # gone, or not ours to read: there is nothing to show
        return []


def _modified(path: str) -> int:
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else 0


def _was_a_jobs(path: str, folder: str) -> bool:
    """Whether a folder in which no job.json can be read must have been a job's; others may hold such folders."""
    if folder.startswith(_IN_FAILED):
        return folder.count("/") == 1
    return any(os.path.lexists(f"{path}/{name}") for name in (MANIFEST_NAME, LOSS_NAME))


def read(outbox: str, folder: str, written: int) -> GalleryEntry | None:
    """The job in ``folder``; None where its job.json is no job's. ``written`` (ns) stands for a missing time."""
    path = f"{outbox}/{folder}"
    try:
        with _open(f"{path}/{MANIFEST_NAME}") as file:
            raw = file.read(_MAX_JSON + 1)
        job = json.loads(raw) if len(raw) <= _MAX_JSON else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(job, dict) or job.get("state") not in END_STATES:
        return None
    files = _names(path)
    given = frozenset(f"{INPUT_FOLDER}/{name}" for name in _names(f"{path}/{INPUT_FOLDER}"))
    film = f"{_text(job.get('title'))}{TIMELAPSE}.webp"
    return GalleryEntry(
        folder=folder,
        title=_text(job.get("title")) or folder.rpartition("/")[2],
        id=_text(job.get("id")),
        state=job["state"],
        reason=_text(job.get("reason")),
        message=_text(job.get("message")),
        advice=_text(job.get("advice")),
        finished_at=_time(job.get("finished_at"), written),
        seconds=_number(job.get("seconds")),
        steps=int(_number(job.get("steps_done"))),
        untrained=_mapping(job.get("weights")).get("source") == "untrained",
        picture=_picture(job, files),
        files=(files & {*LINKS, film}) - (frozenset() if given else {INPUT_FOLDER}),
        epochs=_epochs(path) if EPOCHS_FOLDER in files else (),
        loss=_last_loss(f"{path}/{LOSS_NAME}") if LOSS_NAME in files else None,
        inputs=_inputs(job.get("inputs"), given),
        settings=_mapping(job.get("settings")),
        sidecar=_text(_mapping(job.get("of")).get("sidecar")),
        jobs=int(_number(_mapping(job.get("of")).get("jobs"))),
        varied=tuple(map(_text, _mapping(_mapping(job.get("sidecar")).get("vary"))))[:_MAX_VARIED],
        facts=tuple((key, _text(job.get(key))) for key in ("device", "precision", "attempts") if _text(job.get(key))),
    )


def _open(path: str) -> BinaryIO:
    # Not blocking and not following: whatever was put there must not hold up or mislead the reader.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _epochs(path: str) -> tuple[str, ...]:
    names = (
        f"{EPOCHS_FOLDER}/{name}"
        for name in _names(f"{path}/{EPOCHS_FOLDER}")
        if PurePath(name).suffix.lower() in _PICTURES
    )
    return tuple(sorted(names)[:_MAX_EPOCHS])


def _last_loss(path: str) -> float | None:
    """The last entry's total, read from the end alone: the log has a line a step."""
    try:
        with _open(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_ENTRY))
            lines = file.read(_LAST_ENTRY).decode(errors="replace").splitlines()
        total = json.loads(lines[-2])["total"]
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    return _number(total) or None


def _names(path: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(path))  # noqa: PTH208  one list of names, no Path for each
    except OSError:
        return frozenset()


def _picture(job: Mapping[str, Any], files: frozenset[str]) -> str | None:
    """The result: the file that bears the job's title, else the first of its outputs that is there."""
    title, outputs = _text(job.get("title")), job.get("outputs")
    pictures = {name for name in files if PurePath(name).suffix.lower() in _PICTURES}
    titled = min((name for name in pictures if PurePath(name).stem == title), default=None)
    listed = (name for name in map(_text, outputs) if name in pictures) if isinstance(outputs, list) else ()
    return titled or next(iter(listed), None)


def _inputs(value: object, given: frozenset[str]) -> tuple[Input, ...]:
    found = []
    for item in value if isinstance(value, list) else []:
        name, role = _text(_mapping(item).get("name")), _text(_mapping(item).get("role"))
        if name and role in ROLES:
            file = f"{INPUT_FOLDER}/{name.rpartition('/')[2]}"
            hashed = _text(_mapping(item).get("sha256"))
            sha256 = hashed if _SHA256.fullmatch(hashed) else ""
            found.append(Input(role, name, file if file in given else None, sha256))
    return tuple(sorted(found, key=lambda item: ROLES.index(item.role))[:_MAX_INPUTS])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e12 else 0.0


def _time(value: object, written: int) -> datetime:
    try:
        found = datetime.fromisoformat(_text(value))
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(written / 1e9).astimezone()
