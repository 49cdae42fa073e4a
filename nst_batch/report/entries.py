"""What stands in the outbox, read from its folders' job.json: cheap, bounded, never upset by what is there.

A folder with a job.json is a job and is not searched further; any other folder may hold jobs. What has not
changed since the last look is not read again.
"""

from __future__ import annotations

import heapq
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

NEWEST = 500  # jobs on the page; older ones are counted only
STATES = ("done", "stopped", "failed", "cancelled")
SHOWN_BY_BROWSERS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif"})
_PICTURES = SHOWN_BY_BROWSERS | {".tif", ".tiff"}
_MAX_FOLDERS = 20_000
_MAX_DEPTH = 16
_MAX_JSON = 1 << 20  # bytes; a job.json holds a sidecar (64 KiB at most) and little else


@dataclass(frozen=True, slots=True)
class Input:
    """An image that went in: its name, and where it lies below the job's folder if it does."""

    role: str  # content or style
    name: str
    file: str | None


@dataclass(frozen=True, slots=True)
class Entry:
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
    inputs: tuple[Input, ...]
    settings: Mapping[str, Any]
    facts: tuple[tuple[str, str], ...]  # device, precision, attempts

    @property
    def name(self) -> str:
        """The folder's own name; of a failed job that is JOB, which commands take."""
        return self.folder.rpartition("/")[2]


@dataclass(frozen=True)
class Collection:
    """The newest jobs, newest first, and how many older ones there are."""

    entries: tuple[Entry, ...]
    omitted: int = 0


@dataclass
class Cache:
    """What :func:`collect` knows of earlier looks. Hold one per outbox; it is bounded."""

    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)  # folder: its mtime, its job.json's
    entries: dict[str, tuple[tuple[int, int], Entry | None]] = field(default_factory=dict)


def collect(outbox: Path, cache: Cache | None = None, *, newest: int = NEWEST) -> Collection:
    """The finished and failed jobs below ``outbox``; not what is at work, hidden, linked or broken.

    Never raises on what it finds there. One stat a folder where nothing has changed.
    """
    cache = Cache() if cache is None else cache
    cache.stamps = dict(_walk(str(outbox), cache.stamps))
    recent = heapq.nlargest(newest, cache.stamps.items(), key=lambda item: (item[1][1], item[0]))
    before, cache.entries = cache.entries, {}
    for folder, stamp in recent:
        known = before.get(folder)
        entry = known[1] if known and known[0] == stamp else _read(str(outbox), folder, stamp[1])
        cache.entries[folder] = (stamp, entry)
    found = [entry for _, entry in cache.entries.values() if entry is not None]
    found.sort(key=lambda entry: (entry.finished_at, entry.id, entry.folder), reverse=True)
    return Collection(tuple(found), omitted=len(cache.stamps) - len(recent))


def _walk(outbox: str, known: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each job's folder, relative to the outbox, with the mtime (ns) of the folder and of its job.json."""
    pending = [("", 0)]
    budget = _MAX_FOLDERS
    while pending:
        parent, depth = pending.pop()
        for name, modified in _folders(f"{outbox}/{parent}"):
            budget -= 1
            if budget < 0:
                return
            folder = f"{parent}/{name}" if parent else name
            if folder == "running":
                continue
            stamp = known.get(folder)
            if stamp and stamp[0] == modified:
                yield folder, stamp
            elif written := _modified(f"{outbox}/{folder}/job.json"):
                yield folder, (modified, written)
            elif depth < _MAX_DEPTH:
                pending.append((folder, depth + 1))


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


def _read(outbox: str, folder: str, written: int) -> Entry | None:
    path = f"{outbox}/{folder}"
    try:
        # Not blocking and not following: whatever was put there must not hold up or mislead the daemon.
        descriptor = os.open(f"{path}/job.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(_MAX_JSON + 1)
        job = json.loads(raw) if len(raw) <= _MAX_JSON else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(job, dict) or job.get("state") not in STATES:
        return None
    files = _names(path)
    given = frozenset(f"input/{name}" for name in _names(f"{path}/input"))
    return Entry(
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
        files=(files & {"loss.svg", "loss.json", "job.json", "error.txt", "epochs"}) | (given and frozenset({"input"})),
        inputs=_inputs(job.get("inputs"), given),
        settings=_mapping(job.get("settings")),
        facts=tuple((key, _text(job.get(key))) for key in ("device", "precision", "attempts") if _text(job.get(key))),
    )


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
        if name and role in ("content", "style"):
            file = f"input/{name.rpartition('/')[2]}"
            found.append(Input(role, name, file if file in given else None))
    return tuple(found[:20])


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
