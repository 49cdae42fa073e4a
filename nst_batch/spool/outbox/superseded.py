"""Failures that are no news any more.

That of a sidecar that could not be understood, once the corrected one is done; that of one that could not be taken, as
soon as it is taken, gone or another one. Only a failure that holds the sidecar alone, or nothing, goes: it took no
image. What else has failed holds somebody's images, mostly their only copy, and leaves by ``retry`` or ``prune``.
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
    """Remove earlier failures of the sidecar of a claim whose jobs are all done; their JOB names."""
    if not claim.finished or any(done.state not in WITH_RESULT for done in claim.done.values()):
        return []
    base = key_of(names.normal(names.stem(claim.record.origin).strip()))
    dropped = []
    for name in failed_names(fs, places):
        if key_of(name).startswith(base) and _is_an_earlier_one(fs, places, name, claim):
            fs.discard(places.failed / name, places.out_trash)
            dropped.append(name)
    return dropped


def _is_an_earlier_one(fs: FileSystem, places: Places, name: str, claim: Claim) -> bool:
    folder = places.failed / name
    manifest = read_note(fs, folder / MANIFEST_NAME, of_any_user=False)  # others may write in the outbox
    is_its = manifest.get("origin") == claim.record.origin and str(manifest.get("id")) < claim.record.id
    if not is_its or manifest.get("state") != "failed" or manifest.get("settings") is not None:
        return False
    alone = folder / INPUT_FOLDER / claim.record.sidecar_name
    return fs.names_in(alone.parent) == [alone.name] and fs.kind(alone) in ("file", "link")


def drop_untaken(fs: FileSystem, places: Places, name: str, origin: str) -> bool:
    """Remove the failed job ``name`` if it tells that the sidecar at ``origin`` could not be taken; whether it did."""
    folder = places.failed / name
    manifest = read_note(fs, folder / MANIFEST_NAME, of_any_user=False)  # others may write in the outbox
    if manifest.get("reason") != SIDECAR_NOT_TAKEN or manifest.get("origin") != origin:
        return False
    fs.discard(folder, places.out_trash)
    return True
