"""The contact sheets of an outbox: one for each sidecar that asked for several jobs, made when the last has ended.

``NAME-sheet/`` beside the results holds it as a page and as a picture, and ``sheet.json``, from which it is made again
when a job of it has been done again: tried again after a failure, or by its again.yaml.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nst_batch import names
from nst_batch.filenames import PAGE_NAME
from nst_batch.report.markup import href
from nst_batch.report.sheet import is_made, sheet_of
from nst_batch.report.sheet_notes import FORMAT, MARK, note_of
from nst_batch.report.sheet_picture import sheet_jpeg
from nst_batch.report.template import render
from nst_batch.report.thumbnails import make
from nst_batch.report.tiles import Tile
from nst_batch.spool.disk.fs import FileSystem

NEWEST = 40  # sheets that the gallery shows


class Sheets:
    """Makes them and keeps them up to date. ``known`` is what it remembers: plain data, kept by the gallery."""

    def __init__(self, outbox: Path, own: Path, files: FileSystem) -> None:
        self._outbox = outbox
        self._own = own
        self._files = files
        # By claim: of a sheet its folder, its cells (a key, and the time of what is shown), its small pictures;
        # of jobs that have not all ended yet their tiles; None of those that made no picture.
        self.known: dict[str, dict[str, Any] | None] = {}

    def update(self, tiles: Sequence[Tile]) -> bool:
        """Make what is complete now, and again what has changed; whether anything is another than before.

        OSError where the disk refuses.
        """
        before = self._state()
        again: dict[str, Tile] = {}  # jobs that a sidecar asked for alone: one of them may be another's done again
        for tile in sorted(tiles, key=lambda tile: tile["at"]):
            if tile["of"] is None and is_made(tile):
                again[_key(tile)] = tile
        for tile in tiles:
            self._gather(tile)
        for claim, known in list(self.known.items()):
            if known is None:
                continue
            if "folder" in known and self._files.kind(self._outbox / known["folder"]) != "folder":
                self.known[claim] = None  # a person has taken it away
            elif "places" in known:
                places = [known["places"][index] for index in sorted(known["places"], key=int)]
                if len(places) >= places[0]["of"]["jobs"]:
                    self.known[claim] = self._make(claim, places, [_later(place, again, place) for place in places])
            elif any(key in again and again[key]["at"] > at for key, at in known["cells"]):
                self.known[claim] = self._remake(claim, known, again)
        return self._state() != before

    def _state(self) -> dict[str, object]:
        """What tells whether anything of ``known`` has changed."""
        return {
            claim: None if known is None else len(known["places"]) if "places" in known else known["cells"]
            for claim, known in self.known.items()
        }

    def shown(self) -> list[dict[str, Any]]:
        """What the gallery shows of each, the newest first."""
        found = [known["card"] for known in self.known.values() if known is not None and "card" in known]
        return sorted(found, key=lambda card: (card["at"], card["base"]), reverse=True)[:NEWEST]

    def used(self) -> set[str]:
        """The small pictures that sheets show, of jobs that have left the outbox as well."""
        return {name for known in self.known.values() if known is not None for name in known.get("thumbs", ())}

    def _gather(self, tile: Tile) -> None:
        """A job of a sidecar that asked for several; those of a known sheet are of no interest here."""
        of = tile["of"]
        if of is None or (of["claim"] in self.known and "places" not in (self.known[of["claim"]] or {})):
            return
        known = self.known.setdefault(of["claim"], {"places": {}})
        assert known is not None
        known["places"].setdefault(str(of["index"]), tile)

    def _remake(self, claim: str, known: dict[str, Any], again: dict[str, Tile]) -> dict[str, Any] | None:
        note = note_of(self._files, self._outbox, known["folder"])
        if note.get("format") != FORMAT or note.get("claim") != claim:
            return None  # taken away, or made by another version: what it was made of is not known any more
        both = zip(note["places"], note["shown"], strict=True)
        shown = [_later(before, again, place) for place, before in both]
        return self._make(claim, note["places"], shown, known["folder"])

    def _make(
        self, claim: str, places: list[Tile], shown: list[Tile], folder: str | None = None
    ) -> dict[str, Any] | None:
        made = [tile for tile in shown if is_made(tile)]
        if not made:
            return None
        stem = places[0]["of"]["sidecar"]
        sheet = sheet_of(stem, zip(places, shown, strict=True))
        if folder is None:
            parent = made[0]["folder"].rpartition("/")[0]
            folder = self._folder(claim, parent if self._files.kind(self._outbox / parent) == "folder" else "", stem)
        name = folder.rpartition("/")[2]
        at = self._outbox / folder
        note = {"format": FORMAT, "claim": claim, "places": places, "shown": shown}
        self._files.replace(at / MARK, json.dumps(note, separators=(",", ":")).encode())
        jpeg = sheet_jpeg(sheet, self._open_thumb)
        self._files.replace(at / f"{name}.jpg", jpeg)
        root = "../" * (folder.count("/") + 1)
        page = render("sheet.html", sheet=sheet, root=root, picture=href(f"{name}.jpg"), when=_latest(made)["when"])
        self._files.replace(at / PAGE_NAME, page.encode("utf-8", "replace"))
        thumbs = {item["thumb"][0] for tile in (*places, *shown) for item in (tile, *tile["inputs"]) if item["thumb"]}
        small = self._small(claim, jpeg)
        return {
            "folder": folder,
            "cells": [[_key(place), tile["at"]] for place, tile in zip(places, shown, strict=True)],
            "thumbs": sorted({*thumbs, *([small[0]] if small else [])}),
            "card": {
                "name": stem, "base": href(folder) + "/", "told": sheet.told(), "at": _latest(made)["at"],
                "when": _latest(made)["when"], "thumb": small,
            },
        }  # fmt: skip

    def _folder(self, claim: str, parent: str, stem: str) -> str:
        """A folder for the sheet, with its mark; one that a killed update has begun is taken over."""
        wanted = "".join("_" if char in names.FORBIDDEN else char for char in stem)
        wanted = "sheet" if names.title_fault(f"{wanted}-sheet") else f"{wanted}-sheet"

        there = self._files.names(self._outbox / parent)
        folders = (f"{parent}/{name}".lstrip("/") for name in there if names.fold(name).startswith(names.fold(wanted)))
        begun = (each for each in folders if note_of(self._files, self._outbox, each).get("claim") == claim)
        if folder := next(begun, ""):
            return folder
        folder = f"{parent}/{names.unique_name(wanted, there)}".lstrip("/")
        self._files.mkdir(self._outbox / folder)
        self._files.write_new(self._outbox / folder / MARK, json.dumps({"claim": claim}).encode())
        return folder

    def _small(self, claim: str, jpeg: bytes) -> list[Any] | None:
        """A small picture of the sheet itself, for the gallery."""
        made = make(io.BytesIO(jpeg), "sheet.jpg")
        if made is None:
            return None
        name = f"sheet-{hashlib.sha256(claim.encode()).hexdigest()[:16]}-{hashlib.sha256(jpeg).hexdigest()[:8]}.webp"
        self._files.replace(self._own / "thumbnails" / name, made[0])
        return [name, *made[1:]]

    def _open_thumb(self, name: str) -> BinaryIO | None:
        with contextlib.suppress(OSError):
            return self._files.reader(self._own / "thumbnails" / name)
        return None


def _latest(tiles: Iterable[Tile]) -> Tile:
    return max(tiles, key=lambda tile: tile["at"])


def _later(shown: Tile, again: dict[str, Tile], place: Tile) -> Tile:
    """What is to be shown in a place: what is there, or the job of that place done again since."""
    found = again.get(_key(place))
    return found if found is not None and found["at"] > shown["at"] else shown


def _key(tile: Tile) -> str:
    """What a job and the same one done again have in common. Where it was to go a failed one does not say.

    Of sheets made earlier nothing else is known than what they show along their edges.
    """
    inputs = (item for item in tile["inputs"] if item["role"] in ("content", "style"))
    told = "\0".join((tile["title"], *(item["role"] + item["name"] for item in inputs)))
    return hashlib.blake2s(told.encode("utf-8", "replace"), digest_size=9).hexdigest()
