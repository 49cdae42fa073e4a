"""Hot folders: a folder.yaml paints every photograph beside it, once; a defaults.yaml gives to the sidecars below."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from spool_world import KillSwitch, StepLog, World

from nst_batch.daemon.once import Once
from nst_batch.spool.commands import folders_of
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.inbox import painted as painted_module
from nst_batch.spool.outbox.retry import retry_jobs
from nst_batch.spool.told import places_of


@pytest.fixture
def keeping(tmp_path: Path) -> World:
    """An inbox in which images stay."""
    made = World(tmp_path, "after: keep\n")
    made.start()
    return made


def hot(world: World, folder: str = "monet", text: str = "style: waves.jpg\n") -> None:
    world.put(f"{folder}/waves.jpg", "the style")
    world.put(f"{folder}/folder.yaml", text)


def run(world: World) -> None:
    """All is done that can be: a folder's file has to be still first, then what comes of it."""
    world.settle()
    world.settle()
    world.run_all()


def titles(world: World) -> list[str]:
    return sorted(world.counted().elements())


def sidecar_of(world: World, title: str) -> dict[str, object]:
    path = next(path for path in (*world.finished().values(), *world.failed().values()) if path.name == title)
    (sidecar,) = [item for item in (path / "input").iterdir() if item.suffix == ".yaml"]
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in sidecar.read_text().splitlines())}


def test_a_dropped_photograph_becomes_a_job(world: World) -> None:
    """The photograph goes into its result; folder.yaml and the style stay for the next one."""
    hot(world)
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    assert titles(world) == ["harbour"]
    assert world.inbox_files() == {"monet/folder.yaml", "monet/waves.jpg"}
    given = {item.name for item in (world.outbox / "harbour/input").iterdir()}
    assert given == {"harbour.jpg", "harbour.jpg.yaml", "waves.jpg"}
    assert sidecar_of(world, "harbour") == {"content": "harbour.jpg", "style": "waves.jpg", "title": "harbour"}
    world.put("monet/valley.jpg", "a valley")
    run(world)
    assert titles(world) == ["harbour", "valley"]


def test_a_list_of_styles_makes_a_job_each(world: World) -> None:
    """Named by photograph and style; a glob's matches are styles, and no photographs."""
    hot(world, text="style: [waves.jpg, 'styles/*.jpg', 'night-*.jpg']\noutput: album\n")
    world.put("monet/styles/sun.jpg", "sun")
    world.put("monet/night-1.jpg", "night")
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    assert titles(world) == ["harbour-night-1", "harbour-sun", "harbour-waves"]
    assert set(world.finished()) == {"album/harbour-night-1", "album/harbour-sun", "album/harbour-waves"}


def test_a_blend_is_one_style(world: World) -> None:
    """And an image to start from is no photograph."""
    hot(world, text="style: {waves.jpg: 0.7, sun.jpg: 0.3}\ninit: start.png\n")
    world.put("monet/sun.jpg", "sun")
    world.put("monet/start.png", "start")
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    assert titles(world) == ["harbour"]
    assert world.inbox_files() == {"monet/folder.yaml", "monet/start.png", "monet/sun.jpg", "monet/waves.jpg"}


@pytest.mark.parametrize("text", ["style: {'styles/*': 0.7, waves.jpg: 0.3}\n", "style: waves.jpg\ninit: 'styles/*'\n"])
def test_a_pattern_that_means_several_where_one_is_to_be_holds_the_photographs_up(world: World, text: str) -> None:
    """It fails none of them, and once it is corrected they are painted."""
    world.put("monet/styles/sun.jpg", "sun")
    world.put("monet/styles/rain.jpg", "rain")
    hot(world, text=text)
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    assert titles(world) == []
    assert world.failed() == {}
    assert any("styles/* means 2 images" in each.why for each in world.look().waiting)
    world.put("monet/folder.yaml", text.replace("styles/*", "styles/sun.jpg"))
    run(world)
    assert titles(world) == ["harbour"]


def test_a_photograph_that_no_sidecar_can_name_is_told_of_and_nothing_fails(world: World) -> None:
    """As an archive of Windows leaves them (`album\\a.jpg`); once it is renamed it is painted."""
    hot(world)
    odd = [world.put(f"monet/{name}", name) for name in ("album\\a.jpg", "two\nlines.jpg")]
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    run(world)
    assert titles(world) == ["harbour"]
    assert world.failed() == {}
    (view,) = world.look().folders
    assert view.note == (
        "not painted, for no sidecar can name it: 'album\\a.jpg' holds a backslash and 1 more; rename it"
    )
    assert sum("holds a backslash" in note for note in world.notes) == 1
    for path in odd:
        path.rename(path.with_name(path.name.translate(str.maketrans("\\\n", "--"))))
    run(world)
    assert titles(world) == ["album-a", "harbour", "two-lines"]


