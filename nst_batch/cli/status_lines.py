"""``nst-batch status`` for a person: what each line says, and how it fits into a terminal's columns."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Sequence
from typing import Any

from nst_batch.characters import visible
from nst_batch.cli.terminal import plural
from nst_batch.clock import duration
from nst_batch.names import as_user
from nst_batch.report.markup import being_ended, clock, columns_of, shorten_within

RECENT = 10  # of what is done, and of what has failed
FEW = 5  # folders of which nothing is known that are named
HEAD = 9  # columns of a line's first word
LEAST_NAME = 24  # columns that a name keeps, if it has as many, or a third, before the words behind it are cut
LEAST_WIDTH = 40


def lines(facts: dict[str, Any], width: int | None = None) -> Iterator[str]:
    """The status, at most ``width`` columns wide; None where nobody says how wide it may be."""
    room = None if width is None else max(LEAST_WIDTH, width) - HEAD
    for head, name, tails in _parts(facts):
        first, *more = _fitted(visible(name), [visible(tail) for tail in tails], room)
        yield f"{head:{HEAD}}{first}".rstrip()
        yield from (" " * HEAD + line for line in more)


def _not_running(user: str | None) -> str:
    if user is None:
        return "not running: nst-batch run"
    return f"not running; it runs as {user}: systemctl start nst-batch, or {as_user(user, 'nst-batch run')}"


# What a line says: its first word, the name that it is about or "", and what follows the name, the fullest first.
_Part = tuple[str, str, Sequence[str]]


def _parts(facts: dict[str, Any]) -> Iterator[_Part]:
    running = facts["daemon"]
    yield "daemon", "", [f"running ({running})" if running else _not_running(facts.get("daemons_user"))]
    if facts.get("config_fault"):
        yield "config", "", [facts["config_fault"]]
    if facts["paused"]:
        yield "paused", "", ["no new job starts; nst-batch resume"]
    if facts["blocked"]:
        yield "waits", "", [facts["blocked"]]
    if facts.get("closed_until"):
        when = clock(facts["closed_until"], zone=facts.get("closed_zone"))  # an older daemon tells no zone
        yield "hours", "", [f"waits for {when}, outside the schedule; now: true in a sidecar runs at any hour"]
    for note in facts.get("notes", ()):  # a daemon of an older version tells none
        yield "note", "", [note]
    for folder in facts.get("folders", ()):
        yield "folder", folder["path"], [f": {_folder(folder)}"]
    for job in facts["running"]:
        yield "running", job["name"], _running(job)
    told = {folder["why"]: folder["path"] for folder in facts.get("folders", ()) if folder["why"]}
    for job in facts["waiting"]:
        yield "waiting", job["name"], _waiting(job, told, facts)
    yield from _ended(facts)
    if facts["running"] or facts["waiting"]:
        yield "empty", "", [_empty(facts)]


def _folder(folder: dict[str, Any]) -> str:
    """What a ``folder.yaml`` or ``defaults.yaml`` is at. A daemon of an older version tells less of it."""
    left_out = [folder["left_out"]] if folder.get("left_out") else []
    if folder["why"]:
        waits = "waits" if folder["pending"] == 1 else "wait"
        held_up = [f"{plural(folder['pending'], 'photograph')} {waits}"] if folder["pending"] else []
        return "; ".join([folder["why"].removeprefix(folder["path"] + ": "), *held_up, *left_out])
    if folder["is_hot"]:
        counts = f"{plural(folder['pending'], 'photograph')} to be painted, {folder['painted']:,} painted already"
        counts += f", {folder['failed']:,} failed" if folder.get("failed") else ""
        note = [folder["note"]] if folder.get("note") else []
        return "; ".join([counts, *note, *left_out])
    return "counts for the sidecars below it"


def _running(job: dict[str, Any]) -> list[str]:
    if ends := being_ended(job, time.time()):
        return [f" on {job['device']}: {ends}", f": {ends}", f": {being_ended(job)}"]
    left = "" if job["seconds_left"] is None else f", {duration(job['seconds_left'])} left"
    if job["loss"] is None or not left:
        return [f" on {job['device']}: starting{left}", f": starting{left}"]
    epoch, step = f"epoch {job['epoch']}/{job['epochs']}", f", step {job['step']}/{job['steps']}"
    loss = f", loss {job['loss']:.5g}"
    return [
        f" on {job['device']}: {epoch}{step}{loss}{left}",
        f": {epoch}{step}{loss}{left}",
        f": {epoch}{loss}{left}",
        f": {epoch}{left}",
    ]


def _waiting(job: dict[str, Any], told: dict[str, str], facts: dict[str, Any]) -> list[str]:
    """Why a job waits, and the plan for it where there is one; ``told``: whys that stand above, each with its file."""
    why = f"waits for {told[job['why']]}, see above" if job["why"] in told else job["why"]
    zone = facts.get("closed_zone") if job["until"] == facts.get("closed_until") else None
    until = f", until {clock(job['until'], zone=zone)}" if job["until"] else ""
    if not job.get("done_at"):  # nor does a daemon of an older version tell
        takes = f", takes {duration(job['seconds'])}" if job.get("seconds") else ""
        return [f": {why}{until}{takes}", f": {why}{until}"]
    takes, done = f", takes {duration(job['seconds'])}", f", done about {clock(job['done_at'])}"
    return [f": {why}{until}{takes}{done}", f": {why}{until}{done}", f": {why}{done}"]


def _ended(facts: dict[str, Any]) -> Iterator[_Part]:
    counts = facts["counts"]
    yield "done", "", [f"{plural(counts['done'], 'job')} in {facts['outbox']}"]
    for job in facts["done"][:RECENT]:
        yield "", job["folder"], [f" ({job['state']})"]
    if counts["failed"]:
        yield "failed", "", [f"{plural(counts['failed'], 'job')}; nst-batch retry JOB puts one back"]
        for job in facts["failed"][:RECENT]:
            yield "", job["name"], [f": {_why(job)}"]
    if unreadable := facts.get("unreadable"):
        more = f" and {len(unreadable) - FEW:,} more" if len(unreadable) > FEW else ""
        what = f"{plural(len(unreadable), 'folder')} without a job.json that can be read, so not counted"
        advice = "nst-batch retry JOB puts one in failed/ back, others are to be moved or removed"
        yield "damaged", "", [f"{what}: {', '.join(unreadable[:FEW])}{more}; {advice}"]


def _why(job: dict[str, Any]) -> str:
    """Why a job failed, what, and what to do, on one line: of several mistakes the first, and how many more."""
    first, *more = job["message"].splitlines() or [""]
    parts = (job["reason"], first + (f" (and {len(more)} more)" if more else ""), job["advice"])
    return "; ".join(part for part in parts if part)


def _empty(facts: dict[str, Any]) -> str:
    """When the queue will be empty, as far as that hangs on the daemon alone."""
    held_up = [job for job in facts["waiting"] if job.get("held_up")]  # nor does a daemon of an older version tell
    if facts["empty_at"] and not facts["paused"]:
        but = f", but for {plural(len(held_up), 'job')} held up" if held_up else ""
        return f"about {clock(facts['empty_at'])}, in {duration(max(0.0, facts['empty_at'] - time.time()))}{but}"
    if held_up and len(held_up) == len(facts["waiting"]) and not facts["running"]:
        ends = [job["until"] for job in held_up]
        return "when what waits has what it lacks" + (f", at the latest {clock(max(ends))}" if all(ends) else "")
    if facts["paused"]:
        return "paused: no end can be told"
    if facts["blocked"]:
        return "no end can be told while the queue waits, see above"
    if not facts["daemon"]:
        return "not known while no daemon runs"
    takes = [job["seconds"] for job in facts["waiting"] if job.get("seconds")]
    return "cannot be told yet" if takes else "not known before a worker is at work"


def _fitted(name: str, tails: Sequence[str], room: int | None) -> list[str]:
    """A name and the fullest tail that there is room for behind it; at worst on several lines, broken between words.

    The name is cut in its middle: those that one sidecar gives begin alike.
    """
    if room is None:
        return [name + tails[0]]
    for tail in tails:
        left = room - columns_of(tail)
        if left >= min(columns_of(name), LEAST_NAME, room // 3):
            return [shorten_within(name, left) + tail]
    text = shorten_within(name, room // 2) + tails[-1]
    return textwrap.wrap(text, room, subsequent_indent="  ", break_on_hyphens=False)
