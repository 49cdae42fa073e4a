"""``retry``: a failed job goes back into the inbox, as a pair of its own in ``inbox/retry-JOB/``.

A sidecar that nobody understood lies in ``failed/`` alone, for no image was taken with it: it goes back to the
folder where it lay, which is where its images are looked for and whose ``defaults.yaml`` counts for it.

The pair is put together aside, in the daemon's own folder, where it is noted durably which failed folder it stands
for; then the failed folder goes away and one rename puts it into the inbox. Killed anywhere, the same command or the
next start of the daemon finishes: a note whose folder aside is gone means that the pair is in the inbox already.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nst_batch import names
from nst_batch.beneath import DEEPEST, WHAT_IS_NO_FILE
from nst_batch.errors import NotNowError, UsageError
from nst_batch.filenames import ERROR_NAME, INPUT_FOLDER, MANIFEST_NAME
from nst_batch.reasons import END_STATES, LASTING, SIDECAR_NOT_TAKEN
from nst_batch.spool.disk.blocked import one_place_only
from nst_batch.spool.disk.copying import UnreadableError
from nst_batch.spool.disk.fs import FileSystem, read_sidecar
from nst_batch.spool.disk.layout import RETRY_PREFIX, Places
from nst_batch.spool.disk.lock import try_lock
from nst_batch.spool.disk.own import read_note
from nst_batch.spool.disk.primitives import ChangedError, NotRegularError, of_one_file
from nst_batch.spool.disk.retry_notes import RETRY_NOTE_SUFFIX, RetryNote, failed_names, retry_notes, stands
from nst_batch.spool.inbox.listing import folder_name
from nst_batch.spool.outbox.rewriting import MOST_SIDECAR_KB, rewritten_or_none

CHANGED_NS = 1_000_000_000  # a file of a failed job that is so much newer than its end was changed by a person
RETRY_LOCK_NAME = "retry.lock"


def retry_jobs(fs: FileSystem, places: Places, wanted: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Put failed jobs (JOB or id) back one after another; each with its folder in the inbox, or its sidecar there.

    UsageError, once all others are back, where no failed job has that name, or it cannot go back whole: it stays as
    it is then. NotNowError while another retry is under way.
    """
    fs.make_one_folder(places.retries)
    lock = try_lock(fs, places.own / RETRY_LOCK_NAME)
    if lock is None:
        raise NotNowError("retry_under_way", "another retry is under way", "try again in a moment")
    try:
        _finish_all(fs, places)
        refused, unknown = [], []
        for name in dict.fromkeys(wanted):
            folder = find_failed(fs, places, name)
            if folder is None:
                unknown.append(f"no failed job is called {name}")
            elif why := _not_whole(fs, folder):
                refused.append(f"{name} stays failed: {why}")
            else:
                try:
                    target = _put_back(fs, places, folder)
                except (UnreadableError, NotRegularError, ChangedError) as error:
                    refused.append(f"{name} stays failed: {of_one_file(error)}")
                else:
                    yield name, target
        if unknown:
            raise UsageError("no_such_job", [*refused, *unknown])
        if refused:
            raise UsageError("not_back", refused, "")
    finally:
        lock.release()


def _not_whole(fs: FileSystem, folder: Path) -> str:
    """Why a failed job cannot be put back, and what to do; "" where it can.

    Its folder goes away with all that lies in it, so all of it must be what goes back: a sidecar and images.
    """
    given, retry = folder / INPUT_FOLDER, f"nst-batch retry {names.typed(folder.name)}"
    there = [name for name in fs.names_in(given) if not names.is_temporary(name)]
    for name in there:
        kind = fs.kind(given / name)
        if kind in WHAT_IS_NO_FILE and (kind != "link" or names.is_sidecar(name)):
            what = f"{given / name} is {WHAT_IS_NO_FILE[kind]}, and only files go back"
            return f"{what}; put the file itself there, or take it away, then {retry}"
    if not there and (manifest := _manifest(fs, folder)).get("reason") == SIDECAR_NOT_TAKEN:
        lies = f"its sidecar lies in the inbox still ({manifest.get('origin')}) and is taken as soon as it may be"
        return f"{lies}; {folder / ERROR_NAME} says what it waits for"
    if not any(map(names.is_sidecar, there)):
        return f"{given} has no sidecar; put it there, then {retry}, or give its images and a new sidecar to the inbox"
    return ""


