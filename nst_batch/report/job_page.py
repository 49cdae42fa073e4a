"""TITLE/index.html: one job as a page of its own, with its style, script and data in it and its pictures beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nst_batch.filenames import LOSS_NAME, MANIFEST_NAME, PAGE_NAME, PLOT_NAME, TIMELAPSE
from nst_batch.names import output_parts
from nst_batch.report.loss_plot import plot
from nst_batch.report.markup import href, number, script_data
from nst_batch.report.template import asset, inline, render
from nst_batch.report.tiles import STATE_NAMES, is_shown
from nst_batch.sidecar.presets import PRESETS
from nst_batch.sidecar.settings import PLAIN_DEFAULTS

_MOST_POINTS = 2000  # steps whose values the page holds; of more, every so many
_DIGITS = 6  # of a loss
_FILES = (MANIFEST_NAME, LOSS_NAME, PLOT_NAME)


def job_page(
    job: Mapping[str, Any],
    loss: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    again: str | None,
    *,
    again_name: str,
    in_outbox: str | None,
) -> str:
    """The page of a job with the content ``job`` of its job.json and ``loss`` of its loss.json.

    ``inputs`` are role, name, weight, width, height and the file below the folder (None where it is not kept);
    ``again`` is the sidecar that makes it once more, ``again_name`` its file. ``in_outbox`` is the folder below the
    outbox that it will lie in, None where there is no gallery.
    """
    style, style_hash = inline("\n".join(asset(f"{name}.css") for name in ("base", "viewer", "loss", "job")))
    script, script_hash = inline("\n".join(asset(f"{name}.js") for name in ("words", "viewer", "job")))
    content = next((item for item in inputs if item["role"] == "content" and item["file"]), None)
    final = str(job["final"])
    epochs = [name for name in job["outputs"] if name.startswith("epochs/") and is_shown(name)]
    shown = is_shown(final)
    data = {
        "src": href(final) if shown else None,
        "alt": job["title"],
        "before": href(content["file"]) if content and is_shown(content["file"]) else None,
        "epochs": [href(name) for name in epochs],
        "losses": _columns(loss),
    }
    depth = None if in_outbox is None else len(output_parts(in_outbox)) + 1
    return render(
        "job.html",
        job=job,
        state=STATE_NAMES[job["state"]],
        when=str(job["finished_at"])[:16].replace("T", " "),
        gallery=None if depth is None else "../" * depth + PAGE_NAME,
        final=href(final),
        shown=shown,
        inputs=[{**item, "href": item["file"] and href(item["file"])} for item in inputs],
        is_shown=is_shown,
        plot=plot(loss),
        settings=_settings(job["settings"]),
        facts=_facts(job),
        again=again,
        again_name=again_name,
        command=_command(again and again_name, inputs),
        files=_FILES,
        film={kind: href(name) for kind, name in films(job).items()},
        epochs=[(href(name), number) for number, name in enumerate(epochs, 1)],
        style=style,
        style_hash=style_hash,
        script=script,
        script_hash=script_hash,
        data=Markup(script_data(data)),  # noqa: S704 - safe in a script element
    )


def films(job: Mapping[str, Any]) -> dict[str, str]:
    """The time-lapse of a job by its kind, webp and mp4, as far as it has one."""
    return {kind: name for kind in ("webp", "mp4") if (name := f"{job['title']}{TIMELAPSE}.{kind}") in job["outputs"]}


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Every key, its value, and the preset's where that is another."""
    preset = PRESETS[settings["preset"]]
    follow = {
        "preset": settings["preset"],
        "epochs": preset.epochs_for(settings["scales"]),
        "style_size": settings["size"],
    }
    usually = {**PLAIN_DEFAULTS, **preset.keys(), **follow}
    rows = []
    for key, value in settings.items():
        usual = usually.get(key, value)
        if isinstance(usual, Mapping):
            usual = dict(usual)
        elif isinstance(usual, tuple):
            usual = list(usual)
        rows.append((key, _text(value), None if value == usual else _text(usual)))
    return rows


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, Mapping):
        same = len(set(value.values())) == 1
        return ", ".join(str(key) if same else f"{key}: {_text(item)}" for key, item in value.items())
    return str(value)


def _facts(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    weights = job["weights"] or {}
    seconds, steps = float(job["seconds"]), int(job["steps_done"])
    rows = [
        ("steps", f"{steps:,}"),
        ("seconds", f"{seconds:g}"),
        ("seconds a step", f"{seconds / steps:.3g}" if steps else ""),
        ("device", job["device"]),
        ("precision", job["precision"]),
        ("weights", weights.get("source")),
        ("weights’ SHA-256", weights.get("sha256")),
        ("received", job["received_at"]),
        ("started", job["started_at"]),
        ("finished", job["finished_at"]),
        ("id", job["id"]),
        *((f"version of {name}", version) for name, version in job["versions"].items()),
        *(("note", note) for note in job.get("notes", ())),
    ]
    return [(key, str(value)) for key, value in rows if value]


def _command(again: str | None, inputs: Sequence[Mapping[str, Any]]) -> str | None:
    """What copies the sidecar and its images into an inbox; None where an image was not kept."""
    if again is None or not all(item["file"] for item in inputs):
        return None
    files = dict.fromkeys([again, *(item["file"] for item in inputs)])
    return f"cp {' '.join(shlex.quote(file) for file in files)} INBOX/"


def _columns(loss: Mapping[str, Any]) -> dict[str, Any]:
    """The log by column, for the values under the pointer."""
    log = loss["log"]
    stride = -(-len(log) // _MOST_POINTS) or 1
    kept = [*log[:-1:stride], *log[-1:]]
    columns: dict[str, Any] = {
        name: [entry[name] for entry in kept] for name in ("step", "epoch", "scale", "width", "height", "seconds")
    }
    columns["parts"] = {"total": [_round(entry["total"]) for entry in kept]}
    for name in ("content", "style", "tv"):
        columns["parts"][name] = [_round(entry["weights"][name] * entry[name]) for entry in kept]
    for role in ("content", "style"):
        layers = kept[0].get(f"{role}_layers", {}) if kept else {}
        columns[role] = {layer: [_round(entry[f"{role}_layers"].get(layer, 0.0)) for entry in kept] for layer in layers}
    return columns


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
