"""What has to wait because a place of its own refuses, while every other job goes on.

A person's output folder, one running folder, the folder that a sidecar has to go back to: any of them may refuse when
our own folders do not. Which of the two it is, is found out by writing to our own, not told from a path. Of a disk that
is full or fails that does not tell enough: it is the place's own trouble only where that lies on another disk.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nst_batch.spool.disk.blocked import LET_US_WRITE, is_a_disks, keeps_one_place, remedy
from nst_batch.spool.disk.fs import FileSystem, beside
from nst_batch.spool.disk.layout import NEW_PREFIX, Hold, Places
from nst_batch.spool.disk.mounts import UNKNOWN, mount_at, mounts_now

FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 600.0
PROBE_BYTES = 4096
BY_ITSELF = "it is tried again by itself, later and later"

Result = TypeVar("Result")


def pause_after(tries: int) -> float:
    """Seconds before what has failed ``tries`` times before is tried once more."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries, 10), LONGEST_PAUSE_SECONDS)


@dataclass
class _Held:
    hold: Hold
    tries: int
    hurried: bool = False


class Holds:
    """What waits, by the id of a job or a claim. ``say`` tells a person; ``now`` (monotonic) is set at each look."""

    def __init__(self, fs: FileSystem, places: Places, say: Callable[[str], object]) -> None:
        self._fs = fs
        self._places = places
        self._held: dict[str, _Held] = {}
        self._say = say
        self.now = 0.0

    def attempt(self, key: str, name: str, act: Callable[[], Result | None]) -> Result | None:
        """``act()``; None where it waits for a place of its own, which ``name`` is told with.

        What our own folders refuse as well passes as OSError. Not tried before its time.
        """
        if self.waits(key):
            return None
        try:
            result = act()
        except OSError as error:
            if not self.is_one_places(error) or not self.ours_can_be_written():
                raise
            why = f"{self._refusing(error)} refuses ({(error.strerror or '').lower()})"
            self.hold(key, name, why, remedy(error))
            return None
        if result is not None:
            self._held.pop(key, None)
        return result

    def is_one_places(self, error: OSError) -> bool:
        """Whether what refuses may be one place alone: by its kind, or because it is another disk than ours."""
        return keeps_one_place(error) or (is_a_disks(error) and self._is_elsewhere(error))

    def _is_elsewhere(self, error: OSError) -> bool:
        """Whether neither the inbox nor the outbox lies on the disk that refuses, by the table of mounts.

        The disk itself is not asked: it may not answer.
        """
        path, table = Path(os.fsdecode(error.filename2 or error.filename or "")), mounts_now()
        roots = {folder: Path(os.path.realpath(folder)) for folder in (self._places.inbox, self._places.outbox)}
        real = next((roots[folder] / path.relative_to(folder) for folder in roots if path.is_relative_to(folder)), path)
        there, *ours = (mount_at(place, table) for place in (real, *roots.values()))
        return there is not UNKNOWN and all(mount is not UNKNOWN and mount.device != there.device for mount in ours)

    def hold(self, key: str, name: str, why: str, advice: str = LET_US_WRITE, *, quietly: bool = False) -> None:
        """Have it wait, longer each time; ``quietly`` where a person need not know yet."""
        before = self._held.get(key)
        tries = 0 if before is None else before.tries + 1
        hold = Hold(f"{why}; {advice}; {BY_ITSELF}", self.now + pause_after(tries))
        if not quietly and (before is None or before.hold.why != hold.why):
            self._say(f"{name} waits: {hold.why}")
        self._held[key] = _Held(hold, tries, before is not None and before.hurried)

    def of(self, *keys: str) -> Hold | None:
        """Why and until when one of these waits; None where none does."""
        return next((self._held[key].hold for key in keys if key in self._held), None)

    def tries(self, key: str) -> int:
        """How often it has been tried in vain."""
        return self._held[key].tries + 1 if key in self._held else 0

    def forget(self, key: str) -> None:
        """It waits no longer: it is done, or given up."""
        self._held.pop(key, None)

    def waits(self, *keys: str) -> bool:
        """Whether one of these waits and is not to be tried yet."""
        hold = self.of(*keys)
        return hold is not None and self.now < hold.due

    def hurry(self, key: str) -> None:
        """Have it tried now, once: a person asked for something else to be done with it."""
        held = self._held.get(key)
        if held is not None and not held.hurried:
            self._held[key] = _Held(Hold(held.hold.why, self.now), held.tries, hurried=True)

    def due(self) -> list[str]:
        """What waits no longer: it is to be tried again."""
        return [key for key, held in self._held.items() if self.now >= held.hold.due]

    def ours_can_be_written(self) -> bool:
        """Whether the daemon's own folders take a file, so that what refuses is another place."""
        try:
            self.try_ours()
        except OSError:
            return False
        return True

    def try_ours(self) -> None:
        """Write into the daemon's own folders; OSError where one does not let us."""
        for folder in (self._places.claims, self._places.running, self._places.outbox):
            probe(self._fs, folder)

    def _refusing(self, error: OSError) -> Path:
        """The folder that refuses, as people know it: not the hidden one in which a result is put together there."""
        path = Path(str(error.filename))
        hidden = next((above for above in (path, *path.parents) if above.name.startswith(NEW_PREFIX)), None)
        if hidden is not None and error.filename2 is None:
            return hidden.parent
        if error.filename2 is not None:
            parent = Path(str(error.filename2)).parent
            # Into a folder of ours it is what is moved that refuses.
            return path if parent in (self._places.trash, self._places.out_trash) else parent
        with contextlib.suppress(OSError):
            return path if self._fs.kind(path) == "folder" else path.parent
        return path.parent


def probe(fs: FileSystem, folder: Path) -> None:
    """Write a hidden file that takes room, and remove it; OSError, of ``folder``, where that does not let us."""
    path = beside(folder / "probe")
    try:
        fs.write_new(path, bytes(PROBE_BYTES), sync=False)
        fs.remove(path)
    except OSError as error:
        error.filename = str(folder)
        fs.clear_away(path)
        raise


def look_anew(fs: FileSystem, folder: Path) -> None:
    """Have a network's file system ask its server what lies in a folder.

    NFS remembers for up to a minute that there was no file of a name, though another machine has made it since. A
    change of our own to the folder makes it forget that.
    """
    with contextlib.suppress(OSError):
        probe(fs, folder)
