"""The daemon's own folder, ``inbox/.nst_batch``, and the one way in which what lies there is read.

The folder is the daemon's alone: a real folder of its user, mode 0700, kept open from the start so that whatever gets
its name later is not taken for it. A file in it is believed only if it is a regular one of that user, of a sensible
size, and says what it should; anything else is :class:`DamagedError`, which concerns the one thing it is read for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nst_batch import names
from nst_batch.errors import NotNowError
from nst_batch.spool.disk.blocked import InboxLost
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import DONE_SUFFIX, INPUTS_FOLDER, JOBS_FOLDER, LEAVING_FOLDER, SIDECAR_FOLDER, Places

MAX_BYTES = 64 << 20  # of one own file: a claim of a thousand jobs has some megabytes
OWN_MODE = 0o700
_DAMAGE = (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EIO)

Model = TypeVar("Model", bound=BaseModel)


class DamagedError(Exception):
    """What lies at an own file's place is not what was written there."""


# --- reading ----------------------------------------------------------------------------------------------


def read_own(fs: FileSystem, path: Path, limit: int = MAX_BYTES, *, of_any_user: bool = False) -> bytes | None:
    """The bytes of an own file; None where there is none. DamagedError where it can be none of ours."""
    try:
        return _read_own(fs, path, limit, of_any_user=of_any_user)
    except DamagedError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO:
            # A bad sector says it again; a connection that broke down, as sshfs has it, is there anew.
            return _read_own(fs, path, limit, of_any_user=of_any_user)
        raise


