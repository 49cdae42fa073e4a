"""Which photographs of hot folders have been painted, with which settings: so that none is painted twice.

A photograph is known by its bytes. One that lies there as it was when it was painted (inode, size, time) is known
without reading it; another one is read only where a photograph of just that size was painted with those settings. What
is remembered is a text file of a line each in the daemon's own folder, appended to before a claim goes away. Of
photographs that are gone the newest :data:`KEPT` are remembered.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nst_batch.reasons import WITH_RESULT
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.records import SourceRecord
from nst_batch.spool.disk.copying import write_all
from nst_batch.spool.disk.fs import FileSystem, digest_of_file
from nst_batch.spool.disk.layout import RETRY_PREFIX, Places
from nst_batch.spool.disk.own import DamagedError, read_own
from nst_batch.spool.disk.primitives import Identity

PAINTED_NAME = "painted"
KEPT = 20_000
_FAILED = "failed"
_END_BYTES = 1 << 16


class Mark(NamedTuple):
    """One photograph that was painted so, or ``failed``; ``digest`` is "" where there was nothing to read."""

    key: str  # of the settings and the style
    identity: Identity
    digest: str
    folder: str = ""  # what tells the folder that it lay in, see :func:`_folder_mark`
    failed: bool = False  # a job of it failed or was cancelled; one of that photograph that comes later was put back

    def line(self) -> str:
        """As it stands in the file."""
        numbers = f"{self.identity.ino} {self.identity.size} {self.identity.mtime_ns}"
        end = f" {_FAILED}" if self.failed else ""
        return f"{self.key} {numbers} {self.digest or '-'} {self.folder or '-'}{end}\n"

    @property
    def photograph(self) -> str | Identity:
        """What tells the photograph itself."""
        return self.digest or self.identity


class _Alike(NamedTuple):
    """The photographs of one size that were painted with one key."""

    photographs: dict[Identity, str | Identity]  # what tells each, by what it was
    digests: set[str]


class Painted:
    """What has been painted."""

    def __init__(self, fs: FileSystem, places: Places) -> None:
        self._fs = fs
        self._inbox = places.inbox
        self._path = places.own / PAINTED_NAME
        self._all: dict[Mark, None] = {}  # the oldest first
        self._marks: dict[tuple[str, int], _Alike] = {}  # by key and size: scans may all be of one size
        self._of_folders: dict[tuple[str, str], set[str | Identity]] = {}  # photographs by folder and key
        self._failed: set[tuple[str, str | Identity]] = set()  # keys and photographs
        self._is_cut = False  # the file may end within a line: nothing may be written behind it
        self._digests: dict[tuple[str, Identity], str] = {}  # of photographs that had to be read
        self._style_marks: dict[tuple[str, Identity], str] = {}

    def read(self) -> None:
        """Take over what an earlier daemon has put down; what is damaged of it is left out. OSError."""
        self._all, self._marks, self._of_folders, self._failed = {}, {}, {}, set()
        try:
            text = (read_own(self._fs, self._path) or b"").decode(errors="replace")
        except DamagedError:  # what cannot be read for now is read later: with nothing known all is painted again
            text = ""
        *lines, rest = text.split("\n")
        self._is_cut = bool(rest)
        for mark in filter(None, map(_mark, lines)):
            self._keep(mark)

    def add(self, marks: Iterable[Mark], there: Iterable[Identity]) -> None:
        """Remember, durably. ``there``: the files of the inbox, of which nothing is forgotten. OSError."""
        new = [mark for mark in marks if mark not in self._all]
        if not new and not self._is_cut:
            return
        for mark in new:
            self._keep(mark)
        is_whole = not self._is_cut
        self._is_cut = True  # until all of it is on the disk: what has refused now is asked again, for the whole file
        if not is_whole or (len(self._all) > 2 * KEPT and self._forget(frozenset(there))):
            self._fs.write_durable(self._path, "".join(mark.line() for mark in self._all).encode())
        else:
            self._append("".join(mark.line() for mark in new).encode())
            self._fs.step("painted.noted")
        self._is_cut = False

    def _append(self, text: bytes) -> None:
        fd = self._fs.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            write_all(fd, text)
            os.fsync(fd)
        finally:
            os.close(fd)

    def has(self, key: str, identity: Identity, photograph: str) -> bool:
        """Whether a photograph (a path in the inbox) has been painted so; it is read where only its bytes can tell."""
        alike = self._marks.get((key, identity.size))
        if alike is None:
            return False
        if identity in alike.photographs:
            return True
        return bool(alike.digests) and self._digest_of(photograph, identity) in alike.digests

    def counts(self, keys: Sequence[str], folder: str, there: Collection[tuple[str, Identity]]) -> tuple[int, int]:
        """How many photographs of a folder have been painted with all ``keys``, and of how many a job has failed.

        Those that are ``there``, by path, each as it is, are among them; of the others it is known where they lay.
        """
        of_keys = [self._of_folders.get((_folder_mark(folder), key), set()) for key in keys]
        gone = set.intersection(*of_keys)
        lying = [self._known_as(keys[0], *each) for each in there] if gone or self._failed else []
        known = (*lying, *gone.difference(lying))
        failed = sum(any((key, photograph) in self._failed for key in keys) for photograph in known)
        return len(there) + len(gone.difference(lying)) - failed, failed

    def _known_as(self, key: str, path: str, identity: Identity) -> str | Identity:
        """What tells a photograph that lies there, as :attr:`Mark.photograph` does."""
        alike = self._marks.get((key, identity.size))
        if alike is None:
            return identity
        return alike.photographs.get(identity) or self._digest_of(path, identity)

    def put_back(self, claim: Claim) -> list[Mark]:
        """Marks of those that had failed and were painted by a claim of what ``retry`` has put back."""
        record = claim.record
        if not self._failed or not record.origin.startswith(RETRY_PREFIX) or has_failed(claim):
            return []
        contents = {item.source for job in record.jobs for item in job.inputs if item.role == "content"}
        copies = [claim.folder / record.sources[index].stored for index in contents if index is not None]
        digests = {digest_of_file(self._fs, copy) for copy in copies} - {""}
        marks = (mark for mark in self._all if (mark.key, mark.photograph) in self._failed and mark.digest in digests)
        return [mark._replace(failed=False) for mark in marks]

    def mark(self, path: str, identity: Identity | None) -> str:
        """What tells a style (a path in the inbox; one of a library has no ``identity``) from others of its name.

        Its size, first and last bytes: of a thousand styles not everything can be read within a look.
        """
        try:
            known = (path, identity or Identity.of(self._fs.lstat(Path(path))))
            if known not in self._style_marks:
                self._style_marks[known] = _ends_of(self._fs, self._inbox / path, known[1].size)
            return self._style_marks[known]
        except OSError:
            return ""

    def are_equal(self, one: tuple[str, Identity], other: tuple[str, Identity]) -> bool:
        """Whether two photographs of one size have the same bytes."""
        if one[1] == other[1]:
            return True
        digest = self._digest_of(*one)
        return digest != "" and digest == self._digest_of(*other)

    def is_at_work(self, keys: Collection[str], identity: Identity, photograph: str, claims: Iterable[Claim]) -> bool:
        """Whether one of ``claims``, which stand, has the same bytes with one of these keys."""
        copies = list(_copies(claims, keys, identity.size))
        digest = self._digest_of(photograph, identity) if copies else ""
        return digest != "" and any(digest == digest_of_file(self._fs, copy) for copy in copies)

    def _digest_of(self, photograph: str, identity: Identity) -> str:
        known = (photograph, identity)
        if known not in self._digests:
            if len(self._digests) >= KEPT:
                self._digests.clear()
            self._digests[known] = digest_of_file(self._fs, self._inbox / photograph)
        return self._digests[known]

    def _keep(self, mark: Mark) -> None:
        self._all[mark] = None
        alike = self._marks.setdefault((mark.key, mark.identity.size), _Alike({}, set()))
        alike.photographs.setdefault(mark.identity, mark.photograph)
        alike.digests.update({mark.digest} - {""})
        (self._failed.add if mark.failed else self._failed.discard)((mark.key, mark.photograph))
        if mark.folder:
            self._of_folders.setdefault((mark.folder, mark.key), set()).add(mark.photograph)

    def _forget(self, there: frozenset[Identity]) -> bool:
        """Forget the oldest of those whose photographs are gone; whether there were any."""
        gone = [mark for mark in self._all if mark.identity not in there]
        forgotten = set(gone[: max(0, len(gone) - KEPT)])
        kept = [mark for mark in self._all if mark not in forgotten]
        self._all, self._marks, self._of_folders, self._failed = {}, {}, {}, set()
        for mark in kept:
            self._keep(mark)
        return bool(forgotten)


class Foreseen:
    """What has been painted, and what will be by then: of equal photographs only the first is painted.

    For those who foretell what a daemon will do, and read every photograph anyway: to know equal ones, one that has
    the size of another is read.
    """

    def __init__(self, painted: Painted, claims: Collection[Claim]) -> None:
        self._painted = painted
        self._claims = claims
        self.alike: dict[str, str] = {}  # a photograph that is not painted: the one that is
        self._first: dict[tuple[str, int], list[tuple[str, Identity]]] = {}

    def mark(self, path: str, identity: Identity | None) -> str:
        """As that of what has been painted."""
        return self._painted.mark(path, identity)

    def counts(self, keys: Sequence[str], folder: str, there: Collection[tuple[str, Identity]]) -> tuple[int, int]:
        """As that of what has been painted."""
        return self._painted.counts(keys, folder, there)

    def begin(self) -> None:
        """From here on photographs are asked for in the order in which they are painted."""
        self.alike, self._first = {}, {}

    def has(self, key: str, identity: Identity, photograph: str) -> bool:
        """Whether a photograph has been painted so, or will have been when its turn comes."""
        if self._painted.has(key, identity, photograph):
            return True
        if self._painted.is_at_work((key,), identity, photograph, self._claims):
            return True
        before = self._first.setdefault((key, identity.size), [])
        for other, as_it_is in before:
            if other != photograph and self._painted.are_equal((photograph, identity), (other, as_it_is)):
                self.alike[photograph] = other
                return True
        before.append((photograph, identity))
        return False


class Underway(NamedTuple):
    """What claims that stand hold: each photograph's key and identity, and the inbox paths of all their images."""

    marks: frozenset[tuple[str, Identity]] = frozenset()
    images: frozenset[str] = frozenset()


