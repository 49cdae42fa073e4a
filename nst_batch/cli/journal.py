"""The systemd journal: lines with a priority and the job that they are about, so that ``journalctl`` can sort them.

The native protocol (systemd's "Native Journal Protocol" page): one datagram of fields to a socket that stands on every
machine with a journal. ``journalctl -p warning`` then shows what went wrong in a night, ``NST_BATCH_JOB=NAME`` one job.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Mapping

from nst_batch.characters import visible

SOCKET = "/run/systemd/journal/socket"
ERROR, WARNING, INFO = 3, 4, 6  # syslog's, as the journal has them
SEND_SECONDS = 1.0


def is_connected(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether standard error goes to the journal, by what systemd says of it in JOURNAL_STREAM."""
    told = environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


def send(text: str, priority: int, job: str = "", address: str | None = None) -> bool:
    """One entry; whether it went out. What could break a line or command a terminal is made visible."""
    fields = {"MESSAGE": visible(text), "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "nst-batch"}
    if job:
        fields["NST_BATCH_JOB"] = visible(job)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_SECONDS)
            sender.sendto(b"".join(_field(name, value) for name, value in fields.items()), address or SOCKET)
    except OSError:
        return False
    return True


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
