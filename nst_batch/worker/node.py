"""The worker on a node of a cluster: the same worker as beside the daemon, spoken to by files instead of pipes.

``python -m nst_batch.worker.node FOLDER`` is what an allocation runs. FOLDER, on the file system that all machines
share, holds ``options.json``, the two mailboxes and the name of the one Slurm job that works there. The worker outlives
its daemon: it goes on with the job it has, and ends when none has come for a while. It lets go of that job when the
daemon says so, and when the folder has gone: the daemon has given it up then, and another may have the job.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from nst_batch.mailbox import MailReader, MailWriter
from nst_batch.protocol import FROM_WORKER_NAME, OPTIONS_NAME, TAKEN_NAME, TO_WORKER_NAME, Message, WorkerOptions
from nst_batch.worker.process import InstructionQueue, Reporter, run_and_exit, serve

POLL_SECONDS = 0.5
HOLDS_SECONDS = 10.0  # after a look at the mailbox; without another one it does nothing: it may have lost its job
IDLE_SECONDS = 30.0  # without a job, before the allocation is given back
STEP_SECONDS = 2.0  # between two messages on steps: every one is a write on the shared file system
REVOKED_EXIT = 71


def take(folder: Path, slurm_id: str) -> int | None:
    """Be the one worker of ``folder``: the first that comes, should there be two. None for any other.

    A Slurm job that was put back into the queue (``scontrol requeue``) is another one: what its mailbox holds was for
    the worker that it had. Gives the user whose files those of this program are, as the file system shows it.
    """
    try:
        fd = os.open(folder / TAKEN_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        sys.stderr.write(f"Slurm job {(folder / TAKEN_NAME).read_text()} has worked in {folder}\n")
        return None
    with os.fdopen(fd, "w") as taken:
        taken.write(slurm_id)
        return os.fstat(fd).st_uid


class Post:
    """Reads the daemon's messages by looking, and notices that there is nothing left to do."""

    def __init__(self, folder: Path, owner: int) -> None:
        self._reader = MailReader(folder / TO_WORKER_NAME, owner, "do")
        self._has_looked = False

    def listen(self, instructions: InstructionQueue) -> None:
        """Carry messages over until the end."""
        idle_since = time.monotonic()
        while True:
            before = time.monotonic()
            for message in self._look():
                if message["do"] == "revoked":
                    _let_go("the daemon")
                instructions.tell(message)
            if self._has_looked:
                instructions.known_until(before + HOLDS_SECONDS)
            if instructions.busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS:
                instructions.tell({"do": "end"})
            time.sleep(POLL_SECONDS)

    def _look(self) -> list[Message]:
        self._has_looked = False
        try:
            messages = self._reader.read()
        except FileNotFoundError:
            if self._reader.has_heard:
                _let_go("its folder, which has gone")
        except OSError as error:  # a shared file system may be away for a while
            sys.stderr.write(f"the daemon's messages cannot be read: {error}\n")
        else:
            self._has_looked = True
            return messages
        return []


def _let_go(who: str) -> NoReturn:
    """No finally, no at-exit: another worker may already have this job."""
    sys.stderr.write(f"told to let go of its job by {who}\n")
    sys.stderr.flush()
    os._exit(REVOKED_EXIT)


def main() -> int:
    """Entry point of ``python -m nst_batch.worker.node FOLDER``."""
    folder = Path(sys.argv[1])
    owner = take(folder, os.environ.get("SLURM_JOB_ID", str(os.getpid())))
    if owner is None:
        return 0
    options = WorkerOptions.model_validate_json((folder / OPTIONS_NAME).read_bytes())
    reporter = Reporter(MailWriter(folder / FROM_WORKER_NAME, owner), STEP_SECONDS)
    code = serve(options, reporter, Post(folder, owner).listen)
    reporter.say("ended")
    return code


if __name__ == "__main__":
    run_and_exit(main)
