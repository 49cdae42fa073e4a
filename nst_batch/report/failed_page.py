"""failed/JOB/index.html: why one job could not be done, what to do about it, and what it was given."""

from __future__ import annotations

from collections.abc import Sequence

from nst_batch.filenames import PAGE_NAME
from nst_batch.names import typed
from nst_batch.report.entries import GalleryEntry
from nst_batch.report.template import asset, inline, render
from nst_batch.report.tiles import STATE_NAMES, Tile, setting_text


def failed_page(entry: GalleryEntry, tile: Tile, sidecars: Sequence[tuple[str, str]]) -> str:
    """The page; ``sidecars`` are name and text of those it was given. ``tile`` is the job as the gallery has it."""
    style, style_hash = inline("\n".join(asset(f"{name}.css") for name in ("base", "job")))
    facts = (
        ("reason", entry.reason),
        ("steps", f"{entry.steps:,}" if entry.steps else ""),
        ("seconds", f"{entry.seconds:g}" if entry.seconds else ""),
        *entry.facts,
        ("id", entry.id),
        ("finished", f"{entry.finished_at:%Y-%m-%d %H:%M:%S %z}"),
    )
    return render(
        "failed.html",
        tile=tile,
        state=STATE_NAMES[entry.state],
        gallery="../" * (entry.folder.count("/") + 1) + PAGE_NAME,
        went_alone=not entry.settings,  # a sidecar that was not understood
        command=f"nst-batch retry {typed(entry.name)}",
        settings=[(str(key), setting_text(value)) for key, value in entry.settings.items()],
        facts=[(key, value) for key, value in facts if value],
        sidecars=sidecars,
        files=[(href, label) for href, label in tile["links"] if label != "page"],
        style=style,
        style_hash=style_hash,
    )
