"""The names of files and folders that more than one process, or a person, goes by.

What the spool alone knows of is named in :mod:`nst_batch.spool.disk.layout`.
"""

from __future__ import annotations

# In the outbox, and in a job's folder there.
RUNNING_FOLDER = "running"
FAILED_FOLDER = "failed"
PAGE_NAME = "index.html"  # the gallery; a job's own page
INPUT_FOLDER = "input"
EPOCHS_FOLDER = "epochs"
MANIFEST_NAME = "job.json"
LOSS_NAME = "loss.json"
PLOT_NAME = "loss.svg"
PREVIEW_NAME = "preview.png"
TIMELAPSE = "_timelapse"  # behind a job's title, before the suffix
ERROR_NAME = "error.txt"

# In the inbox: the daemon's own folder, and in a job's folder there what daemon and worker hand each other.
OWN_FOLDER = ".nst_batch"
STATE_NAME = "state.json"
PACE_NAME = "pace.json"
SPEC_NAME = "spec.json"
OUTCOME_NAME = "outcome.json"
JOB_LOCK_NAME = "lock"  # held by the worker that has the job
CHECKPOINT_PREFIX = "checkpoint"
STEPS_NAME = "steps.jsonl"  # its losses, a line a step, as far as its newest checkpoint
