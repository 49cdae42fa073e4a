"""Faults that the machine, the power cuts and the kills have found, each as it was, so that none comes back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from spool_world import KillSwitch, World

from nst_batch.job import JobSpec
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.loss_log import LossLog


class KillAt:
    """Kills at the first step of this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, name: str) -> None:
        if name == self.name:
            raise KillSwitch(name)


def test_a_cancel_of_a_claim_that_is_undone_in_the_same_sweep_waits(tmp_path: Path) -> None:
    """Killed between claim and copy, an image changed, a control file there: no error; the next look cancels."""
    world = World(tmp_path)
    world.start(FileSystem(KillAt("claim.renamed")))
    world.pair("a")
    world.settle()
    with contextlib.suppress(KillSwitch):
        world.hand_out_next()
    world.start()
    world.put("a-content.jpg", "another picture by now")
    world.put("a.cancel", "")
    world.look()
    assert world.sweep() == []
    assert "a.yaml" in world.inbox_files()
    world.settle()
    assert [end.state for end in world.sweep()] == ["cancelled"]
    world.check_books({"a"})


def loss_log(folder: Path) -> LossLog:
    settings = parse_sidecar(b"content: a.jpg\nstyle: b.jpg\n", "a.yaml").settings
    spec = JobSpec(
        id="c.0001", name="a", title="a", output="", settings=settings, sidecar={}, inputs=(), received_at="now"
    )
    return LossLog(FileSystem(), folder / "steps.jsonl", spec, "gram")


def test_a_log_of_losses_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """Neither read nor written to: whoever put the link there may want a private file changed."""
    (tmp_path / "private").write_text('{"step": 1}\n')
    (tmp_path / "steps.jsonl").symlink_to(tmp_path / "private")
    assert not loss_log(tmp_path).resume(1)
    with pytest.raises(OSError, match="steps"):
        loss_log(tmp_path).flush(1)
    assert (tmp_path / "private").read_text() == '{"step": 1}\n'
    loss_log(tmp_path).clear()
    assert (tmp_path / "private").exists()


@pytest.mark.parametrize("tail", ['{"step": 2', "\0\0\0\0", "2", '{"epoch": 1}'])
def test_a_log_of_losses_that_a_power_cut_has_torn_is_not_gone_on_from(tmp_path: Path, tail: str) -> None:
    """The checkpoint that counts on it is passed over; no error, which would end every run of the job."""
    (tmp_path / "steps.jsonl").write_text('{"step": 1}\n' + tail + "\n")
    assert not loss_log(tmp_path).resume(2)
    assert loss_log(tmp_path).resume(1)
