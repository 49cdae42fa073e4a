"""What a sidecar comes to at one look: ready, waiting for what and until when, or broken."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nst_batch import names
from nst_batch.characters import told
from nst_batch.clock import Moment
from nst_batch.reasons import SIDECAR_NOT_TAKEN, Reason
from nst_batch.spool.inbox.known import Known
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import LET_IT, NOT_TO_BE_TAKEN, Broken, Ready, Waiting, Wanted

NAMES_SHOWN = 3
_IN_THE_TEXT = re.compile(r"^line [0-9]+[,:] ")  # of a sidecar that nobody sees
LOOK_AGAIN_SECONDS = 10.0
GIVEN_UP = "it has failed for that, and is taken as soon as it may be"
READ_IT = "let the daemon's user read it (nst-batch check says how), or take it away"
TAKE_IT = "let the daemon's user write to that folder (nst-batch check says how), or take it away"
GOES = "it is taken as soon as it may be, and this failure goes then"


@dataclass(frozen=True)
class Verdicts:
    """Of one look. ``changes`` grows by the monotonic times at which one of them changes by itself."""

    at: Moment
    entries: Mapping[str, Entry]
    still_at: Callable[[str], float]  # from when on, monotonic, a file will have been still for long enough
    may_be_read: Callable[[str], bool]  # an image
    may_take: Callable[[str], bool]  # files out of a folder
    is_own: Callable[[str], bool]  # whether a sidecar is a photograph's own, which lies nowhere
    given_up_as: Callable[[str], str]  # JOB as which a sidecar has failed because it could not be taken, "" for none
    incomplete_after: float
    expire_before: float  # what has waited since then, monotonic, waits no longer
    changes: list[float] = field(default_factory=list)

    def of(self, path: str, known: Known, untaken: str) -> Ready | Waiting | Broken:
        """``untaken``: why it could not be moved when that was tried last, "" for nothing."""
        if not (known.unreadable or known.broken) and (not known.fresh or known.wanted is None):
            if self._settles(path):
                return self._settling(path, path, known)
            self.changes.append(self.at.mono)
            return Waiting(path, known.entry, known.names, "settling", f"{path} is about to be read", None)
        closed = "" if known.unreadable else self._closed(path.rpartition("/")[0])
        if known.unreadable or closed or untaken:
            how = READ_IT if known.unreadable else TAKE_IT if closed else LET_IT
            return self._untaken(path, known, known.unreadable or closed or untaken, how)
        if known.broken is not None or known.wanted is None:
            return self._held_up(path, known) if self.is_own(path) else known.as_broken(path)
        return self._of_images(path, known, known.wanted)

    def _of_images(self, path: str, known: Known, wanted: Wanted) -> Ready | Waiting:
        """For a sidecar that may be taken."""
        lacking = self._lacking(known, wanted)
        known.count(self.at.mono, waits=bool(lacking))
        settling = next(filter(self._settles, known.images), None)
        if settling is not None:
            return self._settling(settling, path, known)
        left = self._patience(known) if lacking else 0.0
        if left > 0:
            return self._incomplete(path, known, wanted, lacking, left)
        unreadable = tuple(what for what in lacking if what not in wanted.missing)
        return Ready(path, known.entry, known.digest, wanted, known.names, bool(lacking), unreadable, known.refused)

    def _held_up(self, path: str, known: Known) -> Waiting:
        """A photograph for which its folder's file makes no sidecar that can be understood: nothing of it fails."""
        what = _IN_THE_TEXT.sub("", known.as_broken(path).reason.message.splitlines()[0].removeprefix(f"{path}: "))
        photograph = path.removesuffix(names.suffix(path))
        why = f"{photograph}: {what}; correct its folder's file, or rename the photograph"
        return Waiting(path, known.entry, known.names, "photograph", why, None)

    def _closed(self, folder: str) -> str:
        """Why no file may be taken out of a folder; "" where it may."""
        return "" if self.may_take(folder) else f"{NOT_TO_BE_TAKEN} {folder or 'the inbox'}"

    def _settles(self, path: str) -> bool:
        return self.at.mono < self.still_at(path)

    def _settling(self, what: str, path: str, known: Known) -> Waiting:
        due = self.still_at(what)
        self.changes.append(due)
        until = self.at.wall + due - self.at.mono
        return Waiting(path, known.entry, known.names, "settling", f"{what} is still being written", until)

    def _patience(self, known: Known) -> float:
        """Seconds for which a sidecar will go on to wait."""
        is_over = known.waits_since is not None and known.waits_since <= self.expire_before
        return 0.0 if is_over else self.incomplete_after - known.waited(self.at.mono)

    def _untaken(self, path: str, known: Known, why: str, how: str) -> Waiting | Broken:
        """A sidecar that may not be read, or not moved; ``how`` that can be mended."""
        has_given_up = bool(self.given_up_as(path))
        known.count(self.at.mono, waits=not has_given_up)
        self._look_again()
        if has_given_up:
            return Waiting(path, known.entry, known.names, "given_up", f"{why}; {how}; {GIVEN_UP}", None)
        left = self._patience(known)
        if left > 0:
            self.changes.append(self.at.mono + left)
            return Waiting(path, known.entry, known.names, "untaken", f"{why}; {how}", self.at.wall + left)
        what = why if why.startswith(path) else f"{path}: {why}"
        what += f" ({len(known.names)} jobs)" if len(known.names) > 1 else ""
        reason = Reason.of(SIDECAR_NOT_TAKEN, what, f"{how}; {GOES}")
        return Broken(path, known.entry, known.digest, known.bases[0], known.names[0], reason, stays=True)

    def _look_again(self) -> None:
        """No listing of the inbox tells of a right granted or of a library's new file."""
        self.changes.append(self.at.mono + LOOK_AGAIN_SECONDS)

    def _lacking(self, known: Known, wanted: Wanted) -> tuple[str, ...]:
        files = (image for image in known.images if self.entries[image].kind == "file")
        return (*wanted.missing, *(image for image in files if not self.may_be_read(image)))

    def _incomplete(self, path: str, known: Known, wanted: Wanted, lacking: tuple[str, ...], left: float) -> Waiting:
        self.changes.append(self.at.mono + left)
        kind = "missing" if wanted.missing else "unreadable"
        if kind == "unreadable" or known.used.library:
            self._look_again()
        hints = wanted.missing
        said = [told(what) + (f" ({hints[what]})" if hints.get(what) else "") for what in lacking[:NAMES_SHOWN]]
        shown = ", ".join(said) + (" …" if len(lacking) > NAMES_SHOWN else "")
        words = "missing" if kind == "missing" else "no permission to read"
        return Waiting(path, known.entry, known.names, kind, sys.intern(f"{words}: {shown}"), self.at.wall + left)
