"""Other members of the group: what they put, link and swap in the folders that they share with the daemon.

The daemon here is user 4001, the other one 4002, both of group 4000: real users, by their numbers. Each acts in a
process of its own; only root can make them, so these tests need root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from house import draw
from spool_world import World, retry_job

from nst_batch.cli import main
from nst_batch.cli.control import run_cancel, run_stop
from nst_batch.cli.run import run
from nst_batch.cli.status import gather
from nst_batch.cli.status_lines import lines
from nst_batch.clock import Moment
from nst_batch.config.load import load_config
from nst_batch.errors import NotNowError
from nst_batch.job import versions
from nst_batch.spool.commands import look_from_outside
from nst_batch.spool.disk.blocked import SpoolBlocked
from nst_batch.spool.told import daemons_user, obstacle, told_by_daemon

DAEMON, OTHER, GROUP = 4001, 4002, 4000
SECRET = b"PRIVATE KEY"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")


def as_user(uid: int, act: Callable[[], object]) -> None:
    """Do something in a process of a user's; what fails there fails here."""
    sys.stderr.flush()
    versions()  # reads modules of the interpreter's, which may be in a folder that is closed to others
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([GROUP])
            os.setresgid(GROUP, GROUP, GROUP)
            os.setresuid(uid, uid, uid)
            os.umask(0o007)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def studio() -> Iterator[Path]:
    """A folder that both may reach, with an inbox and an outbox of the group, and something of the daemon's user."""
    root = Path(tempfile.mkdtemp(prefix="nst-strangers-"))
    root.chmod(0o755)
    for name in ("inbox", "outbox"):
        (root / name).mkdir()
        os.chown(root / name, DAEMON, GROUP)
        (root / name).chmod(0o2770)
    (root / "home/models").mkdir(parents=True)
    for path in ("home/key.png", "home/models/weights.h5"):
        (root / path).write_bytes(SECRET)
        (root / path).chmod(0o600)
    for path in (root / "home", *(root / "home").rglob("*")):
        os.chown(path, DAEMON, DAEMON)
    (root / "home").chmod(0o700)
    yield root
    shutil.rmtree(root)


def a_night(root: Path, config: str = "") -> None:
    """The daemon starts and does what there is to be done."""
    world = World(root, config)
    try:
        world.start()
        for _ in range(4):
            try:
                world.run_all()
            except SpoolBlocked as blocked:
                print(blocked)
    finally:
        world.stop()


def pair(root: Path, name: str = "a") -> None:
    for file in (f"{name}-content.jpg", f"{name}-style.jpg"):
        (root / "inbox" / file).write_text(file)
    (root / "inbox" / f"{name}.yaml").write_text(f"content: {name}-content.jpg\nstyle: {name}-style.jpg\n")


def tree(root: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.lstat().st_uid) for path in root.rglob("*"))


