"""One ``folder.yaml`` or ``defaults.yaml``, as one look after another finds it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from nst_batch import names
from nst_batch.beneath import WHAT_IS_NO_FILE
from nst_batch.errors import NstError
from nst_batch.sidecar.folder import Choice, FolderDefaults, FolderRequest
from nst_batch.sidecar.resolver import is_glob
from nst_batch.spool.inbox.listing import Entry
from nst_batch.spool.inbox.readiness import FolderView

ENDS = (".yaml", ".yml", ".YAML", ".YML", ".Yaml", ".Yml")


@dataclass
class Special:
    """What is known of it."""

    path: str
    entry: Entry
    since: float  # monotonic; as it is
    is_settling: bool = True
    is_read: bool = False
    digest: bytes = b""  # of its text
    stamp: bytes = b""  # of the defaults that it was read with; b"" where it is to be read again
    why: str = ""  # why it cannot be gone by: its path, a colon, and what is wrong
    amiss_since: float = math.inf  # monotonic; since when there is a ``why`` that does not pass by itself
    problems: tuple[str, ...] = ()
    defaults: FolderDefaults | None = None
    request: FolderRequest | None = None
    ready: bool = False  # every style is there
    choices: tuple[Choice, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)  # of the inbox, that it names, each with what names it
    painted: int = 0  # photographs, whether they lie there still or not
    failed: int = 0  # of those a job failed or was cancelled
    pending: int = 0
    at_work: int = 0
    no_files: list[str] = field(default_factory=list)  # what has the name of a photograph, and is a pipe or so
    unread: set[str] = field(default_factory=set)  # paths of what lies there, or fits its patterns, and is not read
    unnamed: list[str] = field(default_factory=list)  # of photographs that no sidecar can name: why not

    @property
    def folder(self) -> str:
        """Where it lies."""
        return self.path.rpartition("/")[0]

    def begin(self) -> None:
        """Its photographs are about to be counted."""
        self.painted = self.failed = self.pending = self.at_work = 0
        self.no_files, self.unnamed = [], []

    def leaves_out(self, path: str, kind: str) -> bool:
        """Whether what lies beside it has no photograph's name; what people keep among their photographs is told of."""
        name = path.rpartition("/")[2]
        if names.is_image(name):
            return False
        if kind == "file" and names.is_unread_image(name):
            self.unread.add(path)
        return True

    @property
    def note(self) -> str:
        """What was probably meant otherwise; "" for nothing."""
        if self.no_files:
            what = f"not painted, for it is {WHAT_IS_NO_FILE['other']}: {_first_of(self.no_files)}"
            return f"{what}; put the picture itself there"
        if self.unnamed:
            return f"not painted, for no sidecar can name it: {_first_of(self.unnamed)}; rename it"
        return self._all_styles()

    def _all_styles(self) -> str:
        """That every image beside it is taken for a style, by a pattern that may have been meant otherwise."""
        globs = [reference for reference in self.request.request.style if is_glob(reference)] if self.request else []
        beside = sum(image.rpartition("/")[0] == self.folder for image in self.images)
        if self.why or not globs or not beside or self.painted or self.failed or self.pending or self.at_work:
            return ""
        what = "the only image beside it is" if beside == 1 else f"all {beside} images beside it are"
        return (
            f"{what} taken for styles by `{globs[0]}`, so there is nothing to paint; put the styles into a folder of "
            f"their own and write style: styles/{globs[0].rpartition('/')[2]}"
        )

    def _styles_beside(self) -> str:
        """Which images beside it a pattern takes for styles, where it goes by no name that styles have.

        ``style-*.png`` says itself what it takes, and so does a folder of styles; ``*.png`` takes photographs as well.
        """
        taken: dict[str, list[str]] = {}
        for image, reference in self.images.items():
            folder, _, name = image.rpartition("/")
            if folder == self.folder and is_glob(reference) and _names_nothing(reference):
                taken.setdefault(reference, []).append(name)
        return "; ".join(
            f"taken for styles, not painted, by `{each}`: {_shortened(found)}" for each, found in taken.items()
        )

    @property
    def view(self) -> FolderView:
        """For people."""
        is_hot = names.is_hot(self.path)
        styles = "" if self.why or self._all_styles() else self._styles_beside()
        counts = (self.pending, self.painted, self.failed)
        return FolderView(self.path, is_hot, self.why, *counts, self.problems, self.note, styles, left_out(self.unread))


def left_out(paths: Collection[str]) -> str:
    """What is told of files that people keep among their images and that are not read here; "" for none."""
    return f"left out, not read here: {_shortened(paths)}; export what is wanted as TIFF" if paths else ""


def and_more(error: NstError) -> str:
    """How many mistakes there are beside the first."""
    more = len(error.message.splitlines()) - 1
    return f" (and {more} more)" if more > 0 else ""


def _names_nothing(pattern: str) -> bool:
    """Whether a pattern's file name goes by the suffix alone: ``*.png``, ``*``, ``[a-z]?*.*``."""
    plain = re.sub(r"\[[^\]]*\]|[*?]", "", names.stem(pattern.rpartition("/")[2]))
    return not any(map(str.isalnum, plain))


def _first_of(found: list[str]) -> str:
    """One of some, always the same, and how many more there are."""
    return min(found) + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _shortened(found: Collection[str]) -> str:
    """At most three of some names, and how many more there are."""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(sorted(found, key=names.natural_key)[:3]) + more
