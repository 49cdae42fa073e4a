"""What is told of a daemon at work: the one line of `systemctl status`, and when the state is put down anew."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nst_batch.cli.listeners import Lines
from nst_batch.clock import Moment
from nst_batch.config.load import parse_config
from nst_batch.daemon.gallery_keeper import GalleryKeeper
from nst_batch.daemon.open_hours import OpenHours
from nst_batch.daemon.service import Notifier
from nst_batch.daemon.shapes import Shapes
from nst_batch.daemon.status_writer import STATE_SECONDS, StatusWriter, status_line
from nst_batch.filenames import OWN_FOLDER, STATE_NAME
from nst_batch.spool.claims.attempts import Attempts
from nst_batch.spool.claims.live_job import Job
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox.control import Control
from nst_batch.spool.inbox.inbox import InboxView
from nst_batch.spool.spool import Spool

JOB = {"name": "dusk", "epoch": 2, "epochs": 3, "loss": 5524.2, "seconds_left": 200.0, "wish": ""}
IDLE: dict[str, Any] = {
    "running": [], "paused": False, "blocked": None, "closed_until": None, "closed_zone": None, "empty_at": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "0 waiting, 4 done, 1 failed"),
        ({"running": [JOB]}, "dusk epoch 2/3, loss 5524, 3 min 20 s left; 0 waiting, 4 done, 1 failed"),
        (
            {"running": [JOB, {**JOB, "name": "dawn", "loss": None}], "paused": True},
            "paused; dusk epoch 2/3, loss 5524, 3 min 20 s left; dawn is starting; 0 waiting, 4 done, 1 failed",
        ),
        ({"running": [{**JOB, "wish": "stop"}]}, "dusk is being stopped; 0 waiting, 4 done, 1 failed"),
        ({"running": [{**JOB, "wish": "cancel"}]}, "dusk is being cancelled; 0 waiting, 4 done, 1 failed"),
        (
            {"running": [{**JOB, "wish": "stop", "begun": False}]},
            "dusk is being stopped after its first step; 0 waiting, 4 done, 1 failed",
        ),
        ({"blocked": "the disk is full; make room"}, "the disk is full; make room; 0 waiting, 4 done, 1 failed"),
    ],
)
def test_it_says_what_is_wrong_then_the_jobs_then_the_queue(facts: dict[str, Any], line: str) -> None:
    """In this order, since the end of a long line is cut off."""
    assert status_line({**IDLE, **facts}, 0, 4, 1) == line


def test_a_long_mistake_in_the_config_leaves_room_for_the_queue() -> None:
    """It is told first, and shortened."""
    line = status_line(IDLE, 7, 4, 1, "config not read again: " + "x" * 1000)
    assert line.startswith("config not read again: xxx")
    assert line.endswith("; 7 waiting, 4 done, 1 failed")
    assert len(line) < 500


def test_what_is_asked_of_a_job_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing else changes, too: the first step of a large picture may take minutes."""
    monkeypatch.setattr(GalleryKeeper, "post", lambda *_given, **_named: None)  # a process of its own
    (tmp_path / "inbox").mkdir()
    config, files = parse_config("weights: untrained\ndevice: cpu\n", tmp_path / "config.yaml"), FileSystem()
    at, spool = Moment.now(), Spool(config, files)
    spool.open(at)
    folder = tmp_path / "dusk"
    job = Job(
        id="id-dusk", name="dusk", title="dusk", priority=0, claim="claim", lane="", index=1,
        arrival="2026-01-01T00:00:00+00:00", claim_folder=folder, folder=folder, running=folder, spec=None,
        attempts=Attempts(),
    )  # fmt: skip
    worker = SimpleNamespace(job=job, at_work=True, ready=False, progress={}, device=SimpleNamespace(name="cpu"))
    pool: Any = SimpleNamespace(workers=(worker,), notes=(), queued={}, devices=())
    writer, hours = StatusWriter(spool, config, files, Lines(), Notifier(None)), OpenHours((), print)

    def told(*controls: Control) -> str:
        nonlocal at
        at = Moment(at.mono + 2 * STATE_SECONDS, at.wall + 2 * STATE_SECONDS)
        writer.post(InboxView(next_look=math.inf, controls=controls), pool, None, hours, at)
        entry = json.loads((config.inbox / OWN_FOLDER / STATE_NAME).read_text())["running"][0]
        return str(entry["wish"])

    control = Control("stop", config.inbox / "dusk.stop", "dusk", job)
    assert [told(), told(control), told(replace(control, action="cancel")), told()] == ["", "stop", "cancel", ""]
    # Where images are left to look at, the daemon wakes for them by itself, though nothing happens.
    assert writer.due_in(at.mono) == math.inf
    monkeypatch.setattr(Shapes, "begin_round", lambda self: setattr(self, "were_cut", True))
    told(control)
    assert 0.0 < writer.due_in(at.mono) <= STATE_SECONDS
    spool.close()
