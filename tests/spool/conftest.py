"""The world that most tests of the spool have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world with a daemon at work."""
    made = World(tmp_path)
    made.start()
    yield made
    made.stop()
