"""The textfile for node_exporter: what it counts, when it is written, and that it holds nothing up."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nst_batch.clock import Moment
from nst_batch.config.load import Config, parse_config
from nst_batch.daemon.events import Died, Stepped
from nst_batch.daemon.metrics import Metrics, lines
from nst_batch.errors import ProblemsError
from nst_batch.job import now_iso
from nst_batch.reasons import Reason
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.disk.fs import FileSystem

WALL = 1_800_000_000.0
WRITE_SECONDS = 15.0  # as docs/config.md has it
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.e+]+)')


def at(seconds: float) -> Moment:
    return Moment(1000.0 + seconds, WALL + seconds)


def stepped(job: str, step: int) -> Stepped:
    return Stepped(SimpleNamespace(id=job), {"step": step}, epoch_end=False)  # type: ignore[arg-type]


def ended(job: str, state: Any = "done", code: str = "") -> Ended:
    return Ended(job, job, job, state, Reason(code, "") if code else None, Path())


class Place:
    """A config with metrics, a pool of one worker at work on job `a`, and what was noted."""

    def __init__(self, root: Path) -> None:
        (root / "inbox").mkdir()
        text = "metrics: exporter/nst.prom\nlimits: {min_free_gb: 3}\n"
        self.config: Config = parse_config(text, root / "config.yaml")
        self.path = root / "exporter/nst.prom"
        self.notes: list[str] = []
        self.metrics = Metrics(self.config.metrics, FileSystem(), self.notes.append)
        self.pool: Any = SimpleNamespace(
            workers=[SimpleNamespace(at_work=True), SimpleNamespace(at_work=False)],
            restarts=2,
            at_work_on=lambda job: SimpleNamespace(at_work=job == "a") if job in ("a", "queued") else None,
        )
        self.jobs: list[Any] = []
        self.view: Any = None

    def post(self, seconds: float, blocked: str | None = None, closed_until: float | None = None) -> None:
        self.metrics.post(self.config, self.view, lambda: self.jobs, self.pool, at(seconds), blocked, closed_until)

    def read(self) -> dict[str, float]:
        """Each sample by its name and labels; every line is one, or a comment of its family."""
        found, family = {}, ""
        for line in self.path.read_text().splitlines():
            if line.startswith("# HELP "):
                family = line.split()[2]
            elif not line.startswith(f"# TYPE {family} "):
                match = SAMPLE.fullmatch(line)
                assert match, line
                assert match[1] == family
                found[match[1].removeprefix("nst_batch_") + (f"{{{match[2]}}}" if match[2] else "")] = float(match[3])
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    found.path.parent.mkdir()
    return found


def test_what_is_told(place: Place) -> None:
    """The queue, the oldest job that waits, ends by reason, steps, workers, disk."""
    place.jobs = [
        SimpleNamespace(id=job, name=job, arrival=now_iso(WALL - age), outcome=None, trouble=None)
        for job, age in (("a", 900.0), ("b", 600.0), ("queued", 300.0))
    ]
    pairs = [SimpleNamespace(names=("b", "c", "d"), arrival=(WALL - 60.0) * 1e9)]
    place.view = SimpleNamespace(ready=pairs, waiting=(1, 2, 3), paused=True)
    place.metrics.job_ended(ended("x"))
    for _ in range(2):
        place.metrics.job_ended(ended("y", "failed", 'a"b\\c'))
    place.metrics.take_in(Died(SimpleNamespace(), SimpleNamespace()))  # type: ignore[arg-type]
    place.post(0.0, blocked="the disk is full", closed_until=WALL + 1)
    found = place.read()
    assert found['queue_jobs{state="running"}'] == 1
    assert found['queue_jobs{state="waiting"}'] == 4  # b by its claim, c and d by their pair, one in a cluster's queue
    assert found['queue_jobs{state="incomplete"}'] == 3
    assert found["oldest_waiting_seconds"] == pytest.approx(600.0, abs=1.0)
    assert found['jobs_ended_total{reason="",state="done"}'] == 1
    assert found['jobs_ended_total{reason="",state="stopped"}'] == 0
    assert found['jobs_ended_total{reason="a\\"b\\\\c",state="failed"}'] == 2
    assert (found["worker_restarts_total"], found["worker_deaths_total"]) == (2, 1)
    assert (found["queue_blocked"], found["paused"], found["schedule_closed"]) == (1, 1, 1)
    assert found["disk_needed_bytes"] == 3e9
    assert found['disk_free_bytes{folder="inbox"}'] > 0
    assert not [name for name in found if "outbox" in name]  # it is not there yet
    assert found["written_timestamp_seconds"] == WALL


def test_steps_are_counted_whoever_tells_of_them(place: Place) -> None:
    """A fast GPU tells of some steps only; a resumed job begins with a later one, which is one step."""
    for job, step in (("a", 1), ("a", 40), ("b", 501), ("b", 511)):
        place.metrics.take_in(stepped(job, step))
    place.post(0.0)
    assert (place.read()["steps_total"], place.read()["steps_per_second"]) == (51, 0)
    place.metrics.job_ended(ended("a"))
    place.metrics.take_in(stepped("a", 1))
    place.metrics.take_in(stepped("b", 600))
    place.post(20.0)
    assert (place.read()["steps_total"], place.read()["steps_per_second"]) == (141, 4.5)


def test_it_is_written_every_fifteen_seconds_at_most(place: Place) -> None:
    """Whole, readable for all, and with nothing beside it."""
    place.post(0.0)
    place.post(WRITE_SECONDS - 0.1)
    assert place.read()["written_timestamp_seconds"] == WALL
    place.post(WRITE_SECONDS)
    assert place.read()["written_timestamp_seconds"] == WALL + WRITE_SECONDS
    assert [path.name for path in place.path.parent.iterdir()] == ["nst.prom"]
    assert place.path.stat().st_mode & 0o444 == 0o444


def test_node_exporter_may_read_it_whatever_the_umask(place: Place) -> None:
    """It is another user, and the service's umask (0007) is for pictures."""
    before = os.umask(0o007)
    try:
        place.post(0.0)
    finally:
        os.umask(before)
    assert place.path.stat().st_mode & 0o444 == 0o444


