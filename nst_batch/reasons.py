"""Why something could not be done: one value, and the list of every code that it can have.

A :class:`Reason` is made once, where it arises, and carried unchanged to job.json, error.txt, ``status``, the gallery,
the hooks and the log. Codes are stable: people and programs go by them. docs/reasons.md is this list, printed by
``nst-batch reasons``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from nst_batch.characters import visible

EndState = Literal["done", "stopped", "failed", "cancelled"]
END_STATES: tuple[EndState, ...] = get_args(EndState)
WITH_RESULT: tuple[EndState, ...] = ("done", "stopped")  # the others lie in failed/, each with its reason

# The codes by which the program itself decides something; every other one is only told.
CANCELLED = "cancelled"
IMAGE_TRUNCATED = "image_truncated"
IMAGE_TOO_SLOW = "image_too_slow"
OUT_OF_MEMORY = "out_of_memory"
SIDECAR_IS_LINK = "sidecar_is_link"
SIDECAR_NOT_TAKEN = "sidecar_not_taken"
PATH_OUTSIDE = "path_outside"
DISK_READONLY = "disk_readonly"
NO_PERMISSION = "no_permission"
INBOX_LOST = "inbox_lost"
INBOX_TAKEN = "inbox_taken"
DEVICE_MISSING = "device_missing"
DEVICE_FAILED = "device_failed"


class Known(NamedTuple):
    """What a code means, and what to do where the place that it comes from knows nothing better."""

    meaning: str
    advice: str
    lasting: bool = False  # of a job: as long as its sidecar and images stay as they are, it ends so again


OF_JOBS: Mapping[str, Known] = {
    "sidecar_invalid": Known(
        "the sidecar is not YAML, or its keys and values are not as docs/sidecar.md has them",
        "correct it in outbox/failed/JOB/input, then nst-batch retry JOB; no image was taken with it",
        lasting=True,
    ),
    "sidecar_too_large": Known(
        "the sidecar is larger than limits.max_sidecar_kb of config.yaml",
        "shorten it in outbox/failed/JOB/input, or raise the limit, then nst-batch retry JOB",
    ),
    SIDECAR_IS_LINK: Known(
        "the sidecar is a symbolic link, which is not followed", "put the file itself there", lasting=True
    ),
    SIDECAR_NOT_TAKEN: Known(
        "the sidecar may not be read, or not taken out of its folder, and was waited for as long as "
        "watch.incomplete_after says; it lies there still",
        "let the daemon's user read it and move it, or take it away; it is taken as soon as it may be, and this "
        "failure goes then",
        lasting=True,
    ),
    PATH_OUTSIDE: Known(
        "a path leaves the inbox, the library or the outbox: by `..`, from `/` on, or through a symbolic link",
        "put the image itself into the inbox, or make its folder a library folder in config.yaml",
        lasting=True,
    ),
    "title_invalid": Known("a title is not one file name", "give one that is a file name", lasting=True),
    "too_many_jobs": Known(
        "the sidecar asks for more jobs than limits.max_jobs of config.yaml", "split it, or raise the limit"
    ),
    "image_missing": Known(
        "an image that the sidecar names is not there, and was waited for as long as watch.incomplete_after says",
        "put the image beside the sidecar or correct its name, then nst-batch retry",
    ),
    "image_not_a_file": Known(
        "what the sidecar names is a folder, a pipe, a device or a socket",
        "drop the picture itself, as an ordinary file",
        lasting=True,
    ),
    "image_no_permission": Known(
        "an image may not be read by who paints it",
        "let the daemon's user read it (chmod a+r, or the group of the inbox)",
    ),
    "image_unreadable": Known(
        "an image is of a kind that is not read here, is damaged, or the disk or its rights keep it from being read",
        "open it in a picture editor and save it anew, or copy it again; see docs/images.md for the kinds",
        lasting=True,
    ),
    IMAGE_TRUNCATED: Known(
        "an image ends too early, and still did after it was waited for once more",
        "the file ends too early: copy it again, whole",
        lasting=True,
    ),
    "image_file_too_large": Known(
        "an image's file is larger than limits.max_file_mb of config.yaml",
        "save it smaller, or raise limits.max_file_mb in config.yaml",
    ),
    "image_too_large": Known(
        "an image has more pixels, or needs more memory for them, than limits.max_megapixels of config.yaml lets it",
        "make it smaller, or raise limits.max_megapixels in config.yaml",
    ),
    "image_too_small": Known(
        "the short side has fewer than 32 pixels at the size asked for",
        "use a less narrow picture, or a larger size (of a style: style_size)",
        lasting=True,
    ),
    IMAGE_TOO_SLOW: Known(
        "an image took too long to decode",
        "it was made to be slow, or is damaged: open it in a picture editor and save it anew",
    ),
    "mask_shape": Known(
        "the mask has another shape than its content",
        "draw the mask over the content image itself, and save it at that size",
        lasting=True,
    ),
    "mask_empty": Known(
        "the mask is black, and nothing would be painted", "make white what is to be painted", lasting=True
    ),
    "format_too_small": Known(
        "the format cannot hold so large a picture", "use format: png or tiff, or a smaller size", lasting=True
    ),
    OUT_OF_MEMORY: Known(
        "the picture does not fit into the memory of the device, with as little as can be and in a fresh process too",
        "ask for a smaller size or style_size, or end other programs that hold memory",
    ),
    "loss_not_finite": Known(
        "the loss became infinite or no number, in float32 too",
        "lower learning_rate, or the largest of content_weight, style_weight and tv_weight",
        lasting=True,
    ),
    "worker_died": Known(
        "the worker ended at the job as often as jobs.attempts of config.yaml lets it, or twice by a signal without "
        "getting further",
        "the message ends with the worker's last words; nst-batch retry puts the job back",
    ),
    "worker_stalled": Known(
        "the job made no step for as long as jobs.stall_timeout of config.yaml",
        "the message ends with the worker's last words; nst-batch retry puts the job back",
    ),
    "interrupted_too_often": Known(
        "the daemon ended ten times while the job ran, and it got no further in between",
        "if the machine was restarted that often, nst-batch retry puts the job back; else it may be the cause",
    ),
    "outcome_damaged": Known(
        "what the worker left of the job cannot be read", "look at the disk of the inbox, then nst-batch retry"
    ),
    "checkpoint_damaged": Known(
        "a saved state of the job is damaged", "nothing is to be done: the one before it is used"
    ),
    CANCELLED: Known("somebody cancelled the job", "nst-batch retry puts it back"),
}
"""The codes that job.json, error.txt and NST_BATCH_REASON have; of a cancelled job too."""

OF_THE_QUEUE: Mapping[str, Known] = {
    "disk_full": Known("a disk is full, or fuller than min_free_gb lets it", "make room; the queue goes on by itself"),
    DISK_READONLY: Known("a disk is read-only", "mount it writable; the queue goes on by itself"),
    NO_PERMISSION: Known("a folder may not be read or written", "let the daemon's user read and write there"),
    "disk_error": Known(
        "a disk reports an error, or a network file system does not answer",
        "look at the disk, or at its server; the queue goes on by itself",
    ),
    "no_memory": Known(
        "the machine has no memory, or no process, left to give", "end other programs; the queue goes on by itself"
    ),
    "no_descriptors": Known("too many files are open", "raise the limit on open files"),
    INBOX_LOST: Known("the inbox or the outbox is gone", "mount it or bring it back; the queue goes on by itself"),
    "not_mounted": Known(
        "a folder is the empty one that an unmounted disk leaves", "mount it; the queue goes on by itself"
    ),
    "own_folder_gone": Known("inbox/.nst_batch is gone", "whoever has renamed it, name it so again"),
    "own_folder_foreign": Known(
        "inbox/.nst_batch is not the daemon's own folder", "bring the daemon's own folder back, or move this one away"
    ),
    "own_file_damaged": Known(
        "a file of the daemon's own is damaged",
        "nothing is to be done: its claim is set aside, and its sidecar is back in the inbox",
    ),
    "job_gone": Known("a job was taken away from inbox/.nst_batch by hand", "nothing is to be done: the queue goes on"),
    "folder_gone": Known(
        "a folder that a worker writes to is gone", "mount it or bring it back; the queue goes on by itself"
    ),
    "running_gone": Known(
        "a picture has gone from the outbox before it could be published",
        "nothing is to be done: the job runs again",
    ),
}
"""What keeps the whole queue waiting: the codes that a `trouble` hook has, beside those of the next list."""

OF_COMMANDS: Mapping[str, Known] = {
    "config_missing": Known("the config file that was named is not there", "name a config.yaml that is there"),
    "config_unreadable": Known("the config file cannot be read", "make it readable for this user"),
    "config_invalid": Known(
        "the config file is not YAML, or its keys and values are not as docs/config.md has them",
        "correct it and try again",
    ),
    "config_too_large": Known("the config file is larger than 256 KiB", "shorten it and try again"),
    "weights_missing": Known("there are no VGG19 weights", "nst-batch doctor says which file to put where"),
    "weights_damaged": Known("the weights file is not VGG19's", "replace it with Keras's own"),
    "weights_foreign": Known(
        "a file in Keras's cache is not Keras's own", "delete it, or name it: weights: PATH in config.yaml"
    ),
    DEVICE_MISSING: Known("a GPU that is asked for is not there", "nst-batch doctor says what to install"),
    DEVICE_FAILED: Known("a GPU is there and does not compute", "nst-batch doctor says what it answers"),
    "keras_backend": Known(
        "Keras is loaded already, for another backend than TensorFlow",
        "load nst_batch first, or set KERAS_BACKEND=tensorflow",
    ),
    "precision_unknown": Known("there is no such precision", "use auto, bfloat16 or float32"),
    "unknown_format": Known("there is no such format", "use png, jpg, webp or tiff"),
    "worker_start": Known(
        "a worker ends before it can take a job, time after time",
        "run nst-batch doctor; the worker's own messages are in inbox/.nst_batch/worker-*.log",
    ),
    "slurm_missing": Known(
        "the config asks for Slurm, and its commands are not on the PATH",
        "run the daemon on a machine with Slurm's commands, or write executor: local",
    ),
    "slurm_at_work": Known(
        "the config asks for this machine's own workers while a cluster has jobs of the inbox",
        "run the daemon with executor: slurm until they are done",
    ),
    "folders_unusable": Known(
        "the inbox or the outbox cannot be made or held", "let the daemon's user write there, or name other folders"
    ),
    "no_locks": Known(
        "the inbox lies on a file system without locks, where nothing would keep two daemons apart",
        "put it on a local disk (ext4, xfs, btrfs), or mount the share with locks (NFS 4, or 3 without nolock)",
    ),
    "system_unfit": Known(
        "the system lacks what the program rests on: glibc, /proc, open files enough, a processor or Python it is for",
        "nst-batch doctor says what, and docs/operations.md where it runs",
    ),
    "folder_closed": Known(
        "who asks may not look into the inbox or the outbox", "join the group that shares them, and log in anew"
    ),
    "folders_nested": Known("one of inbox and outbox lies in the other", "name another folder in config.yaml"),
    INBOX_TAKEN: Known("another daemon has this inbox", "end that one first, or give this one an inbox of its own"),
    "not_the_daemons_user": Known(
        "the queue is another user's, who alone starts its daemon and retries jobs", "give the command as that user"
    ),
    "retry_under_way": Known("another retry is under way", "try again in a moment"),
    "no_such_job": Known("no failed job has that name", "nst-batch status shows the failed jobs"),
    "not_back": Known(
        "a failed job cannot be put back whole: its sidecar is gone, or what is no file lies among its inputs",
        "put the sidecar into outbox/failed/JOB/input, take away what is no file, then nst-batch retry JOB",
    ),
    "nothing_to_stop": Known("the job waits and has no picture yet", "nst-batch cancel JOB drops it"),
    "not_again": Known(
        "a result cannot be made again: its images or its `input/again.yaml` are gone",
        "give the images and a sidecar of your own to the inbox",
    ),
    "job_unknown": Known("no job has that name", "nst-batch status lists those there are"),
    "control_is_folder": Known("a folder stands where a control file belongs", "give it another name"),
    "sidecar_missing": Known("there is no such sidecar", "give the path of a sidecar"),
    "output_taken": Known("there is something in the folder for the result already", "name a new folder"),
    "output_unusable": Known("the folder for the result cannot be written", "name a folder that can be written"),
    "no_display": Known(
        "there is no screen to show a window on",
        "run it in a desktop session (ssh -X where it is remote), or leave out --show",
    ),
    "demo_pair": Known("the demo's pair could not be drawn", "run nst-batch doctor"),
    "usage": Known("the command line is not understood", "nst-batch COMMAND --help explains it"),
    "system_error": Known(
        "the system refuses something that nobody has foreseen",
        "look at that place and its rights; --debug shows what was being done",
    ),
    "unforeseen": Known(
        "something happened that nobody has foreseen",
        "this is a fault of nst-batch itself; --debug shows all of it",
    ),
}
"""What ends a command, the daemon included."""

LASTING = frozenset(code for code, known in OF_JOBS.items() if known.lasting)

KNOWN: Mapping[str, Known] = {**OF_JOBS, **OF_THE_QUEUE, **OF_COMMANDS}


def like(code: str, among: Mapping[str, Known] = KNOWN) -> str:
    """``; did you mean a or b?``: the codes that look like one that is none; "" where none does."""
    near = difflib.get_close_matches(code.lower().replace("-", "_"), among, 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something could not be done. ``message`` is what and where, in one line or several; ``advice`` one more."""

    code: str
    message: str
    advice: str = ""

    @classmethod
    def of(cls, code: str, message: str | Sequence[str], advice: str | None = None) -> Reason:
        """A new one; without ``advice`` it has that of its code.

        Names of other people's files are in it, so whatever could break a line or command a terminal is made visible.
        """
        lines = (message,) if isinstance(message, str) else message
        words = KNOWN[code].advice if advice is None and code in KNOWN else advice or ""
        return cls(code, "\n".join(map(visible, lines)), visible(words))

    @property
    def in_one_line(self) -> str:
        """What, where, and what to do, for where there is one line."""
        return f"{self.message}; {self.advice}" if self.advice else self.message

    @property
    def end_state(self) -> EndState:
        """How a job ends for it."""
        return "cancelled" if self.code == CANCELLED else "failed"

    def noting(self, note: str) -> Reason:
        """The same with a remark behind its message, such as how often it was tried."""
        return replace(self, message=f"{self.message} ({note})")

    def advising(self, advice: str) -> Reason:
        """The same where more is known of what to do."""
        return replace(self, advice=visible(advice))