def test_a_photograph_whose_name_leaves_no_room_for_a_sidecars_waits(world: World) -> None:
    """Of 255 bytes, as 83 Chinese signs are with the suffix: it is told, and holds up nobody else."""
    hot(world)
    long = world.put(f"monet/{'景' * 83}.jpeg", "a long one")
    world.put(f"monet/{'w' * 246}.jpg", "as long as it may be")
    world.put("monet/harbour.jpg", "a harbour")
    world.pair("other")
    run(world)
    assert {"harbour", "other"} < set(titles(world))
    assert len(titles(world)) == 3
    (view,) = world.look().folders
    assert view.note.endswith("has 254 bytes, more than 250; rename it")
    long.rename(long.with_name("shorter.jpeg"))
    run(world)
    assert "shorter" in titles(world)


def test_a_photograph_for_which_no_sidecar_can_be_understood_waits(world: World) -> None:
    """Here a title that is too long with this one's name: nothing fails, again and again, and others are painted."""
    styles = [f"monet/styles/{letter * 120}.jpg" for letter in "ab"]
    for style in styles:
        world.put(style, style)
    world.put("monet/folder.yaml", "style: 'styles/*'\n")
    world.put("monet/harbour.jpg", "a harbour")
    world.put(f"monet/{'c' * 90}.jpg", "a long one")
    run(world)
    run(world)
    assert len(titles(world)) == 2
    assert world.failed() == {}
    view = world.look()
    (waiting,) = view.waiting
    assert waiting.why.startswith(f"monet/{'c' * 90}.jpg: title: ")
    assert "has 211 bytes, more than 200" in waiting.why
    assert waiting.why.endswith("correct its folder's file, or rename the photograph")
    code, said = Once().end(view, world.spool, None)
    assert (code, said) == (1, [f"ended without what waits for {waiting.why}"])
    world.put("monet/folder.yaml", "style: 'styles/*'\ntitle: '{content}'\n")
    run(world)
    assert titles(world) == sorted(["c" * 90] * 2 + [f"harbour-{letter * 120}" for letter in "ab"])


def test_a_photograph_of_which_no_copy_is_taken_fails_once(tmp_path: Path) -> None:
    """One over the limit stays where it is; put back once the limit is another, it is found there and painted."""
    world = limited(tmp_path, 0.001)
    world.start()
    hot(world)
    world.put("monet/large.jpg", b"x" * 1001)
    for _ in range(3):
        run(world)
        world.start()
    assert set(world.failed()) == {"large"}
    assert world.settle().folders[0].failed == 1
    assert "monet/large.jpg" in world.inbox_files()
    world.config = limited(tmp_path, 1).config
    world.start()
    list(retry_jobs(world.fs, places_of(world.config), ["large"]))
    run(world)
    assert set(world.finished()) == {"large"}
    assert "monet/large.jpg" not in world.inbox_files()


def limited(root: Path, megabytes: float) -> World:
    """An inbox whose images have a limit."""
    world = World(root)
    limits = world.config.limits.model_copy(update={"max_file_mb": megabytes})
    world.config = world.config.model_copy(update={"limits": limits})
    return world


def test_only_the_folder_itself_is_hot(world: World) -> None:
    """Not what lies below it, nor what is no image or is hidden."""
    hot(world)
    world.put("monet/sub/deep.jpg", "deep")
    world.put("monet/notes.txt", "no image")
    world.put("monet/copy.jpg.part", "a copy under way")
    run(world)
    assert titles(world) == []


def test_the_inbox_itself_can_be_hot(world: World) -> None:
    """A folder.yaml at its root is one like others."""
    world.put("waves.jpg", "style")
    world.put("folder.yaml", "style: waves.jpg\n")
    world.put("harbour.jpg", "a harbour")
    run(world)
    assert titles(world) == ["harbour"]
    assert world.inbox_files() == {"folder.yaml", "waves.jpg"}


def test_an_image_that_a_sidecar_names_is_the_sidecars(world: World) -> None:
    """It is painted as that asks for, and not once more by the folder, though both came at once."""
    hot(world)
    world.put("monet/harbour.jpg", "a harbour")
    world.put("monet/mine.yaml", "content: harbour.jpg\nstyle: other.jpg\n")
    world.put("monet/other.jpg", "another style")
    run(world)
    assert titles(world) == ["mine"]
    assert world.inbox_files() == {"monet/folder.yaml", "monet/waves.jpg"}


