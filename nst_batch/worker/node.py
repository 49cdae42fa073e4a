"""The worker on a node of a cluster: the same worker as beside the daemon, spoken to by files instead of pipes.

``python -m nst_batch.worker.node FOLDER`` is what an allocation runs. FOLDER, on the file system that all machines
share, holds ``options.json``, the two mailboxes and the name of the one Slurm job that works there. The worker outlives
its daemon: it goes on with the job it has, and ends when none has come for a while.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from nst_batch.mailbox import MailReader, MailWriter
from nst_batch.protocol import FROM_WORKER_NAME, OPTIONS_NAME, TAKEN_NAME, TO_WORKER_NAME, WorkerOptions
from nst_batch.worker.process import InstructionQueue, Reporter, run_and_exit, serve

POLL_SECONDS = 0.5
IDLE_SECONDS = 30.0  # without a job, before the allocation is given back
STEP_SECONDS = 2.0  # between two messages on steps: every one is a write on the shared file system
REVOKED_EXIT = 71


def take(folder: Path, slurm_id: str) -> bool:
    """Whether this Slurm job is the one that works in ``folder``: the first that says so, should there be two."""
    try:
        fd = os.open(folder / TAKEN_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return (folder / TAKEN_NAME).read_text().strip() == slurm_id
    with os.fdopen(fd, "w") as taken:
        taken.write(slurm_id)
    return True


class Post:
    """Reads the daemon's messages by looking, and notices that there is nothing left to do."""

    def __init__(self, folder: Path) -> None:
        self._reader = MailReader(folder / TO_WORKER_NAME)

    def listen(self, instructions: InstructionQueue) -> None:
        """Carry messages over until the end."""
        idle_since = time.monotonic()
        while True:
            try:
                messages = self._reader.read()
            except OSError as error:  # a shared file system may be away for a while
                sys.stderr.write(f"the daemon's messages cannot be read: {error}\n")
                messages = []
            for message in messages:
                if message.get("do") == "revoked":
                    # No finally, no at-exit: another worker may already have this job.
                    os._exit(REVOKED_EXIT)
                instructions.tell(message)
            if instructions.busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS:
                instructions.tell({"do": "end"})
            time.sleep(POLL_SECONDS)


def main() -> int:
    """Entry point of ``python -m nst_batch.worker.node FOLDER``."""
    folder = Path(sys.argv[1])
    slurm_id = os.environ.get("SLURM_JOB_ID", str(os.getpid()))
    if not take(folder, slurm_id):
        sys.stderr.write(f"another Slurm job works in {folder}\n")
        return 0
    options = WorkerOptions.model_validate_json((folder / OPTIONS_NAME).read_bytes())
    reporter = Reporter(MailWriter(folder / FROM_WORKER_NAME), STEP_SECONDS)
    code = serve(options, reporter, Post(folder).listen)
    reporter.say("ended")
    return code


if __name__ == "__main__":
    run_and_exit(main)
