"""A disk that refuses some changes in a row, and a night on it: shared by the spool's tests and the long proof."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spool_world import World

from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import Content
from nst_batch.turn import Turn

CHANGES = ("write_new", "rename", "rename_noreplace", "mkdir", "remove", "rmdir", "fsync_dir", "copy_new", "rmtree")


class Refuser(FileSystem):
    """A disk that refuses something with one error, and counts how often."""

    def __init__(self, number: int, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(on_step)
        self.number = number
        self.refused = 0

    def refusal(self, path: Path) -> OSError:
        self.refused += 1
        return OSError(self.number, os.strerror(self.number), str(path))


class Sticky(Refuser):
    """A disk on which the files of these names may not leave their place."""

    def __init__(self, number: int, *names: str, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(number, on_step)
        self.stuck = set(names)

    def _refuse(self, path: Path) -> None:
        if path.name in self.stuck and ".nst_batch" not in path.parts:
            raise self.refusal(path)

    def rename(self, source: Path, target: Path) -> None:
        self._refuse(source)
        super().rename(source, target)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        self._refuse(source)
        super().rename_noreplace(source, target)

    def remove(self, path: Path) -> None:
        if os.path.lexists(path):
            self._refuse(path)
        super().remove(path)


class Refusing(Refuser):
    """A disk on which nothing can be put into, or taken out of, the folders of these names."""

    def __init__(self, number: int, *names: str, on_step: Callable[[str], None] | None = None) -> None:
        super().__init__(number, on_step)
        self.closed = set(names)

    def _refuse(self, *paths: Path) -> None:
        for path in paths:
            if path.parent.name in self.closed:
                raise self.refusal(path)

    def may(self, path: Path, mode: int) -> bool:
        return super().may(path, mode) and not (mode & os.W_OK and path.name in self.closed)

    def write_new(self, path: Path, data: Content, *, sync: bool = True) -> None:
        self._refuse(path)
        super().write_new(path, data, sync=sync)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._refuse(path)
        super().mkdir(path, mode)

    def remove(self, path: Path) -> None:
        if os.path.lexists(path):
            self._refuse(path)
        super().remove(path)

    def rename(self, source: Path, target: Path) -> None:
        self._refuse(source, target)
        super().rename(source, target)

    def rename_noreplace(self, source: Path, target: Path) -> None:
        try:
            self._refuse(source, target)
        except OSError as error:
            error.filename, error.filename2 = str(source), str(target)
            raise
        super().rename_noreplace(source, target)


class FullDisk(FileSystem):
    """Refuses the ``first``-th change and the ``count`` - 1 after it; then there is room again."""

    def __init__(self, code: int, first: int | None, count: int) -> None:
        super().__init__()
        self.code = code
        self.first = first
        self.count = count
        self.calls = self.refused = 0

    def refuse(self, path: Any) -> None:
        self.calls += 1
        if self.first is not None and self.first <= self.calls < self.first + self.count:
            self.refused += 1
            raise OSError(self.code, os.strerror(self.code), str(path))


def _refusing(name: str) -> Any:
    def method(self: FullDisk, *args: Any, **kwargs: Any) -> Any:
        self.refuse(args[0])
        return getattr(FileSystem, name)(self, *args, **kwargs)

    return method


for _name in CHANGES:
    setattr(FullDisk, _name, _refusing(_name))


def patiently(world: World, disk: FullDisk) -> list[Ended]:
    """The daemon's loop, which pauses where the disk refuses, until all is done and a turn has met no refusal."""
    ended: list[Ended] = []
    for _ in range(60):
        world.later(10.0)
        refused_before = disk.refused
        try:
            view = world.spool.look(world.at)
            idle = not (view.inbox_lost or view.ready or view.waiting or view.broken or world.spool.jobs())
            ended += world.sweep()
            for job in world.spool.jobs():
                if job.outcome is not None:
                    ended += filter(None, [world.finish(job)])  # None where it waits by itself
            while (handout := world.hand_out_next()) is not None:
                world.work(handout)
                ended += filter(None, [world.finish(handout)])
            ended += world.sweep()
            if idle and disk.refused == refused_before:
                world.spool.clear_up(world.at, Turn())
                return ended
        except SpoolBlocked:
            continue
    raise AssertionError("it never came to an end")


def refused_night(folder: Path, code: int, first: int | None, count: int) -> tuple[int, dict[str, dict[str, bytes]]]:
    """A grid of two and a broken sidecar, in one run; how many changes it made of the disk, and the results.

    AssertionError where something is lost, done twice or in part, or left lying about.
    """
    world = World(folder)
    world.start()
    world.put("g.yaml", "content: [x.jpg, y.jpg]\nstyle: s.jpg\n")
    for name in ("x.jpg", "y.jpg", "s.jpg"):
        world.put(name, name)
    world.pair("broken", extra="sise: 1\n")
    disk = FullDisk(code, None, count)
    world.start(disk)
    disk.calls, disk.first = 0, first
    ended = patiently(world, disk)
    world.check_books({"x-s", "y-s", "broken"})
    assert world.inbox_files() == {"broken-content.jpg", "broken-style.jpg"}
    assert len({end.id for end in ended}) == len(ended) <= 3
    assert world.left_over() == set()
    world.stop()
    return disk.calls, world.results()