@pytest.mark.parametrize("name", ["a:b?.jpg", ".. .jpg".strip("."), "x" * 230 + ".jpg", "{content}.jpg", "CON*.jpg"])
def test_whatever_a_photograph_is_called_it_gets_a_title(name: str, world: World) -> None:
    """An artist does not know what a title may hold."""
    hot(world)
    world.put(f"monet/{name}", "a photograph")
    run(world)
    assert len(world.finished()) == 1, world.failed()
    assert not world.failed()


# --- once ---------------------------------------------------------------------------------------------------


def test_a_photograph_that_stays_is_painted_once(keeping: World) -> None:
    """Over a restart, after its time has changed, and under another name: its bytes tell."""
    hot(keeping)
    path = keeping.put("monet/harbour.jpg", "a harbour")
    run(keeping)
    assert titles(keeping) == ["harbour"]
    os.utime(path, (1, 1))
    keeping.put("monet/copy.jpg", "a harbour")
    keeping.start()
    run(keeping)
    assert titles(keeping) == ["harbour"]
    (view,) = keeping.settle().folders
    assert (view.pending, view.painted) == (0, 2)


def test_other_bytes_or_other_settings_are_painted_again(keeping: World) -> None:
    """But not for a comment, or another priority."""
    hot(keeping)
    keeping.put("monet/harbour.jpg", "a harbour")
    run(keeping)
    keeping.put("monet/folder.yaml", "# softly\nstyle: waves.jpg\npriority: 3\n")
    run(keeping)
    assert titles(keeping) == ["harbour"]
    keeping.put("monet/folder.yaml", "style: waves.jpg\nsize: 256\n")
    run(keeping)
    assert titles(keeping) == ["harbour", "harbour"]
    keeping.put("monet/harbour.jpg", "the harbour")
    run(keeping)
    assert titles(keeping) == ["harbour", "harbour", "harbour"]


def test_one_more_style_paints_only_that(keeping: World) -> None:
    """What was painted in the other styles is not painted again."""
    hot(keeping)
    keeping.put("monet/harbour.jpg", "a harbour")
    run(keeping)
    keeping.put("monet/night.jpg", "night")
    keeping.put("monet/folder.yaml", "style: [waves.jpg, night.jpg]\n")
    run(keeping)
    assert titles(keeping) == ["harbour", "harbour-night"]


def test_two_photographs_of_the_same_bytes_are_painted_once(world: World) -> None:
    """Though they were dropped together; the other one stays."""
    hot(world)
    world.put("monet/a.jpg", "a harbour")
    world.put("monet/b.jpg", "a harbour")
    run(world)
    assert len(titles(world)) == 1
    assert len(world.inbox_files()) == 3


@pytest.mark.parametrize("key", ["style", "mask"])
def test_images_of_one_name_in_two_folders_are_two(keeping: World, key: str) -> None:
    """Each folder has a ``waves.jpg`` of its own: the photograph that lies in both is painted with both."""
    text = "style: waves.jpg\n" if key == "style" else "style: common.jpg\nmask: waves.jpg\n"
    keeping.put("common.jpg", "the style of all")
    for folder in ("monet", "degas"):
        hot(keeping, folder, text)
        keeping.put(f"{folder}/harbour.jpg", "a harbour")
    keeping.put("degas/waves.jpg", "another one")
    run(keeping)
    assert titles(keeping) == ["harbour", "harbour"]


def test_a_style_is_told_by_its_bytes(keeping: World) -> None:
    """A folder that is renamed or has its style copied anew paints nothing again; with another style it does."""
    hot(keeping)
    keeping.put("monet/harbour.jpg", "a harbour")
    run(keeping)
    (keeping.inbox / "monet").rename(keeping.inbox / "claude")
    keeping.put("claude/waves.jpg", "the style")
    run(keeping)
    assert titles(keeping) == ["harbour"]
    keeping.put("claude/waves.jpg", "another style")
    run(keeping)
    assert titles(keeping) == ["harbour", "harbour"]


def test_one_that_has_waited_for_the_same_is_not_painted_after_it(world: World) -> None:
    """The look before the other one's end still took it for one that is to be painted."""
    hot(world)
    world.put("monet/a.jpg", "a harbour")
    world.put("monet/b.jpg", "a harbour")
    world.settle()
    world.settle()
    job = world.hand_out_next()
    assert job is not None
    assert world.hand_out_next() is None
    assert len(world.look(400.0).ready) == 1
    world.work(job)
    world.finish(job)
    world.sweep()
    assert world.hand_out_next() is None
    run(world)
    assert len(titles(world)) == 1


