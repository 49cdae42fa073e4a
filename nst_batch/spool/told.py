"""What tells of a queue without reading it: what the daemon has put down, and what keeps one from working.

Apart from :mod:`nst_batch.spool.commands`, so that ``status`` answers before the code that reads an inbox is loaded.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from nst_batch.config.load import Config
from nst_batch.errors import NstError
from nst_batch.names import user_called
from nst_batch.spool.disk.alive import born
from nst_batch.spool.disk.attach import refuse_no_folders, refuse_unmounted
from nst_batch.spool.disk.blocked import guard
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import probe
from nst_batch.spool.disk.layout import SHOWN_PREFIX, Places
from nst_batch.spool.disk.lock import LOCK_NAME, holder
from nst_batch.spool.disk.own import not_for_us, read_note, whose


def places_of(config: Config) -> Places:
    """The folders that a config means."""
    return Places(config.inbox, config.outbox)


def files_of(config: Config, fs: FileSystem | None = None) -> FileSystem:
    """The file system of a command: beneath the folders of a config; what is the daemon's is whose folder it is."""
    fs = fs or FileSystem()
    fs.keep_beneath(config.inbox, config.outbox, *config.library)
    with contextlib.suppress(OSError):
        fs.owner = fs.lstat(places_of(config).own).st_uid
    return fs


def told_by_daemon(config: Config, name: str) -> tuple[str | None, dict[str, Any]]:
    """Who holds the inbox, None where nobody does, and what it has last put down under ``name``; {} for nothing.

    Who may not look into the daemon's own folder has only its copy in the outbox to go by, which others may write. So
    has everybody while the inbox is away, of which a daemon holds nothing then that could be seen at its path.
    """
    places, fs = places_of(config), files_of(config)
    try:
        held_by = holder(config.inbox)
        if held_by is not None:
            return held_by, read_note(fs, places.own / name)
        if os.path.lexists(places.own / LOCK_NAME):
            return None, {}
    except PermissionError:
        facts = read_note(fs, places.outbox / (SHOWN_PREFIX + name))
        teller = _teller(facts)
        return teller, facts if teller else {}
    facts = read_note(fs, places.outbox / (SHOWN_PREFIX + name))
    # Another inbox's daemon may have the same outbox.
    if (teller := _teller(facts)) is None or "born" not in facts or facts.get("inbox") != str(config.inbox):
        return None, {}
    lost = obstacle(config) or f"{places.own / LOCK_NAME} is gone"
    return teller, {**facts, "blocked": lost, **without_ends(facts)}


def _teller(facts: dict[str, Any]) -> str | None:
    """The daemon that has told something, as ``process 12``, if it is that very process and lives; else None."""
    pid, alive = facts.get("pid"), born(facts.get("pid"))
    is_it = alive is not None and facts.get("born", alive) == alive  # an older daemon tells its number alone
    return f"process {pid}" if is_it else None


def without_ends(facts: dict[str, Any]) -> dict[str, Any]:
    """What is foretold of the jobs that wait, where nobody knows when one begins again."""
    waiting = [{**job, "done_at": None} for job in facts["waiting"]]
    return {"waiting": waiting, "empty_at": None if waiting else facts["empty_at"]}


def left_by_daemon(config: Config, name: str) -> dict[str, Any]:
    """What a daemon that runs no more had put down, for who may not look into its folder; {} for who may."""
    places = places_of(config)
    folders = [each for each in (places.inbox, places.own) if os.path.isdir(each)]  # noqa: PTH112 - Path raises below a closed one
    if all(os.access(each, os.R_OK | os.X_OK) for each in folders):
        return {}
    return read_note(files_of(config), places.outbox / (SHOWN_PREFIX + name))


def daemons_user(config: Config) -> str | None:
    """The user whose daemon has this queue, where that is not who asks."""
    owner = daemons_uid(config)
    return None if owner is None else user_called(owner)


def refuse_anothers_queue(config: Config) -> None:
    """NotNowError where the daemon of this queue runs as another user than who asks."""
    owner = daemons_uid(config)
    if owner is not None:
        advice = "{} run; where it is a service: systemctl start nst-batch"
        raise not_for_us(places_of(config), owner, "who runs its daemon", advice)


def daemons_uid(config: Config) -> int | None:
    """As :func:`daemons_user`, by number."""
    with contextlib.suppress(OSError):  # of an inbox that is not there, or refuses, others tell
        return whose(files_of(config), places_of(config))
    return None


def kept_by_daemon(config: Config, name: str) -> dict[str, Any]:
    """What a daemon, whether it runs or not, has put down there under ``name``, or its copy; {} for nothing."""
    places, fs = places_of(config), files_of(config)
    try:
        return read_note(fs, places.own / name) or read_note(fs, places.outbox / (SHOWN_PREFIX + name))
    except OSError:
        return read_note(fs, places.outbox / (SHOWN_PREFIX + name))


def obstacle(config: Config, fs: FileSystem | None = None) -> str | None:
    """What keeps a daemon from working there, as far as it can be told from outside; None for nothing.

    A daemon whose disk refuses cannot write down why it waits. So this looks by itself, and writes to see whether it
    can be done; what it may not do as another user than the daemon's says nothing.
    """
    places, fs = places_of(config), files_of(config, fs)
    try:
        refuse_no_folders(places)
        refuse_unmounted(fs, places)
        # The first daemon of an inbox makes the outbox.
        needed = (places.inbox,) if fs.kind(places.own) is None else (places.inbox, places.outbox)
        for folder in needed:
            if not folder.is_dir():
                return f"{folder} is not there"
        for folder in (places.own, places.running):
            if fs.kind(folder) == "folder":
                with guard(), contextlib.suppress(PermissionError):
                    probe(fs, folder)
    except NstError as error:
        return error.in_one_line
    except PermissionError:
        return None  # the daemon's own folder, of which another user can tell nothing
    return None