def _put_back(fs: FileSystem, places: Places, folder: Path) -> Path:
    aside = places.retries / secrets.token_hex(6)
    home = _home(fs, places, folder)
    try:
        _put_together(fs, folder, aside, alone=home is not None)
    except Exception:
        fs.clear_away(aside)
        raise
    note = RetryNote(failed=folder.name, id=_id(fs, folder), home=home)
    noted = aside.with_name(aside.name + RETRY_NOTE_SUFFIX)
    fs.write_durable(noted, note.model_dump_json().encode())
    fs.step("retry.noted")
    try:
        target = _carry_out(fs, places, aside, note)
    except OSError as error:
        if not stands(fs, places, note):
            raise  # on its way: the next retry or start finishes it
        fs.clear_away(noted, partial(fs.remove, noted))
        fs.clear_away(aside)
        raise OSError(error.errno, error.strerror, str(folder)) from error
    assert target is not None
    return target


def _home(fs: FileSystem, places: Places, folder: Path) -> str | None:
    """The folder below the inbox that the sidecar of a failed job goes back to; None where it has one of its own.

    For one that lies there alone as it was dropped, never understood. Where it lay is believed of the daemon's own
    job.json only, for others may write in the outbox, and only if a real folder that the daemon looks into is there.
    """
    manifest, given = read_note(fs, folder / MANIFEST_NAME, of_any_user=False), folder / INPUT_FOLDER
    origin = manifest.get("origin")
    if manifest.get("sidecar") or not isinstance(origin, str) or "\0" in origin or fs.kind(given) != "folder":
        return None
    there = [name for name in fs.names(given) if not names.is_temporary(name)]
    if len(there) != 1 or not names.is_sidecar(there[0]):
        return None
    above = origin.rpartition("/")[0]
    parts = above.split("/") if above else []
    if len(parts) > DEEPEST or any(part in ("", ".", "..") or names.is_temporary(part) for part in parts):
        return None
    try:
        return above if fs.kind(places.inbox / above) == "folder" else None
    except (OSError, ValueError):  # a name too long for the disk, or no text
        return None


class Failed(NamedTuple):
    """The failed jobs that a rule finds, by name: those to be put back, and of those that stay why each failed.

    ``unread`` are folders that no rule fits, for there is no job.json in them that can be read.
    """

    names: tuple[str, ...]
    staying: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def failed_for(fs: FileSystem, places: Places, reason: str | None) -> Failed:
    """The failed jobs that ended for a ``reason``.

    For None all, but for those that were cancelled; those stay that would end for the same reason at once, unless a
    file of theirs was changed since.
    """
    found, staying, unread = [], [], []
    for name in failed_names(fs, places):
        manifest = _manifest(fs, places.failed / name)
        if manifest.get("state") not in END_STATES:
            unread.append(name)
            continue
        why = str(manifest.get("reason"))
        if reason is None and manifest.get("state") == "failed" and why in LASTING:
            if not _is_changed(fs, places.failed / name):
                staying.append(why)
                continue
        elif why != reason if reason is not None else manifest.get("state") != "failed":
            continue
        found.append(name)
    return Failed(tuple(found), tuple(staying), tuple(sorted(unread)))


def _is_changed(fs: FileSystem, folder: Path) -> bool:
    """Whether a file that a failed job was given has been changed in its folder since it failed."""
    given = folder / INPUT_FOLDER
    try:
        failed_ns = fs.lstat(folder / MANIFEST_NAME).st_ctime_ns
        return any(fs.lstat(given / name).st_ctime_ns > failed_ns + CHANGED_NS for name in fs.names(given))
    except OSError:
        return False


