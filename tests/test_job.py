"""job.json, and the other small shapes of a job."""

from __future__ import annotations

import json
from datetime import datetime

from nst_batch.job import InputFacts, JobInput, JobSpec, Outcome, manifest, now_iso
from nst_batch.reasons import Reason
from nst_batch.sidecar.settings import Patch, resolve


def spec() -> JobSpec:
    return JobSpec(
        id="a.0001",
        name="dusk-2",
        title="dusk",
        output="",
        settings=resolve(Patch()),
        sidecar={"content": "c.png", "style": "s.png"},
        inputs=(JobInput(role="content", name="c.png", path="inputs/c.png"),),
        received_at=now_iso(0.0),
    )


def test_a_finished_jobs_manifest_has_every_field() -> None:
    """The fields that docs/results.md names, and no reason where nothing failed."""
    outcome = Outcome(
        state="done",
        final="dusk.png",
        outputs=("dusk.png",),
        inputs=(InputFacts(role="content", name="c.png"),),
    )
    body = json.loads(manifest(spec(), outcome, attempts=2))
    assert set(body) == {
        *("title", "id", "state", "sidecar", "settings", "inputs", "outputs", "final", "weights", "device"),
        *(
            "precision",
            "versions",
            "received_at",
            "started_at",
            "finished_at",
            "seconds",
            "steps_done",
            "attempts",
        ),
    }
    assert body["settings"]["size"] == 512
    assert body["attempts"] == 2


def test_a_failed_jobs_manifest_says_why_and_what_to_do() -> None:
    """`reason` is the stable code."""
    outcome = Outcome(state="failed", reason=Reason("image_truncated", "c.png ends too soon", "copy it again"))
    body = json.loads(manifest(spec(), outcome, attempts=1))
    assert (body["reason"], body["advice"]) == ("image_truncated", "copy it again")


def test_a_priority_that_counts_for_less_is_noted() -> None:
    """Beside what the worker had to say."""
    capped = spec()
    capped.sidecar["priority"] = 7
    body = json.loads(manifest(capped, Outcome(state="done", notes=("c.png: no profile",)), attempts=1))
    assert body["notes"][0] == "c.png: no profile"
    assert body["notes"][1].startswith("priority 7 counts as 0, the most that")


def test_a_sidecar_that_was_not_understood_has_a_manifest_too() -> None:
    """There are no settings then, but a title, an id and the moment it came."""
    outcome = Outcome(state="failed", reason=Reason("sidecar_invalid", "line 1", "correct it"))
    body = json.loads(manifest(None, outcome, attempts=0, fallback={"title": "x", "id": "b", "received_at": "now"}))
    assert (body["title"], body["id"], body["settings"]) == ("x", "b", None)


def test_moments_carry_their_zone() -> None:
    """ISO 8601 with zone, so that a log read elsewhere means the same moment."""
    assert datetime.fromisoformat(now_iso(0.0)).timestamp() == 0.0
    assert datetime.fromisoformat(now_iso()).utcoffset() is not None


def test_one_of_several_says_of_what() -> None:
    """The sidecar's name and how many jobs it asked for, which is what a contact sheet waits for."""
    several = spec().model_copy(update={"sidecar_name": "walk.yaml", "jobs": 6})
    body = json.loads(manifest(several, Outcome(state="done"), attempts=1))
    assert body["of"] == {"sidecar": "walk.yaml", "jobs": 6}
