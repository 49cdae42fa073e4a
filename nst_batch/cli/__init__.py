"""The command line: one module a command group, exit codes as in :mod:`nst_batch.errors`.

Only this package prints. Results go to standard output; errors are one or two plain lines on standard error:
what, where, what to do. A traceback only with ``--debug``. Of the commands only the one that is asked for is loaded:
``status`` answers before the modules of a daemon, of a painting and of the doctor could be read.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from nst_batch import __version__
from nst_batch.cli import journal, streams
from nst_batch.cli.terminal import Parser, VisibleFormatter, say, say_lines
from nst_batch.errors import EXIT_OK, NstError, UsageError

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# Each command's module in this package, in the order of ``--help``.
MODULES = {
    "run": "run",
    "check": "check",
    "status": "status",
    **dict.fromkeys(("stop", "cancel", "retry", "pause", "resume"), "control"),
    "again": "again",
    "prune": "prune",
    "stylize": "stylize",
    "layers": "layers",
    "doctor": "doctor",
    "reasons": "reasons",
    "schema": "schema",
    "demo": "demo",
}
LISTED_BY = {
    **dict.fromkeys(("stop", "cancel", "retry", "again"), "nst-batch status lists the jobs"),
    "reasons": "nst-batch reasons lists them all",
}

EPILOG = """\
Drop a content image, a style image and a sidecar NAME.yaml into the inbox:

    content: harbour.jpg
    style: waves.jpg
    title: harbour-in-waves
    size: 768

`nst-batch run` paints it into outbox/harbour-in-waves/. Every command has its own --help.

Exit codes: 0 fine, 1 a job failed, 2 usage, 75 not now (busy, paused, disk full), 78 config or weights.
"""


def parser(command: str = "") -> argparse.ArgumentParser:
    """The command line of one command; of all of them where ``command`` is none."""
    root = Parser(
        prog="nst-batch",
        description="An unattended style-transfer studio: pictures and a sidecar in, paintings out.",
        epilog=EPILOG,
    )
    root.add_argument("--version", action="version", version=f"nst-batch {__version__}")
    common = Parser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the config file (default: $NST_BATCH_CONFIG, else ./config.yaml, else built-in defaults)",
    )
    common.add_argument("--debug", action="store_true", help="tracebacks, and TensorFlow's own messages")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for name in [MODULES[command]] if command in MODULES else dict.fromkeys(MODULES.values()):
        import_module(f"{__name__}.{name}").add(partial(commands.add_parser, parents=[common]))
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    missing = streams.open_missing()
    streams.make_log_lenient()
    streams.make_output_owing(closed=1 in missing)
    given = sys.argv[1:] if argv is None else argv
    try:
        arguments = parser(given[0] if given else "").parse_args(given)
    except BrokenPipeError:  # the reader of --help
        return _reader_has_enough()
    except SystemExit as end:
        if end.code == EXIT_OK and streams.output_refused():  # of --help and --version
            return _complain(_unwritten())
        raise
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(VisibleFormatter("%(message)s"))
    logging.basicConfig(level=logging.DEBUG if arguments.debug else logging.INFO, handlers=[log])
    try:
        refuse_empty_words(given)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_has_enough()
    except KeyboardInterrupt:
        say("nst-batch: interrupted", error=True)
        return EXIT_INTERRUPTED
    except Exception as error:
        if arguments.debug:
            say_lines(traceback.format_exc(), error=True)
        return _complain(error if isinstance(error, NstError) else unforeseen(error))
    unwritten = _complain(_unwritten()) if streams.output_refused() else EXIT_OK
    return code or unwritten


def _complain(told: NstError) -> int:
    mark = f"<{journal.ERROR}>" if journal.is_connected() else ""  # as systemd reads a priority
    for line in (*told.message.split("\n"), told.advice):
        if line:
            say(f"{mark}nst-batch: {line}", error=True)
    return told.exit_code


def _unwritten() -> NstError:
    """Why what a command has told is not there to be read."""
    advice = "what was told there is lost, or some of it; all else that was asked for is done"
    return NstError("system_error", f"standard output: {streams.output_refused()}", advice)


def refuse_empty_words(given: Sequence[str]) -> None:
    """UsageError where a word is empty, which names nothing, and mostly was to be the value of a shell's variable."""
    if any(re.fullmatch(r"\s*|--[a-z-]+=\s*", word) for word in given):
        what = f"nst-batch {shlex.join(given)}: a word is empty and names nothing; is it a variable that is not set?"
        advice = LISTED_BY.get(given[0], f"nst-batch {given[0]} --help says what belongs there")
        raise UsageError("usage", what, advice)


def _reader_has_enough() -> int:
    """As that of ``nst-batch status | head``; Python would complain once more at exit."""
    streams.drop_output(sys.stdout)
    return EXIT_OK


def unforeseen(error: Exception) -> NstError:
    """What nobody has foreseen, in plain words too, with enough to find the place."""
    if isinstance(error, OSError) and error.strerror:
        where = error.filename2 or error.filename
        message = f"{where}: {error.strerror}" if where else error.strerror
        return NstError("system_error", message, "look at that place and its rights; --debug shows what was being done")
    at = traceback.extract_tb(error.__traceback__)[-1]
    detail = " ".join(str(error).split())
    message = f"{type(error).__name__} in {os.path.basename(at.filename)}, line {at.lineno}: {detail}"  # noqa: PTH119
    return NstError("unforeseen", message, "this is a fault of nst-batch itself; --debug shows all of it")
