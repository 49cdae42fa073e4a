"""``again``: a finished job's images and a sidecar of its own go back into the inbox, in ``inbox/again-TITLE/``.

The folder is put together under a hidden name, which nobody takes for an input, and appears by one rename. What a
killed command has left behind is removed by the next one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from nst_batch import names
from nst_batch.beneath import WHAT_IS_NO_FILE
from nst_batch.errors import UsageError
from nst_batch.filenames import INPUT_FOLDER, MANIFEST_NAME
from nst_batch.sidecar.presets import PRESETS
from nst_batch.sidecar.settings import sets_scales
from nst_batch.spool.disk.blocked import one_place_only
from nst_batch.spool.disk.copying import UnreadableError
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.layout import AGAIN_PREFIX, Places
from nst_batch.spool.disk.own import read_note
from nst_batch.spool.disk.primitives import ChangedError, NotRegularError, of_one_file
from nst_batch.spool.inbox.listing import folder_name
from nst_batch.strict_yaml.writer import dumped

SIDECAR_NAME = "again.yaml"
ASIDE_PREFIX = ".again-"
LEFT_OVER_SECONDS = 3600.0
MAX_SIDECAR_BYTES = 1 << 20
# What follows from another key where nobody has written it.
_FOLLOWS = {"size": ("style_size",), "optimizer": ("learning_rate",), "epochs": ("scales",), "scales": ("epochs",)}


def sidecar_again(fs: FileSystem, folder: Path, changes: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The sidecar that makes the job in ``folder`` once more with some keys changed.

    Everything else is as it was, but what follows from a changed key and was not written by a person: the steps of a
    preset, the style's size of the size. UsageError where the result cannot be made again.
    """
    body = _written_out(fs, folder)
    by_hand = read_note(fs, folder / MANIFEST_NAME).get("sidecar")
    by_hand = by_hand if isinstance(by_hand, dict) else {}
    follow = {key for changed in changes for key in _FOLLOWS.get(changed, ())}
    if "preset" in changes:
        follow |= {*PRESETS[changes["preset"]].keys(), "scales", "epochs"}
    kept = {key: value for key, value in body.items() if key in by_hand or key not in follow}
    if sets_scales(changes):
        kept.pop("scales", None)
    return {**kept, **changes, "title": title.replace("{", "{{").replace("}", "}}")}


def _written_out(fs: FileSystem, folder: Path) -> dict[str, Any]:
    """The sidecar that lies beside the result's images, with every setting written out."""
    given = folder / INPUT_FOLDER
    for name in fs.names_in(given):
        # Another file of that name may have been the person's own: then ours has a number.
        if name.startswith("again") and names.is_sidecar(name) and fs.kind(given / name) == "file":
            with fs.reader(given / name) as file:
                text = file.read(MAX_SIDECAR_BYTES)
            if text.startswith(b"# Makes this one job again"):
                try:
                    body = yaml.safe_load(text)
                except (yaml.YAMLError, RecursionError) as error:
                    raise UsageError("not_again", f"{given / name} cannot be read: {error}") from error
                if isinstance(body, dict):
                    return body
    raise not_again(fs, given, SIDECAR_NAME)


def not_again(fs: FileSystem, given: Path, name: str) -> UsageError:
    """That a file which a result was made of is not in its input folder ``given``, or is none by now."""
    kind = fs.kind(given / name)
    what = f"{given / name} is {WHAT_IS_NO_FILE[kind]}" if kind in WHAT_IS_NO_FILE else f"{given} has no {name}"
    return UsageError("not_again", f"{what}, so this result cannot be made again")


def text_of(body: Mapping[str, Any]) -> bytes:
    """A sidecar's text, as the strict reader takes it."""
    return dumped(body).encode()


def drop_again(fs: FileSystem, places: Places, folder: Path, text: bytes, images: Collection[str], title: str) -> Path:
    """Put the images of a result and the sidecar ``text`` into the inbox; the folder there. UsageError, OSError."""
    aside = places.inbox / f"{ASIDE_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        fs.mkdir(aside)
        _clear_up(fs, places, fs.lstat(aside).st_mtime)
        for name in images:
            fs.copy_file(folder / INPUT_FOLDER / name, aside / name, strangers=True)
        fs.write_new(aside / SIDECAR_NAME, text)
        fs.fsync_tree(aside)
        target = fs.rename_free(aside, places.inbox, folder_name(AGAIN_PREFIX, title))
    except Exception as error:
        fs.clear_away(aside)
        if isinstance(error, UnreadableError | NotRegularError | ChangedError):
            raise UsageError("not_again", f"{of_one_file(error)}, so this result is not made again") from error
        raise
    fs.fsync_dir(places.inbox)
    return target


def _clear_up(fs: FileSystem, places: Places, now: float) -> None:
    """Remove what commands that were killed have left behind; one that may be alive is left to itself.

    ``now`` by the clock that the folders' times are from, which may be a server's.
    """
    for name in fs.names(places.inbox):
        if name.startswith(ASIDE_PREFIX):
            # It has come to its place by now, another command removes it, or it is another user's.
            with one_place_only(), contextlib.suppress(FileNotFoundError):
                if now - fs.lstat(places.inbox / name).st_mtime > LEFT_OVER_SECONDS:
                    fs.rmtree(places.inbox / name)
