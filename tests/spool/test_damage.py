"""Each file of the daemon's own, damaged in each way: it costs its own claim at most, and the others go on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from damages import CLAIMED, DAMAGES, GLOBAL, OF_A_JOB, OUTSIDE, foreign, pairs, remove
from spool_world import World

from nst_batch.errors import NstError
from nst_batch.spool.disk.blocked import SpoolBlocked

SECRET = b"a private key of the daemon's user"


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def restarts(name: str, damage: str) -> bool:
    """Whether the daemon is started anew before it comes upon the damage: every other time, by no rule of its own."""
    return crc32(f"{name} {damage}".encode()) % 2 == 0


def prepared(tmp_path: Path) -> World:
    """A claim whose worker has just finished, and one that waits."""
    world = World(tmp_path)
    world.start()
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.work(handout)
    world.spool.put_back(handout)
    world.pair("b")
    return world


def goes_on(world: World) -> None:
    """What the daemon does over and over; a pause is a look later. The good pair is done, the bad sidecar fails."""
    world.pair("good")
    world.pair("bad", extra="sise: 1\n")
    for _ in range(6):
        try:
            world.run_all()
        except SpoolBlocked as blocked:
            world.notes.append(blocked.message)
            continue
        if {"good", "b"} <= world.finished().keys() and "bad" in world.failed():
            break
    assert {"good", "b"} <= world.finished().keys(), world.notes
    assert "bad" in world.failed(), world.notes
    assert world.spool.look(world.at).inbox_lost is None


@pytest.mark.parametrize(("name", "damage"), pairs(*CLAIMED, *OF_A_JOB))
def test_a_damaged_file_of_a_claim(tmp_path: Path, name: str, damage: str) -> None:
    """The other claim and what comes later are done; the damaged one is done too, or set aside with a word why."""
    world = prepared(tmp_path)
    claim = world.claims()[0]
    if not (claim / name).exists() and damage in ("closed", "somebody else's"):
        (claim / name).touch()
    DAMAGES[damage](claim / name)
    if restarts(name, damage):
        world.start()
    goes_on(world)
    kept = [path for path in (world.inbox / ".nst_batch/damaged").iterdir() if path.name.startswith(claim.name)]
    told = [note for note in world.notes if claim.name in note]
    assert "a" in world.finished() or "a" in world.failed() or (kept and told) or "a.yaml" in world.inbox_files()
    assert told or not kept


@pytest.mark.parametrize(("name", "damage"), pairs(*GLOBAL, *(f"../../outbox/{name}" for name in OUTSIDE)))
def test_damaged_files_of_all(tmp_path: Path, name: str, damage: str) -> None:
    """They are renewed; a claim whose folder is gone with them is the only thing that can be lost."""
    world = prepared(tmp_path)
    path = Path(os.path.normpath(world.inbox / ".nst_batch" / name))
    if not path.exists():
        path.touch()
    DAMAGES[damage](path)
    if restarts(name, damage):
        world.start()
    goes_on(world)


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "gone"])
def test_a_damaged_lock(tmp_path: Path, damage: str) -> None:
    """What is no lock file is nobody's lock."""
    world = prepared(tmp_path)
    world.stop()
    DAMAGES[damage](world.inbox / ".nst_batch/lock")
    world.start()
    goes_on(world)


@pytest.mark.parametrize("damage", ["a file", "a link", "a pipe", "somebody else's"])
def test_what_is_not_the_daemons_own_folder_is_not_touched(tmp_path: Path, damage: str) -> None:
    """The queue waits and says for what; brought back, it goes on."""
    world = prepared(tmp_path)
    own, away, victim = world.inbox / ".nst_batch", tmp_path / "away", tmp_path / "victim"
    (victim / "trash").mkdir(parents=True)
    (victim / "trash/photo").write_bytes(SECRET)
    own.rename(away)
    if damage == "a file":
        own.write_text("")
    elif damage == "a link":
        own.symlink_to(victim)
    elif damage == "a pipe":
        os.mkfifo(own)
    else:
        shutil.copytree(victim, own)
        foreign(own)
    for _ in range(2):
        assert ".nst_batch" in (world.look().inbox_lost or "")
    world.stop()
    with pytest.raises(NstError, match=r"\.nst_batch is a") as raised:
        world.start()
    assert raised.value.exit_code == 75
    assert (victim / "trash/photo").read_bytes() == SECRET
    remove(own)
    away.rename(own)
    world.start()
    goes_on(world)


def test_an_own_folder_of_an_older_version_is_closed_to_others(tmp_path: Path) -> None:
    """What it holds is gone on with; from then on it is the daemon's alone."""
    world = prepared(tmp_path)
    own = world.inbox / ".nst_batch"
    world.stop()
    own.chmod(0o2775)
    world.start()
    assert own.stat().st_mode & 0o777 == 0o700
    goes_on(world)
    assert "a" in world.finished()


def test_renamed_away_under_a_running_daemon_the_queue_waits(tmp_path: Path) -> None:
    """Nothing is begun anew beside what is lost; back again, all goes on."""
    world = prepared(tmp_path)
    (world.inbox / ".nst_batch").rename(world.inbox / "o.part")
    for _ in range(3):
        assert world.look(10.0).inbox_lost
        assert not (world.inbox / ".nst_batch").exists()
    (world.inbox / "o.part").rename(world.inbox / ".nst_batch")
    goes_on(world)
    assert "a" in world.finished()
