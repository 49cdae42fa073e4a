"""What becomes of waiting jobs: how long each takes, or why it will fail, as `check` says before a worker has it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from nst_batch.capacity import ANYWHERE, Place, Room
from nst_batch.clock import Moment
from nst_batch.daemon.forecast import Forecast
from nst_batch.daemon.foreteller import Fate, Foreteller
from nst_batch.daemon.pace import Pace
from nst_batch.daemon.queue_state import state
from nst_batch.daemon.shapes import Shapes
from nst_batch.errors import JobError
from nst_batch.images import read_header
from nst_batch.sidecar.expand import expand, parse_sidecar
from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.resolver import FileResolver
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.inbox.readiness import Wanted

SMALL = Place(Room(8192.0, 4096.0), has_bfloat16=False)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with pictures that will do, and some that will not."""
    sizes = {"a": (640, 480), "s": (300, 300), "hair": (1200, 1), "wide": (900, 300), "tall": (480, 640)}
    for name, size in sizes.items():
        Image.new("L", size, 90).save(tmp_path / f"{name}.png")
    (tmp_path / "link.png").symlink_to("a.png")
    return tmp_path


def foretell(inbox: Path, text: str, place: Place = SMALL, **limits: float) -> list[Fate]:
    """The fates of a sidecar's jobs on a machine on which each step takes two seconds and nothing else any time."""
    pace = Pace({"rates": {"cpu": 1e12}, "rests": {"cpu": 0.0}, "gaps": {"cpu": 0.0}})
    pace.step_seconds = lambda _recipe, _pixels: 2.0  # type: ignore[method-assign]
    known = Foreteller(Forecast(pace), Shapes(FileSystem(), inbox, **limits), place=place)
    return known.of_pair(pair(inbox, text))


def pair(inbox: Path, text: str) -> Any:
    """A sidecar that is ready, one step a job unless it says otherwise."""
    whole = f"preset: classic\nepochs: 1\nsteps_per_epoch: 1\n{text}\n"
    found = expand(parse_sidecar(whole, "pair.yaml"), FileResolver(DiskTree(inbox), ""))
    names = tuple(job.title for job in found.jobs)
    return SimpleNamespace(
        names=names, priority=0, lane="", now=False, arrival=1, sidecar="pair.yaml", wanted=Wanted(found.jobs)
    )


def codes(fates: list[Fate]) -> list[str]:
    return ["" if fate.failure is None else fate.failure.code for fate in fates]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("content: a.png\nstyle: s.png", ""),
        ("content: a.png\nstyle: s.png\nsize: 16384", "out_of_memory"),
        ("content: a.png\nstyle: s.png\nsize: 128\nstyle_size: 16384", "out_of_memory"),
        ("content: hair.png\nstyle: s.png", "image_too_small"),
        ("content: a.png\nstyle: hair.png", "image_too_small"),
        ("content: a.png\nstyle: s.png\nsize: 16384\nformat: webp", "format_too_small"),
        ("content: a.png\nstyle: s.png\nmask: wide.png", "mask_shape"),
        ("content: a.png\nstyle: s.png\nmask: tall.png", ""),  # it may be a photograph that is stored on its side
        ("content: link.png\nstyle: s.png", "path_outside"),
    ],
)
def test_a_job_that_is_sure_to_fail_is_known(inbox: Path, text: str, code: str) -> None:
    """By its code; it takes no time, and only what will be painted takes any."""
    (fate,) = foretell(inbox, text)
    assert codes([fate]) == [code]
    assert fate.seconds == (None if code else 2.0)


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"most_megapixels": 0.2}, "image_too_large"), ({"most_mb": 1e-5}, "image_file_too_large"), ({}, "")],
)
def test_an_image_over_the_limits_is_known(inbox: Path, limits: dict[str, float], code: str) -> None:
    """Those of the config, as the worker will hold it to them."""
    assert codes(foretell(inbox, "content: a.png\nstyle: s.png", **limits)) == [code]


def test_other_limits_count_at_once(inbox: Path) -> None:
    """A config that is read again may let an image have more, or less."""
    shapes = Shapes(FileSystem(), inbox, most_megapixels=0.2)
    known, asked = Foreteller(Forecast(Pace()), shapes, place=SMALL), pair(inbox, "content: a.png\nstyle: s.png")
    assert codes(known.of_pair(asked)) == ["image_too_large"]
    shapes.limit(50.0, 100.0)
    assert codes(known.of_pair(asked)) == [""]


