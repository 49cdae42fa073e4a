"""``again``: a finished job once more, with other settings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import House, draw

from nst_batch.cli import main
from nst_batch.cli.again import find_result
from nst_batch.clock import Moment
from nst_batch.config.load import load_config
from nst_batch.errors import UsageError
from nst_batch.job import JobInput, JobSpec
from nst_batch.report.again import sidecar_again
from nst_batch.sidecar.expand import parse_sidecar
from nst_batch.spool.commands import look_from_outside
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.spool import Spool


def finished(house: House, name: str = "dusk", folder: str = "", extra: str = "") -> Path:
    """A finished job's folder as a worker leaves it, without its picture."""
    where = house.outbox / folder / name
    text = f"content: c.png\nstyle: s.png\n{extra}"
    request = parse_sidecar(text, f"{name}.yaml")
    inputs = tuple(JobInput(role=role, name=f"{role[0]}.png", path="x") for role in ("content", "style"))
    spec = JobSpec(
        id=f"20260101-120000-000000-{name[:4]}.0001",
        name=name,
        title=name,
        output=folder,
        settings=request.settings,
        sidecar=request.parsed,
        inputs=inputs,
        received_at="2026-01-01T12:00:00+00:00",
    )
    draw(where / "input/c.png")
    draw(where / "input/s.png", hue=90)
    (where / f"input/{name}.yaml").write_text(text)
    (where / "input/again.yaml").write_text(sidecar_again(spec, "float32") or "")
    body = {"title": name, "id": spec.id, "state": "done", "sidecar": request.parsed, "finished_at": spec.received_at}
    (where / "job.json").write_text(json.dumps(body))
    return where


def again(house: House, *words: str) -> dict[str, Any]:
    """What lies in the inbox after it, by the sidecar's keys."""
    assert main(["again", *words, "--config", str(house.config)]) == 0
    (folder,) = [path for path in house.inbox.iterdir() if path.name.startswith("again-")]
    assert {path.name for path in folder.iterdir()} == {"again.yaml", "c.png", "s.png"}
    return dict(yaml.safe_load((folder / "again.yaml").read_text()))


def test_the_same_once_more_under_a_title_of_its_own(house: House) -> None:
    """Every setting as it was, in the same folder of the outbox; nothing is taken from the old result."""
    where = finished(house, folder="album")
    body = again(house, "dusk")
    assert (body["title"], body["output"], body["precision"]) == ("dusk-2", "album", "float32")
    assert sorted(path.name for path in (where / "input").iterdir()) == ["again.yaml", "c.png", "dusk.yaml", "s.png"]


def test_other_settings(house: House) -> None:
    """What is set counts, and what follows from it unless it was written by hand."""
    finished(house, extra="steps_per_epoch: 7\n")
    body = again(house, "DUSK", "--set", "size=640", "--set", "preset=classic", "--title", "large")
    settings = parse_sidecar(yaml.safe_dump(body), "x.yaml").settings
    assert body["title"] == "large"
    assert (settings.size, settings.style_size, settings.preset) == (640, 640, "classic")
    assert (settings.epochs, settings.steps_per_epoch, settings.learning_rate) == (10, 7, 0.02)


def test_a_list_of_epochs_goes_before_the_old_scales(house: House) -> None:
    """It sets them, whoever wrote them before."""
    finished(house, extra="scales: 1\nepochs: 2\n")
    body = again(house, "dusk", "--set", "epochs=[2, 2]")
    settings = parse_sidecar(yaml.safe_dump(body), "x.yaml").settings
    assert (settings.scales, settings.epochs) == (2, (2, 2))