def counts(world: World) -> dict[str, tuple[int, int, int]]:
    """Of each folder file what is to be painted, has been and has failed: by the daemon, and by a look from outside."""
    view = world.settle()
    outside = {one.path: (one.pending, one.painted, one.failed) for one in folders_of(world.config)[0].views()}
    assert outside == {one.path: (one.pending, one.painted, one.failed) for one in view.folders}
    return outside


def test_what_has_been_painted_counts_when_it_has_left(world: World) -> None:
    """By folder, though two ask for the same; over a restart; what comes back is counted once, and new styles anew."""
    for folder, names in (("monet", "abc"), ("degas", "xy")):
        hot(world, folder)
        for name in names:
            world.put(f"{folder}/{name}.jpg", f"photograph {name}")
    assert counts(world) == {"degas/folder.yaml": (2, 0, 0), "monet/folder.yaml": (3, 0, 0)}
    run(world)
    assert "monet/a.jpg" not in world.inbox_files()
    assert counts(world) == {"degas/folder.yaml": (0, 2, 0), "monet/folder.yaml": (0, 3, 0)}
    world.put("monet/a.jpg", "photograph a")
    world.put("monet/x.jpg", "photograph x")
    world.put("monet/new.jpg", "photograph new")
    assert counts(world)["monet/folder.yaml"] == (1, 4, 0)
    world.start()
    assert counts(world)["monet/folder.yaml"] == (1, 4, 0)
    world.put("monet/other.jpg", "another style")
    world.put("monet/folder.yaml", "style: [waves.jpg, other.jpg]\n")
    assert counts(world)["monet/folder.yaml"] == (3, 0, 0)


@pytest.mark.parametrize("after", ["archive", "keep"])
def test_a_photograph_that_failed_counts_as_such_until_it_is_painted(tmp_path: Path, after: str) -> None:
    """Over a restart too; what ``retry`` puts back is painted from a folder of its own, and counts from then on."""
    world = World(tmp_path, f"after: {after}\n")
    world.start()
    hot(world)
    world.put("monet/good.jpg", "a good one")
    world.put("monet/bad.jpg", "a bad one")
    world.settle()
    world.settle()
    world.put("bad.cancel", "")
    run(world)
    assert (list(world.failed()), list(world.finished())) == (["bad"], ["good"])
    for _ in range(2):
        assert counts(world)["monet/folder.yaml"] == (0, 1, 1)
        world.start()
    list(retry_jobs(world.fs, places_of(world.config), ["bad"]))
    run(world)
    assert set(world.finished()) == {"bad", "good"}
    for _ in range(2):
        assert counts(world)["monet/folder.yaml"] == (0, 2, 0)
        world.start()
    world.stop()


def test_what_an_earlier_version_remembered_is_known_still(keeping: World) -> None:
    """It did not write down where the photograph lay."""
    hot(keeping)
    keeping.put("monet/a.jpg", "first")
    run(keeping)
    memory = keeping.inbox / ".nst_batch/painted"
    memory.write_text("".join(f"{line.rsplit(' ', 1)[0]}\n" for line in memory.read_text().splitlines()))
    keeping.start()
    run(keeping)
    assert titles(keeping) == ["a"]
    assert counts(keeping) == {"monet/folder.yaml": (0, 1, 0)}


def test_nothing_is_counted_while_a_folder_file_is_being_written(world: World) -> None:
    """Nobody knows yet which of the images are its styles."""
    hot(world)
    world.put("monet/a.jpg", "photograph")
    (view,) = world.look().folders
    assert (view.why, view.pending) == ("monet/folder.yaml: it is still being written", 0)
    (view,) = world.settle().folders
    assert (view.why, view.pending) == ("", 1)


@pytest.mark.parametrize(
    ("style", "images", "said"),
    [
        ("'*.jpg'", "abc", "all 3 images beside it are taken for styles by `*.jpg`, so there is nothing to paint"),
        ("'*.jpg'", "a", "the only image beside it is taken for styles by `*.jpg`"),
        ("['a.jpg', '**/*.jpg']", "ab", "own and write style: styles/*.jpg"),
        ("[a.jpg, b.jpg]", "ab", ""),
        ("'styles/*.jpg'", "", ""),
        ("'*.jpg'", "abc and a photograph", ""),
    ],
)
def test_a_pattern_that_takes_every_photograph_for_a_style_is_told(
    style: str, images: str, said: str, world: World
) -> None:
    """Once, with what to do; not of styles named one by one, nor once something was painted, or is about to be."""
    letters, _, photograph = images.partition(" and ")
    for name in letters:
        world.put(f"monet/{name}.jpg", name)
    world.put("monet/styles/s.jpg", "s")
    if photograph:
        world.put("monet/photo.png", "p")
    world.put("monet/folder.yaml", f"style: {style}\n")
    notes = [*world.look().notes, *world.settle().notes, *world.settle().notes]
    (view,) = world.settle().folders
    assert (said in view.note) is (said != "" or view.note == "")
    assert [note for note in notes if "for styles" in note] == ([f"{view.path}: {view.note}"] if said else [])
    if photograph:
        handout = world.hand_out_next()
        assert handout is not None
        assert world.settle().folders[0].note == ""
        world.work(handout)
        world.finish(handout)
        run(world)
        assert "monet/photo.png" not in world.inbox_files()
        assert world.settle().folders[0].note == ""


