"""What the scanner remembers of one sidecar from look to look: little, for there may be tens of thousands."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from nst_batch import names
from nst_batch.reasons import Reason
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import Broken, Used, Wanted


@dataclass(frozen=True)
class Changes:
    """What is not as it was at the look before."""

    paths: Set[str]  # files that came, went or changed
    folders: set[str]  # folders in which names came or went


def is_another(before: Entry | None, now: Entry) -> bool:
    """Whether what has a path is not what it was; a folder stays one whatever comes and goes in it."""
    return before is None or not (now.is_as(before) or before.kind == now.kind == "folder")


@dataclass(slots=True)
class Known:
    """One sidecar. ``fresh`` says that ``wanted`` or ``broken`` is what it comes to by the listing at hand."""

    entry: Entry
    digest: bytes = b""  # of its text; b"" before it was read
    fresh: bool = False
    broken: Reason | None = None
    unreadable: str = ""  # why its text cannot be had
    wanted: Wanted | None = None
    images: tuple[str, ...] = ()  # in the inbox, in order
    refused: bool = False  # none of its jobs can be done
    used: Used = Used()  # noqa: RUF009 - frozen
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # ``names``, folded
    bases: tuple[str, ...] = ()  # the titles that ``names`` were given for
    waits_since: float | None = None  # monotonic; for images, or for the right to take it
    waited_before: float = 0.0  # seconds, of earlier spells

    def is_touched_by(self, changes: Changes) -> bool:
        """Whether its images must be looked for again."""
        used = self.used
        if used.library and self.wanted is not None and self.wanted.missing:
            return True
        touched = changes.paths and any(path in changes.paths for path in used.paths)
        return bool(touched or (changes.folders and any(folder in changes.folders for folder in used.folders)))

    def fails(self, reason: Reason) -> None:
        """It cannot be understood."""
        self.broken = reason
        self.wanted, self.images, self.fresh = None, (), True

    def means(self, wanted: Wanted, used: Used) -> None:
        """What it asks for, as far as its images can be found."""
        self.wanted, self.used, self.fresh = wanted, used, True
        self.images = tuple(sorted(file.path for file in wanted.files() if not file.library))
        self.refused = bool(wanted.jobs) and all(job.refusal for job in wanted.jobs)

    def waited(self, mono: float) -> float:
        """Seconds for which this sidecar has waited under our eyes for what somebody has to bring."""
        spell = 0.0 if self.waits_since is None else mono - self.waits_since
        return self.waited_before + spell

    def count(self, mono: float, *, waits: bool) -> None:
        """From now on it waits for something, or for nothing."""
        if waits and self.waits_since is None:
            self.waits_since = mono
        elif not waits and self.waits_since is not None:
            self.waited_before, self.waits_since = self.waited(mono), None

    def begin_anew(self) -> None:
        """It has waited for nothing yet."""
        self.waited_before, self.waits_since = 0.0, None

    def as_broken(self, path: str) -> Broken:
        """For a sidecar with an error."""
        assert self.broken is not None
        return Broken(path, self.entry, self.digest, self.bases[0], self.names[0], self.broken)


def bases_of(path: str, known: Known) -> tuple[str, ...]:
    """The titles to name jobs after; a sidecar whose jobs are not known yet goes by its own stem."""
    if known.wanted is not None:
        return tuple(job.title for job in known.wanted.all_jobs())
    stem = names.stem(path).strip()
    fault = names.title_fault(names.normal(stem))
    return (names.normal(stem) if fault is None else "sidecar",)
