"""Where jobs are painted: by workers of this machine or by a cluster's. The one place that tells them apart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from nst_batch.config.load import Config
from nst_batch.daemon.slurm.allocation import Allocation, allocation_records
from nst_batch.daemon.slurm.pool import FOLDER_NAME, NODE_COMMAND, SlurmPool
from nst_batch.daemon.worker_pool import WorkerPool
from nst_batch.daemon.worker_process import WORKER_COMMAND, WorkerProcess
from nst_batch.errors import NotNowError
from nst_batch.filenames import OWN_FOLDER
from nst_batch.spool.disk.fs import FileSystem

Executor: TypeAlias = WorkerPool | SlurmPool
Worker: TypeAlias = WorkerProcess | Allocation


def choose_executor(config: Config, fs: FileSystem, worker: Sequence[str] | None = None) -> Executor:
    """The one that config.yaml asks for; ``worker`` starts another worker than its own.

    NotNowError where the other one still has jobs of this inbox, SetupError without Slurm's commands.
    """
    if config.executor == "slurm":
        return SlurmPool(config, fs, worker or NODE_COMMAND)
    folder = config.inbox / OWN_FOLDER / FOLDER_NAME
    if any(record.job for _token, record in allocation_records(fs, folder)):
        raise NotNowError(
            "slurm_at_work",
            f"executor: local, but Slurm may still be at work on jobs of this inbox, by {folder}",
            "run the daemon with executor: slurm until they are done; where the cluster is no more, remove that folder",
        )
    return WorkerPool(config, fs, None, os.getpid(), worker or WORKER_COMMAND)
