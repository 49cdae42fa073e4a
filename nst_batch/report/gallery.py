"""outbox/index.html: everything in the outbox on one page, from any web server and from the file system alike.

``python -m nst_batch.report.gallery OUTBOX`` brings it up to date and ends. It is a process of its own, so that
neither decoding pictures nor what it imports burdens the daemon, and hostile ones cannot harm it. In ``.gallery/``
lie the small pictures, the data that the page's script reads, the plain pages for those without script, and what
is known already: an update reads what is new and writes what has changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst_batch.filenames import INPUT_FOLDER, PAGE_NAME
from nst_batch.names import is_sidecar
from nst_batch.reasons import WITH_RESULT
from nst_batch.report.entries import GalleryEntry, Stamp, read, walk
from nst_batch.report.failed_page import failed_page
from nst_batch.report.live import FOLDER, IDLE, LIVE
from nst_batch.report.markup import script_data
from nst_batch.report.sheets import Sheets
from nst_batch.report.template import asset, asset_names, render
from nst_batch.report.thumbnails import Blur, Thumbnail, make
from nst_batch.report.tiles import STATE_NAMES, Tile, tile
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.own import DamagedError, read_note, read_own

CHUNK = 250  # jobs in a file of data, and on a plain page
FIRST = 60  # pictures that stand in the page itself
_FORMAT = 4  # of what is known; another one is read anew
_MOST_GIVEN, _LONGEST_SIDECAR = 2000, 1 << 18  # names, bytes that are looked at of what a failed job was given
_REFRESH_SECONDS = 5.0  # with thousands of pictures to make small, the page is renewed this often meanwhile


class Gallery:
    """The gallery of one outbox."""

    def __init__(self, outbox: Path, files: FileSystem | None = None) -> None:
        self._outbox = outbox
        self._own = outbox / FOLDER
        self._files = files or FileSystem()
        self._files.keep_beneath(outbox)  # others may write there: a link that they make leads nowhere
        self._known: dict[str, Any] = {}  # folder: [its mtime, its job.json's, its tile or None]
        self._thumbnails: dict[str, list[Any] | None] = {}  # key: a Thumbnail, None for what has none
        self._sheets = Sheets(outbox, self._own, self._files)

    def update(self) -> None:
        """Bring everything up to date; OSError where the disk refuses."""
        self._files.make_one_folder(self._own)
        for name in ("thumbnails", "data", "older"):
            self._files.make_one_folder(self._own / name)
        self._recall()
        for name in asset_names():
            self._write(self._own / name, asset(name))
        if not (self._own / LIVE).exists():
            self._write(self._own / LIVE, IDLE)
        stamps = dict(walk(str(self._outbox), {folder: (row[0], row[1]) for folder, row in self._known.items()}))
        new = [folder for folder, stamp in stamps.items() if self._known.get(folder, ())[:2] != list(stamp)]
        self._known = {folder: row for folder, row in self._known.items() if folder in stamps}
        written = time.monotonic()
        for folder in sorted(new, key=lambda folder: stamps[folder][1], reverse=True):
            self._known[folder] = self._look_at(folder, stamps[folder])
            if time.monotonic() - written > _REFRESH_SECONDS:
                self._write_pages()
                written = time.monotonic()
        self._write_pages()
        if self._sheets.update(self._tiles()):
            self._write_pages()  # the results do not wait for their sheet
        self._sweep()

    def _look_at(self, folder: str, stamp: Stamp) -> list[Any]:
        """What is known of a job's folder: its stamp, and its tile or None. One that was not done gets its page."""
        entry = read(str(self._outbox), folder, stamp[1])
        if entry is None:
            return [*stamp, None]
        try:
            return self._shown(entry, stamp)
        except (ArithmeticError, ValueError):  # numbers that only a job.json holds which somebody else has written
            return [*stamp, None]

    def _shown(self, entry: GalleryEntry, stamp: Stamp) -> list[Any]:
        folder, found = entry.folder, self._tile(entry)
        if entry.state in ("failed", "cancelled") and PAGE_NAME not in entry.files:
            page = failed_page(entry, found, self._sidecars(folder))
            with contextlib.suppress(OSError):  # gone meanwhile, or not to be written to; the gallery tells too
                self._files.write_new(self._outbox / folder / PAGE_NAME, page.encode("utf-8", "replace"), sync=False)
                stamp = (self._files.lstat(self._outbox / folder).st_mtime_ns, stamp[1])
                found = self._tile(replace(entry, files=entry.files | {PAGE_NAME}))
        return [*stamp, found]

    def _tile(self, entry: GalleryEntry) -> Tile:
        return tile(entry, lambda name, sha: self._thumbnail(entry.folder, name, sha))

    def _sidecars(self, folder: str) -> list[tuple[str, str]]:
        """Name and text of the sidecars that a job was given."""
        given, found = self._outbox / folder / INPUT_FOLDER, []
        with contextlib.suppress(OSError):
            for name in filter(is_sidecar, self._files.names(given)[:_MOST_GIVEN]):
                with contextlib.suppress(DamagedError):
                    text = read_own(self._files, given / name, of_any_user=True, limit=_LONGEST_SIDECAR) or b""
                    found.append((name, text.decode("utf-8", "replace")))
        return found

    # -- what is known ------------------------------------------------------------------------------

    def _recall(self) -> None:
        with contextlib.suppress(OSError):
            known = read_note(self._files, self._own / "known.json", of_any_user=False)
            if known.get("format") == _FORMAT:
                self._known, self._thumbnails, self._sheets.known = (
                    known[each] for each in ("jobs", "thumbnails", "sheets")
                )

    def _thumbnail(self, folder: str, name: str, sha256: str) -> Thumbnail | None:
        """The small picture of a file, made where it is not there yet. One of a known hash serves all jobs."""
        source = self._outbox / folder / name
        try:
            at = self._files.lstat(source)
        except OSError:
            return None
        told = sha256 or f"{folder}/{name} {at.st_mtime_ns} {at.st_size}"
        key = hashlib.sha256(os.fsencode(told)).hexdigest()[:24]
        if key not in self._thumbnails or self._has_gone(self._thumbnails[key]):
            made = self._make(source)
            if made is not None:
                self._files.replace(self._own / "thumbnails" / f"{key}.webp", made[0])
            self._thumbnails[key] = None if made is None else [f"{key}.webp", *made[1:]]
        known = self._thumbnails[key]
        return None if known is None else Thumbnail(*known)

    def _has_gone(self, known: list[Any] | None) -> bool:
        """Whether a small picture that is remembered is not there: swept when no job had it, since it was noted."""
        return known is not None and self._files.kind(self._own / "thumbnails" / known[0]) != "file"

    def _make(self, source: Path) -> tuple[bytes, int, int, Blur] | None:
        """A small picture of a file that lies in the outbox itself, and nowhere beyond a link."""
        if self._files.kind(source) != "file":
            return None
        with contextlib.suppress(OSError), self._files.reader(source) as file:
            return make(file, source.name)
        return None

    def _sweep(self) -> None:
        """Remove what no job has any more."""
        tiles = self._tiles()
        used = {item["thumb"][0] for each in tiles for item in (each, *each["inputs"]) if item["thumb"]}
        chunks = -(-len(tiles) // CHUNK)
        used |= self._sheets.used()
        kept = used | {f"{number:04d}.{kind}" for number in range(1, chunks + 1) for kind in ("js", "html")}
        for folder in ("thumbnails", "data", "older"):
            for name in self._files.names(self._own / folder):
                if name not in kept and name != "index.js" and not name.startswith("."):
                    self._files.remove(self._own / folder / name)
        self._thumbnails = {key: row for key, row in self._thumbnails.items() if row is None or row[0] in used}

    # -- the pages ----------------------------------------------------------------------------------

    def _tiles(self) -> list[Tile]:
        """Oldest first, so that what is full stays as it is."""
        found = [row[2] for row in self._known.values() if row[2] is not None]
        return sorted(found, key=lambda each: (each["at"], each["folder"]))

    def _write_pages(self) -> None:
        tiles = self._tiles()
        chunks = [tiles[start : start + CHUNK] for start in range(0, len(tiles), CHUNK)]
        names = []
        for number, chunk in enumerate(chunks, 1):
            data = script_data(chunk)
            version = hashlib.sha256(data.encode()).hexdigest()[:12]
            names.append([f"{number:04d}", version])
            self._write(self._own / "data" / f"{number:04d}.js", f'nst.chunk("{number:04d}","{version}",{data});\n')
            page = render("older.html", tiles=chunk[::-1], number=number, pages=len(chunks), states=STATE_NAMES)
            self._write(self._own / "older" / f"{number:04d}.html", page)
        self._write(self._outbox / PAGE_NAME, gallery_html(tiles, self._sheets.shown(), pages=len(chunks)))
        # Last: who reads it finds what it names.
        index = f"nst.index({script_data(names)},{script_data(self._sheets.shown())});\n"
        self._write(self._own / "data" / "index.js", index)
        known = {
            "format": _FORMAT, "jobs": self._known, "thumbnails": self._thumbnails, "sheets": self._sheets.known,
        }  # fmt: skip
        self._write(self._own / "known.json", json.dumps(known, separators=(",", ":")))

    def _write(self, path: Path, text: str) -> None:
        """Replace a file where its content is another."""
        data = text.encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                return
        self._files.replace(path, data)


def gallery_html(tiles: Sequence[Tile], sheets: Sequence[dict[str, Any]] = (), *, pages: int) -> str:
    """The page. The newest pictures stand in it for those without script, links lead to all the others."""
    newest = tiles[::-1]
    counts = Counter(each["state"] for each in newest)
    return render(
        "gallery.html",
        pictures=[each for each in newest if each["state"] in WITH_RESULT][:FIRST],
        failures=[each for each in newest if each["state"] not in WITH_RESULT][:FIRST],
        counts=counts,
        sheets=sheets,
        latest=newest[0] if newest else None,
        pages=pages,
        states=STATE_NAMES,
    )


def main(argv: Sequence[str]) -> int:
    """Bring the gallery of the outbox ``argv[0]`` up to date; one at a time, a second one leaves it to the first."""
    outbox = Path(argv[0])
    os.nice(10)
    try:
        folder = os.open(outbox, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        Gallery(outbox).update()
    except OSError as error:
        sys.stderr.write(f"{error.filename or outbox}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
