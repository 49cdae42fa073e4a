"""``nst-batch run``: the daemon, and what it shows meanwhile."""

from __future__ import annotations

import argparse
import os
import sys

from nst_batch.cli import journal
from nst_batch.cli.listeners import Bars, JournalLines, Lines
from nst_batch.cli.terminal import AddCommand
from nst_batch.config.load import load_config
from nst_batch.daemon.listener import Listener
from nst_batch.daemon.loop import Daemon
from nst_batch.daemon.once import Once
from nst_batch.daemon.service import Notifier
from nst_batch.errors import UsageError
from nst_batch.footing import stand
from nst_batch.spool.told import refuse_anothers_queue
from nst_batch.transfer.keras_settings import left_aside
from nst_batch.transfer.locate import locate_weights

WEIGHTS_SECONDS = 900.0

EPILOG = """\
Drop a content image, a style image and NAME.yaml into the inbox; the result appears in the outbox.
While it runs:

    nst-batch status | stop JOB | cancel JOB | pause | resume

SIGTERM or Ctrl-C: running jobs are put back with a checkpoint and go on at the next start; a second one ends at once.
"""


def add(add_command: AddCommand) -> None:
    """Add the command to the command line."""
    command = add_command(
        "run",
        help="the daemon: paint whatever is dropped into the inbox",
        description="Watches the inbox and paints every complete pair into the outbox, until told to end.",
        epilog=EPILOG,
    )
    command.add_argument("--once", action="store_true", help="empty the inbox, then end")
    command.add_argument(
        "--incomplete",
        choices=("wait", "fail", "leave"),
        help="with --once, what to do about sidecars whose images are missing or that may not be taken: wait for them "
        "(the default), fail them now, or leave them where they are",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon; returns its exit code."""
    if arguments.incomplete and not arguments.once:
        raise UsageError("usage", "--incomplete goes with --once", "nst-batch run --once --incomplete leave")
    stand()
    config = load_config(arguments.config)
    refuse_anothers_queue(config)
    notifier = Notifier.from_environment()
    # It may be fetched, which takes a slow connection longer than systemd waits.
    notifier.extend_timeout(WEIGHTS_SECONDS)
    # Said now rather than by a worker in a minute; a damaged file is still the worker's to find.
    locate_weights(config.weights)
    once = Once(arguments.incomplete or "wait") if arguments.once else None
    listener: Listener = Bars() if sys.stderr.isatty() else JournalLines() if journal.is_connected() else Lines()
    listener.note(f"inbox {config.inbox}, outbox {config.outbox}")
    for note in left_aside(os.environ):
        listener.note(note)
    daemon = Daemon(
        config,
        listener,
        once=once,
        notifier=notifier,
        reread=lambda: load_config(config.source or arguments.config),
        # A closed terminal ends what was started in it; a service reads its config again.
        hangup="stop" if sys.stdin.isatty() and not notifier.active else "reload",
    )
    try:
        return daemon.run()
    finally:
        if isinstance(listener, Bars):
            listener.close()
