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
from nst_batch.characters import told
from nst_batch.images.files import MEGA, ImageLimits, too_large
from nst_batch.reasons import Reason
from nst_batch.spool.claims.claim import ClaimLostError
from nst_batch.spool.claims.records import ClaimRecord, InputRecord, JobRecord, SourceRecord
from nst_batch.spool.disk.layout import INPUTS_FOLDER, STORED_NAME_BYTES, claim_id, shorten, unique_file
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import Broken, Ready, Source, WantedInput, WantedJob

After = Literal["archive", "keep", "delete"]


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
    """A sidecar that cannot be understood becomes one failed job that holds the sidecar alone."""
    job = JobRecord(index=1, name=broken.name, title=broken.title, output="", settings=None, trouble=broken.reason)
    return _record(broken.sidecar, broken.entry, broken.digest, after, (job,))


def _record_of_ready(
    fs: Beneath, ready: Ready, entries: Mapping[str, Entry], after: After, max_file_mb: float
) -> ClaimRecord:
    """A complete pair, or one whose time is up."""
    wanted = ready.wanted
    found = sorted(wanted.sources(), key=lambda source: (source.library, source.path))
    seen = {source: _entry(fs, source, entries) for source in found if source.path not in ready.unreadable}
    refused = {source: why for source, entry in seen.items() if (why := _over_limit(source, entry, max_file_mb))}
    kept = [source for source in seen if source not in refused]
    sources = tuple(_source(n, source, seen[source]) for n, source in enumerate(kept, 1))
    index = {source: n for n, source in enumerate(kept)}
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
        id=claim_id(entry.ctime_ns, secrets.token_hex(2)),
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


def _entry(fs: Beneath, source: Source, entries: Mapping[str, Entry]) -> Entry:
    entry = _library_entry(fs, Path(source.path)) if source.library else entries[source.path]
    if entry.kind not in ("file", "link"):
        raise ClaimLostError(f"{source.path} is no file by now")
    return entry


def _over_limit(source: Source, entry: Entry, max_file_mb: float) -> Reason | None:
    """Why an image is not even copied: its size is known before the worker would refuse it."""
    size = entry.size
    if entry.kind == "link" or size <= max_file_mb * MEGA:
        return None
    return too_large(source.path.rpartition("/")[2], size, ImageLimits(max_file_mb=max_file_mb)).reason


def _source(number: int, source: Source, entry: Entry) -> SourceRecord:
    base = shorten(source.path.rpartition("/")[2], STORED_NAME_BYTES)
    return SourceRecord(
        path=source.path,
        library=source.library,
        kind="file" if entry.kind == "file" else "link",
        ino=entry.ino,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        stored=f"{INPUTS_FOLDER}/{number:04d}-{base}",
    )


def _library_entry(fs: Beneath, path: Path) -> Entry:
    try:
        status = fs.lstat(path)
    except OSError as error:
        raise ClaimLostError(f"{path}: {error.strerror}") from error
    return Entry.of(kind_of(status.st_mode), status)


def _job(
    number: int,
    name: str,
    job: WantedJob,
    index: dict[Source, int],
    sources: tuple[SourceRecord, ...],
    refused: Mapping[Source, Reason],
    sidecar_name: str,
) -> JobRecord:
    taken = {names.fold(sidecar_name)}
    given: dict[int, str] = {}
    inputs, trouble = [], None
    for item in job.inputs:
        where = None if item.source is None else index.get(item.source)
        over_limit = None if item.source is None else refused.get(item.source)
        trouble = trouble or item.refusal or over_limit or _trouble(item, where)
        if where is None:
            file_name = unique_file(item.ref.rpartition("/")[2], taken)
        else:
            if where not in given:
                given[where] = unique_file(sources[where].base_name, taken)
            file_name = given[where]
        inputs.append(InputRecord(role=item.role, name=file_name, ref=item.ref, weight=item.weight, source=where))
    return JobRecord(
        index=number,
        name=name,
        title=job.title,
        output=job.output,
        settings=job.settings,
        inputs=tuple(inputs),
        trouble=trouble,
    )


def _trouble(item: WantedInput, where: int | None) -> Reason | None:
    """Why a job with this image is known to fail before it is ever run."""
    if where is not None:
        return None
    if item.source is None:
        hint = f"; {item.hint}" if item.hint else ""
        return Reason.of("image_missing", f"the image {told(item.ref)} is not there{hint}")
    advice = "let the daemon's user read the image, then nst-batch retry"
    return Reason.of("image_unreadable", f"no permission to read {item.source.path}", advice)
