"""gallery_keeper: the gallery is renewed after a job's end and tells what runs, without holding up the daemon."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nst_batch.clock import Moment
from nst_batch.daemon.gallery_keeper import HEARTBEAT_SECONDS, LIVE_SECONDS, RENEW_SECONDS, GalleryKeeper
from nst_batch.report.live import CURVE_POINTS, Curve

RUNNING = {
    "id": "1", "name": "dusk", "step": 5, "steps": 10, "epoch": 1, "epochs": 2, "loss": 3.5, "scale": "",
    "seconds_left": 4.0,
}  # fmt: skip
OPEN: dict[str, Any] = {"paused": False, "blocked": None, "closed_until": None, "closed_zone": None}
IDLE: dict[str, Any] = {"running": [], "waiting": 0, "empty_at": None, **OPEN}


class Pages:
    """Takes the place of the spool: keeps what is written."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def write_page(self, name: str, data: bytes) -> None:
        assert name == ".gallery/live.js"
        self.written.append(json.loads(data.decode().removeprefix("nst.live(").rstrip().removesuffix(");")))


def at(seconds: float) -> Moment:
    return Moment(wall=1e9 + seconds, mono=1000.0 + seconds)


def gallery_keeper(tmp_path: Path, script: str = "") -> tuple[GalleryKeeper, Pages, list[str]]:
    """One whose renewals append a line to ``renewed`` and then run ``script``."""
    pages, notes = Pages(), list[str]()
    code = f"import sys; open(sys.argv[1] + '/renewed', 'a').write('x'); {script}"
    found = GalleryKeeper(pages, tmp_path, notes.append, (sys.executable, "-c", code))  # type: ignore[arg-type]
    return found, pages, notes


def renewed(tmp_path: Path, shown: GalleryKeeper) -> int:
    """How often the gallery has been renewed, once the process under way has ended."""
    if shown.process is not None:
        shown.process.wait(60)
    path = tmp_path / "renewed"
    return len(path.read_text()) if path.exists() else 0


def test_the_gallery_is_renewed_after_a_job_has_ended(tmp_path: Path) -> None:
    """Once at the start, for what an earlier daemon left; then once for all jobs that ended within a while."""
    shown, _, notes = gallery_keeper(tmp_path)
    shown.post(IDLE, at(0))
    assert renewed(tmp_path, shown) == 0
    shown.post(IDLE, at(RENEW_SECONDS))
    assert renewed(tmp_path, shown) == 1
    for second in (10, 11):
        shown.job_ended(at(second))
        shown.post(IDLE, at(second))
    assert renewed(tmp_path, shown) == 1
    shown.post(IDLE, at(100))
    shown.post(IDLE, at(170))
    shown.post(IDLE, at(171))
    assert renewed(tmp_path, shown) == 2
    shown.post(IDLE, at(172), last=60.0)
    assert renewed(tmp_path, shown) == 2
    assert notes == []


def test_a_daemon_that_ends_shows_what_is_owed(tmp_path: Path) -> None:
    """The last result is on the page when it is gone; where nothing has ended, nothing is done."""
    shown, _, _ = gallery_keeper(tmp_path)
    shown.post(IDLE, at(0))
    shown.post(IDLE, at(1), last=60.0)
    assert renewed(tmp_path, shown) == 0
    shown.job_ended(at(2))
    shown.post(IDLE, at(2), last=60.0)
    assert renewed(tmp_path, shown) == 1


def test_an_end_is_not_held_up_by_a_renewal(tmp_path: Path) -> None:
    """One under way and one that is owed have the given time together; the next daemon makes up for them."""
    shown, _, notes = gallery_keeper(tmp_path, "import time; time.sleep(60)")
    beats: list[float] = []
    shown.beat = lambda: beats.append(time.monotonic())
    shown.post(IDLE, at(0))
    shown.post(IDLE, at(RENEW_SECONDS))
    shown.job_ended(at(6))
    began = time.monotonic()
    shown.post(IDLE, at(7), last=0.7)
    assert time.monotonic() - began < 5.0
    assert len(beats) >= 2
    assert shown.process is None
    assert notes == []


def test_a_renewal_that_fails_is_told_once(tmp_path: Path) -> None:
    """In its own last line, and the daemon goes on."""
    shown, _, notes = gallery_keeper(tmp_path, "sys.exit('disk: No space left on device')")
    for second in (0, 10, 20, 30):
        shown.job_ended(at(second))
        shown.post(IDLE, at(second), last=60.0)
    assert notes == ["the gallery is not up to date: disk: No space left on device"]


