"""``nst-batch reasons``: what each reason means and what to do about it; docs/reasons.md is what it prints."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Mapping

from nst_batch.cli.terminal import AddCommand, say, say_set_in
from nst_batch.errors import EXIT_OK, UsageError
from nst_batch.reasons import KNOWN, OF_COMMANDS, OF_JOBS, OF_THE_QUEUE, Known, like

_HEAD = """\
# Reasons

Whatever cannot be done says why: a code, what happened and where, and what to do about it. Codes are stable, so that
scripts and hooks can go by them; the words may get better. `nst-batch reasons` prints this page, and
`nst-batch reasons CODE` what one of them means.
"""

_SECTIONS: tuple[tuple[str, str, Mapping[str, Known]], ...] = (
    (
        "Of a job",
        "Stands as `reason` in job.json, in error.txt, in `nst-batch status`, in the gallery and in the log, and hooks "
        "get it as `NST_BATCH_REASON`. One that lasts comes again for the same files: `nst-batch retry --all` leaves "
        "such jobs alone until one of their files is changed.",
        OF_JOBS,
    ),
    (
        "Of the queue",
        "Nothing is lost, no attempt is counted, and the queue goes on by itself once the cause is gone. `nst-batch "
        "status` and the log say which it is, and a `trouble` hook gets the code.",
        OF_THE_QUEUE,
    ),
    (
        "Of a command",
        "Ends the command, or the daemon, with an exit code of its own kind. A `trouble` hook gets those of a worker "
        "that cannot work at all.",
        OF_COMMANDS,
    ),
)


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
        say(*_page())
    return EXIT_OK


def _page() -> Iterator[str]:
    """docs/reasons.md, line by line."""
    yield from _HEAD.splitlines()
    for title, about, reasons in _SECTIONS:
        yield from ("", f"## {title}", "", *_wrapped(about), "")
        for code, known in reasons.items():
            lasts = " (lasts)" if known.lasting else ""
            yield from _wrapped(f"- `{code}`{lasts}: {known.meaning}. *{known.advice}*", "  ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
