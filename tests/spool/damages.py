"""Every file of the daemon's own by its place, and every way in which one can be damaged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "something").write_text("x")


def make_link(path: Path) -> None:
    path.symlink_to(path.parents[len(path.parents) - 2] / "nowhere")


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def half(path: Path) -> None:
    data = path.read_bytes() if path.is_file() else b""
    remove(path)
    path.write_bytes(data[: len(data) // 2])


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        remove(path)
        make(path)

    return damage


def bytes_of(data: bytes) -> Callable[[Path], None]:
    return instead(lambda path: path.write_bytes(data))


def foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    os.lchown(path, 4002, 4002)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "gone": remove,
    "empty": bytes_of(b""),
    "binary": bytes_of(b"\xff\xfe\0\x01" * 100),
    "half": half,
    "wrong types": bytes_of(b'{"id": [], "jobs": "x", "runs": {}, "target": 3, "failed": [], "not_before": NaN}'),
    "deep": bytes_of(b"[" * 100_000),
    "a pipe": instead(os.mkfifo),
    "a folder": instead(make_folder),
    "a link": instead(make_link),
    "huge": instead(make_huge),
    "closed": lambda path: path.chmod(0),
    "somebody else's": foreign,
}
CLAIMED = ("claim.json", "copied", "sidecar", "sidecar/a.yaml", "inputs", "inputs/0001-a-content.jpg", "jobs")
OF_A_JOB = tuple(f"jobs/0001{name}" for name in ("", "/attempts.json", "/spec.json", "/lock", "/outcome.json"))
GLOBAL = (
    "inbox-id",
    "outbox.json",
    "waiting.json",
    "given-up",
    "ended",
    "state.json",
    "retry.lock",
    "claims",
    "retry",
    "trash",
    "damaged",
)
OUTSIDE = ("running", "failed", "running/.trash", "running/a", "running/a/.nst_batch", ".nst_batch.json")


def pairs(*names: str) -> list[tuple[str, str]]:
    """Each file with each damage; those that only a reader of text can come upon, for files that hold text."""
    of_text = ("empty", "half", "deep", "huge", "wrong types")
    return [
        (name, damage)
        for name in names
        for damage in DAMAGES
        if damage not in of_text or name.endswith((".json", "id"))
    ]