def test_a_renewal_that_cannot_be_started_ends_nothing(tmp_path: Path) -> None:
    """No process or descriptor is left, or the program is gone: told once, tried again, also at the end."""
    shown, _, notes = gallery_keeper(tmp_path)
    shown.command, command = (str(tmp_path / "gone"),), shown.command
    shown.job_ended(at(0))
    for second in (0, 10, 11, 80):
        shown.post(IDLE, at(second))
    shown.post(IDLE, at(81), last=60.0)
    assert notes == [f"the gallery is not up to date: {tmp_path / 'gone'} cannot be started: No such file or directory"]
    shown.command = command
    shown.post(IDLE, at(200), last=60.0)
    assert renewed(tmp_path, shown) == 1


def test_a_preview_that_is_renewed_within_an_epoch_is_asked_for_again(tmp_path: Path) -> None:
    """As the worker does every half minute of a long one; a browser goes by the address. One that is gone has none."""
    shown, pages, _ = gallery_keeper(tmp_path)
    preview = tmp_path / "running/dusk/preview.png"
    preview.parent.mkdir(parents=True)
    for second, seconds in enumerate((None, 100, 100, 130, None)):
        preview.unlink(missing_ok=True)
        if seconds is not None:
            preview.write_bytes(b"x")
            os.utime(preview, (seconds, seconds))
        shown.post({"running": [RUNNING], "waiting": 0, "empty_at": None, **OPEN}, at(second * HEARTBEAT_SECONDS))
    told = [page["running"][0]["preview"] for page in pages.written]
    shown.post(IDLE, at(100), last=60.0)
    assert told[0] is None is told[4]
    assert told[1] == told[2] != told[3]


def test_what_runs_is_told_now_and_then(tmp_path: Path) -> None:
    """Each two seconds where it has changed, each ten where not, and once more when the daemon ends."""
    shown, pages, _ = gallery_keeper(tmp_path)
    (tmp_path / "running/dusk").mkdir(parents=True)
    (tmp_path / "running/dusk/preview.png").write_bytes(b"x")
    facts = {"running": [RUNNING], "waiting": 2, "empty_at": 99.0, **OPEN}
    shown.post(IDLE, at(0))
    assert pages.written == []
    shown.post(facts, at(LIVE_SECONDS))
    shown.post(facts, at(LIVE_SECONDS + 1))
    shown.post(facts, at(2 * LIVE_SECONDS))
    assert len(pages.written) == 1
    told = pages.written[0]
    assert (told["waiting"], told["emptyAt"], told["daemon"]) == (2, 99.0, True)
    assert told["running"][0]["left"] == 4.0
    assert told["running"][0]["preview"].startswith("./running/dusk/preview.png?")
    assert told["running"][0]["curve"] == [[5, 3.5, ""]]
    shown.post({**facts, "running": [RUNNING | {"step": 6, "loss": 3.0}]}, at(3 * LIVE_SECONDS))
    assert pages.written[1]["running"][0]["curve"] == [[5, 3.5, ""], [6, 3.0, ""]]
    shown.post({**facts, "running": [RUNNING | {"step": 6, "loss": 3.0}]}, at(4 * LIVE_SECONDS + HEARTBEAT_SECONDS))
    assert len(pages.written) == 3
    assert {page["running"][0]["ends"] for page in pages.written} == {""}
    shown.post({**facts, "running": [RUNNING | {"wish": "stop", "begun": False}]}, at(30))
    assert pages.written[3]["running"][0]["ends"] == "is being stopped after its first step"
    shown.post(facts, at(50), last=60.0)
    assert pages.written[-1] == {"running": [], "waiting": 0, "daemon": False}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"paused": True}, "paused"),
        ({"blocked": "/srv/out is read-only; mount it"}, "held up, nst-batch status says by what"),
        ({"closed_until": 4_000_000_000}, "begins at "),
    ],
)
def test_a_page_says_why_nothing_begins(held: dict[str, Any], words: str, tmp_path: Path) -> None:
    """In words that hold no path, as long as anything waits."""
    shown, pages, _ = gallery_keeper(tmp_path)
    facts = {**IDLE, "waiting": 2, **held}
    shown.post(facts, at(0))
    shown.post(facts, at(HEARTBEAT_SECONDS))
    assert len(pages.written) == 2
    assert pages.written[-1]["held"].startswith(words)
    assert pages.written[-1]["emptyAt"] is None
    shown.post(IDLE, at(50), last=60.0)


@pytest.mark.parametrize("steps", [100, 5000])
def test_a_curve_is_bounded(steps: int) -> None:
    """However many steps, the first stays, the points are in order; going back cuts what came after."""
    curve = Curve()
    for step in range(1, steps + 1):
        curve.add(step, 1000 / step, "")
    assert len(curve.points) <= CURVE_POINTS
    assert curve.points[0] == [1, 1000.0, ""]
    assert curve.points == sorted(curve.points)
    curve.add(50, 1.0, "")
    assert max(point[0] for point in curve.points) <= 50
