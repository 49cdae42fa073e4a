"""The durable queue: the folder is the queue, and files move here and nowhere else.

| module | what |
|---|---|
| `fs`, `primitives`, `copying` | the file-system boundary: durable writes, renames, copies; named steps |
| `own` | the daemon's own folder, and the one way its files are read |
| `listing`, `scan`, `known`, `reading`, `wanted` | what lies in the inbox; what is still, complete, waiting, broken |
| `naming`, `turn` | JOB names; how long one turn of the loop may take |
| `watch` | a wake-up, nothing else |
| `attach`, `apart`, `lock` | one daemon an inbox; two folders that are apart; a lost inbox is noticed |
| `intent`, `claim`, `records`, `book` | the way in, what is written down, the claims in memory |
| `attempts` | how often a job may be tried |
| `holding` | what waits because a place of its own refuses |
| `publish`, `clear` | the way out; what leaves the inbox after it |
| `recover` | at start: finish or undo whatever was under way |
| `control`, `retry` | control files; a failed job goes back |
| `sweep` | what can be settled without a worker |
| `desk`, `view`, `spool` | the inbox side, what a look comes to, and the whole as the daemon uses it |
"""

from nst_batch.spool.attempts import Attempts, Death, Verdict
from nst_batch.spool.commands import (
    look_from_outside,
    obstacle,
    pause,
    read_claims,
    resume,
    retry_job,
    told_by_daemon,
    write_control,
)
from nst_batch.spool.control import Control
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.layout import Ended, HandOut, Job, Places
from nst_batch.spool.lock import holder
from nst_batch.spool.pair import Broken, Ready, Waiting
from nst_batch.spool.recover import Recovery
from nst_batch.spool.spool import Spool
from nst_batch.spool.trouble import InboxLost, SpoolBlocked
from nst_batch.spool.turn import Turn
from nst_batch.spool.view import View
from nst_batch.spool.wanted import Ending, Moment
from nst_batch.spool.watch import Watcher

__all__ = [
    "Attempts",
    "Broken",
    "Control",
    "Death",
    "Ended",
    "Ending",
    "FileSystem",
    "HandOut",
    "InboxLost",
    "Job",
    "Moment",
    "Places",
    "Ready",
    "Recovery",
    "Spool",
    "SpoolBlocked",
    "Turn",
    "Verdict",
    "View",
    "Waiting",
    "Watcher",
    "holder",
    "look_from_outside",
    "obstacle",
    "pause",
    "read_claims",
    "resume",
    "retry_job",
    "told_by_daemon",
    "write_control",
]