def underway(claims: Iterable[Claim]) -> Underway:
    """Of claims that have not been cleared yet, done or not."""
    marks: set[tuple[str, Identity]] = set()
    images: set[str] = set()
    for claim in claims:
        images.update(source.path for source in claim.record.sources if not source.library)
        if (identity := _identity_of(claim)) is not None:
            marks.update((key, identity) for key in claim.record.hot)
    return Underway(frozenset(marks), frozenset(images))


def marks_of(fs: FileSystem, claim: Claim) -> list[Mark]:
    """What is to be remembered of a claim that has its end; nothing of one that is no hot folder's."""
    photograph, identity = _photograph_of(claim), _identity_of(claim)
    if identity is None:
        return []
    has_copy = photograph is not None and photograph.kind == "file"
    digest = digest_of_file(fs, claim.folder / photograph.stored) if photograph is not None and has_copy else ""
    folder = _folder_mark(claim.record.photograph.rpartition("/")[0])
    return [Mark(key, identity, digest, folder, has_failed(claim)) for key in claim.record.hot]


def has_failed(claim: Claim) -> bool:
    """Whether a job of a claim that has its end has left no result."""
    return any(done.state not in WITH_RESULT for done in claim.done.values())


def _copies(claims: Iterable[Claim], keys: Collection[str], size: int) -> Iterator[Path]:
    """The copies of photographs of that size that are painted so by now."""
    for claim in claims:
        photograph = _photograph_of(claim)
        if photograph is not None and photograph.size == size and not set(keys).isdisjoint(claim.record.hot):
            yield claim.folder / photograph.stored


