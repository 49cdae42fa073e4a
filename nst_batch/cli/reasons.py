"""``nst-batch reasons``: what each reason means and what to do about it; docs/reasons.md is what it prints."""

from __future__ import annotations

import argparse

from nst_batch.cli.terminal import AddCommand, say, say_set_in
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.reasons import KNOWN, like, page


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "reasons",
        help="what the reason of a failed job means, and what to do",
        description="Explains the codes that job.json, error.txt, status and hooks give as a reason; without CODE all.",
    )
    command.add_argument("code", nargs="*", metavar="CODE", help="such as image_truncated")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the page, or what some codes mean."""
    for code in arguments.code:
        if code not in KNOWN:
            raise UsageError(
                "usage", f"{code}: there is no such reason{like(code)}", "nst-batch reasons lists them all"
            )
    for code in arguments.code:
        say_set_in(f"{code}: {KNOWN[code].meaning}; {KNOWN[code].advice}", 2)
    if not arguments.code:
        say(*page())
    return EXIT_OK
