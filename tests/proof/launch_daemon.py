"""The real daemon as a process that can be killed at a named step of its spool.

    python launch_daemon.py --config FILE [--once] [--quick] [--kill-at STEP:N] [--meddle STEP=FILE]
                            [--stranger STEP=FOLDER] [--unreadable FILE] [--retry JOB]

``--quick`` puts quick_worker.py at the worker's place. ``--kill-at`` ends the process by SIGKILL when it comes to
the N-th occurrence of a step. ``--meddle`` changes an image of the inbox when it first comes to a step: one that is cut
short becomes whole, any other one longer. ``--stranger`` has another inbox's job put its running folder there when it
first comes to a step. ``--unreadable`` is an image that the disk cannot read. ``--retry`` runs the
retry command in place of the daemon.

In the environment: ``CLOCK_AHEAD``, a file with the seconds that the clock on the wall is ahead; ``DISK_SAYS``, see
full_disk.py; ``BLOCKED_RETRY_SECONDS``, how soon a disk that has refused is tried again.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from pathlib import Path

from full_disk import MoodyDisk

from nst_batch.cli.listeners import Lines
from nst_batch.clock import Moment
from nst_batch.config.load import Config, load_config
from nst_batch.daemon import loop as daemon_module
from nst_batch.daemon.loop import Daemon
from nst_batch.daemon.once import Once
from nst_batch.errors import NstError
from nst_batch.spool.commands import retry_jobs
from nst_batch.spool.disk.copying import UnreadableError
from nst_batch.spool.disk.layout import RUNNING_MARKER
from nst_batch.spool.disk.primitives import Identity

QUICK = (sys.executable, str(Path(__file__).with_name("quick_worker.py")))


class Steps:
    """Counts the steps; does what was asked for at one of them."""

    def __init__(self, config: Config, kill_at: str, meddle: str, stranger: str) -> None:
        self._name, _, number = kill_at.partition(":")
        self._left = int(number or 1)
        self._meddle_at, _, file = meddle.partition("=")
        self._file = config.inbox / file
        self._stranger_at, _, folder = stranger.partition("=")
        self._stranger = config.outbox / "running" / folder

    def __call__(self, name: str) -> None:
        if name == self._meddle_at:
            self._meddle_at = ""
            data = self._file.read_bytes()
            self._file.write_bytes(data.replace(b"half", b"whole") if b"half" in data else data + b"\n")
        if name == self._stranger_at:
            self._stranger_at = ""
            self._stranger.mkdir(parents=True)
            (self._stranger / RUNNING_MARKER).write_text("another-inbox another-job")
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def set_clock(ahead: Path) -> None:
    """Put the daemon's clock on the wall ahead, by as much as stands in the file at that moment."""
    real = Moment.now

    def now() -> Moment:
        at = real()
        return Moment(at.mono, at.wall + float(ahead.read_text() or 0))

    Moment.now = now  # type: ignore[method-assign]


class Files(MoodyDisk):
    """The daemon's file system, with a bad sector under one file."""

    def __init__(self, steps: Steps, unreadable: str) -> None:
        super().__init__(steps)
        self._unreadable = unreadable

    def copy_new(self, source: Path, target: Path, expected: Identity | None, **kind: bool) -> Identity:
        if source.name == self._unreadable:
            raise UnreadableError(errno.EIO, os.strerror(errno.EIO), str(source))
        return super().copy_new(source, target, expected, **kind)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--quick", action="store_true")
    for name in ("--kill-at", "--meddle", "--stranger", "--unreadable", "--retry"):
        parser.add_argument(name, default="")
    asked = parser.parse_args()
    daemon_module.BLOCKED_RETRY_SECONDS = float(os.environ.get("BLOCKED_RETRY_SECONDS", "10"))
    if ahead := os.environ.get("CLOCK_AHEAD"):
        set_clock(Path(ahead))
    config = load_config(asked.config)
    files = Files(Steps(config, asked.kill_at, asked.meddle, asked.stranger), asked.unreadable)
    if asked.retry:
        list(retry_jobs(config, (asked.retry,), files))
        return 0
    try:
        daemon = Daemon(
            config,
            Lines(),
            once=Once() if asked.once else None,
            files=files,
            worker=QUICK if asked.quick else None,
        )
        return daemon.run()
    except NstError as error:
        print(error.message, error.advice, sep="\n", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
