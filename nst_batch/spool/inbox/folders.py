"""Hot folders and folders' defaults, as one look at the inbox finds them.

A ``folder.yaml`` stays where it is. Each photograph beside it that is not painted yet has a sidecar of its own, which
lies nowhere until it is claimed: :meth:`Folders.overlay` puts it into the listing under the photograph's name and
``.yaml``, :meth:`Folders.virtual` has its text, and everything else takes it for one like others. Its text, and the
``defaults.yaml`` files above any sidecar, are part of the entry's identity: a change makes it another one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from nst_batch import names
from nst_batch.beneath import WHAT_IS_NO_FILE
from nst_batch.characters import told
from nst_batch.errors import NstError
from nst_batch.filenames import MANIFEST_NAME
from nst_batch.sidecar.expand import SidecarRules
from nst_batch.sidecar.filetree import DiskTree, ListingTree
from nst_batch.sidecar.folder import Choice, FolderDefaults, FolderRequest, parse_defaults, parse_folder, with_defaults
from nst_batch.sidecar.resolver import FileRef, FileResolver, reference_fault
from nst_batch.spool.disk.blocked import is_one_files
from nst_batch.spool.disk.layout import MAX_NAME_BYTES
from nst_batch.spool.disk.primitives import Identity
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.painted import Underway
from nst_batch.spool.inbox.readiness import FolderView, Waiting
from nst_batch.spool.inbox.special import ENDS, Special, and_more
from nst_batch.strict_yaml.reader import shown

SUFFIX = ".yaml"
LOOK_AGAIN_SECONDS = 10.0


class Memory(Protocol):
    """What has been painted."""

    def has(self, key: str, identity: Identity, photograph: str) -> bool:
        """Whether a photograph (a path in the inbox) has been painted so."""

    def mark(self, path: str, identity: Identity | None) -> str:
        """What tells an image (a path in the inbox, or of a library) from others of its name."""

    def counts(self, keys: Sequence[str], folder: str, there: Collection[tuple[str, Identity]]) -> tuple[int, int]:
        """How many photographs of a folder were painted so, with all ``keys``, and of how many a job has failed."""


class Virtual(NamedTuple):
    """A photograph's own sidecar: its text, the photograph, and the key of each style in order."""

    text: bytes
    photograph: str
    keys: tuple[str, ...]


