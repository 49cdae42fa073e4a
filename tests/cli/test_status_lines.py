"""`status` on a terminal: what each line says, each thing once, and none is wider than the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nst_batch.cli import status
from nst_batch.cli.status import gather
from nst_batch.cli.status_lines import lines
from nst_batch.config.load import load_config
from nst_batch.report.markup import columns_of

FACTS: dict[str, Any] = {
    "daemon": "process 1", "paused": False, "blocked": None, "closed_until": None, "closed_zone": None, "notes": [],
    "folders": [], "running": [], "waiting": [], "empty_at": None, "done": [], "failed": [],
    "counts": {"done": 0, "failed": 0}, "outbox": "/srv/nst_batch/outbox", "config_fault": None,
}  # fmt: skip
LONG = "the harbour at dusk, seen from the old lighthouse-waves and moonlight, second version"


def running(name: str) -> dict[str, Any]:
    return {
        "name": name, "device": "cpu", "epoch": 3, "epochs": 10, "step": 1234, "steps": 10000, "loss": 123456.7,
        "seconds_left": 4000.0, "wish": "",
    }  # fmt: skip


def waiting(name: str, why: str = "ready", **facts: Any) -> dict[str, Any]:
    return {"name": name, "why": why, "until": None, "seconds": None, "done_at": None, **facts}


def plan(name: str) -> dict[str, Any]:
    return waiting(name, seconds=900.0, done_at=time.time() + 5000.0)


def told(width: int | None = None, **facts: Any) -> list[str]:
    return list(lines({**FACTS, **facts}, width))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_job_has_a_line_on_every_terminal(width: int) -> None:
    """Its name is cut in the middle, both of whose ends tell it from others, and what matters least goes first."""
    found = told(width, running=[running(LONG)], waiting=[plan(LONG)], done=[{"folder": LONG, "state": "done"}])
    assert all(columns_of(line) <= width for line in found)
    ours = [line for line in found if "the har" in line]
    assert len(ours) == 3
    assert all("version" in line and "…" in line for line in ours) or width == 200
    assert "1 h 06 min left" in ours[0]
    assert "done about" in ours[1]
    assert ours[2].endswith("(done)")


@pytest.mark.parametrize(("wish", "said"), [("cancel", "is being cancelled"), ("stop", "is being stopped")])
def test_what_was_asked_of_a_job_at_work_is_told(wish: str, said: str) -> None:
    """From when it was asked until it has ended; no time left, which is not its own any more."""
    (line,) = [line for line in told(running=[{**running("dusk"), "wish": wish}]) if "dusk" in line]
    assert line.endswith(f"dusk on cpu: {said}")


def test_a_job_that_is_stopped_before_its_first_step_says_how_long_that_takes() -> None:
    """Its picture is the first one that there is; on a narrow terminal it is left out how long."""
    job = {**running("dusk"), "wish": "stop", "begun": False, "first_step_at": time.time() + 90.4}
    assert "running  dusk on cpu: is being stopped after its first step, in about 1 min 30 s" in told(running=[job])
    assert "running  dusk: is being stopped after its first step" in told(60, running=[job])
    late = {**job, "first_step_at": time.time() - 5.0}
    assert "running  dusk on cpu: is being stopped after its first step" in told(running=[late])


def test_where_no_daemon_runs_it_is_told_who_starts_one() -> None:
    """Another user's daemon is not for who asks to run."""
    assert told(daemon=None)[0] == "daemon   not running: nst-batch run"
    theirs = "daemon   not running; it runs as nst-batch: systemctl start nst-batch, or sudo -u nst-batch nst-batch run"
    assert told(daemon=None, daemons_user="nst-batch")[0] == theirs
    assert told(daemons_user="nst-batch")[0] == "daemon   running (process 1)"


def test_folders_of_which_nothing_is_known_are_told() -> None:
    """They are counted neither as done nor as failed; of many some are named. An older version told none."""
    (line,) = [line for line in told(unreadable=["failed/dusk"]) if line.startswith("damaged")]
    assert line.startswith("damaged  1 folder without a job.json that can be read, so not counted: failed/dusk; ")
    (line,) = [line for line in told(unreadable=[f"failed/{n}" for n in range(9)]) if line.startswith("damaged")]
    assert "9 folders" in line
    assert "failed/4 and 4 more; " in line
    assert not [line for line in told(unreadable=[]) + told() if line.startswith("damaged")]


def test_photographs_that_failed_are_told_apart() -> None:
    """Where there are any; an older version counted them as painted."""
    folder = {"path": "monet/folder.yaml", "is_hot": True, "why": "", "pending": 1, "painted": 1204, "note": ""}
    for failed, said in (({}, ""), ({"failed": 0}, ""), ({"failed": 2}, ", 2 failed")):
        (line,) = [line for line in told(folders=[{**folder, **failed}]) if line.startswith("folder")]
        assert line == f"folder   monet/folder.yaml: 1 photograph to be painted, 1,204 painted already{said}"


def test_wide_letters_count_as_two_columns() -> None:
    """Names of any script fit."""
    found = told(80, running=[running("港の夕暮れと古い灯台と波のある風景の二番目の版をもう一度描いたもの")])
    assert all(columns_of(line) <= 80 for line in found)


def test_prose_breaks_between_words_below_itself() -> None:
    """Why a job failed is told in full."""
    job = {"name": LONG, "reason": "image_truncated", "message": "a.png ends too early " * 4, "advice": "copy it again"}
    found = told(80, failed=[job], counts={"done": 0, "failed": 1})
    assert all(columns_of(line) <= 80 for line in found)
    at = next(index for index, line in enumerate(found) if "the harbour" in line)
    assert len(found[at:]) > 2
    assert all(line.startswith(" " * 9) for line in found[at:])
    assert " ".join(" ".join(found[at:]).split()).endswith("copy it again")