def _read_own(fs: FileSystem, path: Path, limit: int, *, of_any_user: bool) -> bytes | None:
    try:
        with fs.reader(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DamagedError(f"{path.name} is no file")
            if status.st_uid != fs.owner_of(path) and not of_any_user:
                raise DamagedError(f"{path.name} belongs to user {status.st_uid}, not to the daemon's")
            if status.st_size > limit:
                raise DamagedError(f"{path.name} has {status.st_size} bytes")
            return file.read(status.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in _DAMAGE:
            raise DamagedError(f"{path.name}: {error.strerror}") from error
        raise


def read_model(fs: FileSystem, kind: type[Model], path: Path) -> Model | None:
    """A record as it lies on the disk; None where there is none. DamagedError."""
    data = read_own(fs, path)
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path.name} does not say what it should") from error


def read_note(fs: FileSystem, path: Path, *, of_any_user: bool = True) -> dict[str, Any]:
    """A JSON object; {} where it is not there or damaged. Nothing but advice may hang of what any user can write."""
    try:
        data = json.loads(read_own(fs, path, of_any_user=of_any_user) or b"{}")
    except (DamagedError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


# --- the folder -------------------------------------------------------------------------------------------


def take_own(fs: FileSystem, places: Places) -> None:
    """Open the own folder, made where there is none and closed to others where it was not, and keep it open.

    InboxLost where what has its name is not the daemon's own: nothing in it is read or changed then.
    """
    own = places.own
    let_go(fs, places)
    try:
        fd = fs.open(own, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        fs.mkdir(own, OWN_MODE)
        fs.fsync_dir(places.inbox)
        fd = fs.open(own, os.O_PATH | os.O_DIRECTORY)
    except NotADirectoryError as error:
        raise _foreign(own, "a link or a file, and not a folder") from error
    try:
        uid = _made_ours(own, fd)
    except BaseException:
        os.close(fd)
        raise
    fs.owner = uid
    fs.pin(own, fd)
    # Or an inbox that is unmounted under it would seem to have lost its files, while the own folder has all of its own.
    fs.pin(places.inbox, fs.open(places.inbox, os.O_PATH | os.O_DIRECTORY))


def know_outbox(fs: FileSystem, places: Places) -> None:
    """Find out whose our files in the outbox are shown to be: it may be a share's, whose server or mount says so."""
    fs.owners.pop(str(places.outbox), None)
    with contextlib.suppress(OSError):  # who cannot write there is told so where he needs it
        fd = fs.open(places.outbox, os.O_PATH | os.O_DIRECTORY)
        try:
            fs.owners[str(places.outbox)] = _shown_owner(fd)
        finally:
            os.close(fd)


def whose(fs: FileSystem, places: Places) -> int | None:
    """The user whose daemon has this queue, where that is not who asks. OSError.

    That is whom both the inbox and the own folder belong to: one that somebody else has put there is another matter.
    """
    if fs.kind(places.own) != "folder":
        return None
    owner = fs.lstat(places.own).st_uid
    if owner == os.geteuid() or fs.lstat(places.inbox).st_uid != owner:
        return None
    fd = fs.open(places.own, os.O_PATH | os.O_DIRECTORY)
    try:
        return None if _shows_ours_so(fd, owner) else owner
    finally:
        os.close(fd)


def not_for_us(places: Places, owner: int, what: str, advice: str) -> NotNowError:
    """What only the user does whose queue it is; ``advice`` says it with ``{}`` for ``sudo -u`` that user."""
    user = names.user_called(owner)
    told = f"{places.own} is user {user}'s alone, {what}"
    return NotNowError("not_the_daemons_user", told, advice.format(names.as_user(user, "nst-batch")))


def let_go(fs: FileSystem, places: Places) -> None:
    """Keep the own folder and its inbox open no longer."""
    fs.unpin(places.own)
    fs.unpin(places.inbox)


def _made_ours(own: Path, fd: int) -> int:
    """The owner of an open folder, once it is known to be the daemon's and closed to others."""
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() and not _shows_ours_so(fd, status.st_uid):
        raise _foreign(own, f"a folder of user {status.st_uid}, and not of the daemon's ({os.geteuid()})")
    if stat.S_IMODE(status.st_mode) & 0o777 != OWN_MODE:
        _close_to_others(fd)
    return status.st_uid


def _foreign(own: Path, what: str) -> InboxLost:
    advice = (
        f"bring the daemon's own folder back, or move this one away: mv {names.typed(own)} {names.typed(f'{own}-old')}"
    )
    return InboxLost("own_folder_foreign", f"{own} is {what}", advice)


def _close_to_others(fd: int) -> None:
    try:
        os.chmod(f"/proc/self/fd/{fd}", OWN_MODE)  # noqa: PTH101 - a descriptor that no path could be raced to
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise  # else a file system without modes: its mount says who may do what


def _shows_ours_so(folder: int, uid: int) -> bool:
    """Whether the file system (a mount with ``uid=``, a squashing server) shows what we make as that user's."""
    try:
        return _shown_owner(folder) == uid
    except OSError:
        return False


def _shown_owner(folder: int) -> int:
    """Whose a file is shown to be that we make in an open folder. OSError."""
    name = f".{secrets.token_hex(6)}.tmp"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        return os.fstat(fd).st_uid
    finally:
        os.close(fd)
        os.unlink(name, dir_fd=folder)


def is_still_ours(fs: FileSystem, places: Places) -> bool:
    """Whether the folder at the own folder's place is the one that is kept open, and the daemon's still."""
    fd = fs.pinned(places.own)
    if fd is None:
        return False
    there = os.lstat(places.own)
    return os.path.samestat(there, os.fstat(fd)) and there.st_uid == fs.owner


def mend_folders(fs: FileSystem, places: Places) -> None:
    """See to it that the own folders, ``running`` and ``failed`` are folders; what stands in the way is set aside."""
    for folder in (places.damaged, places.claims, places.retries, places.trash):
        mend_folder(fs, folder, lambda path: set_aside(fs, places, path))
    for folder in (places.running, places.failed):
        mend_folder(fs, folder, lambda path: _rename_aside(fs, path))
    trash = places.out_trash
    if fs.kind(trash) not in (None, "folder") or (fs.kind(trash) and fs.lstat(trash).st_uid != fs.owner_of(trash)):
        _rename_aside(fs, trash)


def mend_folder(fs: FileSystem, folder: Path, out_of_the_way: Callable[[Path], object] | None) -> None:
    """Make a folder, or open one of ours to ourselves; anything else at its place goes out of the way."""
    kind = fs.kind(folder)
    if kind == "folder":
        status = fs.lstat(folder)
        if status.st_mode & 0o700 != 0o700 and status.st_uid == fs.owner_of(folder):
            fd = fs.open(folder, os.O_PATH | os.O_DIRECTORY)
            try:
                os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(status.st_mode) | 0o700)  # noqa: PTH101
            finally:
                os.close(fd)
        return
    if kind is not None:
        assert out_of_the_way is not None
        out_of_the_way(folder)
    fs.make_one_folder(folder)


def mend_claim(fs: FileSystem, folder: Path) -> None:
    """Bring the folders of a claim into their shape. DamagedError where it is no claim of ours."""
    if fs.kind(folder) != "folder":
        raise DamagedError("it is no folder")
    if fs.lstat(folder).st_uid != fs.owner:
        raise DamagedError(f"it belongs to user {fs.lstat(folder).st_uid}, not to the daemon's")
    mend_folder(fs, folder, None)
    for name in (SIDECAR_FOLDER, INPUTS_FOLDER, JOBS_FOLDER, LEAVING_FOLDER):
        kind = fs.kind(folder / name)
        if kind is not None:
            mend_folder(fs, folder / name, fs.rmtree)
    jobs = folder / JOBS_FOLDER
    for name in fs.names_in(jobs):
        if not name.endswith(DONE_SUFFIX):
            mend_folder(fs, jobs / name, fs.rmtree)


def set_aside(fs: FileSystem, places: Places, path: Path) -> Path:
    """Move something damaged out of the way, into ``.nst_batch/damaged/``, where a person may look at it."""
    if path == places.damaged:
        return _rename_aside(fs, path)
    mend_folder(fs, places.damaged, lambda path: _rename_aside(fs, path))
    target = places.damaged / f"{path.name}-{secrets.token_hex(4)}"
    if fs.kind(path) == "folder":
        mend_folder(fs, path, None)  # a folder that we may not write to cannot be moved into another one
    fs.rename_noreplace(path, target)
    fs.fsync_dir(path.parent)
    return target


def _rename_aside(fs: FileSystem, path: Path) -> Path:
    target = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    fs.rename_noreplace(path, target)
    fs.fsync_dir(path.parent)
    return target
