"""salvage: of a config with a mistake, all that is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from nst_batch.config.salvage import salvaged

RIGHT = "# ours\ninbox: /srv/in   # here\noutbox: /srv/out\nlimits:\n  max_jobs: 7\n"


@pytest.mark.parametrize(
    "wrong",
    [
        "weigths: auto\n",
        "device: [cpu\n",
        "after:\tkeep: 'x\n",
        "jobs: {attempts: many}\n",
        "watch:\n   settle_seconds: soon\n  rescan_seconds: 1\n",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_is_wrong_goes_alone(tmp_path: Path, wrong: str, *, first: bool) -> None:
    """Whether it is a word that nobody knows, a wrong value or no YAML."""
    path = tmp_path / "config.yaml"
    path.write_text(wrong + RIGHT if first else RIGHT + wrong)
    config = salvaged(path)
    assert config is not None
    assert (str(config.inbox), str(config.outbox), config.limits.max_jobs) == ("/srv/in", "/srv/out", 7)


def test_what_is_right_alone_and_wrong_together_leaves_the_folders(tmp_path: Path) -> None:
    """They are what a daemon is found by."""
    path = tmp_path / "config.yaml"
    path.write_text(RIGHT.replace("max_jobs", "max_priority") + "defaults: {priority: 9}\n")
    config = salvaged(path)
    assert config is not None
    assert (str(config.inbox), config.limits.max_jobs) == ("/srv/in", 1000)


@pytest.mark.parametrize(
    "text", ["inbox: [a\noutbox: out\n", "inbox: 5\n", "inbox: a\ninbox: b\n", "inbox: a\noutbox: a\n"]
)
def test_an_inbox_that_cannot_be_told_is_not_guessed(tmp_path: Path, text: str) -> None:
    """The default one may be another daemon's."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert salvaged(path) is None


def test_a_file_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    """No error either: the one that was met before is told."""
    assert salvaged(tmp_path / "nowhere.yaml") is None
