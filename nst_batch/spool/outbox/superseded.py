"""Failures that are no news any more.

That of a sidecar that could not be understood, once the corrected one is done; that of one that could not be taken,
once it was. Only a failure that holds the sidecar alone, or nothing, goes: it took no image. What else has failed
holds somebody's images, mostly their only copy, and leaves by ``retry`` or ``prune``.
"""

from __future__ import annotations

from nst_batch import names
from nst_batch.filenames import INPUT_FOLDER, MANIFEST_NAME
from nst_batch.reasons import SIDECAR_NOT_TAKEN, WITH_RESULT
from nst_batch.spool.claims.claims import Claim
from nst_batch.spool.claims.naming import key_of
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import Places
from nst_batch.spool.disk.own import read_note
from nst_batch.spool.disk.retry_notes import failed_names


def drop_superseded(fs: FileSystem, places: Places, claim: Claim) -> list[str]:
    """Remove earlier failures of the sidecar of a claim whose jobs all have their end; what to say of each."""
    if not claim.finished:
        return []
    words = {names.normal(names.stem(claim.record.origin).strip()), *(job.title for job in claim.record.jobs)}
    bases = tuple(map(key_of, words))
    dropped = []
    for name in failed_names(fs, places):
        why = _why_no_news(fs, places, name, claim) if key_of(name).startswith(bases) else ""
        if why:
            fs.discard(places.failed / name, places.out_trash)
            dropped.append(f"failed/{name} is gone: its sidecar {why}")
    return dropped


def _why_no_news(fs: FileSystem, places: Places, name: str, claim: Claim) -> str:
    """What has become of its sidecar where a failed job is one of the claim's and no news; else ""."""
    folder = places.failed / name
    manifest = read_note(fs, folder / MANIFEST_NAME, of_any_user=False)  # others may write in the outbox
    job, own = str(manifest.get("id")), claim.record.id
    if manifest.get("origin") != claim.record.origin or job.startswith(own) or _arrival(job) > _arrival(own):
        return ""
    if manifest.get("state") != "failed" or manifest.get("settings") is not None:
        return ""
    there = fs.names_in(folder / INPUT_FOLDER)
    if manifest.get("reason") == SIDECAR_NOT_TAKEN:
        return "has been taken" if claim.record.stays is None and not there else ""
    alone = claim.record.sidecar_name
    is_done = all(done.state in WITH_RESULT for done in claim.done.values())
    if not is_done or there != [alone] or fs.kind(folder / INPUT_FOLDER / alone) not in ("file", "link"):
        return ""
    return "was corrected, and is done"


def _arrival(claim_or_job: str) -> str:
    """When a sidecar arrived, by the id of its claim or of a job of that, less what tells two of the same moment."""
    return claim_or_job.rpartition("-")[0]
