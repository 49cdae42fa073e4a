"""One walk over the inbox: what lies there, with what tells one state of a file from another.

Listings are the truth, events are only hints. Nothing is followed: a link is listed as a link. The daemon's
own folder and the names that editors, browsers, Samba and rsync use for unfinished files are left out.
"""

from __future__ import annotations

import errno
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nst_batch.beneath import Beneath
from nst_batch.characters import is_text
from nst_batch.spool.disk.blocked import InboxLost, is_one_files
from nst_batch.spool.disk.layout import OWN_FOLDER
from nst_batch.spool.disk.primitives import Identity


class Entry(NamedTuple):
    """One file of the inbox. ``kind`` is ``file``, ``folder``, ``link`` or ``other`` (a device, a pipe)."""

    kind: str
    identity: Identity
    ctime_ns: int

    def is_as(self, other: Entry) -> bool:
        """Whether the same file is there, unchanged but for its rights."""
        return self is other or (self.identity == other.identity and self.kind == other.kind)


Entries = dict[str, Entry]  # by path relative to the inbox, with / between


@dataclass(frozen=True)
class Listing:
    """What lay in the inbox at one look."""

    entries: Mapping[str, Entry]
    ignored: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()  # folders that could not be listed, files that could not be looked at

    def root_names(self) -> tuple[str, ...]:
        """The names at the inbox's root, in order."""
        return tuple(sorted(path for path in self.entries if "/" not in path))


@dataclass
class Lister:
    """Lists one inbox again and again; what was let through once is not asked about again."""

    files: Beneath
    root: Path
    is_temporary: Callable[[str], bool]
    _known: Entries = field(default_factory=dict)

    def look(self) -> Listing:
        """One listing of everything; InboxLost where the root cannot be listed."""
        entries: Entries = {}
        ignored: set[str] = set()
        unreadable: set[str] = set()
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                self._one_folder(prefix, entries, ignored, unreadable, folders)
            except FileNotFoundError as error:
                if not prefix:
                    raise InboxLost("inbox_lost", f"{self.root} is gone", "bring it back or mount it") from error
                entries.pop(prefix[:-1], None)
            except OSError as error:
                if not prefix:
                    raise InboxLost(
                        "inbox_lost", f"{self.root} cannot be read: {error.strerror}", "mount it or set its rights"
                    ) from error
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    unreadable.add(prefix[:-1])
        self._known = entries
        return Listing(entries, frozenset(ignored), frozenset(unreadable))

    def _one_folder(
        self, prefix: str, entries: Entries, ignored: set[str], unreadable: set[str], folders: list[str]
    ) -> None:
        known, hidden = self._known, OWN_FOLDER
        with self.files.scan(self.root / prefix if prefix else self.root) as names:
            for item in names:
                path = sys.intern(prefix + item.name)  # one text from look to look, wherever it is remembered
                if path not in known and self._left_out(item.name):
                    if path != hidden:
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
                    continue
                mode = status.st_mode
                if stat.S_ISREG(mode):
                    kind = "file"
                elif stat.S_ISDIR(mode):
                    kind = "folder"
                    folders.append(path + "/")
                else:
                    kind = "link" if stat.S_ISLNK(mode) else "other"
                identity = Identity(status.st_ino, status.st_size, status.st_mtime_ns)
                entry = Entry(kind, identity, status.st_ctime_ns)
                before = known.get(path)
                entries[path] = before if before == entry else entry  # one object for as long as nothing changes

    def _left_out(self, name: str) -> bool:
        return name.startswith(".") or self.is_temporary(name) or not is_text(name)
