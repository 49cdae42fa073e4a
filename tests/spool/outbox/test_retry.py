"""Retry: the sidecar is rewritten for the one job, and means the same."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spool_world import KillSwitch, StepLog, World, retry_job

from nst_batch.errors import NotNowError, UsageError
from nst_batch.names import normal, title_fault
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.spool.commands import failed_for, look_from_outside, retry_jobs
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.lock import try_lock
from nst_batch.spool.outbox import retry
from nst_batch.spool.outbox.retry import Failed
from nst_batch.spool.outbox.rewriting import rewritten


def manifest(sidecar: dict[str, Any], title: str, *inputs: tuple[str, str]) -> dict[str, Any]:
    return {"sidecar": sidecar, "title": title, "inputs": [{"role": role, "name": name} for role, name in inputs]}


def test_one_job_of_a_grid() -> None:
    """The lists become the job's own two images, the title the job's own; every other key stays."""
    body = manifest(
        {"path_content": ["x.jpg", "y.jpg"], "style": "*.jpg", "title": "{content}", "size": 96, "output": "sub"},
        "x {1}",
        ("content", "x.jpg"),
        ("style", "s.jpg"),
    )
    request = parse_sidecar(rewritten(body, {"x.jpg", "s.jpg"}), "g.yaml")
    assert (request.content, request.style) == (("x.jpg",), ("s.jpg",))
    assert request.title == "x {{1}}"
    assert (request.settings.size, request.output) == (96, "sub")


@pytest.mark.parametrize(
    "title",
    [
        *("~", "notes~", "draft.part", "scan.tmp", "SCAN.TMP", "a.crdownload", "a.filepart", "~$a", "@GMT-a"),
        *("a.yaml", "a.yml", "folder.yaml", "a.cancel", "a.stop", "PAUSE", "a.jpg", "Thumbs.db", "ä" * 100),
    ],
)
def test_a_job_of_any_name_comes_back_where_the_daemon_looks(tmp_path: Path, title: str) -> None:
    """As its title and as what it failed under: it is painted then, and the log complains of nothing."""
    world = World(tmp_path)
    world.put("a.yaml", f"content: [missing.jpg]\nstyle: s.jpg\ntitle: {json.dumps(title)}\n")
    world.put("s.jpg", "style")
    world.start()
    world.settle()
    world.later(4000)
    world.run_all()
    assert set(world.failed()) == {title}
    folder = retry_job(world.config, title)
    assert folder.name.startswith(f"retry-{title}")
    world.notes.clear()
    world.put(f"{folder.name}/missing.jpg", "found")
    world.settle()
    world.run_all()
    assert [note for note in world.notes if folder.name in note] == []
    world.check_books({title})
    assert set(world.finished()) == {title}
    assert not folder.exists()


def test_a_failed_folder_with_as_long_a_name_as_can_be_comes_back(tmp_path: Path) -> None:
    """A person has called it so; the folder in the inbox has room for its number."""
    world = World(tmp_path)
    world.put("a.yaml", "content: [missing.jpg]\nstyle: s.jpg\n")
    world.start()
    world.settle()
    world.later(4000)
    world.run_all()
    name = "b" * 250 + ".part"
    (world.outbox / "failed/a").rename(world.outbox / "failed" / name)
    folder = retry_job(world.config, name)
    assert folder.name.startswith("retry-b")
    assert world.look().waiting or world.settle().waiting
    assert world.failed() == {}


def test_what_is_corrected_in_a_failed_jobs_sidecar_counts() -> None:
    """A setting, the title or an image that stands otherwise there now; all else is as it was asked for."""
    asked = {"content": "a.svg", "style": "s.jpg", "title": "old", "size": 16384, "epochs": 2}
    body = manifest(asked, "old", ("content", "a.svg"), ("style", "s.jpg"))
    now = {"content": "a.png", "style": "s.jpg", "title": "new", "size": 7952, "style_size": 64}
    request = parse_sidecar(rewritten(body, {"a.svg", "a.png", "s.jpg"}, now), "a.yaml")
    assert (request.content, request.style, request.title) == (("a.png",), ("s.jpg",), "new")
    assert (request.settings.size, request.settings.style_size, request.settings.epochs) == (7952, 64, 2)


def test_what_is_corrected_for_a_grid_counts_for_its_one_job() -> None:
    """Its lists stand for its other jobs as well; this one keeps its own images, title and values."""
    asked = {"content": ["a.jpg", "b.jpg"], "style": "s.jpg", "vary": {"size": [64, 128]}, "epochs": 9}
    body = manifest(asked, "a", ("content", "a.jpg"), ("style", "s.jpg")) | {"settings": {"size": 128}}
    now = asked | {"content": ["b.jpg", "c.jpg"], "epochs": 2, "vary": {"size": [32]}}
    request = parse_sidecar(rewritten(body, {"a.jpg", "s.jpg"}, now), "a.yaml")
    assert (request.content, request.title, len(request.variants)) == (("a.jpg",), "a", 1)
    assert (request.settings.size, request.settings.epochs) == (128, 2)


@pytest.mark.parametrize(
    ("correct", "goes_back"),
    [(("9", "2"), b"epochs: 2"), (("epochs", "epocs"), b"epocs: 9"), ((": 9", ": [9"), b"epochs: [9")],
)
def test_a_correction_goes_back_even_with_a_slip(world: World, correct: tuple[str, str], goes_back: bytes) -> None:
    """Nothing that a person has written is dropped in silence: the daemon says what is wrong with it."""
    given = world.outbox / "failed/a/input"
    given.mkdir(parents=True)
    sidecar = "content: a.jpg\nstyle: s.jpg\nepochs: 9\n"
    (given / "a.yaml").write_text(sidecar.replace(*correct))
    body = manifest({"content": "a.jpg", "style": "s.jpg", "epochs": 9}, "a", ("content", "a.jpg"), ("style", "s.jpg"))
    (given.parent / "job.json").write_text(json.dumps(body | {"state": "failed"}))
    assert goes_back in (retry_job(world.config, "a") / "a.yaml").read_bytes()


def test_an_image_that_stayed_where_it_was_is_found_there() -> None:
    """One of which no copy was taken, for its size or its rights: its sidecar goes back into another folder."""
    body = manifest({"content": "large.jpg", "style": "s.jpg"}, "a", ("content", "large.jpg"), ("style", "s.jpg"))
    body["inputs"][0]["ref"] = "album/large.jpg"
    request = parse_sidecar(rewritten(body, {"s.jpg"}), "a.yaml")
    assert (request.content, request.style) == (("album/large.jpg",), ("s.jpg",))
    assert parse_sidecar(rewritten(body, {"s.jpg", "large.jpg"}), "a.yaml").content == ("large.jpg",)


def test_a_missing_image_keeps_its_reference() -> None:
    """The person puts it where the original sidecar says."""
    body = manifest({"content": "pics/a.jpg", "style": "s.jpg"}, "a", ("content", "a.jpg"), ("style", "s.jpg"))
    request = parse_sidecar(rewritten(body, {"s.jpg"}), "a.yaml")
    assert request.content == ("pics/a.jpg",)


def test_a_mask_and_a_start_come_along() -> None:
    """By the names they have beside the sidecar, also where config.yaml asked for them and not the sidecar."""
    inputs = (("content", "a.jpg"), ("style", "s.jpg"), ("init", "first.png"), ("mask", "sky.png"))
    body = manifest({"content": "a.jpg", "style": "s.jpg", "init": "old/first.png"}, "a", *inputs)
    request = parse_sidecar(rewritten(body, {"a.jpg", "s.jpg", "first.png", "sky.png"}), "a.yaml")
    assert request.more == (("init", "first.png"), ("mask", "sky.png"))


def test_one_job_of_what_was_varied() -> None:
    """It goes by its own values, and nothing is varied any more."""
    body = manifest(
        {"content": "a.jpg", "style": "s.jpg", "vary": {"seed": [1, 2], "init": ["noise", "x.png"]}}, "a seed=2"
    )
    body["inputs"] += [{"role": "content", "name": "a.jpg"}, {"role": "style", "name": "s.jpg"}]
    body["settings"] = {"seed": 2, "init": "noise", "size": 512}
    request = parse_sidecar(rewritten(body, {"a.jpg", "s.jpg"}), "a.yaml")
    assert [(each.words, each.settings.seed, each.settings.init) for each in request.variants] == [("", 2, "noise")]
    assert request.title == "a seed=2"


TITLES = st.text(
    st.characters(exclude_characters='/\\:*?"<>|', exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn", "Co"]),
    min_size=1,
    max_size=30,
).filter(lambda title: title_fault(normal(title)) is None)


@given(
    TITLES
    | st.sampled_from(["1e3", "on", "true", "null", "~", "0x1f", "- a", "1_000", "#x", "1.5", "=", "!x", "‘‘", "“a”"])
)
@settings(deadline=None)
def test_any_title_comes_through(title: str) -> None:
    """What YAML would take for a number, a word of its own or a mark is quoted."""
    import unicodedata

    title = unicodedata.normalize("NFC", title)
    body = manifest({"content": "c.jpg", "style": "s.jpg"}, title, ("content", "c.jpg"), ("style", "s.jpg"))
    try:
        request = parse_sidecar(rewritten(body, {"c.jpg", "s.jpg"}), "a.yaml")
    except Exception as error:
        raise AssertionError(f"{title!r}: {rewritten(body, set())!r}") from error
    assert request.title == title.replace("{", "{{").replace("}", "}}")


def test_a_broken_sidecar_goes_back_as_it_was(world: World) -> None:
    """Nobody can rewrite what nobody understands."""
    world.pair("a", extra="sise: 1\n")
    text = (world.inbox / "a.yaml").read_bytes()
    world.settle()
    world.sweep()
    back = retry_job(world.config, "a")
    assert back == world.inbox / "a.yaml"
    assert back.read_bytes() == text
    assert world.failed() == {}


def broken_in_a_folder(world: World, folder: str = "ann") -> Path:
    """The failed folder of a sidecar with a slip in it, whose images have stayed where they were."""
    world.pair(f"{folder}/a", extra="sise: 1\n")
    world.settle()
    world.sweep()
    return world.failed()["a"]


def correct(failed: Path) -> None:
    sidecar = failed / "input/a.yaml"
    sidecar.write_text(sidecar.read_text().replace("sise: 1", "size: 96"))


def test_a_corrected_sidecar_goes_back_to_its_images(world: World) -> None:
    """To the folder where it lay, so that they are found and the folder's defaults count."""
    world.put("ann/defaults.yaml", "epochs: 7\n")
    world.settle()
    failed = broken_in_a_folder(world)
    correct(failed)
    (failed / "input/a.yaml~").write_text("sise: 1\n")  # of an editor
    assert retry_job(world.config, "a") == world.inbox / "ann/a.yaml"
    assert world.failed() == {}
    world.settle()
    world.sweep()
    job = world.hand_out_next()
    assert job is not None
    assert job.spec is not None
    assert (job.name, job.spec.settings.epochs, job.spec.settings.size) == ("a", 7, 96)
    assert world.inbox_files() == {"ann/defaults.yaml", "ann/a-content.jpg", "ann/a-style.jpg"}


