"""What commands do without the daemon's lock: read the claims, write control files, put a failed job back."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nst_batch import names
from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.spool.claims.claims import Claim, claim_folders, job_view, lock_path, read_claim
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.blocked import InboxLost, command_guard
from nst_batch.spool.disk.fs import FileSystem, read_sidecar
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.disk.lock import is_held
from nst_batch.spool.disk.own import DamagedError, know_outbox, let_go, not_for_us, take_own
from nst_batch.spool.disk.retry_notes import failed_names
from nst_batch.spool.inbox.control import PAUSE_NAME, Action, refuse_folder
from nst_batch.spool.inbox.control import write_control as put_control
from nst_batch.spool.inbox.folders import Folders
from nst_batch.spool.inbox.inbox import Inbox, InboxView
from nst_batch.spool.inbox.listing import Entry, Lister
from nst_batch.spool.inbox.painted import Foreseen, Painted, underway
from nst_batch.spool.outbox.prune import remove_ended
from nst_batch.spool.outbox.retry import Failed
from nst_batch.spool.outbox.retry import failed_for as find_failed_for
from nst_batch.spool.outbox.retry import retry_jobs as put_back_failed
from nst_batch.spool.told import files_of, places_of


def _jobs_of(claims: Iterable[Claim], fs: FileSystem, places: Places) -> tuple[Job, ...]:
    """Every live job as it stands in the folders; ``given`` where a worker is at it right now."""
    jobs = []
    for claim in claims:
        for job in claim.live():
            view = job_view(fs, claim, job, places)
            at_work = view.attempts.given and is_held(lock_path(claim, job))
            jobs.append(dataclasses.replace(view, given=at_work))
    return tuple(jobs)


def _claims(fs: FileSystem, places: Places) -> Iterator[Claim]:
    """Those that are not damaged, of which the daemon tells; none for who may not look into its folder."""
    try:
        folders = claim_folders(fs, places)
    except PermissionError:
        return
    for folder in folders:
        try:
            claim = read_claim(fs, folder)
        except (DamagedError, PermissionError):
            continue
        if claim is not None and fs.kind(claim.sidecar) is not None:
            yield claim


def look_from_outside(config: Config, at: Moment) -> tuple[InboxView, tuple[Job, ...]]:
    """What a daemon would find: one look, for people. Files that are still being written count as still."""
    places, fs = places_of(config), files_of(config)
    claims = tuple(_claims(fs, places))
    jobs = _jobs_of(claims, fs, places)
    watch = config.watch.model_copy(update={"settle_seconds": 0.0})
    inbox = Inbox(config.model_copy(update={"watch": watch}), fs, places)
    inbox.restore_waits(at)
    inbox.claims = lambda: claims
    taken = frozenset(names.fold(name) for name in (*(job.name for job in jobs), *failed_names(fs, places)))
    try:
        return inbox.look(at, jobs, taken), jobs
    except InboxLost as error:
        return inbox.lost(at, error.in_one_line), jobs


def folders_of(config: Config) -> tuple[Folders, Mapping[str, Entry], Foreseen]:
    """The hot folders and folders' defaults of an inbox as a daemon would take them, its listing in natural order.

    With what of its photographs is painted, or will be. Who may not look into the daemon's own folder cannot tell which
    are painted already.
    """
    places, fs, root = places_of(config), files_of(config), config.inbox
    painted, claims = Painted(fs, places), tuple(_claims(fs, places))
    painted.read()
    memory = Foreseen(painted, claims)
    folders = Folders(
        root,
        config.library,
        config.sidecar_rules(),
        read=lambda path: read_sidecar(fs, root / path, config.limits.max_sidecar_bytes),
        settle_seconds=0.0,
        memory=memory,
        underway=lambda: underway(claims),
    )
    try:
        found = Lister(fs, root, lambda: None).look().entries
    except InboxLost:
        found = {}
    entries = dict(sorted(found.items(), key=lambda item: names.natural_key(item[0])))
    folders.overlay(entries, 0.0)
    return folders, entries, memory


def retry_jobs(config: Config, wanted: Iterable[str], fs: FileSystem | None = None) -> Iterator[tuple[str, Path]]:
    """Put failed jobs back one after another, each with its path there; at last UsageError for those that are none."""
    places, fs = places_of(config), files_of(config, fs)
    with command_guard():
        is_daemons = fs.pinned(places.own) is not None
        if not is_daemons and fs.kind(places.own) is not None and fs.owner != os.geteuid():
            raise not_for_us(places, fs.owner, "who puts failed jobs back", "{} retry …")
        try:
            if not is_daemons:
                take_own(fs, places)
                know_outbox(fs, places)
            yield from put_back_failed(fs, places, wanted)
        finally:
            if not is_daemons:
                let_go(fs, places)


def failed_for(config: Config, reason: str | None) -> Failed:
    """See :func:`nst_batch.spool.outbox.retry.failed_for`."""
    with command_guard():
        return find_failed_for(files_of(config), places_of(config), reason)


def prune(config: Config, folder: str) -> bool:
    """Remove an ended job or a sheet, by its folder below the outbox; whether it was there. SpoolBlocked."""
    with command_guard(f"{config.outbox / folder} cannot be removed"):
        return remove_ended(files_of(config), config.outbox, folder)


def write_control(config: Config, name: str, action: Action) -> Path:
    """Put ``JOB.stop`` or ``JOB.cancel`` into the inbox."""
    with command_guard(f"{config.inbox / name}.{action} cannot be written"):
        return put_control(files_of(config), config.inbox, name, action)


def pause(config: Config) -> Path:
    """Put ``PAUSE`` into the inbox."""
    path = config.inbox / PAUSE_NAME
    refuse_folder(path, "the queue is not paused by it")
    files = files_of(config)
    with command_guard(f"{path} cannot be written"):
        files.make_folder(config.inbox)  # a queue can be paused before its first daemon has made the inbox
        files.replace(path, b"", sync=True)
    return path


def resume(config: Config) -> bool:
    """Take ``PAUSE`` away; whether it was there."""
    path = config.inbox / PAUSE_NAME
    refuse_folder(path, "the queue is not paused by it")
    with command_guard(f"{path} cannot be removed"):
        files = files_of(config)
        there = files.kind(path) is not None
        if there:
            files.remove(path)
    return there