@dataclass
class Folders:
    """``read(path)`` gives a file's bytes (raising OSError); paths are relative to the inbox."""

    inbox: Path
    library: tuple[Path, ...]
    rules: SidecarRules
    read: Callable[[str], bytes]
    settle_seconds: float
    memory: Memory
    underway: Callable[[], Underway] = Underway
    incomplete_after: float = math.inf  # seconds for which a file that cannot be gone by is waited for
    next_change: float = math.inf  # monotonic
    _mono: float = 0.0  # of the last look
    _specials: dict[str, Special] = field(default_factory=dict)
    _at: dict[tuple[str, bool], list[Special]] = field(default_factory=dict)  # by folder, and whether hot
    _virtual: dict[str, Virtual] = field(default_factory=dict)
    _rules: dict[str, SidecarRules] = field(default_factory=dict)  # by folder
    _stamps: dict[str, bytes] = field(default_factory=dict)  # by folder, of the defaults that count there
    _made: dict[str, tuple[Entry, bytes, Virtual, Entry]] = field(default_factory=dict)  # sidecars, by photograph

    # --- one look -----------------------------------------------------------------------------------------

    def overlay(
        self,
        entries: Mapping[str, Entry],
        mono: float,
        named: frozenset[str] = frozenset(),
        busy: frozenset[str] = frozenset(),
    ) -> Mapping[str, Entry]:
        """The listing as the scanner is to see it.

        ``named`` are the images that sidecars name, which are theirs; ``busy`` the folders in which sidecars lie that
        have not been read, and may name any.
        """
        self.next_change, self._mono = math.inf, mono
        self._follow(entries, mono)
        self._virtual, self._rules, self._stamps = {}, {}, {}
        if not self._specials:
            self._made = {}
            return entries
        self._understand(entries, mono)
        seen = {path: entry for path, entry in entries.items() if path not in self._specials or entry.kind == "folder"}
        if any(not names.is_hot(path) for path in self._specials):
            for path, entry in seen.items():
                folder = path.rpartition("/")[0]
                if names.is_sidecar(path.rpartition("/")[2]) and self.defaults_of(folder):
                    seen[path] = _stamped(entry, self._stamp(folder))
        self._add_photographs(seen, entries, named, busy)
        return seen

    def _follow(self, entries: Mapping[str, Entry], mono: float) -> None:
        before, self._specials, self._at = self._specials, {}, {}
        for path, entry in entries.items():
            if path.endswith(ENDS) and names.is_special(path.rpartition("/")[2]):
                known = before.get(path)
                if known is None or not known.entry.is_as(entry):
                    known = Special(path, entry, mono)
                self._specials[path] = known
                self._at.setdefault((known.folder, names.is_hot(path)), []).append(known)

    def _understand(self, entries: Mapping[str, Entry], mono: float) -> None:
        """Read what is still; the outer ones first, for they count in the inner ones."""
        tree, shelves = ListingTree(self.inbox, entries), [DiskTree(folder) for folder in self.library]
        for special in sorted(
            self._specials.values(), key=lambda item: (item.path.count("/"), names.is_hot(item.path))
        ):
            due, special.unread = special.since + self.settle_seconds, set()
            special.is_settling = mono < due
            if special.is_settling:
                self.next_change = min(self.next_change, due)
                special.is_read, special.why = False, f"{special.path}: it is still being written"
                continue
            special.why, special.problems = self._amiss(special, entries), ()
            if not special.why:
                self._read(special, FileResolver(tree, special.folder, shelves, most=self.rules.max_jobs), entries)
            special.amiss_since = min(special.amiss_since, mono) if special.why else math.inf
            if special.why:
                # No listing tells of a right granted or of a library's new file.
                self.next_change = min(self.next_change, mono + LOOK_AGAIN_SECONDS)

    def _amiss(self, special: Special, entries: Mapping[str, Entry]) -> str:
        """What is wrong with a file before it is read."""
        path, folder = special.path, special.folder
        twin = next((other.path for other in self._at[folder, names.is_hot(path)] if other is not special), "")
        if (is_none := WHAT_IS_NO_FILE.get(special.entry.kind)) is not None:
            what = f"{path}: it is {is_none}, which is not read; put the file itself there, or rename it"
        elif twin:
            what = f"{path}: it and {twin} lie in one folder; keep one of them"
        elif names.is_hot(path) and f"{folder}/{MANIFEST_NAME}".lstrip("/") in entries:
            what = (
                f"{path}: it lies in a result's folder ({MANIFEST_NAME} is there), "
                "whose pictures are not painted again; put photographs and folder.yaml into a folder of their own"
            )
        else:
            return self.hindrance(folder) if names.is_hot(path) else ""
        special.is_read, special.request, special.defaults = True, None, None
        return what

    def _read(self, special: Special, resolver: FileResolver, entries: Mapping[str, Entry]) -> None:
        """Understand a file, unless that was done before, and look for the styles that it names."""
        stamp = self._stamp(special.folder) if names.is_hot(special.path) else b"read"
        try:
            if not special.is_read or special.stamp != stamp:
                text = self.read(special.path)
                special.is_read, special.stamp, special.request, special.defaults = True, stamp, None, None
                special.digest = hashlib.sha256(text).digest()
                if names.is_hot(special.path):
                    rules, defaults = self.rules_of(special.folder), self.defaults_of(special.folder)
                    special.request = parse_folder(text, special.path, rules, defaults)
                else:
                    special.defaults = parse_defaults(text, special.path, self.rules)
            if special.request is not None:
                self._find_styles(special, special.request, resolver, entries)
        except NstError as error:
            special.stamp, special.problems = b"", tuple(error.message.splitlines())
            special.why = f"{error.message.splitlines()[0]}{and_more(error)}; correct it, nothing is lost meanwhile"
        except OSError as error:
            if not (is_one_files(error) or isinstance(error, PermissionError)):
                raise
            special.stamp = b""
            special.why = (
                f"{special.path}: it cannot be read: {(error.strerror or '').lower()}; let the daemon's user read it"
            )

    def _find_styles(
        self, special: Special, request: FolderRequest, resolver: FileResolver, entries: Mapping[str, Entry]
    ) -> None:
        def mark(ref: FileRef) -> str:
            return self.memory.mark(ref.path, None if ref.library else entries[ref.path].identity)

        special.unread = resolver.unread  # it is filled also where nothing else is found
        choices, own, missing = request.found(resolver, mark)
        special.choices = choices
        special.images = {ref.path: reference for ref, reference in own.items() if not ref.library}
        special.ready = not missing
        if missing:
            special.why = f"{special.path}: there is no {told(missing)}; put it there, and the photographs are painted"

    def _add_photographs(
        self, seen: dict[str, Entry], entries: Mapping[str, Entry], named: frozenset[str], busy: frozenset[str]
    ) -> None:
        """Give each photograph that is to be painted its sidecar."""
        folders = {special.folder: special for special in self._specials.values() if names.is_hot(special.path)}
        if not folders:
            return
        at_work, before, self._made = self.underway(), self._made, {}
        theirs = named | at_work.images | self.images
        there: dict[str, list[tuple[str, Identity]]] = {folder: [] for folder in folders}
        for special in folders.values():
            special.begin()
        for path, entry in entries.items():
            folder, _, name = path.rpartition("/")
            hot = folders.get(folder)
            if hot is None or hot.is_settling or hot.leaves_out(path, entry.kind):
                continue
            if entry.kind not in ("file", "link"):
                hot.no_files += [name] if entry.kind == "other" else []  # a folder may be called as people like
                continue
            if path in theirs:
                hot.at_work += path in at_work.images and path not in hot.images
                continue
            if path + SUFFIX in entries:
                continue  # it has one of its own already
            left = [choice for choice in hot.choices if not self._is_painted(choice, path, entry, at_work)]
            if hot.request is not None and hot.ready and not left:
                there[folder].append((path, entry.identity))
                continue
            if why := _unnamable(name):
                hot.unnamed.append(why)
                continue
            hot.pending += 1
            if hot.request is None or hot.why or folder in busy:
                continue
            stamp = b"".join((hot.digest, hot.stamp, *(choice.key.encode() for choice in left)))
            known = before.get(path)
            if known is None or known[:2] != (entry, stamp):
                text = hot.request.sidecar(name, left, several=len(hot.choices) > 1)
                virtual = Virtual(text, path, tuple(choice.key for choice in left))
                known = (entry, stamp, virtual, _stamped(entry, text, "file"))
            self._made[path] = known
            self._virtual[path + SUFFIX], seen[path + SUFFIX] = known[2:]
        for folder, hot in folders.items():
            keys = [choice.key for choice in hot.choices] if hot.ready and hot.request is not None else []
            hot.painted, hot.failed = self.memory.counts(keys, folder, there[folder]) if keys else (0, 0)

    def _is_painted(self, choice: Choice, path: str, entry: Entry, at_work: Underway) -> bool:
        identity = entry.identity
        return (choice.key, identity) in at_work.marks or self.memory.has(choice.key, identity, path)

    # --- what others ask ----------------------------------------------------------------------------------

    def rules_of(self, folder: str) -> SidecarRules:
        """The rules for sidecars in a folder: what the ``defaults.yaml`` files above them say counts."""
        if not self._specials:
            return self.rules
        if folder not in self._rules:
            self._rules[folder] = with_defaults(self.rules, self.defaults_of(folder))
        return self._rules[folder]

    def defaults_of(self, folder: str) -> tuple[FolderDefaults, ...]:
        """What is given to sidecars in a folder, the outermost first."""
        files = self._above(folder) if self._specials else ()
        return tuple(special.defaults for special in files if special.defaults is not None)

    def hindrance(self, folder: str) -> str:
        """Why no sidecar in a folder can be understood: a ``defaults.yaml`` above it; "" for nothing."""
        return next((special.why for special in self._above(folder) if special.why), "") if self._specials else ""

    def virtual(self, path: str) -> Virtual | None:
        """A photograph's own sidecar."""
        return self._virtual.get(path)

    @property
    def images(self) -> frozenset[str]:
        """The images that ``folder.yaml`` files name: they stay for the next photograph."""
        return frozenset().union(*(special.images for special in self._specials.values()))

    @property
    def is_unread(self) -> bool:
        """Whether one of them may name an image that nobody knows of, and there is still time for it to be read."""
        return any(not (special.is_read or self._is_over(special)) for special in self._specials.values())

    def _is_over(self, special: Special) -> bool:
        """Whether a file that cannot be gone by has been waited for long enough; it counts as soon as it can be."""
        return self._mono - special.amiss_since >= self.incomplete_after

    @property
    def photographs(self) -> frozenset[str]:
        """Those that have a sidecar now."""
        return frozenset(virtual.photograph for virtual in self._virtual.values())

    def waiting(self) -> Iterable[Waiting]:
        """What keeps photographs and sidecars from being painted, once a file."""
        for special in self._specials.values():
            if special.is_settling:
                yield Waiting(special.path, special.entry, (), "settling", special.why, None)
            elif special.why and (special.pending or not (special.is_read and names.is_hot(special.path))):
                kind = "given_up" if self._is_over(special) else "unreadable"
                yield Waiting(special.path, special.entry, (), kind, special.why, None)

    def views(self) -> tuple[FolderView, ...]:
        """For ``status``."""
        return tuple(one.view for one in sorted(self._specials.values(), key=lambda item: item.path))

    # --- inside -------------------------------------------------------------------------------------------

    def _above(self, folder: str) -> list[Special]:
        """The ``defaults.yaml`` files of a folder and those above it, the outermost first."""
        parts = folder.split("/") if folder else []
        places = ["/".join(parts[:length]) for length in range(len(parts) + 1)]
        return [special for place in places for special in self._at.get((place, False), ())]

    def _stamp(self, folder: str) -> bytes:
        """What tells the defaults that count in a folder from others."""
        if folder not in self._stamps:
            files = [special.digest + special.path.encode() for special in self._above(folder) if special.defaults]
            self._stamps[folder] = hashlib.sha256(b"\0".join(files)).digest()
        return self._stamps[folder]


def _unnamable(name: str) -> str:
    """Why no sidecar can name a photograph, or be called after it; "" where one can."""
    if (fault := reference_fault(name)) is not None:
        return fault.what
    size, most = len(name.encode()), MAX_NAME_BYTES - len(SUFFIX)
    return f"{shown(name)} has {size} bytes, more than {most}" if size > most else ""


def _stamped(entry: Entry, stamp: bytes, kind: str | None = None) -> Entry:
    """An entry that is another one wherever the stamp is."""
    ino = int.from_bytes(hashlib.sha256(stamp + repr(entry.identity).encode()).digest()[:7])
    return entry._replace(kind=kind or entry.kind, ino=ino)
