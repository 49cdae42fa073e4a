"""The commands as a person types them: what they print, and their exit codes."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from house import House, draw
from PIL import Image

from nst_batch.capacity import Place, Room
from nst_batch.cli import MODULES, checking, main, parser, terminal
from nst_batch.cli.control import words_of
from nst_batch.cli.terminal import plural
from nst_batch.config.load import load_config
from nst_batch.spool.commands import folders_of
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.spool.disk.primitives import Identity
from nst_batch.spool.inbox.painted import Mark
from nst_batch.spool.inbox.readiness import NOT_TO_BE_TAKEN


def test_the_commands_and_the_daemon_load_nothing_heavy() -> None:
    """Pictures, pages and networks are the work of other processes; a command answers at once, the daemon is small."""
    heavy = "'tensorflow', 'keras', 'h5py', 'cv2', 'numpy', 'PIL', 'jinja2', 'tifffile', 'imagecodecs'"
    script = f"import sys, nst_batch.cli; nst_batch.cli.parser(); print(sorted({{{heavy}}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        ("status", "daemon worker images doctor layers sample sizing spool.inbox spool.claims spool.outbox"),
        ("run", "doctor layers sample images.decoding cli.check cli.demo"),
    ],
)
def test_a_command_loads_what_it_needs(command: str, left_out: str) -> None:
    """``status`` answers while twenty thousand wait; the daemon, whose memory is what it imports, is small."""
    script = f"import sys, nst_batch.cli; nst_batch.cli.parser('{command}'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert f"nst_batch.cli.{command}" in loaded
    assert {f"nst_batch.{name}" for name in left_out.split()} & loaded == set()


@pytest.mark.parametrize("command", MODULES)
def test_one_command_alone_is_parsed_as_among_all(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which modules are loaded is nobody's business: every command has the help that it has beside the others."""
    helps = []
    for whole in (parser(command), parser()):
        with pytest.raises(SystemExit):
            whole.parse_args([command, "--help"])
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1] != ""


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("command", ["", *MODULES])
def test_help_is_as_wide_as_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, width: int
) -> None:
    """Its words are broken between lines; what is to be copied stands as it is, and so do names that are longer."""
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        parser().parse_args([*filter(None, [command]), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > width and not line.startswith(("    ", "  -"))] == []
    copied = [line for line in lines if line.startswith("    nst-batch ")]
    assert all(line.count("nst-batch") == 1 for line in copied)


@pytest.mark.parametrize("words", [["--help"], ["stylize", "--help"], ["reasons"], ["schema", "sidecar"]])
def test_a_reader_that_has_enough_is_no_trouble(words: list[str]) -> None:
    """``nst-batch --help | head -1``: no traceback, and 0."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "nst_batch", *words]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_plurals() -> None:
    """One job, two jobs."""
    assert (plural(1, "job"), plural(0, "job")) == ("1 job", "0 jobs")


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "check",
        "status",
        "stop",
        "cancel",
        "retry",
        "prune",
        "again",
        "pause",
        "resume",
        "stylize",
        "doctor",
        "schema",
        "demo",
    ],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help says what the command does and names every option."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--config" in said
    assert len(said.split("\n\n")[1]) > 20


@pytest.mark.parametrize(
    "words", [[], ["paint"], ["run", "--incomplete", "fail"], ["run", "--once", "--incomplete", "no"]]
)
def test_a_wrong_command_line_ends_with_2(words: list[str]) -> None:
    """Usage errors have the code that shells expect."""
    try:
        code = main(words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2


def test_a_broken_config_ends_with_78_and_names_every_line(house: House) -> None:
    """All mistakes at once, each with its line, its key and the key that was meant."""
    house.config.write_text("inbox: in\nweigths: auto\nlimits: {max_jobs: many}\n")
    done = house.command("status")
    assert done.returncode == 78
    assert "line 2" in done.stderr
    assert "weights" in done.stderr
    assert "line 3" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_can_look_at_the_config_alone(house: House) -> None:
    """As `systemctl reload` does: what lies in the inbox changes neither its answer nor the time it takes."""
    (house.inbox / "worse.yaml").write_text("content: a.png\nstile: b.png\n")
    good = house.command("check", "--no-sidecars")
    assert (good.returncode, "worse" in good.stdout) == (0, False)
    house.config.write_text("weigths: auto\n")
    bad = house.command("check", "--no-sidecars")
    assert bad.returncode == 78
    assert "did you mean 'weights'?" in bad.stderr


def test_check_says_what_would_be_made_and_what_is_wrong(house: House) -> None:
    """A good sidecar is told by its jobs, a bad one by its lines; the exit code tells them apart."""
    house.pair("fine")
    good = house.command("check")
    assert good.returncode == 0, good.stderr
    assert "fine-content.png" in good.stdout
    assert "48 × 36" in good.stdout
    (house.inbox / "bad.yaml").write_text("content: fine-contnt.png\nstyle: fine-style.png\n")
    (house.inbox / "worse.yaml").write_text("content: a.png\nstile: b.png\nepochs: lots\n")
    bad = house.command("check")
    assert bad.returncode == 1
    assert "did you mean fine-content.png" in bad.stdout
    assert "line 2" in bad.stdout
    assert "line 3" in bad.stdout
    assert not (house.outbox / "fine").exists()


def test_check_sees_what_the_daemon_would_refuse(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A linked sidecar, one over the limit, a style that is too narrow at the size it is looked at: all of them."""
    house.pair("fine")
    draw(house.inbox / "ribbon.png", size=(640, 40))
    house.sidecar("narrow", content="fine-content.png", style="ribbon.png")
    (house.root / "elsewhere.yaml").write_text("content: a.png\nstyle: b.png\n")
    (house.inbox / "linked.yaml").symlink_to(house.root / "elsewhere.yaml")
    (house.inbox / "huge.yaml").write_text("#" * 70_000)
    assert main(["check", "--config", str(house.config)]) == 1
    told = capsys.readouterr()
    assert "3 sidecars of 4 not right" in told.err
    assert "symbolic link" in told.out
    assert "image_too_small: ribbon.png" in told.out
    assert "          the file is larger than 64 KiB" in told.out
    assert "2 epochs of 2 steps" in told.out


def test_check_says_what_cannot_fit(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the job would, before it is begun; a style that is much larger than the result counts."""
    monkeypatch.setattr(checking, "painted_at", lambda _: Place(Room(8192.0, 4096.0), has_bfloat16=False))
    house.pair("huge", size=16384)
    house.pair("large", size=2048)
    house.pair("style", style_size=16384)
    assert main(["check", "--config", str(house.config)]) == 1
    said = capsys.readouterr().out
    said = " ".join(said.split())
    expected = r"16384 × \d+ pixels take about \d+\.\d GiB of memory, and there are 8.0 GiB; size \d+ should"
    assert re.search(expected, said)
    assert "style: out_of_memory" in said
    assert "large: out_of_memory" not in said


def test_status_and_check_agree_on_what_will_fail(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever `check` foretells of a job's size `status` says too, and of no other job."""
    monkeypatch.setattr("nst_batch.capacity.machine_memory.total_mb", lambda: 8192.0)
    house.pair("fine")
    house.pair("huge", size=16384)
    house.pair("styled", style_size=16384)
    house.pair("web", size=16384, format="webp")
    draw(house.inbox / "hair.png", size=(400, 1))
    house.sidecar("narrow", content="hair.png", style="fine-style.png")
    assert main(["check", "--config", str(house.config)]) == 1
    checked = " ".join(capsys.readouterr().out.split())
    assert main(["status", "--config", str(house.config)]) == 0
    told = dict(re.findall(r"^waiting  (\w+): (.*)$", capsys.readouterr().out, re.MULTILINE))
    assert told.pop("fine") == "ready"
    assert set(told) == {"huge", "styled", "web", "narrow"}
    for name, why in told.items():
        assert why.startswith("will fail: ")
        assert re.search(rf"{name}: \w+: {re.escape(why.removeprefix('will fail: '))}; ", checked)


def test_check_says_that_a_priority_counts_for_less(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no mistake."""
    house.configure(limits={"max_priority": 3, "min_free_gb": 0})
    house.pair("fine", priority=8)
    assert main(["check", "--config", str(house.config)]) == 0
    assert "          priority 8 counts as 3" in capsys.readouterr().out


def test_check_says_of_every_image_what_the_job_would_say(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut JPEG and a black mask are found; a note of the decoder is told; what a glob leaves out is named."""
    house.pair("fine")
    whole = draw(house.root / "whole.jpg").read_bytes()
    (house.inbox / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (house.inbox / "shots").mkdir()
    (house.inbox / "shots/open.jpg").write_bytes(whole[:-2])
    (house.inbox / "shots/IMG_1.CR3").write_bytes(b"raw")
    Image.new("L", (64, 48)).save(house.inbox / "black.png")
    house.sidecar("cut", content="cut.jpg", style="fine-style.png")
    house.sidecar("glob", content="shots/*", style="fine-style.png")
    house.sidecar("mask", content="fine-content.png", style="fine-style.png", mask="black.png")
    assert main(["check", "--config", str(house.config)]) == 1
    told = capsys.readouterr()
    assert "2 sidecars of 4 not right" in told.err
    assert "image_truncated: cut.jpg" in told.out
    assert "mask_empty: black.png" in told.out
    assert "open.jpg: its end marker is missing" in told.out
    assert "left out, not read here: shots/IMG_1.CR3" in told.out


@pytest.mark.parametrize(("name", "said"), [("dusk.yaml.txt", "rename it to dusk.yaml"), ("dusk.json", "NAME.yaml")])
def test_check_says_of_a_file_that_the_daemon_would_not_take_that_it_would_not(
    house: House, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However right the text in it is."""
    house.pair("dusk")
    (house.inbox / "dusk.yaml").rename(house.inbox / name)
    assert main(["check", str(house.inbox / name), "--config", str(house.config)]) == 1
    assert said in capsys.readouterr().out


def test_check_foretells_how_long_it_will_take(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """By what the processor multiplies; by what the daemon has learned here, once there is such a thing."""
    house.pair("one", size=512, epochs=10, steps_per_epoch=100)
    house.pair("two", size=512, epochs=10, steps_per_epoch=100)
    assert main(["check", "--config", str(house.config)]) == 0
    first = capsys.readouterr().out
    assert re.search(r"of memory, about \d+ (min|s|h)", first)
    assert re.search(r"^time      2 jobs, about .* on one worker$", first, re.MULTILINE)
    own = house.inbox / ".nst_batch"
    own.mkdir()
    kept = {"rates": {"cpu": 1e12}, "steps": {"cpu moments adam float32": {"34": 6.0}}}
    (own / "pace.json").write_text(json.dumps(kept))
    assert main(["check", "--config", str(house.config)]) == 0
    assert re.search(r"^time      2 jobs, about \d+ h", capsys.readouterr().out, re.MULTILINE)


def test_check_and_status_show_what_speaks_for_folders(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A hot folder with what each photograph would become; a folder's defaults; what is wrong with them."""
    draw(house.inbox / "monet/waves.png")
    draw(house.inbox / "monet/harbour.png", hue=40)
    house.sidecar("folder", folder="monet", style="waves.png")
    house.sidecar("defaults", folder="monet", size=64)
    assert main(["check", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert f"folder    {house.inbox}/monet/folder.yaml: ok, 1 photograph" in told
    assert f"defaults  {house.inbox}/monet/defaults.yaml: ok" in told
    assert re.search(r"harbour: harbour.png \(64 × 48\) with waves.png, 64 × 48", told)
    assert main(["status", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert "folder   monet/folder.yaml: 1 photograph to be painted, 0 painted already" in told
    house.sidecar("folder", folder="monet", stile="waves.png")
    assert main(["check", "--config", str(house.config)]) == 1
    told = capsys.readouterr()
    assert f"folder    {house.inbox}/monet/folder.yaml: wrong" in told.out
    assert "did you mean 'style'" in told.out
    assert told.err == "nst-batch: 1 folder file of 2 not right\n"


def test_check_and_status_say_why_a_folder_paints_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Its photographs all fit the pattern of its styles."""
    for name in "ab":
        draw(house.inbox / f"monet/{name}.png")
    house.sidecar("folder", folder="monet", style="*.png")
    said = "all 2 images beside it are taken for styles by `*.png`, so there is nothing to paint; put the styles into a"
    for command in ("check", "status"):
        assert main([command, "--config", str(house.config)]) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize("style", ["st/*.png", "none/*.png"])
def test_check_and_status_name_what_a_hot_folder_leaves_out(
    style: str, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words in which a glob's are told; also where the folder waits for its style."""
    draw(house.inbox / "h/st/s.png")
    for name in ("DSC0001.NEF", "IMG_1.CR3", "clip.mov"):
        (house.inbox / "h" / name).write_bytes(b"not read")
    house.sidecar("folder", folder="h", style=style)
    house.sidecar("glob", content="h/*", style="h/st/s.png")
    said = "left out, not read here: h/clip.mov, h/DSC0001.NEF, h/IMG_1.CR3; export what is wanted as TIFF"
    main(["check", "--config", str(house.config)])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()].count(said) == 2
    main(["status", "--config", str(house.config)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("folder")]
    assert line.endswith(f"; {said}")


def test_check_says_what_becomes_of_transparency(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an image that is transparent everywhere each job is told what it makes of it, each thing once."""
    half, clear = Image.new("RGBA", (64, 48), "red"), Image.new("RGBA", (64, 48), (255, 255, 255, 0))
    half.putpixel((0, 0), (0, 0, 0, 0))
    half.save(house.inbox / "half.png")
    clear.save(house.inbox / "clear.png")
    draw(house.inbox / "s.png")
    house.sidecar("half", content="half.png", style="clear.png")
    house.sidecar("clear", content="clear.png", style="clear.png")
    house.sidecar("mask", content="s.png", style="clear.png", mask="clear.png")
    assert main(["check", "--config", str(house.config)]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if "transparent" in line]
    assert [line for line in lines if "mask_empty" not in line] == [
        "clear.png: it is transparent everywhere, as its result will be",
        "clear.png: it is transparent everywhere: its style is taken from the colours under that",
    ]
    assert [line for line in lines if "mask_empty" in line]


def test_check_says_of_a_jpg_that_it_stands_on_white(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Of contents that are transparent somewhere, and of no other format."""
    for name in ("half", "whole"):
        draw(house.inbox / f"{name}.png")
    half = Image.open(house.inbox / "half.png").convert("RGBA")
    half.putpixel((0, 0), (0, 0, 0, 0))
    half.save(house.inbox / "half.png")
    said = "half.png: jpg has no transparency, so the picture is put on white"
    for file_format, times in (("png", 0), ("webp", 0), ("jpg", 1)):
        house.sidecar("pair", content=["half.png", "whole.png"], style=["whole.png", "half.png"], format=file_format)
        assert main(["check", "--config", str(house.config)]) == 0
        told = capsys.readouterr().out
        assert told.count(said) == told.count("transparency") == times


@pytest.mark.parametrize(
    ("style", "told"),
    [
        ("*.png", "`*.png`: a.png, b.png, c.png and 2 more"),
        ("[a-d]*", "`[a-d]*`: a.png, b.png, c.png and 1 more"),
        (["style-*", "a.png", "?.*"], "`?.*`: b.png, c.png, d.png and 1 more"),
        ("style-*", ""),
        (["a.png", "styles/*"], ""),
    ],
)
def test_check_names_what_a_pattern_takes_from_the_photographs(
    style: object, told: str, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it goes by no name that styles have, and so may have been meant for fewer."""
    for name in ("a.png", "b.png", "c.png", "d.png", "e.png", "photo.tif", "style-x.jpg", "styles/s.png"):
        draw(house.inbox / "monet" / name)
    house.sidecar("folder", folder="monet", style=style)
    assert main(["check", "--config", str(house.config)]) == 0
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if "for styles" in line]
    assert said == ([f"taken for styles, not painted, by {told}"] if told else [])


def test_check_of_a_folders_file_by_its_name(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It and its photographs, but for those that a sidecar names; one outside the inbox looks around itself."""
    for folder in (house.inbox / "monet", house.root / "aside"):
        for name in ("waves", "harbour", "taken"):
            draw(folder / f"{name}.png")
        (folder / "folder.yaml").write_text("style: waves.png\n")
        (folder / "own.yaml").write_text("content: taken.png\nstyle: waves.png\n")
        assert main(["check", str(folder / "folder.yaml"), "--config", str(house.config)]) == 0
        told = capsys.readouterr().out
        assert f"folder    {folder}/folder.yaml: ok, 1 photograph\n" in told
        assert f"photo     {folder}/harbour.png: ok, 1 job\n" in told
        assert "taken" not in told
    (house.inbox / "defaults.yaml").write_text("sise: 3\n")
    assert main(["check", str(house.inbox / "defaults.yaml"), "--config", str(house.config)]) == 1
    told_both = capsys.readouterr()
    assert f"defaults  {house.inbox}/defaults.yaml: wrong\n          line 1, sise: " in told_both.out
    assert "1 folder file of 1 not right" in told_both.err


def test_check_counts_what_is_to_be_painted_still(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """What was painted, as the daemon remembers it, is told apart; what it is painting counts as painted."""
    draw(house.inbox / "monet/waves.png")
    photographs = [draw(house.inbox / f"monet/{name}.png", hue=hue) for hue, name in enumerate("abc")]
    house.sidecar("folder", folder="monet", style="waves.png")
    folders, _, _ = folders_of(load_config(house.config))
    virtual = folders.virtual("monet/a.png.yaml")
    assert virtual is not None
    own = house.inbox / ".nst_batch"
    own.mkdir()
    mark = Mark(virtual.keys[0], Identity.of(photographs[0].lstat()), "")
    (own / "painted").write_text(mark.line())
    assert main(["check", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert f"folder    {house.inbox}/monet/folder.yaml: ok, 2 photographs, 1 painted already" in told
    assert "a.png: ok" not in told
    assert "b.png: ok" in told


def test_check_foretells_one_picture_of_equal_photographs(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """As the daemon paints them: by their bytes, in every folder of the same settings and style."""
    draw(house.inbox / "monet/waves.png")
    draw(house.inbox / "monet/a.png", hue=3)
    draw(house.inbox / "degas/c 10.png", hue=9)
    for folder, name in (("monet", "b.png"), ("degas", "a again.png")):
        house.inbox.joinpath(folder).mkdir(exist_ok=True)
        shutil.copyfile(house.inbox / "monet/a.png", house.inbox / folder / name)
    os.link(house.inbox / "degas/c 10.png", house.inbox / "degas/c 2.png")
    shutil.copyfile(house.inbox / "monet/waves.png", house.inbox / "degas/waves.png")
    for folder in ("monet", "degas"):
        house.sidecar("folder", folder=folder, style="waves.png")
    assert main(["check", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert "degas/folder.yaml: ok, 2 photographs, 1 more the same as another\n" in told
    assert "monet/folder.yaml: ok, 0 photographs, 2 more the same as another\n" in told
    assert re.findall(r"^photo +.*/(.*?): (ok.*)", told, re.MULTILINE) == [
        ("a again.png", "ok, 1 job"),
        ("c 2.png", "ok, 1 job"),
        ("c 10.png", "ok, the same photograph as c 2.png, painted once for both"),
        ("a.png", "ok, the same photograph as degas/a again.png, painted once for both"),
        ("b.png", "ok, the same photograph as degas/a again.png, painted once for both"),
    ]
    assert "2 jobs, about" in told


@pytest.mark.parametrize(("columns", "lines"), [(None, 1), (60, 3)])
def test_check_fits_into_a_terminal(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int | None, lines: int
) -> None:
    """Long lines are broken between words and set in below their beginning; in a pipe they stay whole."""
    monkeypatch.setattr(terminal, "screen_columns", lambda: columns)
    house.pair("dusk")
    monkeypatch.chdir(house.root)
    assert main(["check"]) == 0
    told = capsys.readouterr().out.splitlines()
    start = next(index for index, line in enumerate(told) if line.startswith("          dusk:"))
    said = list(itertools.takewhile(lambda line: line.startswith(" "), told[start:]))
    assert len(said) == lines
    assert all(line.startswith(" " * 12) for line in said[1:])
    assert columns is None or max(map(len, said)) < columns


def test_check_beside_a_daemon_that_takes_files(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sidecar or a photograph that is there when it lists and gone when it looks is no mistake."""
    house.pair("dusk")
    draw(house.inbox / "monet/waves.png")
    draw(house.inbox / "monet/harbour.png")
    house.sidecar("folder", folder="monet", style="waves.png")
    looked = checking.Checker.of_sidecar

    def taken(self: checking.Checker, path: Path) -> checking.Verdict:
        for gone in (path, house.inbox / "dusk-content.png", house.inbox / "monet/harbour.png"):
            gone.unlink()
        return looked(self, path)

    monkeypatch.setattr(checking.Checker, "of_sidecar", taken)
    assert main(["check", "--config", str(house.config)]) == 0
    told = capsys.readouterr()
    assert f"sidecar   {house.inbox}/dusk.yaml: gone meanwhile" in told.out
    assert f"photo     {house.inbox}/monet/harbour.png: gone meanwhile" in told.out
    assert told.err == ""


def test_status_watches(house: House) -> None:
    """It goes on until it is told to end; with --json an object a line."""
    house.pair("dusk")
    words = [sys.executable, "-m", "nst_batch", "status", "--watch", "--json", "--config", str(house.config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, "it is how it ends"
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [facts["waiting"][0]["name"] for facts in seen] == ["dusk", "dusk"]


def test_status_that_nobody_reads_any_more_ends(house: House) -> None:
    """`nst-batch status --watch | head -1`: at once, and without a word."""
    words = [sys.executable, "-m", "nst_batch", "status", "--watch", "--json", "--config", str(house.config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_status_tells_when_each_job_will_be_done() -> None:
    """Of what waits: how long it takes and when it will be done; of what runs: what is left; of all: the end."""
    from nst_batch.cli.status_lines import lines

    now = time.time()
    job = {"name": "dusk", "device": "cpu", "epoch": 0, "epochs": 4, "step": 0, "steps": 9, "loss": None}
    waits = {"name": "dawn", "why": "ready", "until": None, "seconds": 200.4, "done_at": now + 400}
    facts = {"daemon": "pid 1", "outbox": "/outbox", "done": [], "failed": [], "counts": {"done": 0, "failed": 0}}
    facts |= {"paused": False, "blocked": None}
    told = "\n".join(
        lines({**facts, "running": [{**job, "seconds_left": 90.0}], "waiting": [waits], "empty_at": now + 400.4})
    )
    assert "dusk on cpu: starting, 1 min 30 s left" in told
    assert re.search(r"waiting  dawn: ready, takes 3 min 20 s, done about \S", told)
    assert re.search(r"empty    about .*, in 6 min 40 s", told)


def test_check_keeps_out_of_the_daemons_own_folder(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims come and go there while the daemon runs; a folder that goes while it is walked broke the command."""
    claim = house.inbox / ".nst_batch/claims/one/sidecar"
    claim.mkdir(parents=True)
    (claim / "taken.yaml").write_text("content: nowhere.png\n")
    listed = os.scandir

    def scandir(path: str) -> object:
        if ".nst_batch" in str(path):
            raise FileNotFoundError(path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["check", "--config", str(house.config)]) == 0
    assert "sidecars  none" in capsys.readouterr().out


def test_check_tells_of_what_is_no_file_and_never_waits_for_it(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe would hold it for ever. Each is named once, as the daemon and `status` say it."""
    for name in ("ann/defaults.yaml", "ben/folder.yaml", "x.yaml"):
        (house.inbox / name).parent.mkdir(exist_ok=True)
        os.mkfifo(house.inbox / name)
    house.sidecar("y", content="x.yaml", style="x.yaml")
    (house.inbox / "z.yaml").symlink_to("y.yaml")
    (house.inbox / "deep/d.yaml").mkdir(parents=True)
    assert main(["check", "--config", str(house.config)]) == 1
    told = capsys.readouterr().out
    for path in ("ann/defaults.yaml", "ben/folder.yaml"):
        assert f"{path}: wrong\n{'':10}it is a pipe, a socket or a device, which is not read; put the file" in told
    assert f"note      {house.inbox}/x.yaml: not taken: it is a pipe, a socket or a device: put a file there" in told
    assert f"{house.inbox}/z.yaml: wrong\n{'':10}it is a symbolic link, which is not read; put" in told
    assert f"note      {house.inbox}/deep/d.yaml: not taken: it is a folder: put a file there" in told
    assert main(["check", str(house.inbox / "ben/folder.yaml"), "--config", str(house.config)]) == 2
    assert "folder.yaml is a pipe, a socket or a device, and no sidecar" in capsys.readouterr().err
    assert main(["status", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert "folder   ben/folder.yaml: it is a pipe, a socket or a device" in told
    for path, what in (("x.yaml", "a pipe, a socket or a device"), ("deep/d.yaml", "a folder")):
        assert f"note     {path} is not taken: it is {what}: put a file there, or give it another name" in told
    for line in told.splitlines():
        assert line.count("folder.yaml") <= 1


def test_check_tells_of_folders_named_as_control_files(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Who made one means the queue, or a job, to heed it; one deeper in the inbox is a folder like others."""
    for name in ("PAUSE", "dusk.stop", "Dawn.CANCEL", "ann/PAUSE", "PAUSED", ".stop"):
        (house.inbox / name).mkdir(parents=True)
    (house.inbox / "noon.stop").touch()
    assert main(["check", "--config", str(house.config)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    what = "is a folder, so it is no control file: give it another name"
    assert lines == [f"note      {house.inbox}/{name} {what}" for name in ("Dawn.CANCEL", "dusk.stop", "PAUSE")]


def test_check_of_a_file_that_is_not_there_says_so_before_anything_else(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped name is a usage error, whatever stands before it."""
    house.pair("fine")
    words = ["check", str(house.inbox / "fine.yaml"), str(house.inbox / "fien.yaml"), "--config", str(house.config)]
    assert main(words) == 2
    told = capsys.readouterr()
    assert "fien.yaml: there is no such file" in told.err
    assert told.out == ""


def test_status_without_a_daemon_tells_of_the_folders(house: House) -> None:
    """Waiting pairs with why they wait, as text and as JSON."""
    house.pair("ready")
    house.sidecar("lonely", content="nowhere.png", style="ready-style.png")
    facts = json.loads(house.command("status", "--json").stdout)
    assert facts["daemon"] is None
    why = {entry["name"]: entry["why"] for entry in facts["waiting"]}
    assert "nowhere.png" in why["lonely"]
    assert why["ready"] == "ready"
    text = house.command("status").stdout
    assert "not running" in text
    assert "lonely" in text


def test_folders_that_the_first_daemon_will_make_are_no_trouble(house: House) -> None:
    """Those of an inbox that a daemon has had are."""
    assert "is not there" not in house.command("status").stdout
    (house.inbox / ".nst_batch").mkdir()
    assert f"waits    {house.outbox} is not there" in house.command("status").stdout


def test_status_calls_a_failed_job_by_the_name_that_retry_takes(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder's name, which the title is not where several share it; and what was wrong, not only what to do."""
    for name, message in (("Dusk", "a.png: cut\nb.png: cut"), ("Dusk-2", "")):
        folder = house.outbox / "failed" / name
        folder.mkdir(parents=True)
        job = {"title": "Dusk", "state": "failed", "reason": "image_truncated", "message": message, "advice": ""}
        (folder / "job.json").write_text(json.dumps(job))
    assert main(["status", "--config", str(house.config)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "Dusk: image_truncated; a.png: cut (and 1 more)" in lines
    assert "Dusk-2: image_truncated" in lines


def test_once_says_for_what_it_waits_and_leaves_it_where_asked(house: House) -> None:
    """A sidecar without its image is named with what it lacks and until when; with `leave` it stays as it is."""
    house.sidecar("lonely", content="nowhere.png", style="neither.png")
    done = house.once("--incomplete", "leave")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "lonely.yaml waits" in line]
    assert "nowhere.png" in line
    assert "until" in line
    assert (house.inbox / "lonely.yaml").exists()


def test_error_txt_status_and_check_have_the_same_hint(house: House) -> None:
    """One function makes it: whoever looks only into the outbox is helped as well."""
    draw(house.inbox / "photo #3.png")
    (house.inbox / "dusk.yaml").write_text("content: photo #3.png\nstyle: Photo #3.PNG\n")
    hint = "a name with # in it goes in quotes"
    assert hint in house.command("check").stdout
    assert hint in house.command("status").stdout
    assert house.once("--incomplete", "fail").returncode == 1
    assert hint in (house.outbox / "failed/dusk/error.txt").read_text()


def test_once_fails_at_once_what_is_incomplete_where_asked(house: House) -> None:
    """With `fail` nothing is waited for, and nothing is said of waiting; the exit code says that a job failed."""
    house.sidecar("lonely", content="nowhere.png", style="neither.png")
    done = house.once("--incomplete", "fail")
    assert done.returncode == 1, done.stderr
    assert "waits" not in done.stderr
    assert house.job("failed/lonely")["reason"] == "image_missing"
    assert (house.outbox / "failed/lonely/input/lonely.yaml").exists()


def test_pause_and_resume(house: House) -> None:
    """`pause` keeps --once from starting anything, which then ends with 75; `resume` undoes it."""
    house.pair("one")
    assert house.command("pause").returncode == 0
    paused = house.once()
    assert paused.returncode == 75
    assert "paused" in paused.stderr
    assert (house.inbox / "one.yaml").exists()
    assert house.command("resume").returncode == 0
    assert not (house.inbox / "PAUSE").exists()


def test_pause_comes_before_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no inbox is yet it is made, so that the first daemon finds itself paused."""
    monkeypatch.chdir(tmp_path)
    assert main(["pause"]) == 0
    assert (tmp_path / "inbox/PAUSE").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/srv/outbox"), "/srv/outbox: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (TypeError("a thing\nthat nobody\nforesaw"), "TypeError in test_cli.py, line "),
    ],
)
def test_what_nobody_foresaw_is_told_in_two_plain_lines(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback but with --debug, which tells it before them."""

    def fails(_arguments: object) -> int:
        raise error

    monkeypatch.setattr("nst_batch.cli.status.run", fails)
    assert main(["status"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert said in lines[0]
    assert "--debug" in lines[1]
    assert main(["status", "--debug"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.splitlines()[-2:] == lines


def test_control_of_a_job_that_is_not_there_ends_with_2(house: House) -> None:
    """A name that fits nothing is an error, and no file is written for it, wherever it points."""
    for command in ("stop", "cancel", "retry"):
        done = house.command(command, "../elsewhere")
        assert done.returncode == 2, done.stderr
        assert "elsewhere" in done.stderr
    assert not list(house.root.rglob("elsewhere*"))


def test_cancel_of_what_the_daemon_may_not_take_says_what_it_waits_for(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control file lies there until then, and who wrote it would wonder."""
    why = f"{NOT_TO_BE_TAKEN} trip"
    waiting = [{"name": "dusk", "why": why, "untaken": True}, {"name": "dawn", "why": "ready"}]
    monkeypatch.setattr("nst_batch.cli.control.told_by_daemon", lambda *_: ("process 1", {"waiting": waiting}))
    assert main(["cancel", "dusk", "dawn", "--config", str(house.config)]) == 0
    inputs = "; its inputs go to the outbox's failed folder"
    assert capsys.readouterr().out.splitlines() == [
        f"dusk will be dropped once the daemon may take it ({why}){inputs}",
        f"dawn will be dropped{inputs}",
    ]


def test_what_speaks_for_its_folder_is_not_steered_as_a_job(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` lists it while it is being written, under its path; no control file would be heeded, here or there."""
    waiting = [{"name": name, "why": "is still being written"} for name in ("trip/folder.yaml", "defaults.yml")]
    monkeypatch.setattr("nst_batch.cli.control.told_by_daemon", lambda *_: ("process 1", {"waiting": waiting}))
    for command, name in itertools.product(("stop", "cancel"), ("trip/folder.yaml", "defaults.yml")):
        assert main([command, name, "--config", str(house.config)]) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"nst-batch: {name} is no job: it speaks for its folder",
            "nst-batch: to end that, remove it from the inbox; nst-batch status lists the jobs",
        ]
    assert not list(house.inbox.iterdir())


def test_of_several_jobs_those_that_there_are_are_seen_to(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """`cancel`, `stop` and `retry` alike: the wrong names are told, each in a line, and the exit code is 2."""
    for name in ("a", "b"):
        house.sidecar(name, content="x.png", style="y.png")
    config = ["--config", str(house.config)]
    assert main(["cancel", "nosuch", "b", "neither", "b", *config]) == 2
    told = capsys.readouterr()
    assert (house.inbox / "b.cancel").exists()
    assert told.out.startswith("b will be dropped")
    assert told.out.count("b will be dropped") == 1
    assert told.err.splitlines() == [
        "nst-batch: nosuch: there is no such job",
        "nst-batch: neither: there is no such job",
        "nst-batch: nst-batch status lists those there are",
    ]
    assert main(["stop", "nosuch", "a", *config]) == 2, "a waits and has no picture: that alone would be 75"
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("nst-batch: nosuch: there is no such job\nnst-batch: a waits and has no picture yet")
    for name in ("c", "d"):
        failed = house.outbox / "failed" / name
        (failed / "input").mkdir(parents=True)
        (failed / "job.json").write_text('{"state": "failed", "id": "7"}')
        (failed / "input/x.yaml").touch()
    assert main(["retry", "nosuch", "d", "neither", "c", *config]) == 2
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()] == ["d", "c"]
    assert told.err.splitlines() == [
        "nst-batch: no failed job is called nosuch",
        "nst-batch: no failed job is called neither",
        "nst-batch: nst-batch status shows the failed jobs",
    ]
    assert not list((house.outbox / "failed").iterdir())


def test_stop_of_a_job_that_waits_for_its_next_attempt_says_what_it_ends_with(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands; with its first step, where its worker died before that; and nothing where none has had it."""
    names = {"dusk": {"begun": True, "tried": True}, "dawn": {"begun": False, "tried": True}, "noon": {"begun": False}}
    waiting = [{"name": name, "why": "will be tried again", **facts} for name, facts in names.items()]
    monkeypatch.setattr("nst_batch.cli.control.told_by_daemon", lambda *_: ("process 1", {"waiting": waiting}))
    house.inbox.mkdir(exist_ok=True)
    assert main(["stop", *names, "--config", str(house.config)]) == 75
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "dusk will be published as it stands, before the next job starts",
        "dawn has no picture yet: it will end with that of its first step, once it is at work again; "
        "nst-batch cancel dawn drops it at once",
    ]
    assert told.err.startswith("nst-batch: noon waits and has no picture yet")
    assert {path.name for path in house.inbox.glob("*.stop")} == {"dusk.stop", "dawn.stop"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"begun": True}, "dusk at sea will end with the picture as it stands\n"),
        ({}, "dusk at sea will end with the picture as it stands\n"),  # a daemon of an older version
        (
            {"begun": False, "first_step_at": 100.4},
            "dusk at sea has no picture yet: it will end with that of its first step, in about 1 min 40 s; "
            "nst-batch cancel 'dusk at sea' drops it at once\n",
        ),
        (
            {"begun": False, "first_step_at": None},
            "dusk at sea has no picture yet: it will end with that of its first step; "
            "nst-batch cancel 'dusk at sea' drops it at once\n",
        ),
    ],
)
def test_stop_says_what_a_running_job_will_end_with(
    house: House,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    entry: dict[str, Any],
    said: str,
) -> None:
    """The picture as it stands, or that of the first step: then in how long, and what is sooner."""
    due = entry.get("first_step_at")
    running = {"name": "dusk at sea", "id": "7", **entry, "first_step_at": None if due is None else time.time() + due}
    monkeypatch.setattr("nst_batch.cli.control.told_by_daemon", lambda *_: ("process 1", {"running": [running]}))
    house.inbox.mkdir(exist_ok=True)
    for name in ("Dusk at Sea", "7"):
        assert main(["stop", name, "--config", str(house.config)]) == 0
        assert capsys.readouterr().out == said.replace("dusk at sea", name).replace("'7'", "7")
        assert (house.inbox / f"{name}.stop").exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stop", ""], "nst-batch status lists the jobs"),
        (["cancel", "a", " "], "nst-batch status lists the jobs"),
        (["retry", ""], "nst-batch status lists the jobs"),
        (["retry", "--reason", ""], "nst-batch status lists the jobs"),
        (["again", ""], "nst-batch status lists the jobs"),
        (["reasons", "\t"], "nst-batch reasons lists them all"),
        (["check", ""], "nst-batch check --help says what belongs there"),
        (["prune", "--older="], "nst-batch prune --help says what belongs there"),
        (["stylize", "c.png", "", "out"], "nst-batch stylize --help says what belongs there"),
    ],
)
def test_an_empty_word_is_refused_before_anything_is_done(
    house: House, capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    """It names nothing, and nothing may be taken for it: neither every job nor the folder that one is in."""
    house.sidecar("a", content="x.png", style="y.png")
    (house.outbox / "failed/None/input").mkdir(parents=True)
    assert main([*words, "--config", str(house.config)]) == 2
    what, advice = capsys.readouterr().err.splitlines()
    assert what.startswith(f"nst-batch: nst-batch {words[0]}")
    assert "a word is empty and names nothing" in what
    assert advice == f"nst-batch: {hint}"
    assert [path.name for path in house.inbox.iterdir()] == ["a.yaml"]


def test_no_name_is_the_name_of_what_has_none(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A job without an id, waiting or in a failed folder without job.json, is not called `None`."""
    (house.outbox / "failed/x/input").mkdir(parents=True)
    for command in ("cancel", "stop", "retry"):
        assert main([command, "none", "--config", str(house.config)]) == 2
        assert "none" in capsys.readouterr().err
    assert (house.outbox / "failed/x/input").is_dir()
    assert words_of([{"name": "a"}, {"name": "b", "id": None}, {"name": "", "id": "7"}]) == {"a", "b", "7"}


def test_an_unknown_reason_is_a_mistake(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that look like it, in `reasons` too."""
    assert main(["retry", "--reason", "image_trunkated", "--config", str(house.config)]) == 2
    assert "did you mean image_truncated" in capsys.readouterr().err
    assert main(["retry", "--reason", "disk_full", "--config", str(house.config)]) == 2, "which no job ends for"
    assert "did you mean" not in capsys.readouterr().err
    assert main(["reasons", "Disk-ful"]) == 2
    assert "did you mean disk_full" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["a", "--all"], ["--all", "--reason", "x"], ["a", "--reason", "x"]])
def test_retry_takes_names_or_a_rule(house: House, words: list[str]) -> None:
    """One of them, and exactly one."""
    assert house.command("retry", *words).returncode == 2


def test_retry_by_a_rule_tells_of_folders_without_a_readable_job(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """No rule fits them, and each is put back by its name."""
    for name, text in (("known", '{"state": "failed", "id": "7"}'), ("dusk bold", "{"), ("dawn", '{"state": "?"}')):
        (house.outbox / "failed" / name / "input").mkdir(parents=True)
        (house.outbox / "failed" / name / "job.json").write_text(text)
        (house.outbox / "failed" / name / "input/x.yaml").touch()
    assert main(["retry", "--all", "--config", str(house.config)]) == 0
    back, told = capsys.readouterr().out.splitlines()
    assert back.startswith("known is back as ")
    assert told == (
        "2 folders in failed/ without a job.json that can be read, so not put back: dawn, dusk bold; "
        "nst-batch retry dawn 'dusk bold' puts them back"
    )
    assert main(["retry", "dawn", "dusk bold", "--config", str(house.config)]) == 0


def test_retry_by_a_rule_that_fits_nothing_says_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no mistake: a script may ask every night."""
    assert main(["retry", "--all", "--config", str(house.config)]) == 0
    assert main(["retry", "--reason", "image_truncated", "--config", str(house.config)]) == 0
    told = capsys.readouterr().out
    assert told == "no job has failed\nno job has ended for the reason image_truncated\n"


def test_what_cannot_go_back_is_told_beside_what_stays(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a rule, too: those that can are back, those that would fail again are counted, and the exit code is 2."""
    for name, reason in (("a", "worker_died"), ("b", "worker_died"), ("c", "mask_empty")):
        (house.outbox / "failed" / name / "input").mkdir(parents=True)
        job = {"state": "failed", "reason": reason, "id": name}
        (house.outbox / "failed" / name / "job.json").write_text(json.dumps(job))
    (house.outbox / "failed/b/input/b.yaml").touch()
    for words in (["--all"], ["--reason", "worker_died"]):
        assert main(["retry", *words, "--config", str(house.config)]) == 2
        told = capsys.readouterr()
        assert told.err.startswith(f"nst-batch: a stays failed: {house.outbox}/failed/a/input has no sidecar; put it")
        assert told.out.startswith("b is back" if words == ["--all"] else "")
        assert ("1 job would fail in the same way" in told.out) is (words == ["--all"])
    assert sorted(path.name for path in (house.outbox / "failed").iterdir()) == ["a", "c"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel", "w"], "inbox/w.cancel cannot be written: the file system is read-only"),
        (["pause"], "inbox/PAUSE cannot be written: the file system is read-only"),
        (["retry", "f"], ": the file system is read-only"),
    ],
)
def test_a_command_on_a_disk_that_refuses_says_what_where_and_what_to_do(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """Nothing goes on by itself after it: it is to be given again. What needs no change is no trouble."""

    def refuse(_self: FileSystem, path: Path, *_rest: object, **_more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    house.sidecar("w", content="x.png", style="y.png")
    (house.outbox / "failed/f/input").mkdir(parents=True)
    (house.outbox / "failed/f/input/f.yaml").touch()
    for name in ("write_new", "mkdir", "remove", "rename"):
        monkeypatch.setattr(FileSystem, name, refuse)
    assert main([*words, "--config", str(house.config)]) == 75
    what, advice = capsys.readouterr().err.splitlines()
    assert what.startswith(f"nst-batch: {house.root}")
    assert what.endswith(said)
    assert advice == "nst-batch: mount it writable, then give the command again"
    assert main(["resume", "--config", str(house.config)]) == 0
    assert capsys.readouterr().out == "it was not paused\n"


def test_schemas_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Both schemas are printed as JSON objects."""
    for what in ("sidecar", "config"):
        assert main(["schema", what]) == 0
        assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_errors_show_a_traceback_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--debug adds it to what is otherwise a plain line or two; the exit code is the same."""
    words = ["status", "--config", str(tmp_path / "nowhere.yaml")]
    assert main(words) == 78
    assert "Traceback" not in capsys.readouterr().err
    assert main([*words, "--debug"]) == 78
    assert "Traceback" in capsys.readouterr().err


def test_status_tells_why_it_is_the_cpu() -> None:
    """What the daemon said once at its start can be read all night."""
    from nst_batch.cli.status_lines import lines
    from nst_batch.daemon.queue_state import state

    facts = state(None, (), (), None, 1, ("painted on the CPU: a GPU is of no use",))
    told = list(
        lines(
            {
                "daemon": "pid 1",
                "outbox": "/outbox",
                "done": [],
                "failed": [],
                "counts": {"done": 0, "failed": 0},
                **facts,
            }
        )
    )
    assert "note     painted on the CPU: a GPU is of no use" in told