def _photograph_of(claim: Claim) -> SourceRecord | None:
    """The photograph of a hot folder's claim."""
    record = claim.record
    return next((source for source in record.sources if record.hot and source.path == record.photograph), None)


def _identity_of(claim: Claim) -> Identity | None:
    """What a hot folder's photograph was when it was claimed, whether there is a copy of it or not."""
    photograph = _photograph_of(claim)
    return claim.record.seen if photograph is None else photograph.identity


def _ends_of(fs: FileSystem, path: Path, size: int) -> str:
    with fs.reader(path) as file:
        ends = file.read(_END_BYTES), os.pread(file.fileno(), _END_BYTES, max(0, size - _END_BYTES))
    return hashlib.blake2b(b"".join((str(size).encode(), *ends)), digest_size=12).hexdigest()


def _folder_mark(folder: str) -> str:
    """What tells one folder of the inbox from others, in a word."""
    return hashlib.blake2b(os.fsencode(folder), digest_size=6).hexdigest()


def _mark(line: str) -> Mark | None:
    try:
        key, ino, size, mtime_ns, *told = line.split(" ")
        digest, folder, failed = (*told, "", "")[:3]  # those of earlier versions say less
        identity = Identity(int(ino), int(size), int(mtime_ns))
        return Mark(key, identity, digest.replace("-", ""), folder.replace("-", ""), failed == _FAILED)
    except ValueError:
        return None