def test_what_has_a_photographs_name_and_is_no_file_is_told(world: World) -> None:
    """Once, beside what is painted; a folder may be called as people like."""
    hot(world)
    world.put("monet/a.jpg", "photograph")
    (world.inbox / "monet/b.jpg").mkdir()
    for name in "dc":
        os.mkfifo(world.inbox / f"monet/{name}.jpg")
    notes = [*world.look().notes, *world.settle().notes, *world.settle().notes]
    said = "not painted, for it is a pipe, a socket or a device: c.jpg and 1 more; put the picture itself there"
    assert [note for note in notes if "not painted" in note] == [f"monet/folder.yaml: {said}"]
    (view,) = world.settle().folders
    assert (view.pending, view.note) == (1, said)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("style: waves.jpg\n", "monet/clip.mov, monet/DSC1.NEF, monet/DSC2.NEF and 1 more"),
        ('style: "st/*"\n', "monet/clip.mov, monet/DSC1.NEF, monet/DSC2.NEF and 2 more"),
        ('style: "raw/*"\n', "monet/clip.mov, monet/DSC1.NEF, monet/DSC2.NEF and 2 more"),
    ],
)
def test_files_of_a_hot_folder_that_are_not_read_here_are_told(text: str, told: str, world: World) -> None:
    """Camera raws and films, beside it or fitting its styles' pattern; once a folder, though more are still copied."""
    for name in ("clip.mov", "DSC1.NEF", "DSC2.NEF", "IMG_1.CR3", "notes.txt", "st/s.jpg", "st/s.psd", "raw/s.NEF"):
        world.put(f"monet/{name}", name)
    hot(world, text=text)
    world.settle()
    (view,) = world.settle().folders
    assert view.left_out == f"left out, not read here: {told}; export what is wanted as TIFF"
    world.put("monet/ANOTHER.NEF", "one more")
    assert "ANOTHER.NEF" in world.settle().folders[0].left_out
    assert [note for note in world.notes if "not read" in note] == [f"monet/folder.yaml: {view.left_out}"]


def test_a_folder_with_nothing_but_photographs_leaves_nothing_out(world: World) -> None:
    """Nor does one whose raws have gone; those that come later are told of anew."""
    hot(world)
    raw = world.put("monet/DSC1.NEF", "a raw")
    world.put("raws/DSC1.NEF", "of no hot folder")
    world.settle()
    world.settle()
    raw.unlink()
    assert world.settle().folders[0].left_out == ""
    world.put("monet/DSC2.NEF", "another")
    world.settle()
    assert [("DSC1" in note, "DSC2" in note) for note in world.notes if "not read" in note] == [
        (True, False),
        (False, True),
    ]


def test_what_is_foretold_is_what_is_painted(world: World) -> None:
    """``folders_of``, for ``check``: of equal photographs one, and none while that is at work."""
    hot(world)
    for name in ("b", "a", "c"):
        world.put(f"monet/{name}.jpg", "a harbour" if name != "c" else "a valley")
    world.settle()
    foretold = [folders_of(world.config)[0].photographs]
    world.settle()
    while (job := world.hand_out_next()) is not None:
        foretold.append(folders_of(world.config)[0].photographs)
        world.work(job)
        world.finish(job)
    run(world)
    foretold.append(folders_of(world.config)[0].photographs)
    assert foretold[0] == {"monet/a.jpg", "monet/c.jpg"}
    assert foretold[1:] == [foretold[1], frozenset(), frozenset()]
    assert len(foretold[1]) == 1
    assert len(titles(world)) == len(foretold[0])


def test_one_that_failed_is_not_tried_again_by_itself(keeping: World) -> None:
    """A link is none of its own accord; it fails once, and says why."""
    hot(keeping)
    keeping.put("elsewhere.jpg", "x")
    (keeping.inbox / "monet/link.jpg").symlink_to(keeping.inbox / "elsewhere.jpg")
    run(keeping)
    run(keeping)
    assert list(keeping.failed()) == ["link"]
    assert counts(keeping)["monet/folder.yaml"] == (0, 0, 1)
    assert "path_outside" in (keeping.outbox / "failed/link/error.txt").read_text()


