"""A job as the pages have it: plain data, with links that are percent-encoded and relative to the job's folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from nst_batch.filenames import TIMELAPSE
from nst_batch.names import is_image, stem
from nst_batch.report.entries import LINKS, SHOWN_BY_BROWSERS, GalleryEntry, Input
from nst_batch.report.markup import clean, href, number, shorten
from nst_batch.report.thumbnails import Thumbnail

STATE_NAMES = {"done": "finished", "stopped": "stopped early", "failed": "failed", "cancelled": "cancelled"}

Tile = dict[str, Any]
ThumbnailOf = Callable[[str, str], Thumbnail | None]  # of a file below the job's folder, by its hash where known


def tile(entry: GalleryEntry, thumbnail: ThumbnailOf) -> Tile:
    """What the gallery shows and searches of one job, as JSON has it."""
    picture = entry.picture
    return {
        "folder": _shown_name(entry.folder),
        "base": href(entry.folder) + "/",
        "title": shorten(entry.title, 160),
        "state": entry.state,
        "at": round(entry.finished_at.timestamp(), 3),
        "when": f"{entry.finished_at:%Y-%m-%d %H:%M}",
        "seconds": round(entry.seconds, 1),
        "steps": entry.steps,
        "loss": entry.loss,
        "where": _where(entry),
        "picture": href(picture) if picture else None,
        "shown": bool(picture and is_shown(picture)),
        "thumb": thumbnail(picture, "") if picture else None,
        "inputs": [_input(item, thumbnail) for item in entry.inputs],
        "summary": settings_summary(entry.settings),
        "untrained": entry.untrained,
        "reason": shorten(entry.reason.replace("_", " "), 60),
        "message": shorten(entry.message, 600),
        "advice": shorten(entry.advice, 600),
        "epochs": [href(name) for name in entry.epochs if is_shown(name)],
        "links": [[href(name), label] for name, label in LINKS.items() if name in entry.files]
        + [[href(name), "time-lapse"] for name in sorted(entry.files) if name.endswith(f"{TIMELAPSE}.webp")],
        "of": _of(entry),
    }


def _of(entry: GalleryEntry) -> dict[str, Any] | None:
    """Of which sidecar it is one, where that asked for several: its place among them, and what was varied."""
    claim, _, index = entry.id.rpartition(".")
    if entry.jobs < 2 or not claim or not index.isdecimal():
        return None
    varied = [[key, setting_text(entry.settings.get(key))] for key in entry.varied]
    name = stem(entry.sidecar)
    name = shorten(_shown_name(stem(name) if is_image(name) else name), 120)  # a hot folder's goes by its photograph
    return {"claim": claim[:80], "index": int(index), "jobs": entry.jobs, "sidecar": name, "varied": varied}


def setting_text(value: object) -> str:
    """The value of a setting, short enough for an edge."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value, 4)
    if isinstance(value, Mapping):
        same = len(set(map(str, value.values()))) == 1
        return shorten(
            ", ".join(str(key) if same else f"{key} {setting_text(weight)}" for key, weight in value.items()), 90
        )
    if isinstance(value, list | tuple):
        return shorten(" + ".join(map(str, value)), 90)
    return shorten(str(value), 90)


def _input(item: Input, thumbnail: ThumbnailOf) -> dict[str, Any]:
    return {
        "role": item.role,
        "name": shorten(item.name, 120),
        "file": href(item.file) if item.file else None,
        "shown": bool(item.file and is_shown(item.file)),
        "thumb": thumbnail(item.file, item.sha256) if item.file else None,
    }


def settings_summary(settings: Mapping[str, Any]) -> str:
    """``classic · 512 px · 10 × 100 steps · adam``: what tells one job from the next at a glance."""
    size = settings.get("size")
    epochs, steps = settings.get("epochs"), settings.get("steps_per_epoch")
    if isinstance(epochs, (list, tuple)):
        epochs = " + ".join(str(each) for each in epochs)
    scales, color = settings.get("scales"), settings.get("color")
    parts = (
        settings.get("preset"),
        f"{size} px" if isinstance(size, int) else size and f"{size} size",
        f"{epochs} × {steps} steps" if epochs and steps else None,
        f"{scales} scales" if isinstance(scales, int) and scales > 1 else None,
        settings.get("optimizer"),
        f"colours: {color}" if color not in (None, "style") else None,
    )
    return " · ".join(str(part) for part in parts if part)


def is_shown(name: str) -> bool:
    """Whether browsers can show it."""
    return PurePath(name).suffix.lower() in SHOWN_BY_BROWSERS


def _shown_name(name: str) -> str:
    return clean(os.fsencode(name).decode(errors="replace"))


def _where(entry: GalleryEntry) -> str:
    """The folder, as far as the title does not tell it."""
    parent = entry.folder.rpartition("/")[0]
    parent = "" if entry.folder.startswith("failed/") else parent
    return _shown_name(parent if entry.name == entry.title else f"{parent}/{entry.name}".lstrip("/"))
