"""A power cut: what may lie on the disk after one, by a model that is weaker than any journalling file system.

:class:`Recorder` is the spool's file-system boundary with a memory: every new file, rename, new folder, removal
and fsync of a run becomes an event. :func:`survivors` gives, for a power cut after any number of events, the
changes that may have reached the disk; :func:`build` puts such a disk together.

The model:

- A change of names touches one folder, a rename across folders two. Changes of one folder reach the disk in
  their order; changes of different folders in any order. A rename is whole or not there, never one half.
- ``fsync`` of a folder puts its names on the disk, with all changes that those depend on by the rule above. It
  says nothing of the folder's own name in the one above it, nor of what is in the files.
- ``fsync`` of a file puts its content on the disk and says nothing of its name.
- A file without an fsync may be whole, empty, cut in half, or of the right length and full of zeros.
- A new folder whose own name is lost takes with it whatever lies in it.

ext4 (data=ordered), XFS and btrfs promise more: one journal, so that names reach the disk in one order over all
folders. Every state that those can leave is among the states of this model.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import Identity

ALL_SUBSETS_UP_TO = 6  # pending changes, of which every legal subset is tried
DAMAGES = ("whole", "empty", "half", "zeros", "mixed")
ROOT = 0
MEMORY = Path("/dev/shm")  # a disk would only be waited for

Update = tuple[int, str, int | None]  # in this folder, this name means this node from now on; None: nothing
Tree = dict[int, dict[str, int]]


@dataclass(frozen=True)
class Change:
    """One change of names, whole or not there."""

    updates: tuple[Update, ...]

    @property
    def folders(self) -> set[int]:
        """The folders that it touches."""
        return {folder for folder, _name, _node in self.updates}


@dataclass(frozen=True)
class SyncFolder:
    """The names in a folder are on the disk, as they were after ``events`` events: others may have come meanwhile."""

    folder: int
    events: int


@dataclass(frozen=True)
class SyncFile:
    """The content of a file is on the disk."""

    node: int


Event = Change | SyncFolder | SyncFile


@dataclass
class Recording:
    """The disk at the start and everything that happened to it. ``store`` holds every file ever written."""

    root: Path
    store: Path
    initial: Tree = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)  # folder, file, or link:TARGET
    durable: set[int] = field(default_factory=set)  # files that were there at the start
    events: list[Event] = field(default_factory=list)


class Recorder(FileSystem):
    """Does what it is told and notes it. What lies below ``root`` at the start is on the disk already."""

    def __init__(self, root: Path, store: Path, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(on_step)
        store.mkdir(parents=True, exist_ok=True)
        self.recording = Recording(root, store)
        self._tree: Tree = {ROOT: {}}
        self.recording.kinds[ROOT] = "folder"
        self._take_over(root, ROOT)
        self.recording.initial = {folder: dict(names) for folder, names in self._tree.items()}

    def _take_over(self, folder: Path, node: int) -> None:
        for path in sorted(folder.iterdir()):
            child = self._node(path)
            self._tree[node][path.name] = child
            if path.is_dir() and not path.is_symlink():
                self._take_over(path, child)
            else:
                self.recording.durable.add(child)

    def _node(self, path: Path) -> int:
        """A new node for what lies at ``path`` now; a file is kept, inode and all, for later disks."""
        node = len(self.recording.kinds)
        if path.is_symlink():
            self.recording.kinds[node] = f"link:{path.readlink()}"
        elif path.is_dir():
            self.recording.kinds[node] = "folder"
            self._tree[node] = {}
        else:
            self.recording.kinds[node] = "file"
            os.link(path, self.recording.store / str(node))
        return node

    def _find(self, path: Path) -> tuple[int, str]:
        folder = ROOT
        *parents, name = path.relative_to(self.recording.root).parts
        for part in parents:
            folder = self._tree[folder][part]
        return folder, name

    def _change(self, *updates: Update) -> None:
        self.recording.events.append(Change(updates))
        for folder, name, node in updates:
            if node is None:
                del self._tree[folder][name]
            else:
                self._tree[folder][name] = node

    def _made(self, path: Path) -> int:
        folder, name = self._find(path)
        node = self._node(path)
        self._change((folder, name, node))
        return node

    def given(self, path: Path) -> None:
        """Somebody has put a file there, long enough ago that it is on the disk."""
        node = self._made(path)
        self.recording.events += [SyncFile(node), SyncFolder(self._find(path)[0], len(self.recording.events))]

    # --- the primitives, noted once they are done --------------------------------------------------------

    def write_new(self, path: Path, data: bytes, *, sync: bool = True) -> None:
        super().write_new(path, data, sync=False)
        self._made(path)
        if sync:
            self.fsync_file(path)

    def copy_new(
        self, source: Path, target: Path, expected: Identity | None, *, sync: bool = True, strangers: bool = False
    ) -> Identity:
        identity = super().copy_new(source, target, expected, sync=False, strangers=strangers)
        self._made(target)
        if sync:
            self.fsync_file(target)
        return identity

    def symlink(self, points_to: str, target: Path) -> None:
        super().symlink(points_to, target)
        self._made(target)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        super().mkdir(path, mode)
        self._made(path)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._renamed(source, target)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        super().rename_noreplace(source, target)
        self._renamed(source, target)

    def _renamed(self, source: Path, target: Path) -> None:
        (from_folder, from_name), (to_folder, to_name) = self._find(source), self._find(target)
        node = self._tree[from_folder][from_name]
        self._change((from_folder, from_name, None), (to_folder, to_name, node))

    def remove(self, path: Path) -> None:
        super().remove(path)
        folder, name = self._find(path)
        if name in self._tree[folder]:
            self._change((folder, name, None))

    def rmdir(self, path: Path) -> bool:
        gone = super().rmdir(path)
        folder, name = self._find(path)
        if gone and name in self._tree[folder]:
            self._change((folder, name, None))
        return gone

    def rmtree(self, path: Path) -> None:
        super().rmtree(path)
        folder, name = self._find(path)
        if name in self._tree[folder]:
            self._forget(folder, name)

    def _forget(self, folder: int, name: str) -> None:
        node = self._tree[folder][name]
        for child in list(self._tree.get(node, ())):
            self._forget(node, child)
        self._change((folder, name, None))

    def fsync_dir(self, path: Path) -> None:
        node, asked = self._lying_at(path), len(self.recording.events)
        super().fsync_dir(path)
        assert node is not None
        self.recording.events.append(SyncFolder(node, asked))

    def fsync_file(self, path: Path) -> None:
        node = self._lying_at(path)
        super().fsync_file(path)
        if node is not None:
            self.recording.events.append(SyncFile(node))

    def _lying_at(self, path: Path) -> int | None:
        if path == self.recording.root:
            return ROOT
        folder, name = self._find(path)
        return self._tree[folder].get(name)


def scratch() -> Path:
    """A new folder, in memory where this machine lets us."""
    return Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


# --- what survives ------------------------------------------------------------------------------------------


class Survivors:
    """The legal sets of changes that are on the disk after a power cut."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._needs: dict[int, tuple[int, ...]] = {}  # change -> the ones just before it in its folders
        self._folders: dict[int, set[int]] = {}
        changes: dict[int, list[int]] = {}  # of each folder
        self._sure_at: list[frozenset[int]] = [frozenset()]
        sure: frozenset[int] = frozenset()
        for number, event in enumerate(recording.events):
            if isinstance(event, Change):
                self._folders[number] = event.folders
                self._needs[number] = tuple(changes[folder][-1] for folder in event.folders if folder in changes)
                for folder in event.folders:
                    changes.setdefault(folder, []).append(number)
            elif isinstance(event, SyncFolder):
                before = [number for number in changes.get(event.folder, ()) if number < event.events]
                if before:
                    sure |= self._with_all_before(before[-1], sure)
            self._sure_at.append(sure)

    def _with_all_before(self, change: int, known: frozenset[int]) -> set[int]:
        found: set[int] = set()
        to_do = [change]
        while to_do:
            number = to_do.pop()
            if number not in found and number not in known:
                found.add(number)
                to_do += self._needs[number]
        return found

    def of(self, cut: int, luck: random.Random, draws: int) -> Iterator[frozenset[int]]:
        """Legal sets after the first ``cut`` events: every one where few changes are pending.

        Where many are: none and all of them, each prefix in time, each folder alone kept or alone lost, and
        ``draws`` others by chance.
        """
        sure = self._sure_at[cut]
        pending = [number for number in self._needs if number < cut and number not in sure]
        if len(pending) <= ALL_SUBSETS_UP_TO:
            yield from self._every(sure, pending)
            return
        for end in range(len(pending) + 1):
            yield sure | set(pending[:end])
        for folder in sorted({folder for number in pending for folder in self._folders[number]}):
            yield self._allowed(sure, pending, lambda number, lost=folder: lost not in self._folders[number])
            mine = [number for number in pending if folder in self._folders[number]]
            yield sure | self._with_all_before(mine[-1], sure)
        for _ in range(draws):
            chance = luck.random()
            yield self._allowed(sure, pending, lambda _number, chance=chance: luck.random() < chance)

    def _every(self, sure: frozenset[int], pending: list[int]) -> Iterator[frozenset[int]]:
        for bits in range(1 << len(pending)):
            chosen = sure | {number for place, number in enumerate(pending) if bits >> place & 1}
            if all(set(self._needs[number]) <= chosen for number in chosen):
                yield chosen

    def _allowed(self, sure: frozenset[int], pending: list[int], wanted: Callable[[int], bool]) -> frozenset[int]:
        chosen = set(sure)
        for number in pending:
            if wanted(number) and all(need in chosen for need in self._needs[number]):
                chosen.add(number)
        return frozenset(chosen)