def nothing_is_lost_or_published(root: Path) -> None:
    """What is the daemon's user's alone is where it was, and nowhere else."""
    assert (root / "home/key.png").read_bytes() == (root / "home/models/weights.h5").read_bytes() == SECRET
    for folder in ("inbox", "outbox"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_ino != (root / "home/key.png").stat().st_ino:
                assert SECRET not in path.read_bytes(), path


@needs_root
def test_the_own_folder_is_closed_to_the_group(studio: Path) -> None:
    """Neither looked into nor written to."""
    as_user(DAEMON, lambda: a_night(studio))

    def tries() -> None:
        with pytest.raises(PermissionError):
            list((studio / "inbox/.nst_batch").iterdir())
        with pytest.raises(PermissionError):
            (studio / "inbox/.nst_batch/trash").rename(studio / "inbox/t")

    as_user(OTHER, tries)


@needs_root
def test_other_users_see_what_the_daemon_tells_and_are_told_whose_retry_is(studio: Path) -> None:
    """By a copy in the outbox; what needs the own folder names its user."""
    config = World(studio).config
    as_user(DAEMON, lambda: a_night(studio))
    (studio / "outbox/failed/x").mkdir()
    facts = {"pid": os.getpid(), "running": [{"name": "a"}]}
    (studio / "outbox/.nst_batch_state.json").write_text(json.dumps(facts))

    def asks() -> None:
        assert told_by_daemon(config, "state.json") == (f"process {facts['pid']}", facts)
        assert look_from_outside(config, Moment.now())[0].inbox_lost is None
        assert obstacle(config) is None
        with pytest.raises(NotNowError, match="is user #4001's alone") as caught:
            retry_job(config, "x")
        assert caught.value.advice == "sudo -u '#4001' nst-batch retry …"
        assert daemons_user(config) == "#4001"

    as_user(OTHER, asks)
    as_user(DAEMON, lambda: pytest.fail("it is our own") if daemons_user(config) else None)


@needs_root
def test_other_users_see_and_steer_what_a_daemon_that_has_ended_had_taken(
    studio: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By what it told last; who may look into its folder goes by that alone."""
    (studio / "config.yaml").write_text("weights: untrained\n")
    config = load_config(studio / "config.yaml")
    as_user(DAEMON, lambda: a_night(studio))
    for name in ("taken", "dropped"):
        pair(studio, name)
    (studio / "inbox/taken.yaml").unlink()
    waits = {"why": "ready", "until": None, "seconds": 9.0, "done_at": 99.0}
    facts = {
        "pid": 0,
        "running": [{"name": "killed", "id": "k1", "device": "cpu"}],
        "waiting": [{"name": "taken", "begun": True, **waits}, {"name": "dropped", "begun": False, **waits}],
    }
    (studio / "outbox/.nst_batch_state.json").write_text(json.dumps(facts))

    def asks() -> None:
        seen = gather(config)
        assert (seen["daemon"], [job["name"] for job in seen["waiting"]]) == (None, ["killed", "taken", "dropped"])
        assert not any(job["done_at"] for job in seen["waiting"])
        assert len(seen["notes"]) == 1
        assert list(lines(seen))
        named = argparse.Namespace(config=str(studio / "config.yaml"), job=["taken"])
        assert (run_stop(named), run_cancel(named)) == (0, 0)

    as_user(OTHER, asks)
    assert (studio / "inbox/taken.stop").exists()
    assert "no daemon is running: it is done when the next one starts" in capfd.readouterr().out

    def looks() -> None:
        seen = gather(config)
        assert [job["name"] for job in seen["waiting"]] == ["dropped"]
        assert not any("when the daemon ended" in note for note in seen["notes"])

    as_user(DAEMON, looks)


@needs_root
@pytest.mark.parametrize("asking", [0, OTHER])
def test_check_says_what_the_daemon_may_not_read_or_take(
    asking: int, studio: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file, or a folder that came with rights of its own, though who asks may; what it may is not remarked on."""
    (studio / "config.yaml").write_text("weights: untrained\ndefaults: {size: 64}\n")
    as_user(DAEMON, lambda: a_night(studio))

    def drops() -> None:
        for name in ("fine", "closed/b", "own/e", "shut/c", "sticky/d"):
            folder = studio / "inbox" / Path(name).parent
            folder.mkdir(exist_ok=True)
            for role in ("content", "style"):
                shutil.copy(picture, folder / f"{role}.png")
            (studio / "inbox" / f"{name}.yaml").write_text("content: content.png\nstyle: style.png\n")
        (studio / "inbox/closed/style.png").chmod(0o600)
        (studio / "inbox/shut").chmod(0o755)
        (studio / "inbox/own/e.yaml").chmod(0o600)
        (studio / "inbox/sticky").chmod(0o3770)

    picture = draw(studio / "picture.png")
    picture.chmod(0o644)
    as_user(OTHER, drops)
    check = ["check", "--config", str(studio / "config.yaml")]
    main(check)  # loads what the other one may not read
    capfd.readouterr()
    as_user(asking, lambda: main(check) and None)
    told = [line.strip() for line in capfd.readouterr().out.splitlines() if "#4001" in line]
    who = "note: it waits while #4001, the daemon's user, may not"
    assert told == [
        f"{who} read style.png: chgrp 4000 and chmod g+r closed/style.png",
        f"{who} read e.yaml: chgrp 4000 and chmod g+r own/e.yaml",
        f"{who} take files out of shut: chgrp 4000 and chmod g+rwx shut",
        f"{who} take others' files out of sticky, which is sticky: chmod -t sticky",
    ]


@needs_root
@pytest.mark.parametrize("how", ["a folder of theirs", "a sticky folder", "a sidecar that is closed"])
def test_what_another_user_lets_nobody_take_fails_once_and_is_painted_when_it_may_be(studio: Path, how: str) -> None:
    """Told in failed/ after its time, however often the daemon starts; their files stay as they are."""

    def drops() -> None:
        (studio / "inbox/trip").mkdir()
        pair(studio, "trip/a")
        for role in ("content", "style"):
            (studio / f"inbox/trip/a-{role}.jpg").rename(studio / f"inbox/{role}.jpg")
        (studio / "inbox/trip/a.yaml").write_text("content: content.jpg\nstyle: style.jpg\n")
        (studio / "inbox/trip").chmod({"a folder of theirs": 0o755, "a sticky folder": 0o3770}.get(how, 0o2770))
        (studio / "inbox/trip/a.yaml").chmod(0o600 if how == "a sidecar that is closed" else 0o640)

    def waits() -> None:
        world = World(studio)
        world.start()
        for _ in range(80):
            world.later(60.0)
            world.look()
            world.sweep()
            assert world.hand_out_next() is None
        world.spool.close(world.at)

    def lets_take() -> None:
        (studio / "inbox/trip").chmod(0o2770)
        (studio / "inbox/trip/a.yaml").chmod(0o660)

    as_user(OTHER, drops)
    for _ in range(2):
        as_user(DAEMON, waits)
        assert [path.name for path in (studio / "outbox/failed").iterdir()] == ["a"]
        assert "sidecar_not_taken: trip/a.yaml" in (studio / "outbox/failed/a/error.txt").read_text()
        assert (studio / "inbox/trip/a.yaml").stat().st_uid == OTHER
    as_user(OTHER, lets_take)
    as_user(DAEMON, lambda: a_night(studio))
    assert (studio / "outbox/a/a.png").exists()
    assert list((studio / "outbox/failed").iterdir()) == []


@needs_root
@pytest.mark.parametrize("name", ["folder.yaml", "defaults.yaml", "sub/folder.yaml"])
def test_a_folders_file_that_is_closed_stops_nobody_else(studio: Path, name: str) -> None:
    """A group member's file of mode 600 in the inbox, or in a folder of theirs."""

    def drops() -> None:
        (studio / "inbox/hot/sub").mkdir(parents=True)
        (studio / "inbox/hot" / name).write_text("style: s.jpg\n" if name != "defaults.yaml" else "size: 64\n")
        (studio / "inbox/hot" / name).chmod(0o600)
        (studio / "inbox/hot/photo.jpg").write_text("a photograph")
        pair(studio)

    as_user(OTHER, drops)
    as_user(DAEMON, lambda: a_night(studio))
    assert (studio / "outbox/a/a.png").exists()


@needs_root
@pytest.mark.parametrize("user", [0, OTHER])
def test_a_daemon_of_another_user_is_not_started_on_the_queue(user: int, studio: Path) -> None:
    """Not root's either: it is told whose the queue is, and never to move that user's state away."""
    (studio / "config.yaml").write_text("weights: untrained\n")
    as_user(DAEMON, lambda: a_night(studio))
    before = tree(studio)

    def starts() -> None:
        with pytest.raises(NotNowError, match="is user #4001's alone, who runs its daemon") as caught:
            run(argparse.Namespace(config=str(studio / "config.yaml"), once=False, incomplete=None))
        assert caught.value.advice.startswith("sudo -u '#4001' nst-batch run;")

    as_user(user, starts)
    assert tree(studio) == before


@needs_root
@pytest.mark.parametrize("where", ["outbox/running/.trash", "outbox/running", "outbox/failed", "outbox/series"])
def test_a_link_in_the_outbox_leads_nowhere(studio: Path, where: str) -> None:
    """A folder of the outbox swapped for a link into the daemon's home: nothing there is touched."""
    as_user(DAEMON, lambda: a_night(studio))

    def swaps() -> None:
        place = studio / where
        if place.exists():
            place.rename(studio / "outbox/away")
        place.symlink_to(studio / "home")
        pair(studio)
        with (studio / "inbox/a.yaml").open("a") as sidecar:
            sidecar.write("output: series\n")
        (studio / "inbox/bad.yaml").write_text("nonsense: 1\n")

    as_user(OTHER, swaps)
    as_user(DAEMON, lambda: a_night(studio))
    nothing_is_lost_or_published(studio)
    assert sorted(path.name for path in (studio / "home").iterdir()) == ["key.png", "models"]
    assert (studio / "outbox/failed/bad/error.txt").exists()


@needs_root
def test_a_claim_of_somebody_elses_making_is_set_aside(studio: Path) -> None:
    """Left in an own folder of an older version, which the group could write to."""
    name = "20260101-000000-000000-abcd"

    def forges() -> None:
        claim = studio / "inbox/.nst_batch/claims" / name
        claim.mkdir(parents=True)
        (claim / "claim.json").write_text("{}")
        (claim / "inputs").symlink_to(studio / "home")

    (studio / "inbox/.nst_batch/claims").mkdir(parents=True)
    for path in (studio / "inbox/.nst_batch", studio / "inbox/.nst_batch/claims"):
        os.chown(path, DAEMON, GROUP)
        path.chmod(0o2770)
    as_user(OTHER, forges)
    as_user(DAEMON, lambda: a_night(studio))
    nothing_is_lost_or_published(studio)
    assert not (studio / "inbox/.nst_batch/claims" / name).exists()
    assert [path.name[: len(name)] for path in (studio / "inbox/.nst_batch/damaged").iterdir()] == [name]


@needs_root
@pytest.mark.parametrize("what", ["an image", "the sidecar", "a library's image"])
def test_a_hard_link_to_a_private_file_is_not_published(studio: Path, what: str) -> None:
    """Where the system lets others make one (fs.protected_hardlinks = 0); the rest of the night goes on."""
    target = {"an image": "inbox/a-style.jpg", "the sidecar": "inbox/a.yaml", "a library's image": "library/lib.jpg"}
    (studio / "library").mkdir()

    def drops() -> None:
        pair(studio)
        pair(studio, "b")
        if what == "a library's image":
            (studio / "inbox/a.yaml").write_text("content: a-content.jpg\nstyle: lib.jpg\n")
        else:
            (studio / target[what]).unlink()

    as_user(OTHER, drops)
    os.link(studio / "home/key.png", studio / target[what])
    as_user(DAEMON, lambda: a_night(studio, "library: [library]\n"))
    nothing_is_lost_or_published(studio)
    assert (studio / "outbox/b/b.png").exists()


@needs_root
def test_a_hard_link_that_all_may_read_is_a_file_like_any_other(studio: Path) -> None:
    """As those make who keep one picture in several folders."""

    def drops() -> None:
        pair(studio)
        for path in (studio / "inbox").glob("a-*"):
            path.chmod(0o664)
            os.link(path, path.with_name(f"other-{path.name}"))

    as_user(OTHER, drops)
    as_user(DAEMON, lambda: a_night(studio))
    assert (studio / "outbox/a/a.png").exists()


@needs_root
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
def test_what_is_no_file_costs_its_own_job(studio: Path, kind: str) -> None:
    """Named as an image; nothing hangs, the next pair is done."""
    as_user(OTHER, lambda: (pair(studio), pair(studio, "b"), (studio / "inbox/a-style.jpg").unlink()))
    place = studio / "inbox/a-style.jpg"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        os.mknod(place, 0o600 | (0o140000 if kind == "socket" else 0o020000), os.makedev(1, 5))
    as_user(DAEMON, lambda: a_night(studio))
    assert (studio / "outbox/b/b.png").exists()
    assert (studio / "outbox/failed/a/error.txt").exists()
