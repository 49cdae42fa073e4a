"""The sidecar of one job as it is written anew, so that our own strict reader understands it as it was meant.

What ``retry`` puts back and ``again`` makes once more are jobs by themselves, whatever their sidecar asked for beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from nst_batch.errors import ProblemsError
from nst_batch.sidecar.required import ALIASES
from nst_batch.sidecar.setting_values import WORDS
from nst_batch.spool.claims.records import JobRecord
from nst_batch.strict_yaml.reader import load
from nst_batch.strict_yaml.writer import dumped

MOST_SIDECAR_KB = 1024  # what limits.max_sidecar_kb may at most be; a larger one goes back as it stands, to be refused


def rewritten_or_none(manifest: dict[str, Any], there: set[str], given: bytes) -> bytes | None:
    """The sidecar of the one job; None where it has to go back as it stands.

    That is where job.json, which others may write, does not tell, and where ``given``, the text of the sidecar beside
    the images, cannot be understood any more: what is wrong with it is told once it is back.
    """
    if not manifest.get("sidecar"):
        return None
    try:
        now = load(given, max_kb=MOST_SIDECAR_KB, source="").data
        return rewritten(manifest, there, now)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError, yaml.YAMLError, ProblemsError):
        return None


def rewritten(manifest: dict[str, Any], there: set[str], now: Mapping[str, Any] | None = None) -> bytes:
    """The sidecar of this one job: what the original said, with the job's own images and title.

    ``there``: the names in the job's input folder. An image that was missing keeps the name that the original
    sidecar has for it, where that can be told. ``now``: what the sidecar says now; what a person has corrected in it
    counts as it stands, but for lists of images and of values, of which this job is one.
    """
    asked = dict(manifest["sidecar"])
    corrected = _corrected(asked, now or {})
    asked |= {key: manifest["settings"][key] for key in asked.pop("vary", ())}
    refs: dict[str, list[str]] = {key: [] for key in ("content", "style", *WORDS)}
    for item in manifest.get("inputs") or []:
        if item.get("role") in refs and isinstance(item.get("name"), str):
            refs[item["role"]].append(_ref(item, there, asked))
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
    asked |= corrected
    return dumped(asked).encode()


def _corrected(asked: dict[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a sidecar that say something else ``now`` than was ``asked`` for."""
    of_others = {"vary", *(asked.get("vary") or ())}
    of_others |= {key for key in ("content", "style", *ALIASES) if isinstance(asked.get(key), list)}
    return {key: value for key, value in now.items() if key not in of_others and (key, value) not in asked.items()}


def with_inputs(manifest: bytes, job: JobRecord, origin: str) -> bytes:
    """job.json with every input of the job in it, known to the worker or not, and where its sidecar lay.

    ``retry`` goes by the inputs, :mod:`nst_batch.spool.outbox.superseded` by the ``origin``. One of which no copy was
    taken says where it lies.
    """
    try:
        body = json.loads(manifest)
    except ValueError:
        return manifest
    known = {(item.get("role"), item.get("name")): item for item in body.get("inputs") or []}
    unknown = {"sha256": None, "width": None, "height": None}
    body["inputs"] = [
        known.get((item.role, item.name), {"role": item.role, "name": item.name, **unknown})
        | ({} if item.source is not None else {"ref": item.ref})
        for item in job.inputs
    ]
    body["origin"] = origin
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def _ref(item: Mapping[str, Any], there: set[str], asked: dict[str, Any]) -> str:
    """How the rewritten sidecar names a file; one that is not there by where it lies, or as the original has it."""
    name: str = item["name"]
    if name in there:
        return name
    if isinstance(ref := item.get("ref"), str):
        return ref
    for key in ("content", "path_content", "style", "path_style", *WORDS):
        value = asked.get(key)
        for ref in value if isinstance(value, (list, dict)) else [value]:
            if isinstance(ref, str) and ref.rpartition("/")[2] == name:
                return ref
    return name
