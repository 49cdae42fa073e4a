"""How long something takes, in words."""

from __future__ import annotations

import pytest

from nst_batch.clock import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.04, "0 s"),
        (0.21, "0.2 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (61, "1 min 01 s"),
        (200, "3 min 20 s"),
        (3599.5, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (86400, "24 h 00 min"),
    ],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    """Seconds, minutes or hours, never sixty of a smaller unit."""
    assert duration(seconds) == text