def test_the_advice_names_the_sidecar_where_it_lies_and_the_way_back(world: World) -> None:
    """In error.txt and job.json; a name with a space in it is quoted as a shell needs it."""
    world.pair("ann/my a", extra="sise: 1\n")
    world.settle()
    world.sweep()
    failed = world.failed()["my a"]
    advice = (
        "correct failed/my a/input/my a.yaml in the outbox, then nst-batch retry 'my a'; no image was taken with it"
    )
    code, *_what, last = (failed / "error.txt").read_text().splitlines()
    assert code == "sidecar_invalid: ann/my a.yaml: line 3, sise: unknown key; did you mean 'size'?"
    assert last == advice
    assert json.loads((failed / "job.json").read_bytes())["advice"] == advice
    assert (world.outbox / "failed/my a/input/my a.yaml").is_file()


def test_a_sidecar_that_has_its_name_by_now_stays(world: World) -> None:
    """The one that goes back gets a number."""
    failed = broken_in_a_folder(world)
    correct(failed)
    world.put("ann/a.yaml", "mine")
    assert retry_job(world.config, "a") == world.inbox / "ann/a-2.yaml"
    assert (world.inbox / "ann/a.yaml").read_text() == "mine"


def test_a_sidecar_with_images_put_beside_it_goes_back_with_them(world: World) -> None:
    """They are what it is meant for now."""
    failed = broken_in_a_folder(world)
    (failed / "input/a-content.jpg").write_text("another")
    assert retry_job(world.config, "a") == world.inbox / "retry-a"
    assert world.inbox_files() >= {"retry-a/a.yaml", "retry-a/a-content.jpg"}


