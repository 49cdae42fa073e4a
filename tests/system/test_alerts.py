"""The metrics and the rules for alerts, as Prometheus itself understands them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nst_batch.clock import Moment
from nst_batch.config.load import parse_config
from nst_batch.daemon.metrics import Metrics
from nst_batch.reasons import Reason
from nst_batch.spool.claims.live_job import Ended
from nst_batch.spool.disk.fs import FileSystem

RULES = Path(__file__).parents[2] / "docs/examples/alerts.yml"
PROMTOOL = shutil.which("promtool")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there (Debian's package prometheus has it)"),
]


def promtool(*words: str, text: str | None = None) -> str:
    """What it says; it must be content."""
    done = subprocess.run([str(PROMTOOL), *words], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_textfile_is_what_prometheus_reads(tmp_path: Path) -> None:
    """Names, types and units as its own linter wants them."""
    (tmp_path / "inbox").mkdir()
    path = tmp_path / "nst.prom"
    metrics = Metrics(path, FileSystem(), lambda _: None)
    metrics.job_ended(Ended("a", "a", "a", "failed", Reason("image_truncated", ""), Path()))
    pool: Any = SimpleNamespace(workers=[], restarts=0)
    metrics.post(parse_config("", tmp_path / "config.yaml"), None, lambda: (), pool, Moment.now(), None, None)
    assert promtool("check", "metrics", text=path.read_text()) == ""


def test_the_rules_are_rules() -> None:
    """All of them."""
    assert "6 rules found" in promtool("check", "rules", str(RULES))


def series(name: str, values: str, labels: str = "") -> dict[str, str]:
    return {"series": f'{name}{{instance="studio"{labels}}}', "values": values}


QUIET = [
    series("nst_batch_paused", "0x300"),
    series("nst_batch_schedule_closed", "0x300"),
    series("nst_batch_oldest_waiting_seconds", "0+60x300"),
]

CLOSED = series("nst_batch_schedule_closed", "1x300")


@pytest.mark.parametrize(
    ("alert", "given", "minute", "labels"),
    [
        ("NstBatchGone", [series("nst_batch_written_timestamp_seconds", "0x300")], 6, {"severity": "critical"}),
        ("NstBatchGone", [series("nst_batch_written_timestamp_seconds", "0+60x300")], 200, None),
        ("NstBatchBlocked", [series("nst_batch_queue_blocked", "0x10 1x100")], 22, {"severity": "critical"}),
        ("NstBatchBlocked", [series("nst_batch_queue_blocked", "0x10 1x5 0x100")], 22, None),
        ("NstBatchStandsStill", [*QUIET, series("nst_batch_steps_total", "500x300")], 90, {"severity": "warning"}),
        ("NstBatchStandsStill", [*QUIET, series("nst_batch_steps_total", "0+1x300")], 90, None),
        (
            "NstBatchStandsStill",
            [
                *QUIET[:1],
                series("nst_batch_schedule_closed", "1x300"),
                QUIET[2],
                series("nst_batch_steps_total", "500x300"),
            ],
            90,
            None,
        ),
        (
            "NstBatchJobsFail",
            [series("nst_batch_jobs_ended_total", "0+1x300", ',state="failed",reason="image_truncated"')],
            30,
            {"severity": "warning", "reason": "image_truncated"},
        ),
        ("NstBatchJobsFail", [series("nst_batch_jobs_ended_total", "0+1x300", ',state="done",reason=""')], 30, None),
        ("NstBatchWorkersDie", [series("nst_batch_worker_deaths_total", "0+1x300")], 30, {"severity": "warning"}),
        ("NstBatchWorkersDie", [series("nst_batch_worker_deaths_total", "3x300")], 30, None),
        (
            "NstBatchDiskFills",
            [
                series("nst_batch_disk_free_bytes", "3000000000x300", ',folder="outbox"'),
                series("nst_batch_disk_needed_bytes", "2000000000x300"),
            ],
            30,
            {"severity": "warning", "folder": "outbox"},
        ),
    ],
)
def test_the_alerts_come_when_they_should_and_not_else(
    tmp_path: Path, alert: str, given: list[dict[str, str]], minute: int, labels: dict[str, str] | None
) -> None:
    """By Prometheus's own test of rules, with series made by hand."""
    expected = [] if labels is None else [{"exp_labels": {"instance": "studio", **labels}}]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": given,
                "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected}],
            }
        ],
    }
    if expected:
        # Its words are taken from the rule, so that the test is of when and not of what.
        expected[0]["exp_annotations"] = annotations(alert, labels or {})
    path = tmp_path / "test.yml"
    path.write_text(json.dumps(test))
    assert "SUCCESS" in promtool("test", "rules", str(path))


def annotations(alert: str, labels: dict[str, str]) -> dict[str, str]:
    """The rule's own, with the labels put in."""
    import yaml

    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    found: dict[str, str] = next(rule["annotations"] for rule in rules if rule["alert"] == alert)
    for name, value in {"instance": "studio", **labels}.items():
        found = {key: text.replace(f"{{{{ $labels.{name} }}}}", value) for key, text in found.items()}
    return found
