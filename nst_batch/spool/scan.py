"""Listings over time -> what is still, complete, waiting (for what, until when) or broken.

Pure but for the reading of sidecars.

A file is still once its inode, size and mtime have been the same at every look for ``settle_seconds``; that
holds at start-up too, where nothing has been seen before. Stillness is necessary, not sufficient: the worker
decodes fully.

``incomplete_after`` counts the time for which this program has watched the sidecar lie there, still, with an
image missing. It is kept over restarts (:meth:`Scanner.waits`) and measured by the clock that never jumps:
neither a restart nor a clock set wrong makes a pair fail early, nor does a night with the daemon off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nst_batch import names
from nst_batch.characters import told
from nst_batch.errors import NstError
from nst_batch.spool.listing import Entry, Listing
from nst_batch.spool.pair import Broken, Ready, Scan, Waiting
from nst_batch.spool.primitives import Identity
from nst_batch.spool.trouble import is_one_files
from nst_batch.spool.wanted import Moment, Reading, Used, Wanted

NAMES_SHOWN = 3
LOOK_AGAIN_SECONDS = 10.0
LONGEST_HOLD_SECONDS = 600.0


@dataclass(frozen=True)
class _Changes:
    """What is not as it was at the look before."""

    paths: set[str]  # files that came, went or changed
    folders: set[str]  # folders in which names came or went


@dataclass
class _Known:
    """What is remembered of one sidecar from look to look."""

    entry: Entry
    text: bytes = b""
    read: bool = False
    request: Any = None
    error: NstError | None = None
    unreadable: str = ""  # why its text cannot be had
    wanted: Wanted | None = None
    used: Used = field(default_factory=Used)
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()  # the titles that ``names`` were given for
    missing_since: float | None = None  # monotonic
    waited_before: float = 0.0  # seconds, of earlier spells

    def is_touched_by(self, changes: _Changes) -> bool:
        """Whether its images must be looked for again."""
        used = self.used
        if used.library and self.wanted is not None and self.wanted.missing:
            return True
        return not (changes.paths.isdisjoint(used.paths) and changes.folders.isdisjoint(used.folders))

    def waited(self, mono: float) -> float:
        """Seconds for which images of this sidecar have been missing under our eyes."""
        spell = 0.0 if self.missing_since is None else mono - self.missing_since
        return self.waited_before + spell


@dataclass
class _Held:
    """A sidecar that may not be moved: as it was then, why, how often that was tried, and when it is tried again."""

    entry: Entry
    why: str
    tries: int
    due: float  # monotonic


@dataclass
class Scanner:
    """Remembers what it has seen, so that a look at an unchanged inbox costs next to nothing.

    ``read(path)`` gives a sidecar's bytes (raising OSError), ``readable(path)`` says whether an image may be
    read, ``takable(folder)`` whether files may be taken out of a folder; paths are relative to the inbox.
    """

    reading: Reading
    read: Callable[[str], bytes]
    readable: Callable[[str], bool]
    takable: Callable[[str], bool]
    settle_seconds: float
    incomplete_after: float
    restored: Mapping[str, tuple[Identity, float]] = field(default_factory=dict)
    _stamps: dict[str, tuple[str, Identity, float]] = field(default_factory=dict)
    _sidecars: dict[str, _Known] = field(default_factory=dict)
    _entries: Mapping[str, Entry] = field(default_factory=dict)
    _taken: frozenset[str] = frozenset()
    _scan: Scan = field(default_factory=Scan)
    _expire_before: float = -math.inf
    _held: dict[str, _Held] = field(default_factory=dict)
    _mono: float = 0.0  # of the last look

    def look(self, listing: Listing, taken: Collection[str], at: Moment) -> Scan:
        """What the inbox holds now. ``taken``: the JOB names of live claimed and of failed jobs."""
        return self._look(listing, frozenset(names.fold(name) for name in taken), at)

    def look_again(self, listing: Listing, at: Moment) -> Scan:
        """As the last look, with the same names taken."""
        return self._look(listing, self._taken, at)

    def _look(self, listing: Listing, folded: frozenset[str], at: Moment) -> Scan:
        self._mono = at.mono
        unchanged = listing.entries == self._entries and folded == self._taken
        if unchanged and at.mono < self._scan.next_change:
            return self._scan
        changes = self._stamp(listing.entries, at.mono)
        self._entries, self._taken = listing.entries, folded
        self._follow_sidecars()
        for path, known in self._sidecars.items():
            self._understand(path, known, at.mono, changes)
        self._name_jobs()
        self._scan = self._sum_up(at)
        return self._scan

    def expire(self, at: Moment) -> None:
        """From now on nothing that waits for a missing image now waits any longer."""
        self._expire_before = at.mono
        self._scan = Scan(next_change=-math.inf)

    def forget(self, path: str) -> None:
        """A sidecar has been claimed: it is gone from the inbox."""
        self._sidecars.pop(path, None)
        self._scan = Scan(next_change=-math.inf)

    def hold(self, path: str, why: str, mono: float) -> None:
        """A sidecar could not be moved: it waits, longer each time, or until it changes (its rights do so too)."""
        entry = self._entries[path]
        before = self._held.get(path)
        tries = before.tries + 1 if before is not None and before.entry == entry else 0
        pause = min(LOOK_AGAIN_SECONDS * 2.0**tries, LONGEST_HOLD_SECONDS)
        self._held[path] = _Held(entry, why, tries, mono + pause)

    def _holds(self, path: str, mono: float) -> _Held | None:
        held = self._held.get(path)
        return held if held is not None and held.entry == self._entries[path] and mono < held.due else None

    def as_it_is(self, path: str) -> Ready | Broken | None:
        """What can be claimed of a sidecar right now, images missing or not; None while it is not understood."""
        known = self._sidecars.get(path)
        if known is None or self._holds(path, self._mono):
            return None
        if known.error is not None:
            return _broken(path, known)
        if known.wanted is None:
            return None
        return Ready(path, known.entry, known.text, known.wanted, known.names, bool(known.wanted.missing))

    def is_still(self, path: str, at: Moment) -> bool:
        """Whether a file has been as it is for ``settle_seconds``, as far as looks tell; one that is gone is still."""
        return path not in self._stamps or at.mono >= self._still_at(path)

    def named(self) -> set[str]:
        """The images in the inbox that any sidecar there names, as far as sidecars have been read."""
        wanted = (known.wanted for known in self._sidecars.values() if known.wanted is not None)
        return {source.path for item in wanted for source in item.sources() if not source.library}

    def waits(self, at: Moment) -> dict[str, tuple[Identity, float]]:
        """Seconds waited for missing images by sidecar, to be kept over a restart."""
        return {
            path: (known.entry.identity, known.waited(at.mono))
            for path, known in self._sidecars.items()
            if known.waited(at.mono) > 0
        }

    # --- one look ---------------------------------------------------------------------------------------

    def _stamp(self, entries: Mapping[str, Entry], mono: float) -> _Changes:
        """Note since when each file is as it is."""
        old, new = self._stamps, {}
        changed: set[str] = set()
        for path, entry in entries.items():
            kind, identity, _ctime = entry
            stamp = old.get(path)
            if stamp is not None and stamp[1] == identity and stamp[0] == kind:
                new[path] = stamp
            else:
                new[path] = (kind, identity, mono)
                changed.add(path)
        moved = old.keys() ^ new.keys()
        self._stamps = new
        return _Changes(changed | moved, {path.rpartition("/")[0] for path in moved})

    def _still_at(self, path: str) -> float:
        """The monotonic time at which a file will have been still for long enough."""
        return self._stamps[path][2] + self.settle_seconds

    def _follow_sidecars(self) -> None:
        before, self._sidecars = self._sidecars, {}
        for path, entry in self._entries.items():
            if entry.kind not in ("file", "link") or not names.is_sidecar(path.rpartition("/")[2]):
                continue
            known = before.get(path)
            if known is None or known.entry.identity != entry.identity or known.entry.kind != entry.kind:
                fresh = _Known(entry)
                if known is None and path in self.restored and self.restored[path][0] == entry.identity:
                    fresh.waited_before = self.restored[path][1]
                known = fresh
            self._sidecars[path] = known
        self._held = {path: held for path, held in self._held.items() if path in self._sidecars}

    def _understand(self, path: str, known: _Known, mono: float, changes: _Changes) -> None:
        if mono < self._still_at(path):
            return
        if not known.read:
            self._read(path, known)
        if known.request is None or known.error is not None:
            return
        if known.wanted is None or known.is_touched_by(changes):
            try:
                known.wanted, known.used = self.reading.expand(path, known.request, self._entries)
            except NstError as error:
                known.error, known.wanted = error, None

    def _read(self, path: str, known: _Known) -> None:
        try:
            known.text = self.read(path)
        except PermissionError:
            known.unreadable = f"no permission to read {path}"
            return
        except FileNotFoundError:
            return  # the next listing knows
        except OSError as error:
            if not is_one_files(error):
                raise
            known.unreadable = f"{path} cannot be read: {error.strerror}"
            return
        known.read, known.unreadable = True, ""
        if known.entry.kind == "link":
            known.error = NstError(
                "sidecar_is_link", f"{path} is a symbolic link; links are not followed", "put the file itself there"
            )
            return
        try:
            known.request = self.reading.parse(path, known.text)
        except NstError as error:
            known.error = error

    def _name_jobs(self) -> None:
        """Give every job in the inbox its JOB name; one that has a name keeps it while it waits."""
        taken = set(self._taken)
        without: list[tuple[int, str, _Known]] = []
        for path, known in self._sidecars.items():
            bases = _bases(path, known)
            kept = {names.fold(name) for name in known.names}
            if bases == known.bases and taken.isdisjoint(kept):
                taken |= kept
            else:
                known.bases, known.names = bases, ()
                without.append((known.entry.ctime_ns, path, known))
        for _arrival, _path, known in sorted(without, key=lambda item: item[:2]):
            given = []
            for base in known.bases:
                name = names.unique_name(base, lambda candidate: names.fold(candidate) in taken)
                taken.add(names.fold(name))
                given.append(name)
            known.names = tuple(given)

    def _sum_up(self, at: Moment) -> Scan:
        ready: list[Ready] = []
        waiting: list[Waiting] = []
        broken: list[Broken] = []
        changes = [math.inf]
        for path, known in self._sidecars.items():
            held = self._holds(path, at.mono)
            if held is not None:
                changes.append(held.due)
                waiting.append(Waiting(path, known.names, "unreadable", held.why, None))
            elif known.error is not None:
                broken.append(_broken(path, known))
            elif isinstance(verdict := self._verdict(path, known, at, changes), Ready):
                ready.append(verdict)
            else:
                waiting.append(verdict)
        return Scan(
            tuple(sorted(ready, key=lambda item: item.order)),
            tuple(sorted(waiting, key=lambda item: item.sidecar)),
            tuple(sorted(broken, key=lambda item: item.sidecar)),
            min(changes),
            all(known.read for known in self._sidecars.values()),
        )

    def _verdict(self, path: str, known: _Known, at: Moment, changes: list[float]) -> Ready | Waiting:
        def settling(what: str, due: float) -> Waiting:
            changes.append(due)
            return Waiting(path, known.names, "settling", f"{what} is still being written", at.wall + due - at.mono)

        if known.unreadable:
            changes.append(at.mono + LOOK_AGAIN_SECONDS)
            return Waiting(path, known.names, "unreadable", known.unreadable, None)
        if not known.read or known.wanted is None:
            return settling(path, max(self._still_at(path), at.mono + 0.01))
        images = sorted(source.path for source in known.wanted.sources() if not source.library)
        if not self.takable(path.rpartition("/")[0]):
            changes.append(at.mono + LOOK_AGAIN_SECONDS)
            why = f"no permission to take files out of {path.rpartition('/')[0] or 'the inbox'}"
            return Waiting(path, known.names, "unreadable", why, None)
        lacking = self._lacking(known, images)
        if not lacking and known.missing_since is not None:
            known.waited_before, known.missing_since = known.waited(at.mono), None
        if lacking and known.missing_since is None:
            known.missing_since = at.mono
        for image in images:
            if at.mono < self._still_at(image):
                return settling(image, self._still_at(image))
        if lacking:
            left = self.incomplete_after - known.waited(at.mono)
            if left > 0 and known.missing_since is not None and known.missing_since > self._expire_before:
                return self._incomplete(path, known, lacking, left, at, changes)
        unreadable = tuple(what for what in lacking if what not in known.wanted.missing)
        return Ready(path, known.entry, known.text, known.wanted, known.names, bool(lacking), unreadable)

    def _lacking(self, known: _Known, images: Iterable[str]) -> tuple[str, ...]:
        assert known.wanted is not None
        files = (image for image in images if self._entries[image].kind == "file")
        return known.wanted.missing + tuple(image for image in files if not self.readable(image))

    def _incomplete(
        self, path: str, known: _Known, lacking: tuple[str, ...], left: float, at: Moment, changes: list[float]
    ) -> Waiting:
        assert known.wanted is not None
        changes.append(at.mono + left)
        kind = "missing" if known.wanted.missing else "unreadable"
        if kind == "unreadable" or known.used.library:
            # No listing of the inbox tells of a right granted or of a library's new file: look again before long.
            changes.append(at.mono + LOOK_AGAIN_SECONDS)
        hints = {item.ref: item.hint for item in known.wanted.lacking.inputs} if known.wanted.lacking else {}
        said = [told(what) + (f" ({hints[what]})" if hints.get(what) else "") for what in lacking[:NAMES_SHOWN]]
        shown = ", ".join(said) + (" …" if len(lacking) > NAMES_SHOWN else "")
        words = "missing" if kind == "missing" else "no permission to read"
        return Waiting(path, known.names, kind, f"{words}: {shown}", at.wall + left)


def _broken(path: str, known: _Known) -> Broken:
    assert known.error is not None
    return Broken(path, known.entry, known.text, known.bases[0], known.names[0], known.error)


def _bases(path: str, known: _Known) -> tuple[str, ...]:
    """The titles to name jobs after; a sidecar whose jobs are not known yet goes by its own stem."""
    if known.wanted is not None:
        return tuple(job.title for job in known.wanted.all_jobs())
    stem = names.stem(path).strip()
    fault = names.title_fault(names.normal(stem))
    return (names.normal(stem) if fault is None else "sidecar",)
