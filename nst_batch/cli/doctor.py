"""``nst-batch doctor``: everything that a night's work needs, looked at."""

from __future__ import annotations

import argparse

from nst_batch.cli.terminal import AddCommand, say_set_in
from nst_batch.config.load import load_config
from nst_batch.doctor import examine, examine_service
from nst_batch.errors import EXIT_CONFIG, EXIT_OK, UsageError

MARKS = {"ok": "ok  ", "warn": "note", "bad": "BAD "}


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "doctor",
        help="device, TensorFlow, weights, folders, disk, limits, and what to do about each",
        description="Looks at everything a night's work needs and says what to do about what is missing. "
        "Ends with 78 where something would keep the daemon from working.",
    )
    command.add_argument(
        "--service",
        action="store_true",
        help="look at the systemd unit nst-batch: who may use its folders, and what it would find; best as root",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print each check as it is made."""
    if arguments.service and arguments.config:
        raise UsageError("usage", "--service looks at the config that the unit names", "leave --config out")
    is_bad = False
    found = examine_service() if arguments.service else examine(load_config(arguments.config))
    for check in found:
        is_bad = is_bad or check.state == "bad"
        say_set_in(f"{MARKS[check.state]}  {check.name}: {check.what}", 8)
        if check.advice:
            say_set_in(f"      {check.advice}", 8)
    return EXIT_CONFIG if is_bad else EXIT_OK
