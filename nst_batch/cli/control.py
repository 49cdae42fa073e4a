"""``stop``, ``cancel``, ``retry``, ``pause``, ``resume``: each writes a control file or moves a failed job back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nst_batch.cli.terminal import say
from nst_batch.clock import Moment
from nst_batch.config.load import load_config
from nst_batch.daemon.queue_state import STATE_NAME
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.names import fold
from nst_batch.spool.commands import look_from_outside, pause, resume, retry_job, told_by_daemon, write_control

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands
    from nst_batch.spool.inbox.control import Action

JOB_HELP = "the job's name as `nst-batch status` shows it, or its id"


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the commands to the command line."""
    of_a_job = (
        (
            "stop",
            run_stop,
            "end a running job with the picture as it stands",
            "The result is published as `stopped`.",
        ),
        (
            "cancel",
            run_cancel,
            "drop a running or waiting job",
            "Its inputs go to outbox/failed/JOB; retry puts them back.",
        ),
        ("retry", run_retry, "put a failed or cancelled job back", "Its inputs move to inbox/retry-JOB/."),
    )
    for name, function, text, more in of_a_job:
        command = commands.add_parser(name, parents=[common], help=text, description=f"{text.capitalize()}. {more}")
        command.add_argument("job", nargs="+", metavar="JOB", help=JOB_HELP)
        command.set_defaults(run=function)
    for name, function, text, more in (
        ("pause", run_pause, "start no new jobs", "Running ones go on. Like `touch inbox/PAUSE`."),
        ("resume", run_resume, "start jobs again", "Removes inbox/PAUSE."),
    ):
        command = commands.add_parser(name, parents=[common], help=text, description=f"{text.capitalize()}. {more}")
        command.set_defaults(run=function)


def run_stop(arguments: argparse.Namespace) -> int:
    """Write ``inbox/JOB.stop``."""
    return _control(arguments, "stop", "will end with the picture as it stands")


def run_cancel(arguments: argparse.Namespace) -> int:
    """Write ``inbox/JOB.cancel``."""
    return _control(arguments, "cancel", "will be dropped; its inputs go to the outbox's failed folder")


def _control(arguments: argparse.Namespace, action: Action, what: str) -> int:
    config = load_config(arguments.config)
    view, jobs = look_from_outside(config, Moment.now())
    known = {fold(name) for job in jobs for name in (job.name, job.id)}
    known |= {fold(name) for pair in view.ready + view.waiting for name in pair.names}
    known |= {fold(pair.name) for pair in view.broken}
    held_by, told = told_by_daemon(config, STATE_NAME)
    for entry in (*told.get("running", ()), *told.get("waiting", ())):  # another user sees no claims
        known |= {fold(str(entry.get("name"))), fold(str(entry.get("id")))}
    for name in arguments.job:
        if fold(name) not in known:
            raise UsageError("job_unknown", f"{name}: there is no such job", "nst-batch status lists those there are")
        write_control(config, name, action)
        say(f"{name} {what}")
    if held_by is None:
        say("no daemon is running: it is done when the next one starts")
    return EXIT_OK


def run_retry(arguments: argparse.Namespace) -> int:
    """Put failed jobs back into the inbox."""
    config = load_config(arguments.config)
    for name in arguments.job:
        folder = retry_job(config, name)
        say(f"{name} is back in {folder}")
    return EXIT_OK


def run_pause(arguments: argparse.Namespace) -> int:
    """Write ``inbox/PAUSE``."""
    say(f"paused: no new job starts while {pause(load_config(arguments.config))} stands")
    return EXIT_OK


def run_resume(arguments: argparse.Namespace) -> int:
    """Remove ``inbox/PAUSE``."""
    there = resume(load_config(arguments.config))
    say("resumed" if there else "it was not paused")
    return EXIT_OK
