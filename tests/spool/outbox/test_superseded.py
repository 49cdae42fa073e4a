"""A corrected sidecar's old failure leaves failed/ once its successor is done; nothing else does."""

from __future__ import annotations

import json

from spool_world import World

from nst_batch.reasons import CANCELLED, Reason


def mistaken(world: World, name: str) -> None:
    """A sidecar that cannot be understood, which fails alone."""
    world.put(f"{name}.yaml", "contnt: a.jpg\n")
    world.settle()
    world.sweep()


def test_it_leaves_when_the_corrected_one_is_done(world: World) -> None:
    """And not before; two mistakes before it are both gone."""
    mistaken(world, "anna/dusk")
    mistaken(world, "anna/dusk")
    assert set(world.failed()) == {"dusk", "dusk-2"}
    world.pair("anna/dusk")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    assert set(world.failed()) == {"dusk", "dusk-2"}
    world.work(handout)
    world.finish(handout)
    world.look()
    world.sweep()
    assert world.failed() == {}
    assert "failed/dusk is gone: its sidecar was corrected, and is done" in world.look().notes
    assert world.claims() == []


def test_others_stay(world: World) -> None:
    """Of another folder, of a name that begins so, two that hold somebody's images, one that was forged."""
    mistaken(world, "ben/dusk")
    mistaken(world, "dusk till dawn")
    world.pair("dusk")
    world.settle()
    (claimed,) = [world.spool.take(world.at)]
    assert claimed is not None
    world.spool.fail(claimed, Reason.of(CANCELLED, "dropped"))
    mistaken(world, "dusk")
    replaced = world.failed()["dusk-3"] / "input/dusk.yaml"
    replaced.unlink()
    (replaced / "somebody's images").mkdir(parents=True)
    before = set(world.failed())
    assert len(before) == 4
    forged = world.outbox / "failed/dusk-9"
    (forged / "input").mkdir(parents=True)
    (forged / "input/dusk.yaml").write_text("")
    (forged / "job.json").write_text(json.dumps({"state": "failed", "origin": "anna/dusk.yaml", "id": "0"}))
    world.sweep()
    world.pair("dusk")
    world.settle()
    world.run_all()
    assert set(world.failed()) == before | {"dusk-9"}


def test_a_corrected_one_that_fails_removes_nothing(world: World) -> None:
    """There is a newer failure then, and the older one may still be of use."""
    mistaken(world, "dusk")
    mistaken(world, "dusk")
    world.settle()
    world.sweep()
    assert set(world.failed()) == {"dusk", "dusk-2"}
