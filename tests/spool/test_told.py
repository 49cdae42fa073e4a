"""Whether a daemon runs, where its inbox is away and with it the lock that it holds: by the copy in the outbox."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from spool_world import World

from nst_batch.spool.disk.alive import born
from nst_batch.spool.told import told_by_daemon

STATE = "state.json"


def tells(world: World, **other: Any) -> dict[str, Any]:
    """This process, the daemon, has put its state down."""
    facts = {
        "pid": os.getpid(), "born": born(os.getpid()), "inbox": str(world.inbox), "blocked": None,
        "running": [{"name": "a"}], "waiting": [{"name": "b", "done_at": 9.0}], "empty_at": 9.0, **other,
    }  # fmt: skip
    world.spool.note_state(STATE, json.dumps(facts).encode())
    return facts


def test_a_daemon_whose_inbox_is_away_lives_and_waits(world: World, tmp_path: Path) -> None:
    """Told with what keeps it, and nothing is foretold; back again, the lock tells of it."""
    facts = tells(world)
    world.inbox.rename(tmp_path / "elsewhere")
    waits = {"blocked": f"{world.inbox} is not there", "waiting": [{"name": "b", "done_at": None}], "empty_at": None}
    assert told_by_daemon(world.config, STATE) == (f"process {os.getpid()}", {**facts, **waits})
    world.inbox.mkdir()
    held_by, told = told_by_daemon(world.config, STATE)
    assert held_by == f"process {os.getpid()}", "the bare folder that an unmounted one leaves"
    assert told["blocked"] == f"{world.inbox / '.nst_batch/lock'} is gone"
    world.inbox.rmdir()
    (tmp_path / "elsewhere").rename(world.inbox)
    held_by, told = told_by_daemon(world.config, STATE)
    assert held_by is not None
    assert held_by.startswith(f"process {os.getpid()} on ")
    assert told == facts


@pytest.mark.parametrize(
    "other",
    [
        {"pid": 2**22 + 1},  # more than any process has
        {"born": "another boot 12"},  # the number was given again
        {"born": None},
        {"inbox": "/srv/others/inbox"},  # its daemon has the same outbox
    ],
)
def test_no_other_process_is_taken_for_the_daemon(world: World, tmp_path: Path, other: dict[str, Any]) -> None:
    """One that is dead, one that has its number, one of another inbox."""
    tells(world, **other)
    world.inbox.rename(tmp_path / "elsewhere")
    assert told_by_daemon(world.config, STATE) == (None, {})


def test_where_the_lock_is_there_it_alone_counts(world: World) -> None:
    """A process that has let go of the inbox is no daemon of it, though it lives."""
    tells(world)
    world.stop()
    assert told_by_daemon(world.config, STATE) == (None, {})
