"""Which files a reference of a sidecar means: looked for below the inbox and the library, nothing followed.

A reference is a relative path or a glob (``*``, ``?``, ``[…]`` within a folder's names, ``**`` for any number
of folders). A literal name goes before a glob; each is looked for beside the sidecar, then from the inbox's
root, then, for a style, in the library folders in their order. Links are found, so that they can be refused
by name, and never followed. A :class:`Tree` is where the names come from: the disk or a listing of it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from nst_batch.characters import loose, told, unfit
from nst_batch.names import is_image, is_sidecar, is_temporary, is_unread_image, natural_key, normal, stem
from nst_batch.reasons import PATH_OUTSIDE, Reason
from nst_batch.sidecar.filetree import Tree
from nst_batch.strict_yaml.models import Fault
from nst_batch.strict_yaml.reader import shown

Role = Literal["content", "style", "init", "mask"]

MAX_GLOBS = 100  # of one sidecar: each may walk the whole inbox
MOST_SHARED = 1000  # files: tens of thousands of sidecars name the same few
_MAX_REFERENCE_BYTES = 1000
_MOST_COMPARED = 200
_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class FileRef:
    """One file that a reference means, from the sidecar to the claim; equal ones are the same file.

    ``kind`` ``link`` is archived as a link, ``other`` not at all; ``missing`` is not there (yet).
    """

    path: str  # relative to the inbox, with / between; absolute where it lies in a library
    relative: str  # as messages call it: below the inbox or the library folder
    library: bool = False
    kind: Literal["file", "link", "other", "missing"] = "file"
    refusal: Reason | None = None  # why it cannot be an input; its job fails with this

    @classmethod
    @lru_cache(MOST_SHARED)
    def missing(cls, reference: str, hint: str = "") -> FileRef:
        """What a reference means that means no file; ``hint`` says what was probably meant."""
        what = f"the image {told(reference)} is not there"
        refusal = Reason.of("image_missing", f"{what}; {hint}" if hint else what)
        return cls("", sys.intern(reference), kind="missing", refusal=refusal)

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.relative.rpartition("/")[2]

    @property
    def is_taken(self) -> bool:
        """Whether it is copied into a claim."""
        return self.kind in ("file", "link")


class FileResolver:
    """Finds the images of one sidecar, which lies in ``sidecar_dir`` (relative to the inbox, "" its root)."""

    def __init__(self, inbox: Tree, sidecar_dir: str = "", library: Sequence[Tree] = (), *, most: int = 1000) -> None:
        self._inbox = inbox
        self._folder = "" if sidecar_dir == "." else sidecar_dir.strip("/")
        self._library = tuple(library)
        self.unread: set[str] = set()
        """Paths that globs matched, of files that people keep among their images and that are not read here."""
        self._most = most  # a glob stops when it has found more than this many

    def find(self, reference: str, role: Role) -> tuple[FileRef, ...]:
        """The files that ``reference`` means, in natural order; none where nothing is there (yet).

        PermissionError where a folder may not be looked into.
        """
        places = tuple(self._places(reference, role))
        for tree, path in places:
            literal = self._literal(tree, path)
            if literal:
                return (literal,)
        if is_glob(reference):
            for tree, path in places:
                matches = self._glob(tree, path)
                if matches:
                    return matches
        return ()

    def suggest(self, reference: str, role: Role) -> str:
        """The image that is there and probably meant by ``reference``, as a message calls it; else "".

        Of several that look alike all are named, with what tells them apart. Among very many names only those are
        looked for: how near two names are takes time to tell.
        """
        if is_glob(reference):
            return ""
        by_case: dict[str, str] = {}
        places = [*self._places(reference, role), *self._places(reference.rpartition("/")[2], role)]
        for tree, path in dict.fromkeys(places):
            folder, _, last = path.rpartition("/")
            alike = sorted(name for name in tree.alike(folder, last) if is_image(name.rstrip()))
            if alike:
                return " or ".join(told(name, last) for name in alike[:3])
            names = tree.names(folder)
            if len(names) <= _MOST_COMPARED:
                # By their stems: two names of three letters are not close for having .png in common.
                by_case |= {stem(name).lower(): name for name in sorted(names) if is_image(name)}
        wanted = stem(reference).lower()
        close = difflib.get_close_matches(wanted, by_case, n=1, cutoff=0.7)
        return told(by_case[close[0]]) if close else ""

    def _places(self, reference: str, role: Role) -> Iterator[tuple[Tree, str]]:
        path = "/".join(part for part in reference.split("/") if part not in ("", "."))
        if self._folder:
            yield self._inbox, f"{self._folder}/{path}"
        yield self._inbox, path
        if role == "style":
            for tree in self._library:
                yield tree, path

    def _literal(self, tree: Tree, path: str) -> FileRef | None:
        """The thing at ``path``, found part by part so that no link is passed through."""
        at = ""
        parts = path.split("/")
        for place, part in enumerate(parts, start=1):
            found = _name_in(tree, at, part)
            if found is None:
                return None
            at, kind = found
            if place == len(parts):
                return self._ref(tree, at, kind)
            if kind == "link":
                return self._through_link(tree, path, at)
            if kind != "folder":
                return None
        return None

    def _glob(self, tree: Tree, path: str) -> tuple[FileRef, ...]:
        parts = path.split("/")
        start = 0
        while start < len(parts) - 1 and not _MAGIC & set(parts[start]):
            start += 1
        if start:
            folder = self._literal(tree, "/".join(parts[:start]))
            if folder is None or folder.kind == "file":
                return ()
            if folder.refusal and folder.refusal.code == PATH_OUTSIDE:
                return (folder,)
        matches = _matches(tree, "/".join(parts[:start]), parts[start:], self._most, self.unread)
        ordered = sorted(matches.items(), key=lambda match: natural_key(match[0]))
        return tuple(self._ref(tree, match, kind) for match, kind in ordered)

    def _ref(self, tree: Tree, path: str, kind: str) -> FileRef:
        if kind == "file":
            return self._make(tree, path, "file", None)
        if kind == "link":
            what = f"{path} is a symbolic link, which is not followed"
            refusal = Reason.of(PATH_OUTSIDE, what, "put the image itself there")
            return self._make(tree, path, "link", refusal)
        what = "a folder" if kind == "folder" else "a device, pipe or socket"
        advice = f"name the images in it: {path}/*" if kind == "folder" else "name an image file"
        return self._make(tree, path, "other", Reason.of("image_not_a_file", f"{path} is {what}, not an image", advice))

    def _through_link(self, tree: Tree, path: str, link: str) -> FileRef:
        refusal = Reason.of(
            PATH_OUTSIDE,
            f"{path} lies beyond {link}, a symbolic link, which is not followed",
            "copy the folder itself into the inbox, or make it a library folder in config.yaml",
        )
        return self._make(tree, path, "other", refusal)

    def _make(self, tree: Tree, path: str, kind: Literal["file", "link", "other"], refusal: Reason | None) -> FileRef:
        library, relative = tree is not self._inbox, sys.intern(path)
        return _shared(sys.intern(str(tree.root / path)) if library else relative, relative, library, kind, refusal)


_shared = lru_cache(MOST_SHARED)(FileRef)


def is_glob(reference: str) -> bool:
    """Whether ``reference`` may mean several files."""
    return not _MAGIC.isdisjoint(reference)


def reference_fault(reference: str) -> Fault | None:
    """What keeps ``reference`` from being a path below the inbox, or None."""
    parts = [part for part in reference.split("/") if part not in ("", ".")]
    if "://" in reference:
        fix = "put the image itself beside the sidecar and name that file"
        return Fault(f"{shown(reference)} is an address, and nothing is fetched", fix, code=PATH_OUTSIDE)
    if reference.startswith(("/", "~/")) or ".." in parts:
        how = "climbs by '..'" if ".." in parts else "is absolute"
        fix = "name it relative to the sidecar or the inbox; other folders with styles are the library's"
        return Fault(f"{shown(reference)} {how}, and a path may not leave the inbox", fix, code=PATH_OUTSIDE)
    hidden = next((part for part in parts if is_temporary(part)), "")
    faults = (
        (not parts, "must name an image", ""),
        (bool(unfit(reference)), f"{shown(reference)} holds {unfit(reference)}", "rename the file"),
        ("\\" in reference, f"{shown(reference)} holds a backslash", "write / between folders"),
        (len(reference.encode()) > _MAX_REFERENCE_BYTES, f"is longer than {_MAX_REFERENCE_BYTES} bytes", ""),
        (bool(hidden), f"{shown(hidden)} is hidden, a bin's or a copy under way, which is never taken", "rename it"),
        (bool(parts) and is_sidecar(parts[-1]), f"{shown(reference)} is a sidecar, not an image", ""),
    )
    return next((Fault(what, fix) for wrong, what, fix in faults if wrong), None)


def _name_in(tree: Tree, folder: str, name: str) -> tuple[str, str] | None:
    """Path and kind of ``name`` in ``folder``.

    Else of the one name there that looks the same: its letters composed otherwise, its spaces of another kind.
    """
    prefix = f"{folder}/" if folder else ""
    kind = tree.kind(prefix + name)
    if kind is not None:
        return prefix + name, kind
    if name.isascii() and " " not in name:
        return None
    same = [other for other in tree.alike(folder, name) if loose(other) == loose(name)]
    same = [other for other in same if normal(other) == normal(name)][:1] or same
    return (prefix + same[0], tree.names(folder)[same[0]]) if len(same) == 1 else None


def _matches(tree: Tree, start: str, parts: Sequence[str], most: int, unread: set[str]) -> dict[str, str]:
    """Images, and links named as such, that match ``parts`` below ``start``; stops beyond ``most``."""
    parts = [loose(part) for part in parts]
    if parts[-1] == "**":
        parts.append("*")
    found: dict[str, str] = {}
    todo, seen = [(start, 0)], set()
    while todo and len(found) <= most:
        folder, at = step = todo.pop()
        if step in seen:
            continue
        seen.add(step)
        last = at == len(parts) - 1
        if parts[at] == "**":
            todo.append((folder, at + 1))
        for name, kind in _visible(tree.names(folder).items()):
            path = f"{folder}/{name}" if folder else name
            if parts[at] == "**":
                if kind == "folder":
                    todo.append((path, at))
            elif fnmatchcase(loose(name), parts[at]):
                if last and kind in ("file", "link") and is_image(name):
                    found[path] = kind
                elif last and kind == "file" and is_unread_image(name):
                    unread.add(path)
                elif not last and kind == "folder":
                    todo.append((path, at + 1))
    return found


def _visible(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((name, kind) for name, kind in items if not is_temporary(name))
