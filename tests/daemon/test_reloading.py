"""config.yaml read again while the daemon works: what counts at once, what only a restart changes, what is refused."""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest
from spool_world import World

from nst_batch.config.load import Config, parse_config
from nst_batch.daemon.reloading import Reloader
from nst_batch.errors import SetupError


class Studio:
    """A reloader whose file is a text, and what it has passed on and told."""

    def __init__(self, root: Path, text: str = "") -> None:
        self.root = root
        self.text = text
        self.passed: list[Config] = []
        self.said: list[str] = []
        self.reloader = Reloader(self.read(), self.read, self.passed.append)

    def read(self) -> Config:
        if self.text == "gone":
            raise SetupError("config_missing", "config.yaml is not there")
        return parse_config(self.text, self.root / "config.yaml")

    def reload(self, text: str) -> str:
        self.text = text
        return self.reloader.reload()


def test_a_good_config_counts_at_once(tmp_path: Path) -> None:
    """It is passed on whole, and nothing is said of a restart."""
    studio = Studio(tmp_path)
    said = studio.reload("defaults: {size: 768}\njobs: {stall_timeout: 20m}\n")
    assert studio.passed[0].defaults.size == 768
    assert studio.passed[0].jobs.stall_timeout == 1200
    assert "restart" not in said
    assert studio.reloader.fault == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("inbox: elsewhere\n", "inbox"),
        ("device: cpu\nweights: untrained\n", "weights, device"),
        ("watch: {polling: true}\n", "watch.polling"),
    ],
)
def test_what_only_a_restart_changes_is_named_and_left(tmp_path: Path, text: str, named: str) -> None:
    """The rest of the same file counts; the keys are named again as long as they differ."""
    studio = Studio(tmp_path)
    for _ in range(2):
        said = studio.reload(text + "limits: {min_free_gb: 7}\n")
        assert f"only a restart changes {named}" in said
    assert studio.passed[-1].limits.min_free_gb == 7
    before = parse_config("", tmp_path / "config.yaml")
    assert (studio.passed[-1].inbox, studio.passed[-1].device) == (before.inbox, before.device)
    assert studio.passed[-1].watch.polling == before.watch.polling


@pytest.mark.parametrize("text", ["limits: {min_free_gb: x}\n", "inbox: [\n", "gone"])
def test_a_bad_config_changes_nothing_and_stays_told(tmp_path: Path, text: str) -> None:
    """Until a good one has been read the fault is there to be shown."""
    studio = Studio(tmp_path)
    said = studio.reload(text)
    assert "the old one stays" in said
    assert studio.reloader.fault
    assert studio.passed == []
    studio.reload("")
    assert studio.reloader.fault == ""


def test_a_larger_limit_for_sidecars_counts_for_those_that_wait(tmp_path: Path) -> None:
    """A sidecar over the limit of before is claimed like any other."""
    world = World(tmp_path)
    small = world.config.limits.model_copy(update={"max_sidecar_kb": 1})
    world.config = world.config.model_copy(update={"limits": small})
    world.start()
    world.spool.reload(world.config.model_copy(update={"limits": small.model_copy(update={"max_sidecar_kb": 64})}))
    world.pair("long", "# " + "x" * 5000 + "\n")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    assert handout.title == "long"


def test_a_thousand_reloads_touch_no_job_and_grow_nothing(tmp_path: Path) -> None:
    """A third of them bad; a job in a worker's hands and one that waits go on as they were."""
    world = World(tmp_path)
    world.start()
    world.pair("at-work")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.pair("waits")
    before = handout.attempts
    studio = Studio(tmp_path, "limits: {min_free_gb: 0}\n")
    studio.reloader = Reloader(world.config, studio.read, world.spool.reload)
    chance = random.Random(0)

    def reload(times: int) -> int:
        bad = 0
        for number in range(times):
            is_bad = chance.random() < 1 / 3
            bad += is_bad
            studio.reload(
                "limits: {min_free: 1}\n" if is_bad else f"limits: {{min_free_gb: 0, max_jobs: {number + 1}}}\n"
            )
            assert bool(studio.reloader.fault) is is_bad
        return bad

    bad = reload(100)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bad += reload(900)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < 8 * 1024
    assert 250 < bad < 420
    assert world.spool.job(handout.id).attempts == before
    assert [job.name for job in world.spool.jobs()] == ["at-work"]
    world.settle()
    world.work(handout)
    world.finish(handout)
    second = world.hand_out_next()
    assert second is not None
    assert second.title == "waits"
