"""Checkpoints on disk: the newest and the one before it, each with its hash; a damaged one is set aside.

What a checkpoint holds is the engine's (:mod:`nst_batch.transfer.checkpoint` turns it into bytes); this module
knows where they lie and in which order they are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_batch.spool.disk.fs import FileSystem
from nst_batch.transfer.checkpoint import pack, unpack
from nst_batch.transfer.errors import DamagedCheckpointError

NEWEST = "checkpoint"
BEFORE = "checkpoint.before"
DAMAGED = "checkpoint.damaged"


@dataclass(frozen=True)
class Checkpoint:
    """A moment a job can go on from."""

    step: int
    epoch: int  # whole epochs done
    facts: Mapping[str, Any]
    state: Mapping[str, Any]  # the engine's


class Checkpoints:
    """The checkpoints of one job, in its folder."""

    def __init__(self, files: FileSystem, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self.notes: list[str] = []

    def write(self, state: Mapping[str, Any], *, step: int, epoch: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint aside, then put it in the newest one's place, which becomes the one before."""
        pieces = pack(state, {"step": step, "epoch": epoch, **facts})
        newest = self._folder / NEWEST
        if self._files.kind(newest) is not None:
            # A kill between these two leaves the one before, which newest_first() finds.
            self._files.rename(newest, self._folder / BEFORE)
        self._files.write_durable(newest, pieces)

    def newest_first(self) -> Iterator[Checkpoint]:
        """The checkpoints that can be read; a damaged one is renamed aside and noted."""
        for name in (NEWEST, BEFORE):
            path = self._folder / name
            try:
                if self._files.kind(path) not in (None, "file"):
                    raise DamagedCheckpointError(f"{name} is no file")  # noqa: TRY301 - told as any other damage
                with self._files.reader(path) as file:
                    state, facts = unpack(file)
            except FileNotFoundError:
                continue
            except DamagedCheckpointError as error:
                self._files.rename(path, self._folder / DAMAGED)
                self.notes.append(f"{error}; it was set aside")
                continue
            yield Checkpoint(int(facts["step"]), int(facts["epoch"]), facts, state)

    def clear(self) -> None:
        """Forget all of them: the job begins anew."""
        for name in (NEWEST, BEFORE):
            self._files.remove(self._folder / name)