def test_what_is_varied_is_not_set(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/sidecar.md lists it, so it is no unknown key."""
    finished(house)
    assert main(["again", "dusk", "--set", "vary={seed: [1, 2]}", "--config", str(house.config)]) == 2
    assert "vary: is not set so: it is for several jobs of one sidecar; run again once for each value" in (
        capsys.readouterr().err
    )


def test_other_scales(house: House) -> None:
    """A preset's epochs follow them."""
    finished(house, extra="preset: draft\n")
    settings = parse_sidecar(yaml.safe_dump(again(house, "dusk", "--set", "scales=2")), "x.yaml").settings
    assert (settings.scales, settings.epochs, settings.steps_per_epoch) == (2, (9, 2), 5)


def test_the_number_of_a_title_goes_on(house: House) -> None:
    """dusk-2 once more is dusk-3."""
    finished(house)
    finished(house, "dusk-2")
    assert again(house, "dusk-2")["title"] == "dusk-3"


def test_a_number_that_belongs_to_the_name_stays(house: House) -> None:
    """Without a holiday beside it, holiday-2023 is no holiday's 2023rd picture."""
    finished(house, "holiday-2023")
    assert again(house, "holiday-2023")["title"] == "holiday-2023-2"


@pytest.mark.parametrize("title", ["~", "draft.part", "scan.tmp", "a.crdownload", "a.yaml", "a.cancel"])
def test_a_title_of_any_kind_lies_where_the_daemon_looks(house: House, title: str) -> None:
    """It is no copy under way for it, and no file where a folder is."""
    finished(house)
    again(house, "dusk", "--title", title)
    view, _ = look_from_outside(load_config(house.config), Moment.now())
    assert [pair.names for pair in view.ready] == [(title,)]
    assert view.aside == ()


def test_titles_that_wait_already_are_not_given_again(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first is painted the second has a title of its own, and each result the one that was told."""
    finished(house)
    for size, title in ((96, "dusk-2"), (100, "dusk-3"), (104, "dusk-4")):
        assert main(["again", "dusk", "--set", f"size={size}", "--config", str(house.config)]) == 0
        assert capsys.readouterr().out.startswith(f"{title} will be painted")
    view, _ = look_from_outside(load_config(house.config), Moment.now())
    assert sorted(name for pair in view.ready for name in pair.names) == ["dusk-2", "dusk-3", "dusk-4"]


def test_titles_that_others_wait_or_failed_under_are_not_given(house: House) -> None:
    """A sidecar that lies in the inbox, and what is left of a failed job; a year stays a year all the same."""
    finished(house, "holiday-2023")
    draw(house.inbox / "c.png")
    (house.inbox / "ann.yaml").write_text("content: c.png\nstyle: c.png\ntitle: Holiday-2023-2\n")
    (house.inbox / "ben.yaml").write_text("content: c.png\nstyle: c.png\ntitle: holiday\n")
    (house.outbox / "failed/holiday-2023-3").mkdir(parents=True)
    assert again(house, "holiday-2023")["title"] == "holiday-2023-4"


def test_a_title_that_is_being_painted_is_not_given(house: House) -> None:
    """A claimed job lies in the inbox no more."""
    finished(house)
    assert main(["again", "dusk", "--config", str(house.config)]) == 0
    spool = Spool(load_config(house.config), FileSystem())
    spool.open(Moment(0.0, 1.8e9))
    spool.recover(Moment(0.0, 1.8e9))
    spool.look(Moment(0.0, 1.8e9))
    spool.look(Moment(60.0, 1.8e9 + 60))
    job = spool.take(Moment(60.0, 1.8e9 + 60))
    assert job is not None
    assert job.name == "dusk-2"
    assert main(["again", "dusk", "--config", str(house.config)]) == 0
    spool.attachment.release()
    assert (house.inbox / "again-dusk-3/again.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dawn",), "no finished job is called so"),
        (("dusk", "--set", "sise=3"), "did you mean 'size'"),
        (("dusk", "--set", "style_weight=0", "--set", "content_weight=0"), "leaves nothing to optimise"),
        (("dusk", "--title", "a/b"), "holds /"),
        (("dusk", "--set", "title=x"), "--title"),
    ],
)
def test_what_cannot_be_asked_for(
    words: tuple[str, ...], said: str, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ends with 2 and says why; the inbox is as it was."""
    finished(house)
    assert main(["again", *words, "--config", str(house.config)]) == 2
    assert said in capsys.readouterr().err
    assert list(house.inbox.iterdir()) == []


def test_a_result_without_its_images_says_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """As with ``after: delete``; one without again.yaml likewise."""
    where = finished(house)
    (where / "input/s.png").unlink()
    assert main(["again", "dusk", "--config", str(house.config)]) == 2
    assert "input has no s.png, so this result cannot be made again" in capsys.readouterr().err
    (where / "input/again.yaml").unlink()
    assert main(["again", "dusk", "--config", str(house.config)]) == 2
    assert "cannot be made again" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["again.yaml", "s.png"])
@pytest.mark.parametrize("what", ["a folder", "a pipe", "a symbolic link"])
def test_what_has_a_files_name_and_is_none_is_called_so(
    name: str, what: str, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is waited for, followed or left half in the inbox."""
    place = finished(house) / "input" / name
    place.rename(place.with_name("elsewhere"))
    if what == "a folder":
        place.mkdir()
    elif what == "a pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("elsewhere")
    assert main(["again", "dusk", "--config", str(house.config)]) == 2
    assert capsys.readouterr().err.startswith(f"nst-batch: {place} is {what}")
    assert list(house.inbox.iterdir()) == []


def test_an_image_that_may_not_be_copied_leaves_nothing_behind(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """A private file with another name elsewhere: it says so, and no disk is at fault."""
    image = finished(house) / "input/s.png"
    image.chmod(0o600)
    os.link(image, house.root / "elsewhere.png")
    assert main(["again", "dusk", "--config", str(house.config)]) == 2
    assert f"nst-batch: {image} cannot be read: it has another name elsewhere" in capsys.readouterr().err
    assert list(house.inbox.iterdir()) == []


def test_results_are_found_by_name_folder_and_id(house: House) -> None:
    """Of two that are called alike none is guessed."""
    one, other = finished(house, folder="a"), finished(house, folder="b")
    assert find_result(house.outbox, "b/dusk") == other
    with pytest.raises(UsageError, match="a/dusk, b/dusk"):
        find_result(house.outbox, "dusk")
    (other / "job.json").unlink()
    assert find_result(house.outbox, "20260101-120000-000000-dusk.0001") == one


def test_two_at_a_time_come_both(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one puts together comes to its place while the other looks for what killed ones have left."""
    finished(house)
    names, once = FileSystem.names, [True]

    def late(self: FileSystem, path: Path) -> list[str]:
        found = names(self, path)
        if once and path == house.inbox:
            once.clear()
            found.append(".again-of-another")  # gone by now
        return found

    monkeypatch.setattr(FileSystem, "names", late)
    assert again(house, "dusk")["title"] == "dusk-2"
    assert not once


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_what_is_put_together_goes_by_the_servers_clock(
    house: House, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Two hours off: what another command is at stays, what a killed one has left an hour ago goes."""
    finished(house)
    lstat = FileSystem.lstat

    def shifted(self: FileSystem, path: Path) -> os.stat_result:
        found = lstat(self, path)
        numbers = [*found[:8], found[8] + ahead, found[9]] if path.name.startswith(".again-") else list(found)
        return os.stat_result(numbers, {name: getattr(found, name) for name in ("st_mtime_ns", "st_ctime_ns")})

    monkeypatch.setattr(FileSystem, "lstat", shifted)
    for name, age in ((".again-new", 60), (".again-old", 4000)):
        (house.inbox / name).mkdir(parents=True)
        since = (house.inbox / name).stat().st_mtime - age
        os.utime(house.inbox / name, (since, since))
    again(house, "dusk")
    assert (house.inbox / ".again-new").exists()
    assert not (house.inbox / ".again-old").exists()
