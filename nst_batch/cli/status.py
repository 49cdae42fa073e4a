"""``nst-batch status``: what runs, what waits and why, what is done, and when the queue will be empty."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from nst_batch.characters import visible_lines
from nst_batch.cli.status_lines import RECENT, lines
from nst_batch.cli.terminal import AddCommand, Screen, erase_rest, reader_stays, say, say_lines, screen_columns
from nst_batch.cli.watched import Watched, watched_config
from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.errors import EXIT_OK, NotNowError, NstError
from nst_batch.filenames import STATE_NAME
from nst_batch.reasons import WITH_RESULT
from nst_batch.report.entries import NEWEST, GalleryEntry, collect
from nst_batch.spool.disk.attach import refuse_closed
from nst_batch.spool.told import daemons_user, left_by_daemon, obstacle, told_by_daemon, without_ends

WATCH_SECONDS = 2.0
OF_THE_PROCESS = ("pid", "born", "inbox", "outbox")  # in a state: by which one knows whose it is


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "status",
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
    known = watched_config(arguments.config)
    refuse_closed(known.config.outbox)
    screen = Screen() if arguments.watch else None
    try:
        while True:
            _show(arguments, known, screen)
            if not (arguments.watch and reader_stays(WATCH_SECONDS)):
                return EXIT_OK
            with contextlib.suppress(NstError):  # it may be mended, or go wrong, meanwhile
                known = watched_config(arguments.config)
    except KeyboardInterrupt:
        if not arguments.watch:
            raise
        erase_rest()  # the ^C; it is the way in which it ends
        return EXIT_OK


def _show(arguments: argparse.Namespace, known: Watched, screen: Screen | None) -> None:
    facts = gather(known.config, newest=NEWEST if arguments.json else RECENT, config_fault=known.fault)
    if arguments.json:
        indent = None if arguments.watch else 2
        text = json.dumps(facts, indent=indent, ensure_ascii=False)
        # What would have to be escaped is escaped as JSON has it.
        say_lines(text if text == visible_lines(text) else json.dumps(facts, indent=indent))
        return
    shown = list(lines(facts, screen_columns()))
    if screen is None:
        say(*shown)
    else:
        screen.show([f"{datetime.now().astimezone():%H:%M:%S}", *shown], "nst-batch status")


def gather(config: Config, *, newest: int = NEWEST, config_fault: str = "") -> dict[str, Any]:
    """Everything ``status`` shows: with a daemon at work its own view, else a look at the folders.

    ``config_fault``: what is wrong with the file, where the daemon goes by an earlier one. Of what has its end the
    ``newest`` of each kind are listed, and all are counted.
    """
    held_by, facts = told_by_daemon(config, STATE_NAME)
    if not facts:  # it has only just started, or none runs
        facts = _looked_up(config)
        facts |= _closed(config)
        if held_by is None:
            facts |= _left(left_by_daemon(config, STATE_NAME), facts)
    ended = collect(config.outbox, newest=newest)
    facts = {**facts, **_without_ended(facts, ended.entries)}
    if not facts["blocked"] and (facts := {**facts, "blocked": obstacle(config)})["blocked"]:
        facts |= without_ends(facts)  # a daemon whose disk refuses cannot take back what it foretold
    return {
        "daemon": held_by,
        "daemons_user": daemons_user(config),
        "inbox": str(config.inbox),
        **{key: value for key, value in facts.items() if key not in OF_THE_PROCESS},
        "outbox": str(config.outbox),
        "config_fault": config_fault or None,
        "done": [_entry(e) for e in ended.entries if e.state in WITH_RESULT],
        "failed": [_entry(e) for e in ended.entries if e.state not in WITH_RESULT],
        "counts": {"done": ended.done, "failed": ended.failed},
        "unreadable": list(ended.unreadable),
    }


def _closed(config: Config) -> dict[str, Any]:
    """That what waits cannot be seen by who asks, where the inbox is closed to them."""
    try:
        refuse_closed(config.inbox)
    except NotNowError as error:
        return {"blocked": error.in_one_line, "empty_at": None}
    return {}


def _left(last: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The jobs that a daemon had taken, of which who may not look into its folder sees nothing else."""
    if not last:
        return {}
    seen = {job["name"] for job in facts["waiting"]}
    of_none = {"why": "ready", "until": None, "priority": 0, "arrival": "", "held_up": False, "seconds": None}
    taken = [
        {"begun": True, **of_none, **{key: job[key] for key in ("name", "begun") if key in job}, "done_at": None}
        for job in (*last.get("running", ()), *last.get("waiting", ()))
        if job["name"] not in seen
    ]
    painted = {view["path"]: view for view in last.get("folders", ())}
    note = "jobs that were taken, and counts of photographs, are told as they were when the daemon ended"
    return {
        "waiting": taken + facts["waiting"],
        "folders": [painted.get(view["path"], view) for view in facts["folders"]],
        "notes": [*facts["notes"], note],
    }


def _without_ended(facts: dict[str, Any], ended: Iterable[GalleryEntry]) -> dict[str, Any]:
    """What runs and waits, without the jobs that have their ends by now: the daemon may tell so a second later.

    A job that waits has no id yet; a name that a failed one has is no other one's.
    """
    ids, failed = {each.id for each in ended}, {each.name for each in ended if each.state not in WITH_RESULT}
    return {
        "running": [job for job in facts["running"] if job.get("id") not in ids],
        "waiting": [job for job in facts["waiting"] if job["name"] not in failed],
    }


def _looked_up(config: Config) -> dict[str, Any]:
    """What a daemon would tell. Its code is loaded only where none runs: it takes longer than all the rest of this."""
    from nst_batch.config.schedule import closed_until, zone_at  # noqa: PLC0415
    from nst_batch.daemon.foreteller import without_daemon  # noqa: PLC0415
    from nst_batch.daemon.queue_state import state  # noqa: PLC0415
    from nst_batch.spool.commands import look_from_outside  # noqa: PLC0415

    view, jobs = look_from_outside(config, Moment.now())
    opens = closed_until(config.schedule, time.time())
    zone = None if opens is None else zone_at(config.schedule, opens)
    facts = state(view, jobs, (), None, 0, (), opens, zone=zone, foreteller=without_daemon(config))
    return facts | without_ends(facts)


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
