"""How the scanner understands sidecars: :mod:`nst_batch.sidecar` on a listing, remembering what was looked at."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nst_batch import names
from nst_batch.config.load import Config
from nst_batch.sidecar.expand import (
    Expansion,
    InputRequest,
    JobRequest,
    Missing,
    SidecarRequest,
    expand,
    parse_sidecar,
)
from nst_batch.sidecar.filetree import DiskTree, ListingTree, Tree
from nst_batch.sidecar.folder import with_defaults_written
from nst_batch.sidecar.resolver import FileRef, FileResolver, Role
from nst_batch.spool.inbox.folders import Folders
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import Used, Wanted


class SidecarReading:
    """Parses and expands sidecars as one config has it."""

    def __init__(self, config: Config, folders: Folders) -> None:
        self._inbox = config.inbox
        self._library = config.library
        self._rules = config.sidecar_rules()
        self._folders = folders
        self._entries: Mapping[str, Entry] | None = None
        self._tree = ListingTree(config.inbox, {})
        self._shelves: tuple[Tree, ...] = ()

    def let_go(self) -> None:
        """The look is over: forget what is only of use within one, which grows with the inbox."""
        self._entries, self._tree, self._shelves = None, ListingTree(self._inbox, {}), ()

    def parse(self, path: str, text: bytes) -> SidecarRequest:
        """What a sidecar asks for; raises ProblemsError."""
        folder = path.rpartition("/")[0]
        request = parse_sidecar(text, path, self._folders.rules_of(folder))
        defaults = self._folders.defaults_of(folder)
        return replace(request, parsed=with_defaults_written(request.parsed, defaults)) if defaults else request

    def expand(self, path: str, request: SidecarRequest, entries: Mapping[str, Entry]) -> tuple[Wanted, Used]:
        """Its jobs, with the images found; raises ProblemsError."""
        if entries is not self._entries:
            # One tree a look: it sorts the listing by folder once, and a library's folders are read once.
            self._entries, self._tree = entries, ListingTree(self._inbox, entries)
            self._shelves = tuple(DiskTree(folder) for folder in self._library)
        inbox = _Noting(self._tree)
        shelves = tuple(_Noting(shelf) for shelf in self._shelves)
        resolver = FileResolver(inbox, path.rpartition("/")[0], shelves, most=self._rules.max_jobs)
        expansion = expand(request, resolver)
        lacking = _lacking(request, expansion, resolver) if expansion.missing else None
        wanted = Wanted(
            jobs=expansion.jobs,
            missing={sys.intern(item.reference): item.hint for item in expansion.missing},
            lacking=lacking,
            sidecar=_slim(request.parsed),
            priority=request.settings.priority,
            now=request.settings.now,
        )
        library = any(shelf.paths or shelf.folders for shelf in shelves)
        return wanted, Used(tuple(inbox.paths), tuple(inbox.folders), library)


class _Noting:
    """A tree that notes what is asked of it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.root = tree.root
        self.paths: set[str] = set()
        self.folders: set[str] = set()

    def kind(self, path: str) -> str | None:
        self.paths.add(sys.intern(path))
        return self._tree.kind(path)

    def names(self, folder: str) -> Mapping[str, str]:
        self.folders.add(sys.intern(folder))
        return self._tree.names(folder)

    def alike(self, folder: str, name: str) -> tuple[str, ...]:
        self.folders.add(sys.intern(folder))
        return self._tree.alike(folder, name)


def _slim(parsed: dict[str, Any]) -> dict[str, Any]:
    """The same, its texts shared with those of other sidecars: tens of thousands mostly say the same."""
    return {sys.intern(key): sys.intern(value) if type(value) is str else value for key, value in parsed.items()}


def _lacking(request: SidecarRequest, expansion: Expansion, resolver: FileResolver) -> JobRequest:
    """The one job that stands for all that cannot be made for want of images.

    It holds what those jobs would have: where a content is missing, the missing contents and every style;
    where only styles are, every content and the missing styles (a blend whole).
    """
    missing = {item.role for item in expansion.missing}
    hints = {item.reference: item.hint for item in expansion.missing}
    contents = request.content if "content" not in missing else _only("content", expansion.missing)
    only_styles = missing == {"style"} and not request.blend
    styles: Sequence[str] = _only("style", expansion.missing) if only_styles else request.style
    weights = request.blend if request.blend else (1.0,) * len(styles)
    named: list[tuple[Role, str, float]] = [("content", reference, 1.0) for reference in contents]
    named += [("style", reference, weight) for reference, weight in zip(styles, weights, strict=True)]
    named += [(role, reference, 1.0) for role, reference in request.more]
    inputs = [
        InputRequest(role, file, weight)
        for role, reference, weight in named
        for file in _found(resolver, reference, role) or [FileRef.missing(reference, hints.get(reference, ""))]
    ]
    title = request.title if request.title and not names.is_template(request.title) else names.stem(request.source)
    title = names.normal(title)
    if names.title_fault(title):
        title = "sidecar"
    return JobRequest(title, request.output, request.settings, tuple(inputs))


def _only(role: str, missing: Sequence[Missing]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.reference for item in missing if item.role == role))


def _found(resolver: FileResolver, reference: str, role: Role) -> tuple[FileRef, ...]:
    try:
        return resolver.find(reference, role)
    except PermissionError:
        return ()