def test_what_is_remembered_is_of_the_same_job(inbox: Path) -> None:
    """Of thousands with few settings and shapes; each failure names the image that is to blame."""
    for number in range(3):
        Image.new("L", (1200, 1), 90).save(inbox / f"thread{number}.png")
        Image.new("L", (640, 480), 90).save(inbox / f"fine{number}.png")
    known = Foreteller(Forecast(Pace()), Shapes(FileSystem(), inbox), place=SMALL)
    asked = pair(inbox, 'content: ["thread*.png", "fine*.png"]\nstyle: s.png')
    for _ in range(2):
        fates = known.of_pair(asked)
        assert [str(fate.failure.message).split(":")[0] if fate.failure else "" for fate in fates] == [
            *(f"thread{number}.png" for number in range(3)),
            *[""] * 3,
        ]


@pytest.mark.parametrize("head", [b"%PDF-1.7\n%", b"8BPS\0\1", b"<svg xmlns='http://www.w3.org/2000/svg'>"])
def test_what_is_no_image_that_is_read_is_known(inbox: Path, head: bytes) -> None:
    """By the beginning of its file, whatever its name is, with what it is in the words of `check`."""
    (inbox / "a.png").write_bytes(head + bytes(3000))
    (fate,) = foretell(inbox, "content: a.png\nstyle: s.png")
    assert fate.failure is not None
    with pytest.raises(JobError) as caught:
        read_header(inbox / "a.png")
    assert fate.failure == caught.value.reason
    assert fate.failure.message.startswith("a.png: is ")


def test_only_the_bad_jobs_of_a_sidecar_fail(inbox: Path) -> None:
    """Each has its own fate."""
    fates = foretell(inbox, "content: [a.png, hair.png]\nstyle: s.png\nvary: {size: [256, 16384]}")
    assert codes(fates) == ["", "out_of_memory", "image_too_small", "image_too_small"]


def test_where_nothing_is_known_nothing_is_foretold_to_fail(inbox: Path) -> None:
    """Of the place, or of what an image's head does not tell."""
    assert codes(foretell(inbox, "content: a.png\nstyle: s.png\nsize: 16384", ANYWHERE)) == [""]
    (inbox / "a.png").write_bytes(b"no head that we know")
    assert codes(foretell(inbox, "content: a.png\nstyle: hair.png\nsize: 16384")) == [""]


def worker(device: str, **details: Any) -> Any:
    return SimpleNamespace(ready=bool(details), device=SimpleNamespace(name=device), details=details)


def test_what_the_workers_tell_of_themselves_counts(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest memory, and bfloat16 where one has it; before one is ready the machine's own, where all paint there.

    Nothing where one does not tell.
    """
    known = Foreteller(Forecast(Pace()), Shapes(FileSystem(), inbox))
    asked = pair(inbox, "content: a.png\nstyle: s.png\nsize: 3000")
    one = worker("cpu", rate=1.0, precision="float32", memory_mb=2000.0)
    known.follow([worker("cpu")], ["gpu:0", "cpu"])
    assert codes(known.of_pair(asked)) == [""]
    monkeypatch.setattr("nst_batch.capacity.machine_memory.total_mb", lambda: 1500.0)
    known.follow([], ["cpu"])
    assert codes(known.of_pair(asked)) == ["out_of_memory"]
    known.follow([one])
    assert codes(known.of_pair(asked)) == ["out_of_memory"]
    known.follow([one, worker("gpu:0", rate=1.0, precision="bfloat16", memory_mb=80_000.0)])
    assert (known.place.room.total_mb, known.place.has_bfloat16) == (80_000.0, True)
    assert codes(known.of_pair(asked)) == [""]
    known.follow([one, worker("gpu:0", rate=1.0)])
    assert known.place.room.total_mb == 0.0


def test_a_job_that_will_fail_adds_nothing_to_the_queue(inbox: Path) -> None:
    """It says why; the job behind it is done as if it were not there, and the queue is empty with that."""
    pace = Pace({"rates": {"cpu": 1e12}, "rests": {"cpu": 0.0}, "gaps": {"cpu": 0.0}})
    pace.step_seconds = lambda _recipe, _pixels: 2.0  # type: ignore[method-assign]
    known = Foreteller(Forecast(pace), Shapes(FileSystem(), inbox), place=SMALL)
    bad = pair(inbox, "content: a.png\nstyle: s.png\nsize: 16384\ntitle: bad")
    good = pair(inbox, "content: a.png\nstyle: s.png\ntitle: good")
    view = InboxView(next_look=math.inf, ready=(bad, good))
    idle: Any = SimpleNamespace(
        job=None, ready=True, at_work=False, device=SimpleNamespace(name="cpu"), progress={}, last_beat=0.0
    )
    facts = state(view, (), (idle,), None, os.getpid(), foreteller=known, at=Moment(0.0, 1000.0))
    first, second = facts["waiting"]
    assert first["why"].startswith("will fail: 16384 × 12288 pixels take about")
    assert (first["seconds"], first["done_at"], first["until"], first["held_up"]) == (None, None, None, False)
    assert (second["why"], second["done_at"], facts["empty_at"]) == ("ready", 1002, 1002.0)
