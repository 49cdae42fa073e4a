"""One walk over the inbox: what lies there, with what tells one state of a file from another.

Listings are the truth, events are only hints. Nothing is followed: a link is listed as a link. The daemon's
own folder and the names that editors, browsers, Samba and rsync use for unfinished files are left out.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from nst_batch.beneath import DEEPEST, Beneath, kind_of
from nst_batch.characters import is_text
from nst_batch.filenames import OWN_FOLDER
from nst_batch.names import is_temporary, passed_over
from nst_batch.spool.disk.blocked import InboxLost, is_one_files
from nst_batch.spool.disk.layout import MAX_NAME_BYTES, shorten
from nst_batch.spool.disk.primitives import Identity
from nst_batch.spool.inbox import control

PROGRESS_FILES = 1000
MOST_NUMBER_BYTES = 15  # of a folder that is put into the inbox: ``-2`` and so on, where its name is taken
LAST_NS = 253_370_764_800 * 1_000_000_000  # the year 9999: no calendar has what a damaged disk may say beyond it


class Entry(NamedTuple):
    """One file of the inbox. ``kind`` is ``file``, ``folder``, ``link`` or ``other`` (a device, a pipe).

    Flat, for there may be a hundred thousand.
    """

    kind: str
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, kind: str, status: os.stat_result) -> Self:
        """What a stat says."""
        mtime, ctime = status.st_mtime_ns, min(max(status.st_ctime_ns, 0), LAST_NS)
        return cls(
            kind, status.st_ino, status.st_size, mtime, mtime if ctime == mtime else ctime
        )  # one number, not two

    @property
    def identity(self) -> Identity:
        """What tells one state of the file from another."""
        return Identity(self.ino, self.size, self.mtime_ns)

    def is_as(self, other: Entry) -> bool:
        """Whether the same file is there, unchanged but for its rights."""
        return self is other or self[:-1] == other[:-1]


Entries = dict[str, Entry]  # by path relative to the inbox, with / between


@dataclass(frozen=True)
class Listing:
    """What lay in the inbox at one look."""

    entries: Mapping[str, Entry]
    ignored: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()  # folders that could not be listed, files that could not be looked at
    is_torn: bool = False  # something of it could not be seen at that moment, and may be the next time


@dataclass
class Lister:
    """Lists one inbox again and again; what was let through once is not asked about again."""

    files: Beneath
    root: Path
    on_progress: Callable[[], object]  # called as a long listing gets on
    _known: Entries = field(default_factory=dict)
    _is_torn: bool = False

    def look(self) -> Listing:
        """One listing of everything; InboxLost where the root cannot be listed."""
        entries: Entries = {}
        ignored: set[str] = set()
        unreadable: set[str] = set()
        folders = [""]
        self._is_torn = False
        while folders:
            prefix = folders.pop()
            try:
                self._one_folder(prefix, entries, ignored, unreadable, folders)
            except FileNotFoundError as error:
                if not prefix:
                    raise InboxLost("inbox_lost", f"{self.root} is gone", "bring it back or mount it") from error
                entries.pop(prefix[:-1], None)
                self._is_torn = True  # it may have been renamed to where this look had been already
            except OSError as error:
                if not prefix:
                    raise InboxLost(
                        "inbox_lost", f"{self.root} cannot be read: {error.strerror}", "mount it or set its rights"
                    ) from error
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    unreadable.add(prefix[:-1])
                self._is_torn = self._is_torn or not isinstance(error, PermissionError)
        self._known = entries
        return Listing(entries, frozenset(ignored), frozenset(unreadable), self._is_torn)

    def _one_folder(
        self, prefix: str, entries: Entries, ignored: set[str], unreadable: set[str], folders: list[str]
    ) -> None:
        known = self._known
        with self.files.scan(self.root / prefix if prefix else self.root) as names:
            for number, item in enumerate(names):
                if number % PROGRESS_FILES == 0:
                    self.on_progress()
                path = prefix + item.name
                before = known.get(path)
                if before is None and is_left_out(item.name) and not _is_meant(path):
                    if path != OWN_FOLDER:
                        ignored.add(path)
                    continue
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if not is_one_files(error):
                        raise
                    unreadable.add(path)
                    self._is_torn = True
                    continue
                kind = kind_of(status.st_mode)
                if kind == "folder":
                    if prefix.count("/") < DEEPEST:
                        folders.append(path + "/")
                    else:
                        unreadable.add(path)
                # One object, and one text of its path, for as long as nothing changes, wherever they are remembered.
                entry = Entry.of(kind, status)
                entries[sys.intern(path)] = before if before == entry else entry


def is_left_out(name: str) -> bool:
    """Whether nobody looks at a file, or into a folder, of this name."""
    return name.startswith(".") or is_temporary(name) or not is_text(name)


def _is_meant(path: str) -> bool:
    """Whether it is a control file all the same: a job may be called ``~$a``, and no title begins with a dot."""
    return "/" not in path and control.is_meant(path) and not path.startswith(".") and is_text(path)


def folder_name(prefix: str, job: str) -> str:
    """What a folder is called in which a job is put into the inbox: one that is looked into, whatever the job's name.

    A title may end as a copy under way does (``draft.part``), as a sidecar or as a control file: then with a ``_``.
    """
    name = prefix + shorten(job, MAX_NAME_BYTES - MOST_NUMBER_BYTES - len(f"{prefix}_".encode()))
    is_misread = is_left_out(name) or passed_over(name, "folder") or control.is_meant(name)
    return f"{name}_" if is_misread else name
