"""``nst-batch doctor``: everything that a night's work needs, looked at."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nst_batch.cli.terminal import say
from nst_batch.config.load import load_config
from nst_batch.doctor import examine, worst
from nst_batch.errors import EXIT_CONFIG, EXIT_OK

if TYPE_CHECKING:
    from nst_batch.cli.terminal import Commands

MARKS = {"ok": "ok  ", "warn": "note", "bad": "BAD "}


def add(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "doctor",
        parents=[common],
        help="device, TensorFlow, weights, folders, disk, limits, and what to do about each",
        description="Looks at everything a night's work needs and says what to do about what is missing. "
        "Ends with 78 where something would keep the daemon from working.",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print each check as it is made."""
    checks = []
    for check in examine(load_config(arguments.config)):
        checks.append(check)
        say(f"{MARKS[check.state]}  {check.name}: {check.what}")
        if check.advice:
            say(f"      {check.advice}")
    return EXIT_CONFIG if worst(checks) == "bad" else EXIT_OK
