"""``stop``, ``cancel``, ``retry``, ``pause``, ``resume``: each writes a control file or moves a failed job back."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nst_batch.cli.terminal import AddCommand, plural, say
from nst_batch.cli.watched import steering_config
from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.errors import EXIT_OK, NotNowError, UsageError
from nst_batch.filenames import STATE_NAME
from nst_batch.names import fold, is_special, typed
from nst_batch.reasons import OF_JOBS, SIDECAR_NOT_TAKEN, like
from nst_batch.report.markup import soon
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.commands import failed_for, look_from_outside, pause, resume, retry_jobs, write_control
from nst_batch.spool.disk.attach import refuse_closed
from nst_batch.spool.inbox.readiness import UNTAKEN
from nst_batch.spool.outbox.retry import Failed
from nst_batch.spool.sweep import nothing_to_stop
from nst_batch.spool.told import left_by_daemon, told_by_daemon

JOB_HELP = "the job's name as `nst-batch status` shows it, or its id"
ALL_HELP = (
    "every job that failed, but for those that would fail in the same way at once, until a file of theirs is changed; "
    "those that were cancelled stay"
)


def add(add_command: AddCommand) -> None:
    """Add the commands to the command line."""
    stop = "The result is published as `stopped`; so is that of a job that waits for its next attempt. One "
    stop += "before its first step ends with that, which may take minutes: cancel drops it at once. One that "
    stop += "waits and has not begun yet is left as it is: the command ends with 75, and cancel drops it."
    cancel = "Its inputs go to outbox/failed/JOB; retry puts them back."
    retry = (
        "The inputs of each move to inbox/retry-JOB/; a sidecar that could not be understood goes back beside its "
        "images, to where it was."
    )
    for name, function, text, more in (
        ("stop", run_stop, "end a job that has begun, with the picture as it stands", stop),
        ("cancel", run_cancel, "drop a running or waiting job", cancel),
        ("retry", run_retry, "put failed or cancelled jobs back", retry),
        ("pause", run_pause, "start no new jobs", "Running ones go on. Like `touch inbox/PAUSE`."),
        ("resume", run_resume, "start jobs again", "Removes inbox/PAUSE."),
    ):
        command = add_command(name, help=text, description=f"{text.capitalize()}. {more}")
        command.set_defaults(run=function)
        if name in ("stop", "cancel", "retry"):
            command.add_argument("job", nargs="*" if name == "retry" else "+", metavar="JOB", help=JOB_HELP)
        if name == "retry":
            which = command.add_mutually_exclusive_group()
            which.add_argument("--all", action="store_true", help=ALL_HELP)
            which.add_argument(
                "--reason", metavar="CODE", help="every job that ended for this reason, such as image_truncated"
            )


def run_stop(arguments: argparse.Namespace) -> int:
    """Write ``inbox/JOB.stop``."""
    config = steering_config(arguments.config)
    known, held_by = KnownJobs.of(config)

    def stop(name: str) -> None:
        known.require(name)
        if fold(name) not in known.running | known.begun | known.tried:
            raise NotNowError("nothing_to_stop", nothing_to_stop(name, known.job(name)), "")
        write_control(config, name, "stop")
        say(f"{name} {known.end_of_stopped(name)}")

    return _each(arguments.job, stop, held_by)


def run_cancel(arguments: argparse.Namespace) -> int:
    """Write ``inbox/JOB.cancel``."""
    config = steering_config(arguments.config)
    known, held_by = KnownJobs.of(config)

    def cancel(name: str) -> None:
        known.require(name)
        write_control(config, name, "cancel")
        say(f"{name} will be dropped{known.once_it_may_be_taken(name)}; its inputs go to the outbox's failed folder")

    return _each(arguments.job, cancel, held_by)


def _each(jobs: Sequence[str], act: Callable[[str], None], held_by: str | None) -> int:
    """Do what can be done for each job, and only then tell of those for which it cannot.

    A name that is wrong (exit code 2) goes before what cannot be now (75).
    """
    refused: list[UsageError | NotNowError] = []
    wanted = tuple(dict.fromkeys(jobs))
    for name in wanted:
        try:
            act(name)
        except (UsageError, NotNowError) as error:
            refused.append(error)
    if held_by is None and len(refused) < len(wanted):
        say("no daemon is running: it is done when the next one starts")
    if refused:
        worst = min(refused, key=lambda error: error.exit_code)
        raise type(worst)(worst.code, [error.message for error in refused], worst.advice)
    return EXIT_OK


@dataclass(frozen=True)
class KnownJobs:
    """The names and ids of jobs, folded."""

    jobs: tuple[Job, ...]
    everything: frozenset[str]
    running: frozenset[str]
    begun: frozenset[str]  # waiting, with a picture to go on from
    tried: frozenset[str]  # waiting, a worker has had it, with or without one
    told: Sequence[Mapping[str, Any]]  # what the daemon tells of those at work
    untakable: Mapping[str, str]  # why the daemon may not take it

    @classmethod
    def of(cls, config: Config) -> tuple[KnownJobs, str | None]:
        """The jobs of an inbox, and who holds it."""
        refuse_closed(config.outbox)  # the names of the failed jobs count
        view, jobs = look_from_outside(config, Moment.now())
        held_by, told = told_by_daemon(config, STATE_NAME)
        told = told or left_by_daemon(config, STATE_NAME)
        running, waiting = told.get("running", ()), told.get("waiting", ())  # another user sees no claims
        words = {name for pair in view.ready + view.waiting for name in pair.names}
        words |= {pair.name for pair in view.broken}
        words |= {word for job in jobs for word in (job.name, job.id)}
        words |= {word for word in words_of((*running, *waiting)) if not is_special(word)}  # what is being written yet
        at_work = {word for job in jobs if job.given for word in (job.name, job.id)}
        at_work |= words_of(running)
        begun = {word for job in jobs if job.checkpoint and not job.outcome for word in (job.name, job.id)}
        begun |= words_of(entry for entry in waiting if entry.get("begun"))
        tried = {word for job in jobs if job.attempts.begun and not job.outcome for word in (job.name, job.id)}
        tried |= words_of(entry for entry in waiting if entry.get("tried"))
        everything, to_tell, to_publish, to_begin = (
            frozenset(map(fold, some)) for some in (words, at_work, begun, tried)
        )
        untakable = {fold(entry["name"]): entry["why"] for entry in waiting if entry.get("untaken")}
        untakable |= {fold(name): pair.why for pair in view.waiting if pair.kind in UNTAKEN for name in pair.names}
        return cls(jobs, everything, to_tell, to_publish, to_begin, running, untakable), held_by

    def once_it_may_be_taken(self, name: str) -> str:
        """What a job waits for before anything can be done with it; "" where that is nothing."""
        why = self.untakable.get(fold(name))
        return f" once the daemon may take it ({why})" if why else ""

    def job(self, name: str) -> Job | None:
        """A claimed job."""
        return next((job for job in self.jobs if fold(name) in (fold(job.name), fold(job.id))), None)

    def end_of_stopped(self, name: str) -> str:
        """What becomes of a job that is stopped."""
        cancel = f"nst-batch cancel {typed(name)} drops it at once"
        if fold(name) not in self.running:
            if fold(name) in self.begun:
                return "will be published as it stands, before the next job starts"
            return f"has no picture yet: it will end with that of its first step, once it is at work again; {cancel}"
        job = self.job(name)
        untold = {"begun": job is None or job.checkpoint}  # it was handed out since the daemon last told
        entry = next((entry for entry in self.told if fold(name) in map(fold, words_of([entry]))), untold)
        if entry.get("begun", True):  # nor does a daemon of an older version tell
            return "will end with the picture as it stands"
        return f"has no picture yet: it will end with that of its first step{soon(entry, time.time())}; {cancel}"

    def require(self, name: str) -> None:
        """UsageError where there is no such job."""
        if fold(name) in self.everything:
            return
        if is_special(name):
            what = "to end that, remove it from the inbox; nst-batch status lists the jobs"
            raise UsageError("job_unknown", f"{name} is no job: it speaks for its folder", what)
        raise UsageError("job_unknown", f"{name}: there is no such job", "nst-batch status lists those there are")


def words_of(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """What entries of the daemon's state are called by; one that waits for its claim has no id yet."""
    return {word for entry in entries for key in ("name", "id") if isinstance(word := entry.get(key), str) and word}