def finish_retries(fs: FileSystem, places: Places) -> None:
    """At start: finish what a killed retry began; one that is alive is left to itself."""
    lock = try_lock(fs, places.own / RETRY_LOCK_NAME)
    if lock is None:
        return
    try:
        _finish_all(fs, places)
    finally:
        lock.release()


def find_failed(fs: FileSystem, places: Places, name: str) -> Path | None:
    """The folder of a failed job, by its JOB name or its id, case ignored."""
    exact = places.failed / name
    if "/" not in name and fs.kind(exact) == "folder" and name in failed_names(fs, places):
        return exact
    wanted = names.fold(name)
    folders = [places.failed / other for other in failed_names(fs, places)]
    folders = [folder for folder in folders if fs.kind(folder) == "folder"]
    for folder in folders:
        if names.fold(folder.name) == wanted:
            return folder
    for folder in folders:
        if names.fold(str(_manifest(fs, folder).get("id", ""))) == wanted != "":
            return folder
    return None


def _finish_all(fs: FileSystem, places: Places) -> None:
    under_way: set[str] = set()
    for aside, note in list(retry_notes(fs, places)):
        with one_place_only():  # what may not be moved stays a failed job
            _carry_out(fs, places, aside, note)
        if not stands(fs, places, note):
            under_way |= {aside.name, aside.name + RETRY_NOTE_SUFFIX}
    fs.empty(places.retries, but=under_way)


def _put_together(fs: FileSystem, folder: Path, aside: Path, *, alone: bool) -> None:
    """Copy what a failed job was given; ``alone``: its sidecar, without what an editor has left beside it."""
    fs.mkdir(aside)
    given = folder / INPUT_FOLDER
    manifest = _manifest(fs, folder)
    there = fs.names_in(given)
    if alone:
        there = [name for name in there if names.is_sidecar(name)]
    for name in there:
        kind = fs.kind(given / name)
        text = None
        if names.is_sidecar(name) and kind == "file":
            text = rewritten_or_none(manifest, set(there), read_sidecar(fs, given / name, MOST_SIDECAR_KB * 1024))
        if text is not None:
            fs.write_new(aside / name, text)
        elif kind in ("file", "link"):
            fs.copy_file(given / name, aside / name, strangers=True)
    fs.fsync_tree(aside)
    fs.fsync_dir(aside.parent)
    fs.step("retry.built")


def _carry_out(fs: FileSystem, places: Places, aside: Path, note: RetryNote) -> Path | None:
    """The failed folder goes first: where it may not go the job stays failed, and is not in the inbox as well."""
    if stands(fs, places, note):
        fs.discard(places.failed / note.failed, places.out_trash)
    fs.step("retry.removed")
    target = None if note.home is None else _carry_home(fs, places, aside, note.home)
    if fs.kind(aside) == "folder":
        target = fs.rename_free(aside, places.inbox, folder_name(RETRY_PREFIX, note.failed))
        fs.fsync_dir(places.inbox)
        fs.fsync_dir(places.retries)
        fs.step("retry.moved")
    fs.remove(aside.with_name(aside.name + RETRY_NOTE_SUFFIX))
    fs.fsync_dir(places.retries)
    return target


def _carry_home(fs: FileSystem, places: Places, aside: Path, home: str) -> Path | None:
    """Move a sidecar to where it lay, or beside what has its name by now; it stays where that folder refuses it."""
    target = None
    try:
        for name in fs.names(aside):
            target = fs.move_beside(aside / name, places.inbox / home / name)
            fs.step("retry.moved")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None  # the folder has gone: a folder of its own, then
    fs.rmdir(aside)
    return target


def _manifest(fs: FileSystem, folder: Path) -> dict[str, Any]:
    return read_note(fs, folder / MANIFEST_NAME)


def _id(fs: FileSystem, folder: Path) -> str:
    return str(_manifest(fs, folder).get("id"))