Layout = tuple[tuple[str, int, str], ...]  # path, node, damage ("" for folders and links)


def layout(
    recording: Recording, survived: frozenset[int], synced: frozenset[int], damage: str, luck: random.Random
) -> Layout:
    """What lies where after the power cut; two equal layouts are the same disk."""
    tree: Tree = {folder: dict(names) for folder, names in recording.initial.items()}
    for number in sorted(survived):
        event = recording.events[number]
        assert isinstance(event, Change)
        for folder, name, node in event.updates:
            if node is None:
                tree.setdefault(folder, {}).pop(name, None)
            else:
                tree.setdefault(folder, {})[name] = node
    found: list[tuple[str, int, str]] = []
    to_do = [("", ROOT)]
    while to_do:
        prefix, folder = to_do.pop()
        for name, node in sorted(tree.get(folder, {}).items()):
            kind = recording.kinds[node]
            state = "whole" if node in synced else luck.choice(DAMAGES[:4]) if damage == "mixed" else damage
            found.append((prefix + name, node, state if kind == "file" else ""))
            if kind == "folder":
                to_do.append((f"{prefix}{name}/", node))
    return tuple(found)


def disks(recording: Recording, cuts: list[int], luck: random.Random, draws: int) -> Iterator[tuple[int, Layout]]:
    """Every different disk that power cuts after ``cuts`` events can leave, each with the first such cut."""
    survivors = Survivors(recording)
    seen: set[int] = set()
    for cut in cuts:
        synced = recording.durable | {e.node for e in recording.events[:cut] if isinstance(e, SyncFile)}
        for survived in survivors.of(cut, luck, draws):
            for damage in DAMAGES:
                disk = layout(recording, survived, frozenset(synced), damage, luck)
                if hash(disk) not in seen:
                    seen.add(hash(disk))
                    yield cut, disk


def sample(recording: Recording, luck: random.Random, each: int) -> Iterator[tuple[int, Layout]]:
    """Of every prefix of a run up to ``each`` different disks that were not among those of another; any order."""
    cuts = list(range(len(recording.events) + 1))
    luck.shuffle(cuts)
    seen: set[int] = set()
    for cut in cuts:
        fresh = [disk for _cut, disk in disks(recording, [cut], luck, each) if hash(disk) not in seen]
        for disk in luck.sample(fresh, min(each, len(fresh))):
            seen.add(hash(disk))
            yield cut, disk


def build(recording: Recording, disk: Layout) -> None:
    """Make the disk at the recording's root. Whole files are the very inodes that were written."""
    shutil.rmtree(recording.root)
    recording.root.mkdir()
    for path, node, damage in disk:
        target = recording.root / path
        kind, kept = recording.kinds[node], recording.store / str(node)
        if kind == "folder":
            target.mkdir()
        elif kind.startswith("link:"):
            target.symlink_to(kind.removeprefix("link:"))
        elif damage == "whole":
            os.link(kept, target)
        else:
            data = kept.read_bytes()
            target.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[damage])
