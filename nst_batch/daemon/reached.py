"""How far a job had come that waits to go on: for estimates, from the last line of its log of steps."""

from __future__ import annotations

import json
import os

from nst_batch.beneath import Beneath
from nst_batch.filenames import STEPS_NAME
from nst_batch.spool.claims.live_job import Job

TAIL_BYTES = 64 << 10  # that hold the last line: it has a number for each layer


def steps_reached(files: Beneath, job: Job) -> int:
    """The steps that its newest checkpoint has behind it; 0 where it has none, or that cannot be told."""
    if not job.checkpoint:
        return 0
    try:
        with files.reader(job.folder / STEPS_NAME) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            tail = file.read(TAIL_BYTES)
        return max(0, int(json.loads(tail.splitlines()[-1])["step"]))
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):  # only an estimate hangs on it
        return 0
