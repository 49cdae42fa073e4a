"""``retry``: a failed job goes back into the inbox, as a pair of its own in ``inbox/retry-JOB/``.

The pair is put together aside, the failed folder notes durably where, then one rename puts it into the inbox
and the failed folder goes away. Killed anywhere, the same command or the next start of the daemon finishes:
a note whose folder aside is gone means that the pair is in the inbox already. Another inbox that shares the outbox
leaves it alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import yaml

from nst_batch import names
from nst_batch.errors import NotNowError, UsageError
from nst_batch.job import MANIFEST_NAME
from nst_batch.settings import WORDS
from nst_batch.sidecar import ALIASES
from nst_batch.spool.clear import RETRY_PREFIX
from nst_batch.spool.fs import FileSystem
from nst_batch.spool.layout import Places
from nst_batch.spool.lock import try_lock
from nst_batch.spool.publish import INPUT_FOLDER
from nst_batch.spool.records import JobRecord
from nst_batch.yamlmarks import scalar

NOTE_NAME = ".retry"
LOCK_NAME = "retry.lock"


def retry_job(fs: FileSystem, places: Places, name: str) -> Path:
    """Put the failed job ``name`` (JOB or id) back; returns the folder in the inbox.

    UsageError where no failed job has that name, NotNowError while another retry is under way.
    """
    fs.make_folder(places.own)
    lock = try_lock(places.own / LOCK_NAME)
    if lock is None:
        raise NotNowError("retry_under_way", "another retry is under way", "try again in a moment")
    try:
        _finish_all(fs, places)
        folder = find_failed(places, name)
        if folder is None:
            raise UsageError("no_such_job", f"no failed job is called {name}", "nst-batch status shows the failed jobs")
        aside = secrets.token_hex(6)
        _put_together(fs, folder, places.retries / aside)
        fs.write_durable(folder / NOTE_NAME, f"{aside} {_inbox_id(places)}".encode())
        fs.step("retry.noted")
        target = _carry_out(fs, places, folder)
        assert target is not None
        return target
    finally:
        lock.release()


def finish_retries(fs: FileSystem, places: Places) -> None:
    """At start: finish what a killed retry began; one that is alive is left to itself."""
    fs.make_folder(places.own)
    lock = try_lock(places.own / LOCK_NAME)
    if lock is None:
        return
    try:
        _finish_all(fs, places)
    finally:
        lock.release()


def failed_names(places: Places) -> tuple[str, ...]:
    """The JOB names of failed jobs; one on its way back is none any more."""
    try:
        found = os.listdir(places.failed)  # noqa: PTH208 - names alone
    except FileNotFoundError:
        return ()
    return tuple(name for name in found if not (places.failed / name / NOTE_NAME).exists())


def find_failed(places: Places, name: str) -> Path | None:
    """The folder of a failed job, by its JOB name or its id, case ignored."""
    wanted = names.fold(name)
    folders = [places.failed / other for other in sorted(failed_names(places))]
    for folder in folders:
        if names.fold(folder.name) == wanted:
            return folder
    for folder in folders:
        if names.fold(str(_manifest(folder).get("id"))) == wanted:
            return folder
    return None


def _finish_all(fs: FileSystem, places: Places) -> None:
    try:
        found = sorted(os.listdir(places.failed))  # noqa: PTH208 - names alone
    except FileNotFoundError:
        found = []
    for name in found:
        note = places.failed / name / NOTE_NAME
        if note.exists():
            if _noted(note)[1] in ("", _inbox_id(places)):
                _carry_out(fs, places, places.failed / name)
        else:
            for torn in (places.failed / name).glob(".*.tmp"):  # a note whose writing was cut short
                fs.remove(torn)
    fs.empty(places.retries)


def _put_together(fs: FileSystem, folder: Path, aside: Path) -> None:
    fs.make_folder(aside)
    given = folder / INPUT_FOLDER
    manifest = _manifest(folder)
    for path in sorted(given.iterdir()) if given.is_dir() else []:
        if manifest.get("sidecar") and names.is_sidecar(path.name) and not path.is_symlink():
            there = {other.name for other in given.iterdir()}
            fs.write_new(aside / path.name, rewritten(manifest, there))
        else:
            fs.copy_file(path, aside / path.name)
    fs.fsync_tree(aside)
    fs.fsync_dir(aside.parent)
    fs.step("retry.built")


def _noted(note: Path) -> tuple[str, str]:
    """Where the pair lies aside, and in which inbox: another one may share the outbox."""
    aside, _, inbox_id = note.read_text().partition(" ")
    return aside, inbox_id


def _inbox_id(places: Places) -> str:
    with contextlib.suppress(OSError):
        return places.marker.read_text()
    return ""


def _carry_out(fs: FileSystem, places: Places, folder: Path) -> Path | None:
    aside = places.retries / _noted(folder / NOTE_NAME)[0]
    target = None
    while os.path.lexists(aside):
        there = os.listdir(places.inbox)  # noqa: PTH208 - names alone
        target = places.inbox / names.unique_name(RETRY_PREFIX + folder.name, there)
        try:
            fs.rename_noreplace(aside, target)
        except FileExistsError:
            continue
        fs.fsync_dir(places.inbox)
        fs.fsync_dir(places.retries)
        fs.step("retry.moved")
    fs.discard(folder, places.out_trash)
    fs.step("retry.removed")
    return target


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def rewritten(manifest: dict[str, Any], there: set[str]) -> bytes:
    """The sidecar of this one job: what the original said, with the job's own images and title.

    ``there``: the names in the job's input folder. An image that was missing keeps the name that the original
    sidecar has for it, where that can be told.
    """
    asked = dict(manifest["sidecar"])
    refs: dict[str, list[str]] = {key: [] for key in ("content", "style", *WORDS)}
    for item in manifest.get("inputs") or []:
        if item.get("role") in refs and isinstance(item.get("name"), str):
            refs[item["role"]].append(_ref(item["name"], there, asked))
    for alias, key in (*ALIASES.items(), *zip(WORDS, WORDS, strict=True)):
        used = alias if alias in asked else key
        if not refs.get(key):
            continue
        if key == "style" and isinstance(asked[used], dict):
            if len(refs[key]) == len(asked[used]):
                asked[used] = dict(zip(refs[key], asked[used].values(), strict=True))
        else:
            distinct = list(dict.fromkeys(refs[key]))
            asked[used] = distinct[0] if len(distinct) == 1 else distinct
    if manifest.get("title") and all(len(set(refs[key])) == 1 for key in ("content", "style")):
        asked["title"] = str(manifest["title"]).replace("{", "{{").replace("}", "}}")
    return yaml.dump(asked, Dumper=_Dumper, sort_keys=False, allow_unicode=True).encode()


def with_inputs(manifest: bytes, job: JobRecord) -> bytes:
    """job.json with every input of the job in it, known to the worker or not: ``retry`` goes by them."""
    try:
        body = json.loads(manifest)
    except ValueError:
        return manifest
    known = {(item.get("role"), item.get("name")): item for item in body.get("inputs") or []}
    unknown = {"sha256": None, "width": None, "height": None}
    body["inputs"] = [
        known.get((item.role, item.name), {"role": item.role, "name": item.name, **unknown}) for item in job.inputs
    ]
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def _ref(name: str, there: set[str], asked: dict[str, Any]) -> str:
    """How the rewritten sidecar names a file; one that is not there goes by the name that the original has for it."""
    if name in there:
        return name
    for key in ("content", "path_content", "style", "path_style", *WORDS):
        value = asked.get(key)
        for ref in value if isinstance(value, (list, dict)) else [value]:
            if isinstance(ref, str) and ref.rpartition("/")[2] == name:
                return ref
    return name


class _Dumper(yaml.SafeDumper):
    """Plain YAML that our own strict reader understands as it was meant: no aliases, quotes where they count."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = isinstance(scalar(text), str) and text == text.strip()  # the reader leaves out spaces of every kind there
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)