def test_a_file_that_cannot_be_written_is_told_once(place: Place) -> None:
    """And again after it could be."""
    place.path.parent.rmdir()
    for seconds in (0.0, 20.0, 40.0):
        place.post(seconds)
    assert len(place.notes) == 1
    assert "nst.prom cannot be written: No such file or directory" in place.notes[0]
    place.path.parent.mkdir()
    place.post(60.0)
    place.path.unlink()
    place.path.parent.rmdir()
    place.post(80.0)
    assert len(place.notes) == 2


def test_without_a_path_there_is_nothing(place: Place) -> None:
    """Nor is anything looked at for it."""
    place.metrics.path = None
    place.post(0.0)
    assert list(place.path.parent.iterdir()) == []


def test_the_text_format() -> None:
    """As Prometheus's page has it: backslash, quote and line feed are escaped in a label, large numbers are whole."""
    assert lines("a_total", "counter", "What.", {(("x", 'q"\\\n'), ("y", "z")): 123456789012, (): 0.5}) == (
        '# HELP a_total What.\n# TYPE a_total counter\na_total{x="q\\"\\\\\\n",y="z"} 123456789012\na_total 0.5\n'
    )


@pytest.mark.parametrize("path", ["nst.txt", "folder/.prom", "inbox/nst.prom", "$HOME/nst.prom"])
def test_paths_that_node_exporter_would_not_read_are_refused(path: str, tmp_path: Path) -> None:
    """Nor one in the inbox, each change of which wakes the daemon."""
    with pytest.raises(ProblemsError, match="line 1, metrics"):
        parse_config(f"metrics: {path}\n", tmp_path / "config.yaml")


def test_it_is_written_wherever_the_administrator_says(tmp_path: Path) -> None:
    """The daemon's files are kept beneath inbox and outbox; the folder of the metrics is beside them."""
    place = Place(tmp_path)
    files = FileSystem()
    files.keep_beneath(tmp_path / "inbox")
    place.metrics = Metrics(place.config.metrics, files, place.notes.append)
    place.path.parent.mkdir(exist_ok=True)
    place.post(0)
    assert place.read()
    assert place.notes == []