def test_what_is_remembered_is_bounded(keeping: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of photographs that are gone the newest; of those that lie there still, all."""
    monkeypatch.setattr(painted_module, "KEPT", 2)
    hot(keeping)
    for number in range(7):
        keeping.put(f"monet/{number}.jpg", f"photograph {number}")
        run(keeping)
        if number < 5:
            (keeping.inbox / f"monet/{number}.jpg").unlink()
    assert len((keeping.inbox / ".nst_batch/painted").read_text().splitlines()) <= 4
    keeping.start()
    run(keeping)
    assert len(titles(keeping)) == 7


def test_a_memory_that_was_cut_short_costs_its_last_line(keeping: World) -> None:
    """And nothing that is written after it."""
    hot(keeping)
    keeping.put("monet/a.jpg", "first")
    run(keeping)
    memory = keeping.inbox / ".nst_batch/painted"
    memory.write_text(memory.read_text() + "0123 45")
    keeping.start()
    keeping.put("monet/b.jpg", "second")
    run(keeping)
    keeping.start()
    run(keeping)
    assert titles(keeping) == ["a", "b"]


def steps_of(root: Path, config: str) -> list[str]:
    log = StepLog()
    world = World(root, config)
    world.start(FileSystem(log))
    hot(world)
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    world.stop()
    return log.names


@pytest.mark.parametrize("after", ["archive", "keep"])
def test_killed_anywhere_it_is_painted_once(after: str, tmp_path: Path) -> None:
    """Whatever the moment; the folder's own files stay."""
    names = steps_of(tmp_path / "steps", f"after: {after}\n")
    assert "painted.noted" in names
    for at in range(1, len(names) + 1):
        world = World(tmp_path / str(at), f"after: {after}\n")
        world.start(FileSystem(StepLog(at)))
        hot(world)
        world.put("monet/harbour.jpg", "a harbour")
        with pytest.raises(KillSwitch):
            run(world)
        world.start()
        run(world)
        world.check_books({"harbour"})
        stays = {"monet/harbour.jpg"} if after == "keep" else set()
        assert world.inbox_files() == {"monet/folder.yaml", "monet/waves.jpg"} | stays, names[at - 1]
        world.stop()


# --- what goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("style: waves.jpg\nsise: 3\n", "did you mean 'size'"),
        ("content: a.jpg\nstyle: waves.jpg\n", "content: stands in no folder.yaml"),
        ("size: 300\n", "style: is required"),
        ("style: nowhere.jpg\n", "there is no nowhere.jpg"),
        ("style: 'none-*.jpg'\n", "there is no none-*.jpg"),
    ],
)
def test_a_wrong_folder_file_is_told_once_and_nothing_is_lost(text: str, said: str, world: World) -> None:
    """The photographs wait, however many; corrected, all are painted."""
    hot(world, text=text)
    for number in range(4):
        world.put(f"monet/{number}.jpg", f"photograph {number}")
    run(world)
    view = world.settle()
    (waits,) = view.waiting
    assert (waits.sidecar, waits.kind) == ("monet/folder.yaml", "unreadable")
    assert said in waits.why
    assert view.folders[0].pending == 5  # of an image beside them nobody knows that it is a style
    assert not world.failed()
    world.put("monet/folder.yaml", "style: waves.jpg\n")
    run(world)
    assert len(titles(world)) == 4


def test_a_style_that_comes_later_is_waited_for(world: World) -> None:
    """However long that takes: photographs fail for no fault of theirs."""
    world.put("monet/folder.yaml", "style: waves.jpg\n")
    world.put("monet/harbour.jpg", "a harbour")
    run(world)
    assert not world.failed()
    world.put("monet/waves.jpg", "style")
    run(world)
    assert titles(world) == ["harbour"]


def test_files_that_are_no_folders_files(world: World) -> None:
    """A link, two that say the same of one folder, and one in a result's folder: told, and nothing is painted."""
    world.put("elsewhere.txt", "style: waves.jpg\n")
    world.put("a/x.jpg", "x")
    (world.inbox / "a/folder.yaml").symlink_to(world.inbox / "elsewhere.txt")
    hot(world, "b")
    world.put("b/folder.yml", "style: waves.jpg\n")
    world.put("b/x.jpg", "x")
    hot(world, "c")
    world.put("c/job.json", "{}")
    world.put("c/x.jpg", "x")
    run(world)
    why = {view.path: view.why for view in world.settle().folders}
    assert "symbolic link" in why["a/folder.yaml"]
    assert "keep one of them" in why["b/folder.yaml"]
    assert "keep one of them" in why["b/folder.yml"]
    assert "result's folder" in why["c/folder.yaml"]
    assert titles(world) == []


