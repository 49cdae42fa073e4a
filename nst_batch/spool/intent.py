"""What is written down before a claim is made: the jobs of a sidecar, and the images that they take.

Pure but for a look at images that lie in a library, of which no listing of the inbox tells.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from nst_batch import names
from nst_batch.beneath import Beneath, kind_of
from nst_batch.filenames import FAILED_FOLDER, INPUT_FOLDER
from nst_batch.images.files import MEGA, ImageLimits, too_large
from nst_batch.images.header import foreign
from nst_batch.images.kinds import trimmed
from nst_batch.reasons import SIDECAR_IS_LINK, Reason
from nst_batch.sidecar.expand import JobRequest
from nst_batch.sidecar.resolver import FileRef
from nst_batch.spool.claims.claim import ClaimLostError
from nst_batch.spool.claims.records import ClaimRecord, InputRecord, JobRecord, SourceRecord, digest_of
from nst_batch.spool.disk.layout import INPUTS_FOLDER, STORED_NAME_BYTES, claim_id, shorten, unique_file
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import Broken, Ready

After = Literal["archive", "keep", "delete"]
MISSING_SHOWN = 20  # of images that are missing, in what a failure says


def record_of(
    fs: Beneath, pair: Ready | Broken, entries: Mapping[str, Entry], after: After, max_file_mb: float
) -> ClaimRecord:
    """The intent to claim a pair. ``entries`` are those it was found ready by.

    Raises :class:`ClaimLostError` where an image in a library has gone.
    """
    if isinstance(pair, Broken):
        return _record_of_broken(pair, after)
    return _record_of_ready(fs, pair, entries, after, max_file_mb)


def _record_of_broken(broken: Broken, after: After) -> ClaimRecord:
    """A sidecar that is not understood becomes one failed job that holds it alone, or nothing where it stays."""
    why = broken.reason if broken.stays else _with_retry(broken)
    job = JobRecord(index=1, name=broken.name, title=broken.title, output="", settings=None, trouble=why)
    record = _record(broken.sidecar, broken.entry, broken.digest, after, (job,))
    if not broken.stays:
        return record
    return record.model_copy(update={"stays": broken.entry.identity, "sidecar_digest": digest_of(b"")})


def _with_retry(broken: Broken) -> Reason:
    lies = f"{FAILED_FOLDER}/{broken.name}/{INPUT_FOLDER}/{broken.sidecar.rpartition('/')[2]}"
    what = "put the file itself in the place of" if broken.reason.code == SIDECAR_IS_LINK else "correct"
    retry = f"nst-batch retry {names.typed(broken.name)}"
    return broken.reason.advising(f"{what} {lies} in the outbox, then {retry}; no image was taken with it")


def _record_of_ready(
    fs: Beneath, ready: Ready, entries: Mapping[str, Entry], after: After, max_file_mb: float
) -> ClaimRecord:
    """A complete pair, or one whose time is up."""
    wanted = ready.wanted
    found = sorted(wanted.files(), key=lambda file: (file.library, file.path))
    seen = {file: _entry(fs, file, entries) for file in found if file.path not in ready.unreadable}
    refused = {file: _unreadable(file) for file in found if file not in seen}
    refused |= {file: why for file, entry in seen.items() if (why := _too_large(file, entry, max_file_mb))}
    kept = [file for file in found if file not in refused]
    sources = tuple(_source(n, file, seen[file]) for n, file in enumerate(kept, 1))
    index = {file: n for n, file in enumerate(kept)}
    sidecar_name = ready.sidecar.rpartition("/")[2]
    named = zip(ready.names, wanted.all_jobs(), strict=True)
    jobs = tuple(_job(n, name, job, index, sources, refused, sidecar_name) for n, (name, job) in enumerate(named, 1))
    return _record(ready.sidecar, ready.entry, ready.digest, after, jobs, sources, wanted.sidecar, wanted.priority)


def _record(
    path: str,
    entry: Entry,
    digest: bytes,
    after: After,
    jobs: tuple[JobRecord, ...],
    sources: tuple[SourceRecord, ...] = (),
    sidecar: dict[str, object] | None = None,
    priority: int = 0,
) -> ClaimRecord:
    arrival = datetime.fromtimestamp(entry.ctime_ns / 1e9, UTC).astimezone()
    return ClaimRecord(
        id=claim_id(entry.ctime_ns, secrets.token_hex(4)),
        origin=path,
        arrival_ns=entry.ctime_ns,
        received_at=arrival.isoformat(timespec="milliseconds"),
        after=after,
        sidecar_name=path.rpartition("/")[2],
        sidecar_digest=digest.hex(),
        sidecar=sidecar or {},
        priority=priority,
        sources=sources,
        jobs=jobs,
    )


def _entry(fs: Beneath, file: FileRef, entries: Mapping[str, Entry]) -> Entry:
    if file.library:
        try:
            status = fs.lstat(Path(file.path))
        except OSError as error:
            raise ClaimLostError(f"{file.path}: {error.strerror}") from error
        entry = Entry.of(kind_of(status.st_mode), status)
    else:
        entry = entries[file.path]
    if entry.kind not in ("file", "link"):
        raise ClaimLostError(f"{file.path} is no file by now")
    return entry


def over_limit(name: str, size: int, max_file_mb: float) -> Reason | None:
    """Why an image is not even copied: its size (bytes) is known before the worker would refuse it."""
    if size <= max_file_mb * MEGA:
        return None
    return too_large(name, size, ImageLimits(max_file_mb=max_file_mb)).reason


def unread_kind(name: str, head: bytes) -> Reason | None:
    """Why an image will be refused that is of a kind which is not read, by the beginning of its file."""
    what, advice = foreign(trimmed(head))
    return Reason.of("image_unreadable", f"{name}: {what}", advice) if what else None


def _too_large(file: FileRef, entry: Entry, max_file_mb: float) -> Reason | None:
    return None if entry.kind == "link" else over_limit(file.name, entry.size, max_file_mb)


def _source(number: int, file: FileRef, entry: Entry) -> SourceRecord:
    base = shorten(file.name, STORED_NAME_BYTES)
    return SourceRecord(
        path=file.path,
        library=file.library,
        kind="file" if entry.kind == "file" else "link",
        ino=entry.ino,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        stored=f"{INPUTS_FOLDER}/{number:04d}-{base}",
    )


def _job(
    number: int,
    name: str,
    job: JobRequest,
    index: Mapping[FileRef, int],
    sources: tuple[SourceRecord, ...],
    refused: Mapping[FileRef, Reason],
    sidecar_name: str,
) -> JobRecord:
    taken = {names.fold(sidecar_name)}
    given: dict[int, str] = {}
    inputs, trouble = [], None
    for item in job.inputs:
        where = index.get(item.file)
        trouble = trouble or item.file.refusal or refused.get(item.file)
        if where is None:
            file_name = unique_file(item.file.name, taken)
        else:
            if where not in given:
                given[where] = unique_file(sources[where].base_name, taken)
            file_name = given[where]
        ref = item.file.relative
        inputs.append(InputRecord(role=item.role, name=file_name, ref=ref, weight=item.weight, source=where))
    return JobRecord(
        index=number,
        name=name,
        title=job.title,
        output=job.output,
        settings=job.settings,
        inputs=tuple(inputs),
        trouble=_with_all_missing(trouble, job),
    )


def _with_all_missing(trouble: Reason | None, job: JobRequest) -> Reason | None:
    """Where images are not there, each with the key that names it: who puts one there is not to hear of the next."""
    told = [
        f"{item.role}: {item.file.refusal.message}"
        for item in job.inputs
        if item.file.kind == "missing" and item.file.refusal
    ]
    if trouble is None or trouble.code != "image_missing" or not told:
        return trouble
    more = [f"and {len(told) - MISSING_SHOWN:,} more"] if len(told) > MISSING_SHOWN else []
    return Reason.of("image_missing", told[:MISSING_SHOWN] + more)


def _unreadable(file: FileRef) -> Reason:
    advice = "let the daemon's user read the image, then nst-batch retry"
    return Reason.of("image_unreadable", f"no permission to read {file.path}", advice)


def with_portable_names(record: ClaimRecord) -> ClaimRecord:
    """A record whose files have names in their results that every file system takes."""
    sidecar = names.portable(record.sidecar_name)
    jobs = tuple(_with_portable_names(job, sidecar) for job in record.jobs)
    return record.model_copy(update={"sidecar_name": sidecar, "jobs": jobs})


def _with_portable_names(job: JobRecord, sidecar_name: str) -> JobRecord:
    taken, given = {names.fold(sidecar_name)}, dict[str, str]()
    for item in job.inputs:
        if item.name not in given:
            given[item.name] = unique_file(names.portable(item.name), taken)
    inputs = tuple(item.model_copy(update={"name": given[item.name]}) for item in job.inputs)
    return job.model_copy(update={"inputs": inputs})
