"""Running folders: made whole beside their place and then renamed there, marked with whose they are."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from nst_batch import names
from nst_batch.filenames import INPUT_FOLDER, MANIFEST_NAME
from nst_batch.spool.claims.claim import Claimer
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.records import JobRecord
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import NEW_PREFIX, RUNNING_MARKER, Places
from nst_batch.spool.disk.own import DamagedError, read_note, read_own

MAX_MARK_BYTES = 1000


class RunningFolders:
    """The folders that jobs are worked on in."""

    def __init__(
        self,
        fs: FileSystem,
        places: Places,
        claimer: Claimer,
        *,
        inbox_id: Callable[[], str],
        taken: Callable[[], Collection[str]],
    ) -> None:
        """``taken``: the JOB names that are not free."""
        self._fs = fs
        self._places = places
        self._claimer = claimer
        self._inbox_id = inbox_id
        self._taken = taken

    @property
    def inbox_id(self) -> str:
        """Ours: another inbox may share the outbox, and its running folders are not ours."""
        return self._inbox_id()

    def prepare(self, claim: Claim, job: JobRecord, *, keep: bool) -> Path:
        """The running folder of a job, with its inputs; with ``keep`` one that is there already stays.

        It is built aside and renamed, so that one of this name is always whole. Where another inbox that shares
        the outbox, or a person, has put something there, that stays and the job gets the next free name.
        """
        running = self.of(job)
        if self.has(claim, job):
            if keep:
                return running
            self._fs.discard(running, self._places.out_trash)
        self._fs.make_folder(self._places.running)
        mark = f"{self.inbox_id} {claim.record.job_id(job)}".encode()
        aside = self._places.running / f"{self.new_prefix}{secrets.token_hex(6)}"
        with self._nothing_left_of(aside):
            self._build(claim, job, aside, {RUNNING_MARKER: mark}, images=claim.record.after != "delete")
            while True:
                try:
                    self._fs.rename_noreplace(aside, running)
                except FileExistsError:
                    running = self._places.running / self._rename(claim, job)
                    continue
                break
        self._fs.fsync_dir(self._places.running)
        self._fs.step("running.made")
        return running

    def build_end(self, claim: Claim, job: JobRecord, files: Mapping[str, bytes]) -> Path:
        """The end of a job that was never worked on: its inputs and ``files``, whole and durable, at :meth:`end_of`."""
        self._fs.make_folder(self._places.running)
        aside = self.end_of(claim.record.job_id(job))
        self._fs.rmtree(aside)
        with self._nothing_left_of(aside):
            self._build(claim, job, aside, files, images=True)
            self._fs.fsync_dir(self._places.running)
        return aside

    def end_of(self, job_id: str) -> Path:
        """Where :meth:`build_end` puts the end of a job together."""
        return self._places.running / f"{self.new_prefix}{job_id}"

    def _build(self, claim: Claim, job: JobRecord, aside: Path, files: Mapping[str, bytes], *, images: bool) -> None:
        self._fs.mkdir(aside)
        self.fill_input(claim, job, aside, images=images)
        for name, data in files.items():
            self._fs.write_new(aside / name, data, sync=False)
        # On the disk before any checkpoint or outcome can be: after a power cut a kept folder is believed.
        self._fs.fsync_tree(aside)
        self._fs.step("running.built")

    @contextlib.contextmanager
    def _nothing_left_of(self, aside: Path) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._fs.clear_away(aside)
            raise

    @property
    def new_prefix(self) -> str:
        """How the names of folders that are being built begin."""
        return f"{NEW_PREFIX}{self.inbox_id}-"

    def of(self, job: JobRecord) -> Path:
        """The running folder of a job."""
        return self._places.running / job.name

    def owner(self, running: Path) -> tuple[str, str] | None:
        """The inbox and the job whose running folder this is; None where it is nobody's or not there.

        Others may write to the outbox: a mark is believed if the daemon's user has written it.
        """
        try:
            text = (read_own(self._fs, running / RUNNING_MARKER, MAX_MARK_BYTES) or b"").decode()
        except (DamagedError, UnicodeDecodeError):
            return None
        inbox_id, _, job_id = text.partition(" ")
        return (inbox_id, job_id) if job_id else None

    def has(self, claim: Claim, job: JobRecord, made: Collection[str] = ()) -> bool:
        """Whether the job's running folder is there, is its own, and holds what was ``made``."""
        running = self.of(job)
        is_its_own = self.owner(running) == (self.inbox_id, claim.record.job_id(job))
        return is_its_own and all(self._fs.kind(running / name) == "file" for name in made)

    def is_anothers(self, running: Path, job_id: str) -> bool:
        """Whether a running folder belongs to another job; one without its mark is about to be published."""
        owner = self.owner(running)
        if owner is not None:
            return owner != (self.inbox_id, job_id)
        return bool(read_note(self._fs, running / MANIFEST_NAME).get("id", job_id) != job_id)

    def _rename(self, claim: Claim, job: JobRecord) -> str:
        """Give a job the next free name, durably; returns it."""
        name = names.unique_name(job.title, [*self._taken(), job.name])
        jobs = tuple(
            each if each.index != job.index else job.model_copy(update={"name": name}) for each in claim.record.jobs
        )
        self._claimer.rewrite(claim, claim.record.model_copy(update={"jobs": jobs}))
        self._fs.step("running.renamed")
        return name

    def fill_input(self, claim: Claim, job: JobRecord, folder: Path, *, images: bool) -> None:
        """Put the sidecar and the images as they were given into ``folder/input``."""
        target = folder / INPUT_FOLDER
        self._fs.mkdir(target)
        if claim.record.stays is None:
            self._fs.copy_file(claim.sidecar, target / claim.record.sidecar_name, sync=False)
        if not images:
            return
        stored = {item.name: item.source for item in job.inputs if item.source is not None}
        for name, source in stored.items():
            if source in claim.unread:
                continue
            self._fs.copy_file(claim.folder / claim.record.sources[source].stored, target / name, sync=False)