def put_no_file(path: Path, what: str) -> None:
    """What has the name of a file and is none."""
    path.parent.mkdir(exist_ok=True)
    if what == "a folder":
        path.mkdir()
    elif what == "a symbolic link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)


@pytest.mark.parametrize("what", ["a folder", "a symbolic link", "a pipe, a socket or a device"])
def test_what_has_a_folder_files_name_and_is_no_file_is_told(what: str, world: World) -> None:
    """It is not waited for, and not taken for nothing: what it may speak for waits until the file itself is there."""
    put_no_file(world.inbox / "ann/defaults.yaml", what)
    put_no_file(world.inbox / "ben/folder.yaml", what)
    put_no_file(world.inbox / "x.yaml", what)
    world.pair("ann/one")
    world.put("ben/harbour.jpg", "a harbour")
    run(world)
    view = world.settle()
    said = {folder.path: folder.why for folder in view.folders}
    assert said == {
        path: f"{path}: it is {what}, which is not read; put the file itself there, or rename it"
        for path in ("ann/defaults.yaml", "ben/folder.yaml")
    }
    assert {waits.sidecar for waits in view.waiting} == {"ann/defaults.yaml", "ann/one.yaml", "ben/folder.yaml"}
    assert titles(world) == (["x"] if what == "a symbolic link" else [])
    for path, text in (("ann/defaults.yaml", "size: 256\n"), ("ben/folder.yaml", "style: waves.jpg\n")):
        (world.inbox / path).rename(world.inbox / f"{path}-away")
        world.put(path, text)
    world.put("ben/waves.jpg", "the style")
    run(world)
    assert {"one", "harbour"} <= set(titles(world))


def test_a_folder_by_the_name_of_a_sidecar_is_told_and_looked_into(world: World) -> None:
    """Once; what lies in it is taken as ever, for a folder may be called as people like."""
    world.pair("x.yaml/one")
    os.mkfifo(world.inbox / "y.yaml")
    notes = [*world.look().notes, *world.settle().notes]
    assert [note for note in notes if "not taken" in note] == [
        "x.yaml is not taken: it is a folder: put a file there, or give it another name",
        "y.yaml is not taken: it is a pipe, a socket or a device: put a file there, or give it another name",
    ]
    run(world)
    assert titles(world) == ["one"]


def test_what_waits_for_a_hand_is_told_as_long_as_it_does(world: World) -> None:
    """At every look, for `status`, where the log has it once: until it goes, or a file takes its place."""
    for name in ("x.yaml", "dusk.stop"):
        (world.inbox / name).mkdir()
    world.put("dawn.yaml.txt", "content: a.jpg\n")
    world.put("nobody.cancel", "")
    for _ in range(2):
        assert [line.split(" ")[0] for line in world.look().aside] == [
            "dawn.yaml.txt",
            "x.yaml",
            "dusk.stop",
            "nobody.cancel",
        ]
    for name in ("x.yaml", "dusk.stop"):
        (world.inbox / name).rmdir()
    world.put("x.yaml", "content: a.jpg\n")
    (world.inbox / "dawn.yaml.txt").unlink()
    assert [line.split(" ")[0] for line in world.look().aside] == ["nobody.cancel"]
    for number in range(9):
        os.mkfifo(world.inbox / f"{number}.yaml")
    assert world.look().aside[0] == "9 files are not taken: 0.yaml, 1.yaml, 2.yaml, 3.yaml, 4.yaml …"


def test_a_folder_file_that_goes_leaves_what_has_begun(world: World) -> None:
    """The job that runs is finished; the other photographs are only images again."""
    hot(world)
    for name in ("a", "b"):
        world.put(f"monet/{name}.jpg", f"photograph {name}")
    world.settle()
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    (world.inbox / "monet/folder.yaml").unlink()
    world.work(handout)
    world.finish(handout)
    run(world)
    assert len(titles(world)) == 1
    assert len(world.inbox_files()) == 2


def test_a_photograph_that_changes_while_it_is_taken_is_looked_at_anew(world: World) -> None:
    """Nothing is put into the inbox for it, and it is painted as it is in the end."""
    hot(world)
    path = world.put("monet/harbour.jpg", "half a har")
    world.settle()
    world.settle()
    path.write_text("a whole harbour")
    assert world.hand_out_next() is None
    assert world.inbox_files() == {"monet/folder.yaml", "monet/waves.jpg", "monet/harbour.jpg"}
    run(world)
    assert titles(world) == ["harbour"]
    assert (world.outbox / "harbour/input/harbour.jpg").read_text() == "a whole harbour"