def run_retry(arguments: argparse.Namespace) -> int:
    """Put failed jobs back into the inbox."""
    config = steering_config(arguments.config)
    refuse_closed(config.outbox)
    by_rule = arguments.all or arguments.reason is not None
    if by_rule == bool(arguments.job):
        raise UsageError(
            "usage", "retry takes names of jobs, or --all, or --reason CODE", "nst-batch status names them"
        )
    found = failed_for(config, arguments.reason) if by_rule else Failed(tuple(arguments.job))
    if arguments.reason is not None and not found.names and arguments.reason not in OF_JOBS:
        what = f"--reason {arguments.reason}: no job ends for that reason{like(arguments.reason, OF_JOBS)}"
        raise UsageError("usage", what, "nst-batch reasons lists them all")
    try:
        for name, path in retry_jobs(config, found.names):
            say(f"{name} is back as {path}")
    finally:
        if found.staying:
            say(_staying(found.staying))
    if found.unread:
        what = f"{plural(len(found.unread), 'folder')} in failed/ without a job.json that can be read, so not put back"
        them = "it" if len(found.unread) == 1 else "them"
        say(f"{what}: {', '.join(found.unread)}; nst-batch retry {typed(*found.unread)} puts {them} back")
    if not (found.names or found.staying or found.unread):
        say("no job has failed" if arguments.all else f"no job has ended for the reason {arguments.reason}")
    return EXIT_OK


def _staying(reasons: Sequence[str]) -> str:
    """``2 jobs stay, which would fail at once again: ...``; ``reasons``: why each of them failed."""
    counts = ", ".join(f"{reason} ({count})" for reason, count in Counter(reasons).most_common())
    untaken = "what could not be taken lies in the inbox still, and error.txt says what it waits for"
    wrong = "correct in outbox/failed/JOB/input the image or the sidecar, or put a corrected sidecar into the inbox"
    fixes = [wrong] if set(reasons) != {SIDECAR_NOT_TAKEN} else []
    fixes += [untaken] if SIDECAR_NOT_TAKEN in reasons else []
    return f"{plural(len(reasons), 'job')} would fail in the same way, so they stay: {counts}; {'; '.join(fixes)}"


def run_pause(arguments: argparse.Namespace) -> int:
    """Write ``inbox/PAUSE``."""
    say(f"paused: no new job starts while {pause(steering_config(arguments.config))} stands")
    return EXIT_OK


def run_resume(arguments: argparse.Namespace) -> int:
    """Remove ``inbox/PAUSE``."""
    there = resume(steering_config(arguments.config))
    say("resumed" if there else "it was not paused")
    return EXIT_OK
