"""The way out: a job's running folder becomes its result by one rename.

The target is written down durably before the rename, which refuses an existing one. So wherever it ends, the
next start knows: the record is there and the running folder gone means published. A failed or cancelled job
goes the same way, to ``failed/``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from nst_batch import names
from nst_batch.characters import visible_lines
from nst_batch.filenames import ERROR_NAME, LOSS_NAME, MANIFEST_NAME
from nst_batch.reasons import EndState, Reason
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.claims.records import Done, JobRecord, Publish
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.holding import probe
from nst_batch.spool.disk.layout import DONE_SUFFIX, NEW_PREFIX, PUBLISH_NAME, RUNNING_MARKER, Places
from nst_batch.spool.disk.own import DamagedError, read_model
from nst_batch.spool.inbox.control import consume
from nst_batch.spool.outbox.running import RunningFolders

TORN = re.compile(r"\.[0-9a-f]{12}\.tmp")


class Publisher:
    """Takes running folders to where they belong."""

    def __init__(
        self,
        fs: FileSystem,
        places: Places,
        running: RunningFolders,
        *,
        controls: Callable[[], Collection[str]],
        say: Callable[[str], object],
        tell_end: Callable[[str, str], object],
    ) -> None:
        """``controls``: the control files that were seen last; ``say`` tells a person.

        ``tell_end`` is told the name and id before an end is recorded.
        """
        self._fs = fs
        self._places = places
        self._running = running
        self._controls = controls
        self._say = say
        self._tell_end = tell_end

    # --- the ends ---------------------------------------------------------------------------------------

    def finish(self, claim: Claim, job: JobRecord, state: EndState, files: Mapping[str, bytes]) -> Ended:
        """Publish a job that is done or stopped; ``files`` go into its folder first."""
        running = self._running.of(job)
        for name, data in files.items():
            self._fs.replace(running / name, data)
        self._sweep_aside(running)
        self._fs.fsync_tree(running)
        self._fs.step("publish.synced")
        return self.go(claim, job, running, state)

    def fail(self, claim: Claim, job: JobRecord, reason: Reason, files: Mapping[str, bytes]) -> Ended:
        """Put a job that could not be done, or was cancelled, into ``failed/`` with its inputs.

        Of what it made only the losses stay.
        """
        text = f"{reason.code}: {reason.message}\n" + (f"{reason.advice}\n" if reason.advice else "")
        files = {**files, ERROR_NAME: visible_lines(text).encode()}
        if self._running.has(claim, job):
            end = self._running.of(job)
            self._strip(claim, job, end, files)
        else:
            end = self._running.build_end(claim, job, files)
        self._fs.step("fail.built")
        return self.go(claim, job, end, reason.end_state, reason)

    def _strip(self, claim: Claim, job: JobRecord, running: Path, files: Mapping[str, bytes]) -> None:
        """Make the running folder of a job what remains of it."""
        for name in self._fs.names(running):
            if name == RUNNING_MARKER or (name == LOSS_NAME and self._fs.kind(running / name) == "file"):
                continue
            if self._fs.kind(running / name) == "folder":
                self._fs.rmtree(running / name)
            else:
                self._fs.remove(running / name)
        self._fs.step("fail.stripped")
        self._running.fill_input(claim, job, running, images=True)
        for name, data in files.items():
            self._fs.replace(running / name, data)
        self._fs.fsync_tree(running)

    def go(self, claim: Claim, job: JobRecord, folder: Path, state: EndState, reason: Reason | None = None) -> Ended:
        """Record the target, rename ``folder``, all of which is durable by now, and record the end."""
        parent = self._places.failed if reason else self._output_folder(job.output)
        self._fs.make_folder(parent)
        if not self._fs.may(parent, os.W_OK | os.X_OK):
            probe(self._fs, parent)  # what refuses now leaves all as it is, so that the job may still be cancelled
        self._fs.make_folder(claim.job_folder(job))
        source = "" if folder == self._running.of(job) else self._relative(folder)
        # A failed job's name is its own already: no need to list thousands of others for it.
        name = job.name if reason else self._free_name(parent, job.title)
        refused: list[str] = []  # a network's listing may be an old one
        while True:
            target = parent / name
            record = Publish(target=self._relative(target), state=state, reason=reason, source=source)
            try:
                self._take_there(claim, job, record, folder, target)
            except FileExistsError:
                refused.append(name)  # somebody took it in between
                name = self._free_name(parent, job.name if reason else job.title, refused)
                continue
            except FileNotFoundError:
                if self._fs.kind(parent) is not None or self._fs.kind(folder) is None:
                    raise
                self._fs.make_folder(parent)  # it was empty, and somebody took it away in between
                continue
            break
        self._fs.fsync_dir(parent)
        return self._record_end(claim, job, record, target)

    def _take_there(self, claim: Claim, job: JobRecord, record: Publish, folder: Path, target: Path) -> None:
        where = claim.job_folder(job) / PUBLISH_NAME
        self._fs.write_durable(where, record.model_dump_json().encode())
        self._fs.step("publish.recorded")
        if claim.record.stays is None:  # else its sidecar waits on, under the same name
            self._consume_controls(claim, job)
        if not record.source:
            self._fs.remove(folder / RUNNING_MARKER)
            # Or a power cut may keep the rename and forget the removal: the mark would stand in a finished folder.
            self._fs.fsync_dir(folder)
        self._fs.step("publish.unmarked")
        try:
            self._fs.rename_noreplace(folder, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy_there(where, record, folder, target.with_name(NEW_PREFIX + claim.record.job_id(job)), target)
        self._fs.step("publish.renamed")

    def _consume_controls(self, claim: Claim, job: JobRecord) -> None:
        inbox = self._places.inbox
        for stays in consume(self._fs, inbox, job.name, claim.record.job_id(job), self._controls()):
            self._say(f"{stays} cannot be removed from the inbox, so it will act on every job of that name; remove it")

    def _copy_there(self, where: Path, record: Publish, running: Path, via: Path, target: Path) -> None:
        """As a rename, where the output folder lies on another file system: whole beside the target first."""
        self._fs.rmtree(via)
        try:
            self._copy_tree(running, via)
            self._fs.fsync_tree(via)
        except OSError:
            self._fs.clear_away(via)  # a disk that is full is not to be kept so
            raise
        via_record = record.model_copy(update={"via": self._relative(via)})
        self._fs.write_durable(where, via_record.model_dump_json().encode())
        self._fs.step("publish.copied")
        self._fs.rename_noreplace(via, target)
        self._fs.fsync_dir(target.parent)
        self._fs.step("publish.moved")
        self._fs.discard(running, self._places.out_trash)

    def _copy_tree(self, source: Path, target: Path) -> None:
        for folder, names_in in sorted(self._fs.walk(source), key=lambda found: len(found[0].parts)):
            there = target / folder.relative_to(source)
            self._fs.mkdir(there)
            for name in names_in:
                if self._fs.kind(folder / name) in ("file", "link"):
                    self._fs.copy_file(folder / name, there / name, sync=False)

    def _record_end(self, claim: Claim, job: JobRecord, record: Publish, target: Path) -> Ended:
        self._tell_end(job.name, claim.record.job_id(job))
        done = Done(state=record.state, target=self._relative(target))
        folder = claim.job_folder(job)
        mark, text = folder.with_suffix(DONE_SUFFIX), done.model_dump_json().encode()
        if claim.goes_at_once:
            # A power cut may forget it: publish.json, and the folder that has gone, say the same.
            self._fs.replace(mark, text)
        else:
            self._fs.write_durable(mark, text)
        claim.done[job.index], claim.to_clear = done, True
        claim.attempts.pop(job.index, None)
        claim.orphaned.discard(job.index)
        claim.given.discard(job.index)
        self._fs.step("publish.ended")
        if not claim.goes_at_once:
            self._fs.clear_away(folder)  # it may be kept, by a file that somebody reads: the job has its end
        self._fs.step("publish.forgotten")
        return Ended(claim.record.job_id(job), job.name, job.title, record.state, record.reason, target)

    # --- after a crash ----------------------------------------------------------------------------------

    def resume(self, claim: Claim, job: JobRecord) -> Ended | None:
        """Finish a publishing that was under way; None where none was."""
        where = claim.job_folder(job) / PUBLISH_NAME
        try:
            record = read_model(self._fs, Publish, where)
        except DamagedError:
            self._fs.rmtree(where)  # whether it was published cannot be told: better twice than lost
            return None
        if record is None:
            return None
        target = self._places.outbox / record.target
        folder = self._places.outbox / record.source if record.source else self._running.of(job)
        gone = self._fs.kind(folder) is None
        if not (gone or record.source):
            gone = self._running.is_anothers(folder, claim.record.job_id(job))
        if record.via:
            # Copied beside the target: that copy gone means that it was renamed.
            via = self._places.outbox / record.via
            if self._fs.kind(via) is not None:
                self._fs.rmtree(via)
            else:
                if not gone:
                    self._fs.discard(folder, self._places.out_trash)
                gone = True
        if gone:
            with contextlib.suppress(FileNotFoundError):
                self._fs.fsync_dir(target.parent)
            return self._record_end(claim, job, record, target)
        # Where the file system can only reserve a name, an empty folder may be left of it.
        with contextlib.suppress(OSError):
            self._fs.rmdir(target)
        return self.go(claim, job, folder, record.state, record.reason)

    # --- names ------------------------------------------------------------------------------------------

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._places.outbox).as_posix()

    def _free_name(self, parent: Path, wanted: str, refused: Collection[str] = ()) -> str:
        reserved = names.RESERVED if parent == self._places.outbox else ()
        return names.unique_name(wanted, (*self._fs.names_in(parent), *reserved, *refused))

    def _output_folder(self, output: str) -> Path:
        """The folder below the outbox; where a file or a result stands in its way, one with a number beside it."""
        folder = self._places.outbox
        for part in names.output_parts(output):
            path = folder / part
            if self._is_taken(path):
                path = folder / names.unique_name(part, lambda name, at=folder: self._is_taken(at / name))  # type: ignore[misc]
            folder = path
        return folder

    def _sweep_aside(self, running: Path) -> None:
        """Remove what a killed writer left half-written."""
        for folder, files in self._fs.walk(running):
            for name in files:
                if TORN.fullmatch(name):
                    self._fs.remove(folder / name)

    def _is_taken(self, path: Path) -> bool:
        """Whether nothing may be put into ``path``: what lies in a job's folder, nobody sees, and it goes with that."""
        kind = self._fs.kind(path)
        return kind is not None and (kind != "folder" or self._fs.kind(path / MANIFEST_NAME) == "file")
