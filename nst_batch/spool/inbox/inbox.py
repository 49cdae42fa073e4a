"""The inbox side of the spool: listings, the scanner, control files, and what is said once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nst_batch import names
from nst_batch.characters import is_text
from nst_batch.clock import Moment
from nst_batch.config.load import Config
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem, read_sidecar
from nst_batch.spool.disk.layout import RETRY_PREFIX, Places
from nst_batch.spool.disk.primitives import Identity, is_private_elsewhere
from nst_batch.spool.inbox import control
from nst_batch.spool.inbox.control import PAUSE_NAME, Control
from nst_batch.spool.inbox.end_news import ENDED_NAME, EndNews
from nst_batch.spool.inbox.folders import Folders, Virtual
from nst_batch.spool.inbox.listing import Entry, Lister, Listing
from nst_batch.spool.inbox.notes import Notes
from nst_batch.spool.inbox.painted import Painted, marks_of, underway
from nst_batch.spool.inbox.polling import POLLED_RESCAN_SECONDS, needs_polling
from nst_batch.spool.inbox.readiness import Broken, FolderView, Ready, Scan, Waiting
from nst_batch.spool.inbox.scan import Scanner
from nst_batch.spool.inbox.sidecars import SidecarReading
from nst_batch.spool.inbox.waits import Wait, Waits
from nst_batch.turn import Turn

WAITS_SECONDS = 60.0
LOST_LOOK_SECONDS = 5.0


class Inbox:
    """Looks at the inbox and remembers what it saw."""

    def __init__(self, config: Config, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._places = places
        self._lister = Lister(fs, places.inbox, self._gets_on)
        self._listing = Listing({})
        self._scan = Scan()
        self.notes = Notes()
        self._controls: tuple[Control, ...] = ()
        self._control_names: tuple[str, ...] = ()
        self._remarked = Listing({})  # the listing that was last remarked on
        self.ended = EndNews(fs, places.own / ENDED_NAME)
        self._named_so: set[str] = set()  # what is called as a control file is
        self._passed_over: dict[str, str] = {}  # files that are not taken, and why
        self._waits, self._waits_due = Waits(fs, places.own), 0.0
        self._gone: set[str] = set()  # sidecars claimed since the last look
        self._painted = Painted(fs, places)
        self._theirs: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self.claims: Callable[[], Iterable[Claim]] = tuple
        self._go_by(config)

    def reconfigure(self, config: Config) -> None:
        """Take another config; everything in the inbox is understood anew, by the new rules. What waits has waited."""
        before = self._scanner
        self._go_by(config)
        self._scanner.restored = {**before.restored, **before.waits()}

    def _go_by(self, config: Config) -> None:
        inbox, limit = self._places.inbox, config.limits.max_sidecar_bytes
        self._rescan = config.watch.rescan_seconds
        self._waits_pause = min(WAITS_SECONDS, config.watch.incomplete_after / 10)  # what a kill may take away
        if needs_polling(inbox, config.watch.polling):
            self._rescan = min(self._rescan, POLLED_RESCAN_SECONDS)

        def read(path: str) -> bytes:
            own = self._folders.virtual(path)
            return read_sidecar(self._fs, inbox / path, limit) if own is None else own.text

        self._folders = Folders(
            inbox,
            config.library,
            config.sidecar_rules(),
            read=lambda path: read_sidecar(self._fs, inbox / path, limit),
            settle_seconds=config.watch.settle_seconds,
            memory=self._painted,
            underway=lambda: underway(self.claims()),
            incomplete_after=config.watch.incomplete_after,
        )
        self._reading = SidecarReading(config, self._folders)
        self._scanner = Scanner(
            self._reading,
            read=read,
            readable=self._is_readable,
            takable=lambda folder: self._fs.may(inbox / folder, os.W_OK | os.X_OK),
            settle_seconds=config.watch.settle_seconds,
            incomplete_after=config.watch.incomplete_after,
            hindrance=self._folders.hindrance,
            is_own=lambda path: self._folders.virtual(path) is not None,
        )

    def _is_readable(self, path: str) -> bool:
        whole = self._places.inbox / path
        try:
            return self._fs.may(whole, os.R_OK) and not is_private_elsewhere(self._fs.lstat(whole))
        except OSError:
            return False

    def _gets_on(self) -> None:
        self._fs.on_progress()  # which is not the same one for ever

    # --- looking ----------------------------------------------------------------------------------------

    def look(self, at: Moment, jobs: Sequence[Job], taken: frozenset[str], turn: Turn | None = None) -> InboxView:
        """One look; raises InboxLost where the inbox cannot be listed. ``taken`` are folded names."""
        self._listing = self._lister.look()
        self._gone.clear()
        self._scan = self._see(taken, at, turn)
        self._reading.let_go()
        if self._listing != self._remarked:
            self._remark()
        self._match_controls(jobs, at)
        if at.mono >= self._waits_due:
            self.save_waits(at)
        folders = self._folders.views()
        self.notes.say_of_folders(folders)
        scan, stuck = self._scan, tuple(self._folders.waiting())
        dues = [job.held.due for job in jobs if job.held is not None and job.held.due > at.mono]
        return InboxView(
            next_look=max(at.mono, min(at.mono + self._rescan, scan.next_change, self._folders.next_change, *dues)),
            ready=scan.ready,
            waiting=(*scan.waiting, *stuck) if stuck else scan.waiting,
            folders=folders,
            broken=scan.broken,
            controls=self._controls,
            paused=self._is_control(PAUSE_NAME),
            aside=self.notes.standing("passed over", "odd", "control", "unreadable"),
            notes=self.notes.take(),
        )

    def lost(self, at: Moment, reason: str) -> InboxView:
        """The view of an inbox that is not there."""
        self._scan, self._controls = Scan(), ()
        return InboxView(next_look=at.mono + LOST_LOOK_SECONDS, inbox_lost=reason, notes=self.notes.take())

    def named(self, at: Moment, taken: frozenset[str], turn: Turn | None = None) -> set[str] | None:
        """The images that sidecars in the inbox name right now; None while one of them cannot be read yet, or seen."""
        before = self._listing.entries.keys() - self._gone
        self._listing = self._lister.look()
        self._gone.clear()
        self._scan = self._see(taken, at, turn)
        # One that is gone may have been moved to where this look had been already.
        moved = any(names.is_sidecar(path.rpartition("/")[2]) for path in before - self._listing.entries.keys())
        if moved or self._listing.is_torn or not self._scan.complete or self._folders.is_unread:
            return None
        return self._scanner.named() | self._folders.images

    def _see(self, taken: frozenset[str], at: Moment, turn: Turn | None) -> Scan:
        """What the listing comes to, with a sidecar for each photograph of a hot folder that is nobody else's."""
        for claim in self.claims():
            if (given_up := _given_up(claim)) is not None:  # its end is on its way
                self._scanner.give_up(claim.record.origin, given_up)
        while True:
            entries = self._folders.overlay(self._listing.entries, at.mono, *self._theirs)
            scan = self._scanner.look(dataclasses.replace(self._listing, entries=entries), taken, at, turn)
            photographs = self._folders.photographs
            if not photographs:
                return scan
            named = self._scanner.named(lambda path: self._folders.virtual(path) is None)
            unread = {path for path in self._scanner.unread() if self._folders.virtual(path) is None}
            before, self._theirs = self._theirs, (frozenset(named), frozenset(folder_of(path) for path in unread))
            taken_away = photographs & self._theirs[0] or {folder_of(path) for path in photographs} & self._theirs[1]
            if self._theirs == before or not taken_away:
                return scan

    def is_still(self, path: str, at: Moment) -> bool:
        """Whether a file, if it is there, has been as it is for long enough."""
        return self._scanner.is_still(path, at)

    def expire(self, at: Moment) -> None:
        """What waits for images waits no longer."""
        self._scan = self._scanner.expire(self._listing, at)

    # --- what is there ----------------------------------------------------------------------------------

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The last listing."""
        return self._listing.entries

    @property
    def ready(self) -> Iterator[Ready]:
        """Pairs that can be claimed, in order."""
        return (pair for pair in self._scan.ready if pair.sidecar not in self._gone)

    def holds_retries(self) -> bool:
        """Whether failed jobs that were put back lie in the inbox."""
        return any(path.startswith(RETRY_PREFIX) for path in self._listing.entries)

    def hopeless(self) -> Iterator[Ready | Broken]:
        """What can be claimed without a worker, because none could do it."""
        yield from (pair for pair in self._scan.broken if pair.sidecar not in self._gone)
        yield from (pair for pair in self.ready if pair.hopeless)

    def pair(self, sidecar: str) -> Ready | Broken | None:
        """What can be claimed of a sidecar right now, though it be incomplete; None while it is not known."""
        if sidecar in self._gone:
            return None
        known: tuple[Ready | Broken, ...] = (*self._scan.ready, *self._scan.broken)
        return next((pair for pair in known if pair.sidecar == sidecar), None) or self._scanner.as_it_is(sidecar)

    def untaken_no_more(self) -> list[str]:
        """The sidecars that have failed for it that they could not be taken, and are gone or others by now."""
        return [] if self._folders.is_unread else self._scanner.untaken_no_more()

    def untaken_as(self, sidecar: str) -> str:
        """JOB as which a sidecar has failed because it could not be taken, told once; "" for none."""
        return self._scanner.untaken_as(sidecar)

    def own_sidecar(self, pair: Ready | Broken) -> Virtual | None:
        """The sidecar that is a photograph's own, and lies nowhere yet."""
        return self._folders.virtual(pair.sidecar)

    def identity(self, path: str) -> Identity | None:
        """What a file was at the last look; None where it was not there."""
        entry = self._listing.entries.get(path)
        return None if entry is None else entry.identity

    def is_being_painted(self, own: Virtual) -> bool:
        """Whether a claim that stands has the same bytes, under another name, with the same settings."""
        identity = self.identity(own.photograph)
        return identity is not None and self._painted.is_at_work(own.keys, identity, own.photograph, self.claims())

    def is_painted(self, own: Virtual) -> bool:
        """Whether the same bytes have been painted since the last look."""
        identity = self.identity(own.photograph)
        return identity is not None and any(self._painted.has(key, identity, own.photograph) for key in own.keys)

    def remember(self, claim: Claim) -> None:
        """Put down, durably, that a hot folder's photograph is painted, or a sidecar that stays has failed. OSError."""
        if (given_up := _given_up(claim)) is not None:
            self._waits.give_up(claim.record.origin, given_up)
            self._scanner.give_up(claim.record.origin, given_up)
        marks = marks_of(self._fs, claim) or self._painted.put_back(claim)
        if marks:
            self._painted.add(marks, (entry.identity for entry in self._listing.entries.values()))

    def forget(self, sidecar: str, *, stays: bool = False) -> None:
        """A sidecar is about to be claimed; one that ``stays`` lies there still."""
        self._gone.add(sidecar)
        if not stays:
            self._scanner.forget(sidecar)

    def take_controls(self) -> tuple[Control, ...]:
        """The control files of the last look, to be acted on once."""
        controls, self._controls = self._controls, ()
        return controls

    def _match_controls(self, jobs: Sequence[Job], at: Moment) -> None:
        self.ended.look(at.mono)
        waiting: dict[str, str] = {}
        if self._control_names:
            for item in self._scan.ready + self._scan.waiting:
                waiting.update((names.fold(name), item.sidecar) for name in item.names)
            waiting.update((names.fold(item.name), item.sidecar) for item in self._scan.broken)
        self._controls, others = control.match(self._control_names, self._places.inbox, jobs, waiting)
        late = {name for name in others if self.ended.has(control.job_of(name))}
        for file_name in sorted(late):
            if control.drop(self._fs, self._places.inbox / file_name):
                self.notes.say(f"{file_name} came too late, the job has its end; it is removed")
        self.notes.say_of(
            "control",
            [name for name in others if name not in late],
            "{} fits no job, neither by its name nor by its id; it is left",
            "control files fit no job",
        )

    def _is_control(self, path: str) -> bool:
        entry = self._listing.entries.get(path)
        return entry is not None and entry.kind != "folder"

    def control_names(self) -> tuple[str, ...]:
        """The control files of the last look."""
        return self._control_names

    def hold(self, sidecar: str, why: str, at: Moment, *, is_untaken: bool) -> None:
        """A sidecar waits, and is tried again later and later: one ``is_untaken`` that may not be moved."""
        self._scanner.hold(sidecar, why, at.mono, is_untaken=is_untaken)

    def _remark(self) -> None:
        """What is in the listing, which is another one than before, that is no pair's."""
        listing, entries = self._listing, self._listing.entries
        before = self._remarked.entries
        came = [path for path, entry in entries.items() if path not in before or before[path].kind != entry.kind]
        self._remarked = listing
        self._named_so = {path for path in self._named_so if path in entries}
        self._named_so.update(path for path in came if "/" not in path and control.split(path))
        came_anew = frozenset(came)
        self._passed_over = {
            path: why for path, why in self._passed_over.items() if path in entries and path not in came_anew
        }
        for path in came:
            if why := names.passed_over(path.rpartition("/")[2], entries[path].kind):
                self._passed_over[path] = why
        self._control_names = tuple(sorted(path for path in self._named_so if self._is_control(path)))
        odd = [path for path in (*self._named_so, PAUSE_NAME) if path in entries and not self._is_control(path)]
        self.notes.say_of(
            "odd", odd, "{} is a folder, so it is no control file; it is left alone", "folders are no control files"
        )
        unnamed = {path for path in listing.ignored if not is_text(path)}
        others = listing.ignored - unnamed
        self.notes.say_of("ignored", others, "{} is ignored: a temporary, hidden or system's name", "names are ignored")
        self.notes.say_of("no text", unnamed, "{} is ignored: its name is not UTF-8; rename it", "names are not UTF-8")
        passed = {path: f"{path} is not taken: {why}" for path, why in self._passed_over.items()}
        self.notes.say_of("passed over", passed, "{}", "files are not taken")
        self.notes.say_of(
            "unreadable",
            listing.unreadable,
            "{} cannot be looked at: no permission, the disk's fault, or too many folders in each other",
            "places cannot be looked at",
        )

    # --- waiting times over a restart -------------------------------------------------------------------

    def save_waits(self, at: Moment) -> None:
        """Put down how long sidecars have waited, and which have failed for it."""
        self._waits_due = at.mono + self._waits_pause
        self._waits.write(self._scanner.waits(at.mono))

    def restore_waits(self, at: Moment) -> None:
        """Take over what an earlier daemon put down; a damaged file only means that they wait anew."""
        self._waits_due = at.mono + self._waits_pause
        self._painted.read()
        self._scanner.restored = self._waits.read()


@dataclass(frozen=True)
class InboxView:
    """The inbox at one look. With ``inbox_lost`` nothing else is known."""

    next_look: float  # monotonic; the inbox should be looked at again by then, whatever the events say
    ready: tuple[Ready, ...] = ()  # in the order in which they will be claimed
    waiting: tuple[Waiting, ...] = ()
    broken: tuple[Broken, ...] = ()
    controls: tuple[Control, ...] = ()
    paused: bool = False
    folders: tuple[FolderView, ...] = ()
    inbox_lost: str | None = None
    notes: tuple[str, ...] = ()  # each is said once
    aside: tuple[str, ...] = ()  # of what lies there and waits for a hand, as long as it does


def folder_of(path: str) -> str:
    """The folder of a path in the inbox; "" for its root."""
    return path.rpartition("/")[0]


def _given_up(claim: Claim) -> Wait | None:
    """What is remembered of a sidecar that fails because it could not be taken; None for a claim of another kind."""
    stays = claim.record.stays
    return None if stays is None else Wait(stays, given_up=claim.record.jobs[0].name)
