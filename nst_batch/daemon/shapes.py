"""The shapes of waiting jobs' contents, for estimates: from the first bytes of their files, a few files at a time."""

from __future__ import annotations

from pathlib import Path

from nst_batch.beneath import Beneath
from nst_batch.sidecar.expand import JobRequest
from nst_batch.sizing import size_in_head
from nst_batch.spool.claims.live_job import Job

HEAD_BYTES = 128 << 10  # a JPEG's size may stand behind its profile and its thumbnail
MOST_READ = 50  # of one round
MOST_REMEMBERED = 20_000

Shape = tuple[int, int] | None


class Shapes:
    """Width and height of contents, None where they are not known (yet)."""

    def __init__(self, files: Beneath, inbox: Path) -> None:
        self.files = files
        self._inbox = inbox
        self._known: dict[str, Shape] = {}
        self._asked: dict[str, Shape] = {}  # of this round
        self._left = MOST_READ

    def begin_round(self) -> None:
        """Some more files may be read; what the last round did not ask for is forgotten."""
        self._known, self._asked, self._left = self._asked, {}, MOST_READ

    @property
    def were_cut(self) -> bool:
        """Whether the last round has left some for the next one."""
        return self._left <= 0

    def of_job(self, job: Job) -> Shape:
        """That of a claimed job."""
        path = next((item.path for item in job.spec.inputs if item.role == "content"), "") if job.spec else ""
        return self._at(job.claim_folder / path, job.claim_folder.name + path) if path else None

    def of_wanted(self, job: JobRequest) -> Shape:
        """That of a job whose images lie in the inbox still."""
        file = next((item.file for item in job.inputs if item.role == "content"), None)
        return None if file is None else self._at(self._inbox / file.path, file.path)

    def _at(self, path: Path, key: str) -> Shape:
        known = self._asked if key in self._asked else self._known
        if key not in known:
            if self._left <= 0 or len(self._asked) >= MOST_REMEMBERED:
                return None
            self._left -= 1
            shape = self._read(path)
        else:
            shape = known[key]
        self._asked[key] = shape
        return shape

    def _read(self, path: Path) -> Shape:
        try:
            with self.files.reader(path) as file:
                found = size_in_head(file.read(HEAD_BYTES))
        except OSError:  # only an estimate hangs on it; whoever needs the image says what is wrong
            return None
        return found if found and min(found) > 0 else None
