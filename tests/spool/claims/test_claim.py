"""What a claim refuses before it copies anything, and that a long one is heard to get on."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.errors import JobError
from nst_batch.images import ImageLimits
from nst_batch.images.files import read_regular
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import Identity


class Copies(FileSystem):
    """Notes what is copied from where."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: list[str] = []

    def copy_new(self, source: Path, target: Path, expected: Identity | None, **kind: bool) -> Identity:
        self.copied.append(source.name)
        return super().copy_new(source, target, expected, **kind)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, "library: [library]\n")
    limits = world.config.limits.model_copy(update={"max_file_mb": 0.001})
    world.config = world.config.model_copy(update={"limits": limits})
    (tmp_path / "library").mkdir()
    yield world
    world.stop()


@pytest.mark.parametrize("where", ["inbox", "library"])
def test_an_image_over_the_limit_is_refused_by_its_size(world: World, where: str) -> None:
    """Never copied, it stays where it is; the job fails as the worker would have it fail, the others are done."""
    copies = Copies()
    world.start(copies)
    world.put("g.yaml", "content: [small.jpg, other.jpg]\nstyle: [large.jpg, s.jpg]\n")
    for name in ("small.jpg", "other.jpg", "s.jpg"):
        world.put(name, b"x" * 1000)
    large = (world.inbox if where == "inbox" else world.root / "library") / "large.jpg"
    large.write_bytes(b"x" * 1001)
    world.settle()
    ended = world.run_all()
    assert {end.name: end.code for end in ended} == {
        "small-s": "",
        "other-s": "",
        "small-large": "image_file_too_large",
        "other-large": "image_file_too_large",
    }
    world.check_books(set(world.counted()))
    assert "large.jpg" not in copies.copied
    assert world.inbox_files() == ({"large.jpg"} if where == "inbox" else set())
    failed = world.failed()["small-large"]
    assert {path.name for path in (failed / "input").iterdir()} == {"g.yaml", "small.jpg"}
    body = json.loads((failed / "job.json").read_bytes())
    assert [item["name"] for item in body["inputs"]] == ["small.jpg", "large.jpg"]
    with pytest.raises(JobError) as workers:
        read_regular(large, ImageLimits(max_file_mb=0.001))
    assert [item.get("ref") for item in body["inputs"]] == [None, "large.jpg"]
    error = workers.value
    assert (failed / "error.txt").read_text() == f"{error.code}: {error.message}\n{error.advice}\n"


def test_a_long_claim_is_heard_to_get_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog is fed with every image, and within a large one, or it would end a daemon that copies for minutes."""

    def no_reflinks(*args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("nst_batch.spool.disk.copying.fcntl.ioctl", no_reflinks)
    world = World(tmp_path)
    files = FileSystem()
    heard: list[int] = []
    files.on_progress = lambda: heard.append(len(list(world.inbox.glob(".nst_batch/claims/*/inputs/[0-9]*"))))
    world.start(files)
    world.put("g.yaml", f"content: [{', '.join(f'{n}.jpg' for n in range(9))}, large.jpg]\nstyle: s.jpg\n")
    for name in ("s", *map(str, range(9))):
        world.put(f"{name}.jpg")
    with (world.inbox / "large.jpg").open("wb") as file:
        os.truncate(file.fileno(), 40_000_000)
    world.settle()
    world.hand_out_next()
    assert set(range(1, 12)) <= set(heard), "after each image"
    assert heard.count(9) >= 2, "within the large one"
    world.stop()