def test_a_folder_that_has_gone_is_not_made_again(world: World) -> None:
    """Nor is one followed that is a link by now."""
    failed = broken_in_a_folder(world)
    (world.inbox / "ann").rename(world.root / "elsewhere")
    (world.inbox / "ann").symlink_to(world.root / "elsewhere")
    assert retry_job(world.config, "a") == world.inbox / "retry-a"
    assert not (world.root / "elsewhere/a.yaml").exists()
    assert not failed.exists()


@pytest.mark.parametrize(
    "origin",
    ["../a.yaml", "/tmp/a.yaml", ".nst_batch/a.yaml", ".nst_batch/claims/a.yaml", "ann/../../a.yaml", "ann//a.yaml",
     "./a.yaml", "a\0/a.yaml", "\ud800/a.yaml", f"{'x' * 300}/a.yaml", "a/" * 200 + "a.yaml", 7, None, ["ann"],
     "ann/a-style.jpg/a.yaml", "nowhere/a.yaml", "link/a.yaml", "link/deep/a.yaml"],
)  # fmt: skip
def test_where_it_lay_is_a_real_folder_of_the_inbox_or_nothing(world: World, origin: object) -> None:
    """Whatever job.json says: nothing is put outside the inbox, or into the daemon's own folder."""
    failed = broken_in_a_folder(world)
    (world.root / "elsewhere/deep").mkdir(parents=True)
    (world.inbox / "link").symlink_to(world.root / "elsewhere")
    body = json.loads((failed / "job.json").read_bytes())
    (failed / "job.json").write_text(json.dumps({**body, "origin": origin}))
    assert retry_job(world.config, "a") == world.inbox / "retry-a"
    assert [path.name for path in (world.root / "elsewhere").rglob("*")] == ["deep"]


