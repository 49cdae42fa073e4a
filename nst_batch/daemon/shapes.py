"""The shapes of waiting jobs' images, to foretell by: from the first bytes of their files, some files at a time."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from nst_batch.beneath import Beneath
from nst_batch.reasons import Reason
from nst_batch.sidecar.expand import JobRequest
from nst_batch.sidecar.resolver import Role
from nst_batch.sizing import Shape, size_in_head, too_many_pixels
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.intent import over_limit, unread_kind

HEAD_BYTES = 128 << 10  # a JPEG's size may stand behind its profile and its thumbnail
READ_SECONDS = 0.2  # of a round, at most: thousands of files on a local disk, tens on a slow share
MOST_REMEMBERED = 20_000

Look: TypeAlias = Shape | Reason | None  # what a head tells: a shape, why the image will be refused, or nothing (yet)
Seen: TypeAlias = tuple[tuple[Role, str, Look], ...]  # of a job's images, each with its role and its name


class Shapes:
    """What the heads of images tell; ``most_megapixels`` and ``most_mb`` are the limits of an image and of its file."""

    def __init__(
        self,
        files: Beneath,
        inbox: Path,
        most_megapixels: float = math.inf,
        most_mb: float = math.inf,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``read_seconds``: for how long files are read in one round, of which at least one is."""
        self.files = files
        self._inbox = inbox
        self._limits = most_megapixels, most_mb
        self._read_seconds, self._clock = read_seconds, clock
        self._known: dict[str, Look] = {}
        self._asked: dict[str, Look] = {}  # of this round
        self._spent = 0.0  # of this round, in reading
        self.were_cut = False
        """Whether the last round has left some files for the next one."""

    def limit(self, most_megapixels: float, most_mb: float) -> None:
        """Other limits count from now on."""
        if (most_megapixels, most_mb) != self._limits:
            self._limits, self._known, self._asked = (most_megapixels, most_mb), {}, {}

    def begin_round(self) -> None:
        """Some more files may be read; what the last round did not ask for is forgotten."""
        self._known, self._asked = self._asked, {}
        self._spent, self.were_cut = 0.0, False

    def of_job(self, job: Job) -> Seen:
        """Those of a claimed job."""
        folder, inputs = job.claim_folder, () if job.spec is None else job.spec.inputs
        there = (each for each in inputs if each.path)
        return tuple(
            (each.role, each.name, self._at(folder / each.path, folder.name + each.path, each.name)) for each in there
        )

    def of_wanted(self, job: JobRequest) -> Seen:
        """Those of a job whose images lie in the inbox, or a library, still."""
        files = ((each.role, each.file) for each in job.inputs if each.file.refusal is None)
        return tuple((role, file.name, self._at(self._inbox / file.path, file.path, file.name)) for role, file in files)

    def _at(self, path: Path, key: str, name: str) -> Look:
        known = self._asked if key in self._asked else self._known
        if key not in known:
            if len(self._asked) >= MOST_REMEMBERED:
                return None
            if self._spent >= self._read_seconds:
                self.were_cut = True
                return None
            begun = self._clock()
            look = self._read(path, name)
            self._spent += self._clock() - begun
        else:
            look = known[key]
        self._asked[key] = look
        return look

    def _read(self, path: Path, name: str) -> Look:
        most_megapixels, most_mb = self._limits
        try:
            with self.files.reader(path) as file:
                size, head = os.fstat(file.fileno()).st_size, file.read(HEAD_BYTES)
        except OSError:  # only what is foretold hangs on it; whoever needs the image says what is wrong
            return None
        if refusal := over_limit(name, size, most_mb) or unread_kind(name, head):
            return refusal
        found = size_in_head(head)
        if found is None or min(found) < 1:
            return None
        what = too_many_pixels(*found, most_megapixels)
        return Reason.of("image_too_large", f"{name}: {what}") if what else Shape(*found)
