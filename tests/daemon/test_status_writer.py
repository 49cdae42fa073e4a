"""The one line of `systemctl status`."""

from __future__ import annotations

from typing import Any

import pytest

from nst_batch.daemon.status_writer import status_line

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
