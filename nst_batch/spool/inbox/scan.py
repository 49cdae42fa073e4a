"""Listings over time -> what is still, complete, waiting or broken (:mod:`nst_batch.spool.inbox.verdicts`).

Pure but for the reading of sidecars.

A file is still once its inode, size and mtime have been the same at every look for ``settle_seconds``; that
holds at start-up too, where nothing has been seen before. Stillness is necessary, not sufficient: the worker
decodes fully.

``incomplete_after`` counts the time for which this program has watched the sidecar lie there, still, with an
image missing or without the right to take it. It is kept over restarts (:meth:`Scanner.waits`) and measured by the
clock that never jumps: neither a restart nor a clock set wrong makes a pair fail early, nor does a night with the
daemon off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from nst_batch import names
from nst_batch.clock import Moment
from nst_batch.errors import NstError
from nst_batch.reasons import Reason
from nst_batch.spool.claims.naming import Namer, key_of
from nst_batch.spool.claims.records import digest_of
from nst_batch.spool.disk.blocked import is_one_files
from nst_batch.spool.disk.holding import pause_after
from nst_batch.spool.inbox.known import Changes, Known, bases_of, is_another
from nst_batch.spool.inbox.listing import Entry, Listing
from nst_batch.spool.inbox.readiness import Broken, Ready, Scan, Waiting
from nst_batch.spool.inbox.sidecars import SidecarReading
from nst_batch.spool.inbox.verdicts import Verdicts
from nst_batch.spool.inbox.waits import Wait
from nst_batch.turn import Turn


@dataclass
class _Held:
    """A sidecar that is not to be claimed now: as it was then, why, how often that was tried, and when it is again."""

    entry: Entry
    why: str
    tries: int
    due: float  # monotonic
    is_untaken: bool
    folder: Entry | None = None  # that it lies in, below the inbox


@dataclass
class Scanner:
    """Remembers what it has seen, so that a look at an unchanged inbox costs next to nothing.

    ``read(path)`` gives a sidecar's bytes (raising OSError), ``readable(path)`` says whether an image may be
    read, ``takable(folder)`` whether files may be taken out of a folder, ``hindrance(folder)`` why no sidecar there can
    be gone by, ``is_own(path)`` whether a sidecar is a photograph's own; paths are relative to the inbox.
    """

    reading: SidecarReading
    read: Callable[[str], bytes]
    readable: Callable[[str], bool]
    takable: Callable[[str], bool]
    settle_seconds: float
    incomplete_after: float
    hindrance: Callable[[str], str] = lambda _folder: ""
    is_own: Callable[[str], bool] = lambda _path: False
    restored: dict[str, Wait] = field(default_factory=dict)
    _moving: dict[str, float] = field(default_factory=dict)  # what was not still yet at the last look: since when it is
    _sidecars: dict[str, Known] = field(default_factory=dict)
    _entries: Mapping[str, Entry] = field(default_factory=dict)
    _forgotten: dict[str, Known] = field(default_factory=dict)  # claimed since the last look; some come back
    _taken: frozenset[str] = frozenset()
    _scan: Scan = field(default_factory=Scan)
    _expire_before: float = -math.inf
    _held: dict[str, _Held] = field(default_factory=dict)
    _readable: dict[str, Entry] = field(default_factory=dict)  # images that may be read, as they were then
    _mono: float = 0.0  # of the last look
    _turned: int = 0  # among the sidecars, where the next turn begins to read

    def look(self, listing: Listing, taken: frozenset[str], at: Moment, turn: Turn | None = None) -> Scan:
        """What the inbox holds now. ``taken``: the JOB names, folded, of live claimed and of failed jobs.

        Sidecars that there is no time for in this ``turn`` wait to be read.
        """
        self._mono = at.mono
        unchanged = listing.entries == self._entries and taken == self._taken
        if unchanged and at.mono < self._scan.next_change:
            return self._scan
        changes = self._stamp(listing.entries, at.mono)
        self._entries, self._taken = listing.entries, taken
        self._follow_sidecars(changes.paths | self._forgotten.keys())
        self._forgotten = {}
        self._understand_all(at.mono, changes, turn or Turn())
        self._name_jobs()
        self._scan = self._sum_up(at)
        return self._scan

    def expire(self, listing: Listing, at: Moment) -> Scan:
        """From now on nothing that waits for a missing image now waits any longer; what a look comes to by that."""
        self._expire_before = at.mono
        self._scan = Scan(next_change=-math.inf)
        return self.look(listing, self._taken, at)

    def forget(self, path: str) -> None:
        """A sidecar has been claimed: it is gone from the inbox."""
        known = self._sidecars.pop(path, None)
        if known is not None:
            known.fresh = False
            self._forgotten[path] = known
        self._scan = Scan(next_change=-math.inf)

    def hold(self, path: str, why: str, mono: float, *, is_untaken: bool) -> None:
        """A sidecar waits, longer each time, or until it changes (its rights do so too).

        One ``is_untaken`` that could not be moved: that has a deadline. Else another one is waited for.
        """
        entry = self._entries[path]
        before = self._held.get(path)
        tries = before.tries + 1 if before is not None and before.entry == entry else 0
        folder = self._entries.get(path.rpartition("/")[0])
        self._held[path] = _Held(entry, why, tries, mono + pause_after(tries), is_untaken, folder)
        if is_untaken and path in self._forgotten and not self._given_up_as(path):
            self._forgotten[path].count(mono, waits=True)

    def give_up(self, path: str, wait: Wait) -> None:
        """A sidecar that could not be taken has failed: once, though it lies there still; its images have new time."""
        if self.restored.get(path) == wait:
            return
        self.restored[path] = wait
        self._scan = Scan(next_change=-math.inf)
        if path in self._sidecars and self._given_up_as(path):
            self._sidecars[path].begin_anew()

    def untaken_no_more(self) -> list[str]:
        """The sidecars that have failed for it that they could not be taken, and are gone or others by now."""
        return [path for path, wait in self.restored.items() if wait.given_up and not self._given_up_as(path)]

    def _given_up_as(self, path: str) -> str:
        """JOB as which the sidecar that lies there has failed because it could not be taken; "" for none."""
        kept, entry = self.restored.get(path), self._entries.get(path)
        return kept.given_up if kept is not None and entry is not None and kept.identity == entry.identity else ""

    def untaken_as(self, path: str) -> str:
        """JOB as which a sidecar has failed because it could not be taken, told once; "" for none."""
        kept = self.restored.get(path)
        return self.restored.pop(path).given_up if kept is not None and kept.given_up else ""

    def _holds(self, path: str, mono: float) -> _Held | None:
        held = self._held.get(path)
        if held is None or held.entry != self._entries[path] or mono >= held.due:
            return None
        before, now = held.folder, self._entries.get(path.rpartition("/")[0])
        # Another ctime at the same mtime: its rights are others, not what lies in it.
        if before is not None and now is not None and before.mtime_ns == now.mtime_ns and before != now:
            return None
        return held

    def as_it_is(self, path: str) -> Ready | Broken | None:
        """What can be claimed of a sidecar right now, images missing or not; None while it is not understood."""
        known = self._sidecars.get(path)
        if known is None or self._holds(path, self._mono):
            return None
        if known.broken is not None:
            return known.as_broken(path)
        if known.wanted is None or not known.fresh:
            return None
        expired = bool(known.wanted.missing)
        return Ready(path, known.entry, known.digest, known.wanted, known.names, expired, refused=known.refused)

    def is_still(self, path: str, at: Moment) -> bool:
        """Whether a file has been as it is for ``settle_seconds``, as far as looks tell; one that is gone is still."""
        return at.mono >= self._still_at(path)

    def named(self, among: Callable[[str], bool] = lambda _path: True) -> set[str]:
        """The images in the inbox that any sidecar there (``among`` them) names, as far as sidecars have been read."""
        return {image for path, known in self._sidecars.items() if among(path) for image in known.images}

    def unread(self) -> set[str]:
        """The sidecars that have not been read as they are now, and for which there is still time to be."""
        return {path for path, known in self._sidecars.items() if not (known.fresh or self._given_up_as(path))}

    def waits(self, mono: float | None = None) -> dict[str, Wait]:
        """How long each sidecar has waited, at the last look or now: to be kept over a restart."""
        now = self._mono if mono is None else mono
        waited = {
            path: Wait(known.entry.identity, known.waited(now), self._given_up_as(path))
            for path, known in self._sidecars.items()
        }
        unread = {path for path, known in self._sidecars.items() if known.wanted is None}
        return {
            **{path: wait for path, wait in self.restored.items() if path in unread},
            **{path: wait for path, wait in waited.items() if wait.seconds > 0 or wait.given_up},
        }

    # --- one look ---------------------------------------------------------------------------------------

    def _stamp(self, entries: Mapping[str, Entry], mono: float) -> Changes:
        """Note since when each file that has not been still for long is as it is."""
        before = self._entries
        changed = {path: mono for path, entry in entries.items() if is_another(before.get(path), entry)}
        came = [path for path in changed if path not in before]
        gone = {path for path in before if path not in entries} if len(before) + len(came) != len(entries) else set()
        moving = {
            path: since
            for path, since in self._moving.items()
            if path in entries and path not in changed and mono < since + self.settle_seconds
        }
        self._moving = {**moving, **changed} if moving else changed
        for path in gone:
            self._readable.pop(path, None)
        folders = {path.rpartition("/")[0] for moved in (came, gone) for path in moved}
        return Changes(changed.keys() | gone if gone else changed.keys(), folders)

    def _still_at(self, path: str) -> float:
        """The monotonic time at which a file will have been still for long enough."""
        return self._moving.get(path, -math.inf) + self.settle_seconds

    def _follow_sidecars(self, paths: Iterable[str]) -> None:
        """Know the sidecars among ``paths``, which have changed, as they are by now."""
        for path in paths:
            entry, known = self._entries.get(path), self._sidecars.pop(path, None) or self._forgotten.get(path)
            if entry is None or entry.kind not in ("file", "link") or not names.is_sidecar(path.rpartition("/")[2]):
                continue
            if known is None or not known.entry.is_as(entry):
                fresh = Known(entry)
                # Before the defaults.yaml above it has been read it is another one, which has not waited.
                kept = self.restored.get(path)
                if kept is not None and kept.identity == entry.identity:
                    fresh.waited_before = kept.seconds
                known = fresh
            self._sidecars[path] = known
        self._held = {path: held for path, held in self._held.items() if path in self._sidecars}

    def _understand_all(self, mono: float, changes: Changes, turn: Turn) -> None:
        """Read what is still and has not been read, and look for images again where something changed; one at least."""
        turn.begin()
        paths = list(self._sidecars)
        begin, busy = self._turned % max(1, len(paths)), False
        for place, path in enumerate((*paths[begin:], *paths[:begin]), start=begin + 1):
            known = self._sidecars[path]
            if known.fresh and known.broken is None and known.is_touched_by(changes):
                known.fresh = False
            if not known.fresh and mono >= self._still_at(path) and not (busy and turn.over):
                busy = True
                self._understand(path, known)
                # The next turn begins behind it: where files come all the time, nobody waits for his turn for ever.
                self._turned = place

    def _understand(self, path: str, known: Known) -> None:
        request = self._read(path, known)
        if request is None:
            return
        try:
            known.means(*self.reading.expand(path, request, self._entries))
        except NstError as error:
            known.fails(error.reason)

    def _read(self, path: str, known: Known) -> Any:
        """The request in a sidecar; None where there is none to be had, and ``known`` says why."""
        try:
            text = self.read(path)
        except PermissionError:
            known.unreadable = f"{path}: no permission to read it"
            return None
        except FileNotFoundError:
            return None  # the next listing knows
        except OSError as error:
            if not is_one_files(error):
                raise
            known.unreadable = f"{path}: it cannot be read: {error.strerror}"
            return None
        known.digest, known.unreadable = bytes.fromhex(digest_of(text)), ""
        if known.entry.kind == "link":
            what = f"{path} is a symbolic link; links are not followed"
            known.fails(Reason.of("sidecar_is_link", what))
            return None
        try:
            return self.reading.parse(path, text)
        except NstError as error:
            known.fails(error.reason)
            return None

    def _name_jobs(self) -> None:
        """Give every job in the inbox its JOB name; one that has a name keeps it while it waits.

        Also where it has failed under that name, for it could not be taken: a control file means the same job still.
        """
        own = {key_of(wait.given_up) for wait in self.restored.values() if wait.given_up}
        namer = Namer(frozenset(self._taken) - own)
        without: list[tuple[int, str, Known]] = []
        for path, known in self._sidecars.items():
            bases = bases_of(path, known)
            if bases == known.bases and namer.taken.isdisjoint(known.keys):
                namer.taken.update(known.keys)
            else:
                known.bases, known.names, known.keys = bases, (), ()
                without.append((known.entry.ctime_ns, path, known))
        for _arrival, _path, known in sorted(without, key=lambda item: item[:2]):
            given = tuple(namer.name(base) for base in known.bases)
            known.names = known.bases if given == known.bases else given
            known.keys = tuple(key_of(name) for name in known.names)

    def _sum_up(self, at: Moment) -> Scan:
        found: dict[type, list[Any]] = {Ready: [], Waiting: [], Broken: []}
        hindrance, may_take = cache(self.hindrance), cache(self.takable)  # of thousands in one folder
        verdicts = Verdicts(
            at,
            self._entries,
            self._still_at,
            self._may_be_read,
            may_take,
            self.is_own,
            self._given_up_as,
            self.incomplete_after,
            self._expire_before,
        )
        for path, known in self._sidecars.items():
            held = self._holds(path, at.mono)
            if held is not None:
                verdicts.changes.append(held.due)
            verdict: Ready | Waiting | Broken
            if held is not None and not held.is_untaken:
                verdict = Waiting(path, known.entry, known.names, "unreadable", held.why, None)
            elif why := hindrance(path.rpartition("/")[0]):
                verdict = Waiting(path, known.entry, known.names, "defaults", why, None)
            else:
                verdict = verdicts.of(path, known, held.why if held else "")
            found[type(verdict)].append(verdict)
        return Scan(
            tuple(sorted(found[Ready], key=lambda item: item.order)),
            tuple(sorted(found[Waiting], key=lambda item: item.sidecar)),
            tuple(sorted(found[Broken], key=lambda item: item.sidecar)),
            min(verdicts.changes, default=math.inf),
            not self.unread(),
        )

    def _may_be_read(self, image: str) -> bool:
        """Asked once of an image as it is: other rights are another entry."""
        entry = self._entries[image]
        if self._readable.get(image) is not entry and self.readable(image):
            self._readable[image] = entry
        return self._readable.get(image) is entry
