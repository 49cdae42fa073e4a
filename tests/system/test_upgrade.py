"""The service's upgrade, on a real systemd: what fails on the way changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SANDBOX = os.environ.get("NST_BATCH_SYSTEMD_SANDBOX", "")

pytestmark = pytest.mark.system


@pytest.mark.skipif(not SANDBOX, reason="NST_BATCH_SYSTEMD_SANDBOX names no throw-away machine with systemd")
@pytest.mark.skipif(
    ROOT.is_relative_to("/tmp"), reason="the throw-away machine has an empty /tmp, and this checkout lies in /tmp"
)
@pytest.mark.timeout(400)
def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    """
    What was said is looked at first; what fails later has program, units, weights, folders and members as they were.

    Where the service had been stopped for it, the version before runs again, and one that did not run does not.
    """
    trial = Path(__file__).with_name("upgrade_trial.sh")
    environ = {**os.environ, "SANDBOX_SHARE": str(tmp_path), "SANDBOX_SECONDS": "300"}
    done = subprocess.run(
        [SANDBOX, "/bin/bash", str(trial), str(ROOT)], capture_output=True, text=True, check=False, env=environ
    )
    said = tmp_path / "upgrades.log"
    told = said.read_text() if said.exists() else f"the trial did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    report = dict(line.split("=", 1) for line in (tmp_path / "report").read_text().splitlines())
    assert report.pop("installed") == "0:active", told
    assert report == {
        "nothing_begun": "yes",
        "weights_typo": "",
        "config_typo": "",
        "member_typo": "",
        "weights_refused": "",
        "config_refused": "",
        "does_not_start": "",
        "old_goes_on": "1:1",
        "interrupted": "",
        "interrupted_at_once": "yes",
        "stopped_stays_stopped": "",
        "upgraded": "0:active",
        "way_back": "yes",
        "joined": "yes",
    }, told
    assert "WEIGHTS: /typo.h5 is not a file" in told
    assert "refused\nwrite another" in told
    assert "Traceback" not in told
