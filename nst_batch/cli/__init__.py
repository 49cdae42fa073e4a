"""The command line: one module a command group, exit codes as in :mod:`nst_batch.errors`.

Only this package prints. Results go to standard output; errors are one or two plain lines on standard error:
what, where, what to do. A traceback only with ``--debug``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_batch import __version__
from nst_batch.cli import check, control, demo, doctor, run, schema, status, stylize
from nst_batch.errors import EXIT_OK, EXIT_USAGE, NstError

COMMANDS = (run, check, status, control, stylize, doctor, schema, demo)

EPILOG = """\
Drop a content image, a style image and a sidecar NAME.yaml into the inbox:

    content: harbour.jpg
    style: waves.jpg
    title: harbour-in-waves
    size: 768

`nst-batch run` paints it into outbox/harbour-in-waves/. Every command has its own --help.
Exit codes: 0 fine, 1 a job failed, 2 usage, 75 not now (busy, paused, disk full), 78 config or weights.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="nst-batch",
        description="An unattended style-transfer studio: pictures and a sidecar in, paintings out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"nst-batch {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the config file (default: $NST_BATCH_CONFIG, else ./config.yaml, else built-in defaults)",
    )
    common.add_argument("--debug", action="store_true", help="tracebacks, and TensorFlow's own messages")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands, common)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO, format="%(message)s", stream=sys.stderr
    )
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except NstError as error:
        if arguments.debug:
            raise
        print(f"nst-batch: {error.message}", file=sys.stderr)
        if error.advice:
            print(f"nst-batch: {error.advice}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # `nst-batch status | head`: the reader has enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        print("nst-batch: interrupted", file=sys.stderr)
        return EXIT_USAGE if arguments.debug else 130
    return code