def test_elsewhere_than_on_a_terminal_lines_stay_whole() -> None:
    """A script that looks for a title finds it."""
    found = told(None, running=[running(LONG)], waiting=[waiting(LONG, "missing: " + "x" * 300)])
    assert sum(LONG in line for line in found) == 2


def test_a_faulty_folders_file_is_told_once() -> None:
    """What waits below a `defaults.yaml` names it; its mistake stands on its own line."""
    why = "anna/defaults.yaml: line 2, sise: did you mean 'size'?; correct it, nothing is lost meanwhile"
    folder = {"path": "anna/defaults.yaml", "is_hot": False, "why": why, "pending": 0, "painted": 0}
    found = told(folders=[folder], waiting=[waiting("dusk", why), waiting("dawn", why)])
    assert sum("did you mean" in line for line in found) == 1
    assert "folder   anna/defaults.yaml: line 2, sise: did you mean 'size'?; correct it" in "\n".join(found)
    assert "waiting  dusk: waits for anna/defaults.yaml, see above" in found


def test_a_queue_that_waits_for_people_has_no_hour() -> None:
    """ "In 0 s" it was said to be empty. What else waits has its hour, and what does not go on is counted."""
    lacking = waiting("lonely", "missing: x.jpg", until=time.time() + 90_000.0, held_up=True)
    (line,) = [line for line in told(waiting=[lacking]) if line.startswith("empty")]
    assert line.startswith("empty    when what waits has what it lacks, at the latest ")
    (line,) = [
        line for line in told(waiting=[waiting("held", "out is read-only", held_up=True)]) if line.startswith("empty")
    ]
    assert line == "empty    when what waits has what it lacks"
    both = told(waiting=[plan("dusk"), lacking], empty_at=time.time() + 5000.2)
    assert "in 1 h 23 min, but for 1 job held up" in both[-1]
    assert told(waiting=[waiting("dusk")])[-1] == "empty    not known before a worker is at work"


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"paused": True}, "paused: no end can be told"),
        ({"blocked": "the disk is full"}, "no end can be told while the queue waits, see above"),
    ],
)
def test_a_queue_that_is_held_says_by_what(held: dict[str, Any], words: str) -> None:
    """In place of an hour; how long each job takes is still told."""
    found = told(**held, waiting=[waiting("dusk", seconds=900.0)])
    assert "waiting  dusk: ready, takes 15 min" in found
    assert found[-1] == f"empty    {words}"


def test_an_hour_that_was_written_for_another_time_zone_is_told_with_it(in_zone: Callable[[str], None]) -> None:
    """Of the queue and of each job; other times are this machine's."""
    in_zone("UTC")
    opens = datetime(2099, 1, 15, 21, tzinfo=UTC).timestamp()
    outside = waiting("dusk", "outside the hours", until=opens)
    found = told(closed_until=opens, closed_zone="Europe/Belgrade", waiting=[outside])
    hour = "Thu 15 Jan, 22:00 Europe/Belgrade (Thu 15 Jan, 21:00 here)"
    assert f"hours    waits for {hour}, outside the schedule; now: true in a sidecar runs at any hour" in found
    assert f"waiting  dusk: outside the hours, until {hour}" in found
    assert "hours    waits for Thu 15 Jan, 21:00, outside" in "\n".join(told(closed_until=opens))
    assert "hours    waits for Thu 15 Jan, 21:00, outside" in "\n".join(told(closed_until=opens, closed_zone="../x"))


def test_a_job_that_has_just_ended_stands_in_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The daemon's own view is a moment older than the outbox. Another job may have the title of one that is done."""
    (tmp_path / "inbox").mkdir()
    for folder, state in (("dawn", "stopped"), ("failed/noon", "cancelled")):
        (tmp_path / "outbox" / folder).mkdir(parents=True)
        job = {"title": "t", "id": folder, "state": state, "finished_at": "2026-01-01T00:00:00+00:00"}
        (tmp_path / "outbox" / folder / "job.json").write_text(json.dumps(job))
    at_work = [{**running("dawn"), "id": "dawn"}, {**running("eve"), "id": "eve"}]
    facts = {**FACTS, "running": at_work, "waiting": [waiting("noon"), waiting("dawn")]}
    monkeypatch.setattr(status, "told_by_daemon", lambda _config, _name: ("process 1", facts))
    found = gather(load_config(environ={}, cwd=tmp_path))
    assert [job["name"] for job in found["running"]] == ["eve"]
    assert [job["name"] for job in found["waiting"]] == ["dawn"]
    assert [job["name"] for job in found["done"] + found["failed"]] == ["dawn", "noon"]


def test_a_stale_end_is_not_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A daemon whose disk has turned read-only cannot write down that it waits: the command finds that by itself."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "outbox").mkdir()
    config = load_config(environ={}, cwd=tmp_path)
    facts = {**FACTS, "running": [running("dawn")], "waiting": [plan("dusk")], "empty_at": time.time() + 9.0}
    monkeypatch.setattr(status, "told_by_daemon", lambda _config, _name: ("process 1", facts))
    assert gather(config)["empty_at"] == facts["empty_at"]
    monkeypatch.setattr(status, "obstacle", lambda _config: "the outbox is read-only")
    found = gather(config)
    assert (found["blocked"], found["empty_at"]) == ("the outbox is read-only", None)
    assert [(job["seconds"], job["done_at"]) for job in found["waiting"]] == [(900.0, None)]
