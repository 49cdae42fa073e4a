"""``nst-batch status``: what runs, what waits and why, what is done, and when the queue will be empty."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nst_batch.characters import visible_lines
from nst_batch.cli.terminal import begin_screen, duration, plural, say, say_lines
from nst_batch.clock import Moment
from nst_batch.config.load import Config, load_config
from nst_batch.errors import EXIT_OK
from nst_batch.filenames import STATE_NAME
from nst_batch.reasons import WITH_RESULT
from nst_batch.report.entries import NEWEST, collect
from nst_batch.spool.told import obstacle, told_by_daemon

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands

RECENT = 10
WATCH_SECONDS = 2.0


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "status",
        parents=[common],
        help="what runs (epoch, loss, time left), what waits and why, what is done or failed",
        description="Shows the queue, from the folders alone where no daemon runs.",
    )
    command.add_argument("--json", action="store_true", help="everything as one JSON object")
    command.add_argument(
        "--watch",
        action="store_true",
        help="show it again every two seconds, until Ctrl-C; with --json an object a line",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status, once or again and again."""
    config = load_config(arguments.config)
    while True:
        facts = gather(config, newest=NEWEST if arguments.json else RECENT)
        if arguments.json:
            indent = None if arguments.watch else 2
            text = json.dumps(facts, indent=indent, ensure_ascii=False)
            # What would have to be escaped is escaped as JSON has it.
            say_lines(text if text == visible_lines(text) else json.dumps(facts, indent=indent))
        else:
            shown = list(lines(facts))
            if arguments.watch:
                begin_screen(f"{datetime.now().astimezone():%H:%M:%S}")
            for line in shown:
                say(line)
        if not arguments.watch:
            return EXIT_OK
        time.sleep(WATCH_SECONDS)


def gather(config: Config, *, newest: int = NEWEST) -> dict[str, Any]:
    """Everything ``status`` shows: with a daemon at work its own view, else a look at the folders.

    Of what has its end the ``newest`` of each kind are listed, and all are counted.
    """
    held_by, facts = told_by_daemon(config, STATE_NAME)
    if not facts:  # it has only just started, or none runs
        facts = _looked_up(config)
    ended = collect(config.outbox, newest=newest)
    facts["blocked"] = facts["blocked"] or obstacle(config)
    return {
        "daemon": held_by,
        "inbox": str(config.inbox),
        "outbox": str(config.outbox),
        **{key: value for key, value in facts.items() if key != "pid"},
        "done": [_entry(e) for e in ended.entries if e.state in WITH_RESULT],
        "failed": [_entry(e) for e in ended.entries if e.state not in WITH_RESULT],
        "counts": {"done": ended.done, "failed": ended.failed},
    }


def _looked_up(config: Config) -> dict[str, Any]:
    """What a daemon would tell. Its code is loaded only where none runs: it takes longer than all the rest of this."""
    from nst_batch.config.schedule import closed_until  # noqa: PLC0415
    from nst_batch.daemon.queue_state import state  # noqa: PLC0415
    from nst_batch.spool.commands import look_from_outside  # noqa: PLC0415

    view, jobs = look_from_outside(config, Moment.now())
    return state(view, jobs, (), None, 0, (), closed_until(config.schedule, time.time()))


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "id": entry.id,
        "state": entry.state,
        "folder": entry.folder,
        "reason": entry.reason,
        "message": entry.message,
        "advice": entry.advice,
    }


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """The status for a person."""
    yield f"daemon   {'running (' + facts['daemon'] + ')' if facts['daemon'] else 'not running: nst-batch run'}"
    if facts["paused"]:
        yield "paused   no new job starts; nst-batch resume"
    if facts["blocked"]:
        yield f"waits    {facts['blocked']}"
    if facts.get("closed_until"):
        when = _clock(facts["closed_until"])
        yield f"hours    waits for {when}, outside the schedule; now: true in a sidecar runs at any hour"
    for note in facts.get("notes", ()):  # a daemon of an older version tells none
        yield f"note     {note}"
    for folder in facts.get("folders", ()):
        yield f"folder   {folder['path']}: {_folder(folder)}"
    for job in facts["running"]:
        yield f"running  {_running_line(job)}"
    for job in facts["waiting"]:
        until = f", until {_clock(job['until'])}" if job["until"] else ""
        yield f"waiting  {job['name']}: {job['why']}{until}{_plan(job)}"
    done, failed, counts = facts["done"], facts["failed"], facts["counts"]
    yield f"done     {plural(counts['done'], 'job')} in {facts['outbox']}"
    yield from (f"         {job['folder']} ({job['state']})" for job in done[:RECENT])
    if counts["failed"]:
        yield f"failed   {plural(counts['failed'], 'job')}; nst-batch retry JOB puts one back"
        for job in failed[:RECENT]:
            yield f"         {job['name']}: {_why(job)}"
    if facts["running"] or facts["waiting"]:
        empty_at = facts["empty_at"]
        when = (
            f"about {_clock(empty_at)}, in {duration(max(0.0, empty_at - time.time()))}"
            if empty_at
            else "not known before a worker has been ready once"
        )
        yield f"empty    {when}"


def _folder(folder: dict[str, Any]) -> str:
    """What a ``folder.yaml`` or ``defaults.yaml`` is at."""
    waits = f"{plural(folder['pending'], 'photograph')} to be painted, {folder['painted']} painted already"
    if folder["why"]:
        held_up = f"; {plural(folder['pending'], 'photograph')} wait" if folder["is_hot"] else ""
        return f"{folder['why']}{held_up}"
    return waits if folder["is_hot"] else "counts for the sidecars below it"


def _plan(job: dict[str, Any]) -> str:
    """How long a waiting job will take and when it will be done, where that is known."""
    if not job.get("done_at"):  # nor does a daemon of an older version tell
        return ""
    return f", takes {duration(job['seconds'])}, done about {_clock(job['done_at'])}"


def _why(job: dict[str, Any]) -> str:
    """Why a job failed, what, and what to do, on one line: of several mistakes the first, and how many more."""
    first, *more = job["message"].splitlines() or [""]
    parts = (job["reason"], first + (f" (and {len(more)} more)" if more else ""), job["advice"])
    return "; ".join(part for part in parts if part)


def _running_line(job: dict[str, Any]) -> str:
    if job["loss"] is None or job["seconds_left"] is None:
        left = f", {duration(job['seconds_left'])} left" if job["seconds_left"] is not None else ""
        return f"{job['name']} on {job['device']}: starting{left}"
    return (
        f"{job['name']} on {job['device']}: epoch {job['epoch']}/{job['epochs']}, step {job['step']}/{job['steps']}, "
        f"loss {job['loss']:.5g}, {duration(job['seconds_left'])} left"
    )


def _clock(moment: float) -> str:
    at = datetime.fromtimestamp(moment).astimezone()
    same_day = at.date() == datetime.fromtimestamp(time.time()).astimezone().date()
    return at.strftime("%H:%M" if same_day else "%a %d %b, %H:%M")
