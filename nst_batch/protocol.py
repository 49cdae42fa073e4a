"""What the daemon and a worker say to each other: one JSON object a line, over a pair of pipes or of files.

To a worker (its standard input), each with ``do``: ``job`` {job, claim, folder, running, stop, last_for_memory},
``stop``, ``cancel``, ``yield`` (put the job back with a checkpoint), ``end`` (no more work), and to one on another
machine ``revoked`` (its job is another worker's now). The end of a pipe means that the daemon is gone; that of a file
nothing.

From a worker (its standard output), each with ``say``: ``ready`` {device, weights, rate, precision, memory_mb},
``taken`` {job}, ``phase`` {phase, told}, ``step`` {step, steps, epoch, epochs, total, left, scale, pixels, seconds},
``epoch`` (as ``step``), ``beat`` (a step gets on), ``checkpoint`` {step}, ``fits`` {size, style_size} (those of them
with which it would fit, should the memory run out), ``finished`` {state, memory_mb}, ``yielded`` {step}, ``refused``
{reason} (as ``yielded``, because the disk lets nothing be written), ``fault`` {reason} (the worker cannot work at all:
weights, device), and from one on another machine ``ended``. A ``reason`` is {code, message, advice}.
"""

from __future__ import annotations

import json
import os
from typing import Any

from pydantic import BaseModel


class WorkerOptions(BaseModel):
    """What a worker is started with, as one JSON argument."""

    parent: int  # the daemon's process; 0 for a worker that outlives it
    weights: str
    device: str  # cpu, gpu, or the number of a GPU
    max_megapixels: float
    max_file_mb: float
    checkpoint_seconds: float
    note: str = ""  # on the device; goes into every job.json


Message = dict[str, Any]

READ_BYTES = 1 << 16

# In the folder of a worker on another machine:
OPTIONS_NAME = "options.json"
TAKEN_NAME = "taken"  # the one that works there
TO_WORKER_NAME = "to-worker"
FROM_WORKER_NAME = "from-worker"


def to_line(message: Message) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class LineReader:
    """Reads whole messages from a file descriptor that does not block."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""
        self.at_end = False

    def read(self) -> list[Message]:
        """The messages that have come; sets ``at_end`` once the other side has closed."""
        try:
            while chunk := os.read(self._fd, READ_BYTES):
                self._rest += chunk
            self.at_end = True
        except BlockingIOError:
            # Nothing more for now.
            pass
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines if line]