def test_what_another_user_says_of_where_it_lay_is_not_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who may write in the outbox could put files into folders of the inbox that are closed to them."""
    broken_in_a_folder(world)
    believed = retry.read_note

    def of_another(fs: FileSystem, path: Path, *, of_any_user: bool = True) -> dict[str, Any]:
        return believed(fs, path) if of_any_user else {}  # as of a file of another user

    monkeypatch.setattr(retry, "read_note", of_another)
    assert retry_job(world.config, "a") == world.inbox / "retry-a"


def test_a_killed_retry_of_a_lone_sidecar_leaves_it_once(tmp_path: Path) -> None:
    """At every step: it is failed still, or back beside its images, and the next start finishes."""
    whole = World(tmp_path / "whole")
    whole.start()
    broken_in_a_folder(whole)
    log = StepLog()
    retry_job(whole.config, "a", FileSystem(log))
    assert "retry.moved" in log.names
    for number, name in enumerate(log.names, 1):
        world = World(tmp_path / f"{number}")
        world.start()
        correct(broken_in_a_folder(world))
        with pytest.raises(KillSwitch):
            retry_job(world.config, "a", FileSystem(StepLog(number)))
        world.start()
        if world.failed():
            retry_job(world.config, "a")
        yaml = {path for path in world.inbox_files() if path.endswith(".yaml")}
        assert yaml == {"ann/a.yaml"}, name
        assert world.failed() == {}, name
        assert list((world.inbox / ".nst_batch/retry").iterdir()) == [], name


def test_a_second_retry_of_a_name_gets_a_number(world: World) -> None:
    """What stands in the inbox is not touched."""
    world.put("retry-a/note.txt", "mine")
    world.put("a.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.settle()
    world.later(4000.0)
    world.run_all()
    assert retry_job(world.config, "A") == world.inbox / "retry-a-2"
    assert (world.inbox / "retry-a/note.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("none", "input has no sidecar; put it there, then nst-batch retry a"),
        ("no input", "input has no sidecar"),
        ("a folder", "input/a.yaml is a folder, and only files go back; put the file itself there"),
        ("a pipe", "input/a.yaml is a pipe, a socket or a device"),
        ("a link", "input/a.yaml is a symbolic link"),
        ("a folder of images", "input/pics is a folder"),
    ],
)
def test_what_cannot_go_back_whole_stays_as_it_is(world: World, what: str, said: str) -> None:
    """The failed folder goes away with what lies in it, so all of that must be what goes back. Others go back."""
    for name in ("a", "b"):
        world.put(f"{name}.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.settle()
    world.later(4000.0)
    world.run_all()
    given = world.failed()["a"] / "input"
    if what == "a folder of images":
        (given / "pics").mkdir()
        (given / "pics/x.jpg").touch()
    else:
        (given / "a.yaml").unlink()
    if what == "no input":
        given.rmdir()
    elif what == "a folder":
        (given / "a.yaml").mkdir()
    elif what == "a pipe":
        os.mkfifo(given / "a.yaml")
    elif what == "a link":
        (given / "a.yaml").symlink_to(world.failed()["b"] / "input/b.yaml")
    before = sorted(given.parent.rglob("*"))
    back = []
    with pytest.raises(UsageError) as refused:
        back += retry_jobs(world.config, ["a", "b", "nobody"] if what == "none" else ["a", "b"])
    assert refused.value.message.startswith(f"a stays failed: {given.parent}")
    assert said in refused.value.in_one_line
    assert ("no failed job is called nobody" in refused.value.message) is (what == "none")
    assert sorted(world.failed()["a"].rglob("*")) == before
    assert world.inbox_files() == {"retry-b/b.yaml"}
    assert list((world.inbox / ".nst_batch/retry").iterdir()) == []


def test_an_image_that_may_not_be_copied_concerns_its_own_job(world: World) -> None:
    """A private file with another name elsewhere, which the daemon would not take either: no disk is at fault."""
    for name in ("a", "b"):
        world.put(f"{name}.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.settle()
    world.later(4000.0)
    world.run_all()
    image = world.failed()["a"] / "input/x.jpg"
    image.touch(mode=0o600)
    os.link(image, world.root / "elsewhere.jpg")
    back = []
    with pytest.raises(UsageError, match=r"a stays failed: .*x\.jpg cannot be read: .*hard link.*; put a copy there"):
        back += retry_jobs(world.config, ["a", "b"])
    assert image.exists()
    assert world.inbox_files() == {"retry-b/b.yaml"}
    assert list((world.inbox / ".nst_batch/retry").iterdir()) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_failed_folder_that_may_not_go_is_not_put_back_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """However often it is asked, the job stays failed and out of the inbox; once it may go, it is back once."""
    world.put("a.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.settle()
    world.later(4000.0)
    world.run_all()
    (folder,) = world.failed().values()
    before = sorted(folder.rglob("*"))
    with monkeypatch.context() as disk:
        really = FileSystem.rename

        def refuse(fs: FileSystem, source: Path, target: Path) -> None:
            if source == folder:
                raise OSError(code, os.strerror(code), str(source), None, str(target))
            really(fs, source, target)

        disk.setattr(FileSystem, "rename", refuse)
        for _ in range(2):
            with pytest.raises(NotNowError, match="outbox/failed/a: "):
                retry_job(world.config, "a")
            assert sorted(folder.rglob("*")) == before
            assert world.inbox_files() == set()
            assert list((world.inbox / ".nst_batch/retry").iterdir()) == []
    assert retry_job(world.config, "a") == world.inbox / "retry-a"
    assert world.failed() == {}
    assert world.inbox_files() == {"retry-a/a.yaml"}


def test_a_job_on_its_way_back_is_kept_while_the_inbox_refuses_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failed folder has gone by then: it lies aside over other retries and starts, until the inbox takes it."""
    world.put("a.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.settle()
    world.later(4000.0)
    world.run_all()
    with monkeypatch.context() as disk:

        def refuse(fs: FileSystem, source: Path, folder: Path, name: str) -> Path:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

        disk.setattr(FileSystem, "rename_free", refuse)
        with pytest.raises(NotNowError):
            retry_job(world.config, "a")
        with pytest.raises(UsageError, match="nobody"):
            retry_job(world.config, "nobody")
        world.start()
    assert world.failed() == {}
    world.start()
    assert world.inbox_files() == {"retry-a/a.yaml"}
    assert list((world.inbox / ".nst_batch/retry").iterdir()) == []


def test_retry_says_what_it_cannot(world: World) -> None:
    """No such job is a usage error; a retry under way is not now."""
    with pytest.raises(UsageError, match="nobody"):
        retry_job(world.config, "nobody")
    lock = try_lock(FileSystem(), world.inbox / ".nst_batch/retry.lock")
    assert lock is not None
    with pytest.raises(NotNowError, match="under way"):
        retry_job(world.config, "nobody")
    lock.release()


def test_the_queue_can_be_seen_from_outside(world: World) -> None:
    """Without the daemon's lock: what is claimed, what is ready, what waits and why."""
    world.pair("a")
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    world.pair("b")
    world.put("c.yaml", "content: missing.jpg\nstyle: missing.jpg\n")
    view, jobs = look_from_outside(world.config, world.at)
    assert [(job.name, job.attempts.given, job.given) for job in jobs] == [("a", True, False)]
    assert [pair.names for pair in view.ready] == [("b",)]
    assert [(item.names, item.why) for item in view.waiting] == [(("c",), "missing: missing.jpg")]


def test_what_would_fail_in_the_same_way_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a person changes a file of it, or it is asked for by its reason or its name."""
    world = World(tmp_path)
    world.start()
    for name in ("a", "b"):
        world.put(f"{name}.yaml", "contnt: x.jpg\n")
    world.settle()
    world.sweep()
    world.stop()
    assert failed_for(world.config, None) == Failed((), ("sidecar_invalid", "sidecar_invalid"))
    assert failed_for(world.config, "sidecar_invalid") == Failed(("a", "b"))
    monkeypatch.setattr(retry, "CHANGED_NS", 0)
    failed = world.failed()["a"]
    while (failed / "input/a.yaml").lstat().st_ctime_ns <= (failed / "job.json").lstat().st_ctime_ns:
        (failed / "input/a.yaml").write_text("content: x.jpg\nstyle: y.jpg\n")
    assert failed_for(world.config, None) == Failed(("a",), ("sidecar_invalid",))


def test_a_sidecar_that_was_understood_counts_as_changed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that who has followed the advice for many jobs puts them back at once."""
    monkeypatch.setattr(retry, "CHANGED_NS", 0)
    config = World(tmp_path).config
    for name in ("a.yaml", "x.png"):
        given = tmp_path / "outbox/failed" / name / "input"
        given.mkdir(parents=True)
        (given / name).touch()
        job = given.parent / "job.json"
        job.write_text('{"state": "failed", "reason": "image_too_small", "sidecar": {"content": "x.png"}}')
        assert name not in failed_for(config, None).names
        while (given / name).lstat().st_ctime_ns <= job.lstat().st_ctime_ns:
            (given / name).write_text("content: x.png")
        assert name in failed_for(config, None).names


def test_all_that_failed_go_back_or_those_of_one_reason(tmp_path: Path) -> None:
    """What a person has cancelled stays, unless that is the reason that is asked for."""
    world = World(tmp_path)
    world.start()
    for name in ("a", "b"):
        world.put(f"{name}.yaml", "content: x.jpg\nstyle: y.jpg\n")
    world.pair("c")
    world.put("c.cancel", "")
    world.settle()
    world.later(4000.0)
    world.look()
    world.sweep()
    assert set(world.failed()) == {"a", "b", "c"}
    world.stop()
    assert failed_for(world.config, None) == Failed(("a", "b"))
    assert failed_for(world.config, "cancelled") == Failed(("c",))
    assert failed_for(world.config, "image_truncated") == Failed(())
    back = dict(retry_jobs(world.config, ["a", "b"]))
    assert back == {name: world.inbox / f"retry-{name}" for name in ("a", "b")}
    assert set(world.failed()) == {"c"}