def test_a_photograph_that_waits_can_be_cancelled(world: World) -> None:
    """By its job's name; it is not painted after all."""
    hot(world)
    world.put("monet/harbour.jpg", "a harbour")
    world.settle()
    world.settle()
    world.put("harbour.cancel", "")
    run(world)
    assert list(world.failed()) == ["harbour"]
    assert world.inbox_files() == {"monet/folder.yaml", "monet/waves.jpg"}


# --- defaults.yaml ------------------------------------------------------------------------------------------


def settings_of(world: World, name: str) -> dict[str, object]:
    """The settings of the next job, which is to be this one."""
    world.settle()
    handout = world.hand_out_next()
    assert handout is not None
    assert handout.name == name
    spec = json.loads((handout.folder / "spec.json").read_text())
    world.work(handout)
    world.finish(handout)
    return {**spec["settings"], "output": spec["output"], "sidecar": spec["sidecar"]}


def test_defaults_count_for_the_sidecars_below(world: World) -> None:
    """Key by key, the nearest file counts; the sidecar goes before all of them; elsewhere they mean nothing."""
    world.put("defaults.yaml", "size: 300\nseed: 1\noutput: all\n")
    world.put("ann/defaults.yaml", "seed: 2\npreset: draft\n")
    world.pair("ann/sub/one", "preset: classic\n")
    world.settle()
    found = settings_of(world, "one")
    assert (found["size"], found["seed"], found["preset"], found["output"]) == (300, 2, "classic", "all")
    assert found["sidecar"] == {
        **{"size": 300, "seed": 2, "preset": "classic", "output": "all"},
        **{"content": "one-content.jpg", "style": "one-style.jpg"},
    }
    world.pair("two")
    world.settle()
    assert settings_of(world, "two")["preset"] == "fine"


def test_defaults_count_for_hot_folders_too(world: World) -> None:
    """And for photographs that wait when they change."""
    world.put("defaults.yaml", "size: 300\n")
    hot(world)
    world.put("monet/harbour.jpg", "a harbour")
    world.settle()
    world.put("defaults.yaml", "size: 400\n")
    world.settle()
    world.settle()
    world.settle()
    assert settings_of(world, "harbour")["size"] == 400


def test_defaults_that_change_count_for_what_waits(world: World) -> None:
    """A sidecar that waits for its image is understood anew; one that goes is gone."""
    world.put("defaults.yaml", "size: 300\n")
    world.pair("one")
    world.settle()
    (world.inbox / "defaults.yaml").unlink()
    world.settle()
    world.settle()
    assert settings_of(world, "one")["size"] == 512


@pytest.mark.parametrize("text", ["sise: 3\n", "style: x.jpg\n", "size: [\n", "content_weight: 0\nstyle_weight: 0\n"])
def test_wrong_defaults_hold_up_what_is_below_and_lose_nothing(text: str, world: World) -> None:
    """They are told once, however many sidecars wait; beside them all goes on; corrected, all goes on."""
    world.put("ann/defaults.yaml", text)
    for number in range(5):
        world.pair(f"ann/job{number}")
    world.pair("other")
    run(world)
    assert titles(world) == ["other"]
    view = world.settle()
    assert [pair.sidecar for pair in view.waiting if pair.kind != "defaults"] == ["ann/defaults.yaml"]
    assert len(view.waiting) == 6
    world.put("ann/defaults.yaml", "size: 256\n")
    run(world)
    assert len(titles(world)) == 6
    assert not world.failed()


def test_a_failed_job_keeps_its_folders_defaults(world: World) -> None:
    """Put back elsewhere, it is painted as it would have been."""
    world.put("ann/defaults.yaml", "size: 300\noutput: ann\n")
    world.pair("ann/one")
    world.settle()
    world.put("one.cancel", "")
    run(world)
    list(retry_jobs(world.fs, places_of(world.config), ["one"]))
    world.settle()
    found = settings_of(world, "one")
    assert (found["size"], found["output"]) == (300, "ann")


@pytest.mark.parametrize("special", ["defaults.yaml", "folder.yaml"])
def test_run_once_waits_for_a_folders_file_that_is_still_being_written(world: World, special: str) -> None:
    """What it speaks for cannot be read before it: the inbox is not empty."""
    world.put(f"ann/{special}", "size: 96\n" if special == "defaults.yaml" else "style: style.jpg\n")
    world.put("ann/style.jpg")
    world.put("ann/photo.jpg")
    if special == "defaults.yaml":
        world.pair("ann/a")
    assert Once("leave").end(world.look(), world.spool, None) == (None, [])
    world.settle()
    assert Once("leave").end(world.settle(), world.spool, None) == (None, []), "there is something to be painted now"
