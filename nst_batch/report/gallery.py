"""outbox/index.html: the night's pictures on one page that needs nothing but the folder it lies in.

No script, nothing from outside; links are relative and percent-encoded, so that the page works from
``file://``, a share or a web server alike.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from nst_batch.report.entries import (
    NEWEST,
    SHOWN_BY_BROWSERS,
    STATES,
    Cache,
    Collection,
    Entry,
    Input,
    collect,
)
from nst_batch.report.gallery_style import STYLE
from nst_batch.report.markup import duration, escape, number, shorten

__all__ = ["NEWEST", "Cache", "Collection", "Entry", "collect", "gallery_html"]

STATE_NAMES = {"done": "finished", "stopped": "stopped early", "failed": "failed", "cancelled": "cancelled"}
_LINKS = {
    "loss.svg": "loss plot",
    "epochs": "every epoch",
    "input": "inputs",
    "job.json": "job.json",
    "loss.json": "loss.json",
    "error.txt": "error.txt",
}

_POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"


def gallery_html(collection: Collection) -> str:
    """The whole page for the jobs of ``collection``, in their order."""
    counts = Counter(entry.state for entry in collection.entries)
    states = [state for state in STATES if counts[state]]
    rules = "".join(_filter_rules(state) for state in ("all", *states))
    page = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>nst_batch gallery</title><style>{STYLE}\n{rules}</style></head><body>",
        f"<header><h1>Gallery</h1><p>{_summary(collection, counts)}</p></header>",
        *(_filters(states, counts) if len(states) > 1 else ()),
        "<main>",
        *(_card(entry) for entry in collection.entries),
        *(() if collection.entries else ['<p class="empty">No pictures yet.</p>']),
        "</main>",
        f"<footer>{_footer(collection)}</footer>",
        "</body></html>",
    ]
    return "\n".join(page) + "\n"


def _filter_rules(state: str) -> str:
    chosen = f'#show-{state}:checked~nav label[for="show-{state}"]{{background:var(--ink);color:var(--ground)}}'
    focus = f'#show-{state}:focus-visible~nav label[for="show-{state}"]{{outline:2px solid var(--soft)}}'
    hidden = "" if state == "all" else f"#show-{state}:checked~main .card:not(.{state}){{display:none}}"
    return chosen + focus + hidden


def _filters(states: list[str], counts: Mapping[str, int]) -> Iterator[str]:
    """Radio buttons that the style sheet acts on: no script needed."""
    names = {"all": f"all {sum(counts.values())}"}
    names |= {state: f"{STATE_NAMES[state]} {counts[state]}" for state in states}
    for state in names:
        checked = " checked" if state == "all" else ""
        yield f'<input class="show" type="radio" name="show" id="show-{state}"{checked}>'
    labels = "".join(f'<label for="show-{state}">{name}</label>' for state, name in names.items())
    yield f"<nav>{labels}</nav>"


def _summary(collection: Collection, counts: Mapping[str, int]) -> str:
    if not collection.entries:
        return "Results appear here as soon as a job is finished."
    pictures = counts["done"] + counts["stopped"]
    parts = [f"{pictures:,} picture" + ("" if pictures == 1 else "s")]
    if failed := counts["failed"]:
        parts.append(f"{failed:,} failed")
    newest = collection.entries[0].finished_at
    parts.append(f'the latest of <time datetime="{newest.isoformat()}">{newest:%Y-%m-%d %H:%M}</time>')
    return " · ".join(parts)


def _footer(collection: Collection) -> str:
    older = (
        f"{collection.omitted:,} older jobs are not shown; their folders are all here. " if collection.omitted else ""
    )
    return older + "Rest on a small picture to see it in place of the result." if collection.entries else older


def _card(entry: Entry) -> str:
    return "".join(
        (
            f'<article class="card {entry.state}">',
            _frame(entry),
            f'<div class="text"><div><h2>{escape(shorten(entry.title, 120))}</h2>{_meta(entry)}</div>',
            *(f'<p class="advice">{escape(shorten(each, 600))}</p>' for each in (entry.message, entry.advice) if each),
            _thumbs(entry),
            _details(entry),
            "</div></article>",
        )
    )


def _frame(entry: Entry) -> str:
    if entry.picture is None:
        note = entry.reason.replace("_", " ") or STATE_NAMES[entry.state]
        return f'<div class="frame"><div class="note"><b>{escape(note)}</b></div></div>'
    href = _href(entry, entry.picture)
    if not _shown(entry.picture):
        name = escape(entry.picture)
        note = f'<span class="note"><b>{name}</b>opens in an image viewer</span>'
        return f'<a class="frame" href="{href}">{note}</a>'
    lazy = 'loading="lazy" decoding="async"'
    over = "".join(
        f'<img class="over {item.role[0]}" src="{_href(entry, item.file)}" alt="" {lazy}>'
        for item in _first_of_each_role(entry)
        if item.file and _shown(item.file)
    )
    alt = escape(entry.title)
    picture = f'<img src="{href}" alt="{alt}" {lazy}>'
    return f'<a class="frame" href="{href}">{picture}{over}</a>'


def _meta(entry: Entry) -> str:
    when = entry.finished_at
    parts = [f'<time datetime="{when.isoformat()}">{when:%Y-%m-%d %H:%M}</time>']
    if entry.state != "done":
        parts.insert(0, f'<span class="state">{STATE_NAMES[entry.state]}</span>')
    if entry.steps:
        parts.append(f"{entry.steps:,} steps in {duration(entry.seconds)}")
    if entry.untrained:
        parts.append("untrained weights")
    parent = entry.folder.rpartition("/")[0].removeprefix("failed")
    where = parent if entry.name == entry.title else f"{parent}/{entry.name}".lstrip("/")
    if where:
        parts.append(f"in {escape(where)}")
    return f'<p class="meta">{" · ".join(parts)}</p>'


def _first_of_each_role(entry: Entry) -> list[Input]:
    first: dict[str, Input] = {}
    for item in entry.inputs:
        first.setdefault(item.role, item)
    return list(first.values())


def _thumbs(entry: Entry) -> str:
    thumbs = []
    for item in sorted(entry.inputs, key=lambda item: item.role):
        label = escape(f"{item.role}: {item.name}")
        if item.file is None:
            thumbs.append(f'<span title="{label}">{item.role}</span>')
            continue
        shown = f'<img src="{_href(entry, item.file)}" alt="{item.role}" loading="lazy" decoding="async">'
        inner = shown if _shown(item.file) else item.role
        thumbs.append(f'<a class="{item.role}" href="{_href(entry, item.file)}" title="{label}">{inner}</a>')
    text = settings_summary(entry.settings)
    summary = f'<p class="meta">{escape(text)}</p>' if text else ""
    return f'<div class="thumbs">{"".join(thumbs)}{summary}</div>' if thumbs or summary else ""


def settings_summary(settings: Mapping[str, Any]) -> str:
    """``classic · 512 px · 10 × 100 steps · adam``: what tells one job from the next at a glance."""
    size = settings.get("size")
    epochs, steps = settings.get("epochs"), settings.get("steps_per_epoch")
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


def _details(entry: Entry) -> str:
    rows = [(key.replace("_", " "), _value(value)) for key, value in entry.settings.items() if value is not None]
    rows += [(key, value) for key, value in (*entry.facts, ("reason", entry.reason), ("id", entry.id)) if value]
    table = "".join(f"<dt>{escape(key)}</dt><dd>{escape(shorten(value, 300))}</dd>" for key, value in rows)
    plot = ""
    if "loss.svg" in entry.files:
        href = _href(entry, "loss.svg")
        plot = f'<a href="{href}"><img src="{href}" width="960" height="540" alt="losses" loading="lazy"></a>'
    links = "".join(
        f'<a href="{_href(entry, name)}">{label}</a>' for name, label in _LINKS.items() if name in entry.files
    )
    links = f'<div class="links">{links}</div>'
    return f"<details><summary>Losses, settings, files</summary>{plot}<dl>{table}</dl>{links}</details>"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return str(value)


def _href(entry: Entry, name: str) -> str:
    # Names are bytes on disk, whatever their encoding; ./ keeps a colon from reading as a scheme.
    return "./" + quote(os.fsencode(f"{entry.folder}/{name}"), safe="/")


def _shown(name: str) -> bool:
    return PurePath(name).suffix.lower() in SHOWN_BY_BROWSERS
