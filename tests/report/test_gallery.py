"""gallery: the outbox as one page, read cheaply, with links that lead to the files."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from nst_batch.report import gallery as module
from nst_batch.report import thumbnails
from nst_batch.report.entries import Collection, collect
from nst_batch.report.gallery import CHUNK, FIRST, Gallery
from nst_batch.report.tiles import settings_summary

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
_held = io.BytesIO()
Image.new("RGB", (12, 8), (200, 100, 50)).save(_held, "PNG")
PICTURE = _held.getvalue()  # whatever the suffix says: pictures are known by their bytes
SETTINGS = {"preset": "classic", "size": 512, "epochs": 10, "steps_per_epoch": 100, "optimizer": "adam"}


def add(outbox: Path, folder: str, *, minute: int = 0, **job: Any) -> Path:
    """A job's folder as publishing leaves it; ``job`` overrides parts of its job.json."""
    path = outbox / folder
    (path / "input").mkdir(parents=True)
    title = job.setdefault("title", path.name)
    for name in (f"{title}.png", "input/my photo.jpg", "input/waves.png"):
        (path / name).write_bytes(PICTURE)
    (path / "loss.svg").write_bytes(b"")
    (path / "loss.json").write_text('{"title": "", "log": [\n{"total": 9}, \n{"total": 4.5}\n]}\n')
    text: dict[str, Any] = {
        "id": f"20260301-22{minute:02d}00-000000-abcd.0001",
        "state": "done",
        "settings": SETTINGS,
        "inputs": [{"role": "content", "name": "my photo.jpg"}, {"role": "style", "name": "waves.png"}],
        "outputs": [f"{title}.png"],
        "weights": {"source": "keras"},
        "finished_at": (START + timedelta(minutes=minute)).isoformat(),
        "seconds": 200.0,
        "steps_done": 1000,
    }
    (path / "job.json").write_text(json.dumps(text | job), encoding="utf-8")
    return path


class Page(HTMLParser):
    """The page's links, pictures and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(outbox: Path) -> Page:
    """The gallery's page, brought up to date."""
    return Page(html(outbox))


def html(outbox: Path) -> str:
    outbox.mkdir(exist_ok=True)
    Gallery(outbox).update()
    return (outbox / "index.html").read_text(encoding="utf-8")


def tiles(outbox: Path) -> list[dict[str, Any]]:
    """What the page's script reads, oldest first."""
    found = []
    for path in sorted((outbox / ".gallery/data").glob("0*.js")):
        found += json.loads(path.read_text().split(",", 2)[2].rpartition(")")[0])
    return found


@pytest.mark.parametrize(
    "job",
    [
        {"state": "failed", "settings": {"seed": 10**400}},
        {"of": {"sidecar": "a.yaml", "jobs": 2}, "sidecar": {"vary": {"seed": []}}, "settings": {"seed": 10**400}},
        {"of": {"sidecar": "a.yaml", "jobs": 2}, "id": f"a.{'9' * 5000}"},
    ],
    ids=["number", "varied", "index"],
)
def test_a_job_json_that_nobody_can_show_costs_no_other_job_its_place(tmp_path: Path, job: dict[str, Any]) -> None:
    """Whoever may write to the outbox may leave one there; the page goes on without it."""
    add(tmp_path, "dusk")
    add(tmp_path, "odd", **job)
    assert "dusk" in [tile["title"] for tile in (page(tmp_path), tiles(tmp_path))[1]]


@pytest.mark.parametrize(
    "title",
    ["plain", "50% #1", "grün & blau", "a 'quoted' title", "名前", "&amp;", "a..b", "a;b=c", "</script>"[2:]],
)
def test_every_link_leads_to_its_file(tmp_path: Path, title: str) -> None:
    """Decoded as a browser does, each relative link names something in the outbox, whatever the title."""
    add(tmp_path, f"Näh & Fern 100%/{title}")
    add(tmp_path, f"failed/{title}-2", state="failed")
    links = page(tmp_path).links
    older = tmp_path / ".gallery/older"
    links += [f".gallery/older/{link}" for link in Page((older / "0001.html").read_text(encoding="utf-8")).links]
    for tile in tiles(tmp_path):
        names = [tile["picture"], *(item["file"] for item in tile["inputs"]), *(file for file, _ in tile["links"])]
        links += [tile["base"] + name for name in names]
        links += [f".gallery/thumbnails/{each['thumb'][0]}" for each in (tile, *tile["inputs"])]
    assert len(links) > 20
    for link in links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert (tmp_path / unquote(parts.path)).exists(), link


def test_names_that_are_not_utf8_are_linked_too(tmp_path: Path) -> None:
    """A folder named in another encoding is shown and linked by its bytes."""
    path = add(tmp_path, "x", title="t")
    path.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    assert 'href="./caf%E9/t.png"' in html(tmp_path)
    assert tiles(tmp_path)[0]["base"] == "caf%E9/"


def test_newest_first_at_any_depth(tmp_path: Path) -> None:
    """Jobs of all folders stand in the order of their end, failed ones among them."""
    add(tmp_path, "first", minute=1)
    add(tmp_path, "a/b/c/third", minute=3)
    add(tmp_path, "failed/second", minute=2, state="failed", reason="image_truncated")
    assert [entry.title for entry in collect(tmp_path).entries] == ["third", "second", "first"]


def test_everything_is_counted_whatever_is_listed(tmp_path: Path) -> None:
    """The newest of each kind are given; what only looks like a job is none."""
    for number in range(6):
        add(tmp_path, f"d{number}", minute=number)
        add(tmp_path, f"failed/f{number}", minute=number, state="failed")
    (tmp_path / "d5/job.json").write_text("{}")
    found = collect(tmp_path, newest=2)
    assert (found.done, found.failed) == (5, 6)
    assert [entry.folder for entry in found.entries] == ["failed/f5", "failed/f4", "d4"]


def test_times_in_different_zones_are_compared(tmp_path: Path) -> None:
    """The order is that of the moments, not of their text."""
    add(tmp_path, "later", finished_at="2026-03-01T10:00:00+00:00")
    add(tmp_path, "earlier", finished_at="2026-03-01T10:30:00+01:00")
    assert [entry.title for entry in collect(tmp_path).entries] == ["later", "earlier"]


def test_what_is_not_a_finished_job_is_passed_over(tmp_path: Path) -> None:
    """Running jobs, hidden folders, links, and folders inside a job's folder are not entries."""
    add(tmp_path, "running/busy")
    add(tmp_path, ".hidden/job")
    inner = add(tmp_path, "real")
    add(inner, "epochs/odd")
    (tmp_path / "linked").symlink_to(inner, target_is_directory=True)
    assert [entry.folder for entry in collect(tmp_path).entries] == ["real"]


def broken_manifests() -> Iterator[str]:
    yield ""
    yield "{"
    yield "[" * 100_000
    yield "[]"
    yield json.dumps({"title": "no state"})
    yield json.dumps({"state": "running"})
    yield json.dumps({"state": "done", "padding": "x" * (4 << 20)})


def test_broken_manifests_are_skipped(tmp_path: Path) -> None:
    """A job.json that is empty, cut, nested without end, huge or no job's leaves the others on the page."""
    add(tmp_path, "good")
    for index, text in enumerate(broken_manifests()):
        path = tmp_path / f"bad-{index}"
        path.mkdir()
        (path / "job.json").write_text(text)
    (tmp_path / "a pipe").mkdir()
    os.mkfifo(tmp_path / "a pipe" / "job.json")
    (tmp_path / "a link").mkdir()
    (tmp_path / "a link" / "job.json").symlink_to(tmp_path / "good" / "job.json")
    found = collect(tmp_path)
    assert [entry.title for entry in found.entries] == ["good"]
    assert found.unreadable == ("a link", "a pipe", *(f"bad-{index}" for index in range(7)))


def test_a_job_with_the_largest_sidecar_is_shown(tmp_path: Path) -> None:
    """As limits.max_sidecar_kb lets it be, and a line for each of its names in job.json."""
    names = [f"{number:04d}{'n' * 1035}.jpg" for number in range(1000)]
    assert sum(map(len, names)) > 1_000_000
    folder = add(tmp_path, "big")
    job = json.loads((folder / "job.json").read_text()) | {"sidecar": {"content": names, "style": "s.jpg"}}
    (folder / "job.json").write_text(json.dumps(job, indent=2))
    assert (folder / "job.json").stat().st_size > 1 << 20
    assert [entry.folder for entry in collect(tmp_path).entries] == ["big"]


def test_folders_of_jobs_of_which_nothing_is_known_are_told(tmp_path: Path) -> None:
    """In failed/ every one is a job's, but where others lie in it; elsewhere what a job leaves tells it."""
    add(tmp_path, "spring/good")
    add(tmp_path, "failed/known", state="failed")
    add(tmp_path, "failed/gathered/older", state="failed")
    for folder in ("failed/empty", "failed/cut/input", "failed/a file", "spring/was one", "spring/person's own"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "failed/a file/job.json").mkdir()
    (tmp_path / "spring/was one/loss.json").write_text("{}")
    (tmp_path / "spring/person's own/x.jpg").write_text("x")
    add(tmp_path, "failed/broken", state="failed").joinpath("job.json").write_text("{")
    found = collect(tmp_path)
    assert found.unreadable == ("failed/a file", "failed/broken", "failed/cut", "failed/empty", "spring/was one")
    assert (found.done, found.failed) == (1, 2)


@pytest.mark.parametrize(
    "job",
    [
        {"settings": None, "inputs": None, "weights": None, "finished_at": None, "seconds": None},
        {"settings": [], "inputs": {}, "weights": "x", "finished_at": 5, "seconds": "x", "steps_done": -1},
        {
            "inputs": [None, 3, {}, {"role": "content"}, {"role": "elsewhere", "name": "x"}],
            "outputs": [{}, None],
        },
        {"seconds": 1e400, "steps_done": 1e30, "finished_at": "9999-99-99", "title": None, "id": {}},
        {
            "settings": {"size": "full", "style_layers": {"a": [1, None]}, "x": 1e400},
            "finished_at": "2026-03-01",
        },
    ],
)
def test_odd_values_do_not_stop_the_page(tmp_path: Path, job: dict[str, Any]) -> None:
    """Values of the wrong type are left out; the job is still there."""
    add(tmp_path, "odd", **({"title": "odd"} | job))
    assert [entry.folder for entry in collect(tmp_path).entries] == ["odd"]
    assert "odd" in page(tmp_path).text


@pytest.mark.parametrize("log", ["", "{", "[]\n[]\n]}", '\n{"total": "x"}\n]}', '\n{"total": NaN}\n]}'])
def test_a_broken_log_leaves_the_loss_unknown(tmp_path: Path, log: str) -> None:
    """The last total is shown where loss.json has one."""
    path = add(tmp_path, "x")
    assert [entry.loss for entry in collect(tmp_path).entries] == [4.5]
    (path / "loss.json").write_text(log)
    assert [entry.loss for entry in collect(tmp_path).entries] == [None]


def test_a_missing_outbox_is_an_empty_gallery(tmp_path: Path) -> None:
    """Before the first result the page says so."""
    assert collect(tmp_path / "nowhere") == Collection(())
    assert "No pictures yet" in page(tmp_path / "nowhere").text


def test_failed_jobs_say_why_and_what_to_do(tmp_path: Path) -> None:
    """Reason and advice are readable, all failures together, without a picture that does not exist."""
    said = "x.jpg: the picture is cut off"
    path = add(tmp_path, "failed/x", state="failed", reason="image_truncated", message=said, advice="Copy it <again>.")
    (path / "x.png").unlink()
    (path / "error.txt").write_text("…")
    found = page(tmp_path)
    assert "image truncated" in found.text
    assert said in found.text
    assert "Copy it <again>." in found.text
    assert "./failed/x/error.txt" in found.links
    assert not any(link.endswith("x.png") for link in found.links)


@pytest.mark.parametrize(
    ("folder", "said"),
    [("dusk", ""), ("dusk-2", "dusk-2"), ("a/b/dusk", "a/b"), ("a/dusk-2", "a/dusk-2"), ("failed/dusk", "")],
)
def test_a_tile_says_where_its_job_lies(tmp_path: Path, folder: str, said: str) -> None:
    """The folder is named where the title does not tell it."""
    add(tmp_path, folder, title="dusk")
    page(tmp_path)
    assert tiles(tmp_path)[0]["where"] == said


def test_text_from_outside_cannot_break_out(tmp_path: Path) -> None:
    """Markup in titles, advice, settings and names stays text, on the pages and in the data."""
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'</style>{{ 7 * 7 }}"
    path = tmp_path / "failed" / "x"
    path.mkdir(parents=True)
    job = {
        "state": "failed", "title": evil, "reason": evil, "message": evil, "advice": evil, "id": evil, "device": evil,
        "settings": {"preset": evil, evil: evil}, "inputs": [{"role": "content", "name": evil}],
    }  # fmt: skip
    (path / "job.json").write_text(json.dumps(job))
    found = page(tmp_path)
    assert not [tag for tag, attrs in found.tags if "onerror" in attrs]
    assert {attrs.get("src") for tag, attrs in found.tags if tag == "script"} == {
        f"./.gallery/{name}.js" for name in ("words", "chart", "thumbs", "viewer", "gallery")
    }
    assert evil in found.text
    data = (tmp_path / ".gallery/data/0001.js").read_text()
    assert data.isascii()
    assert "<" not in data
    assert tiles(tmp_path)[0]["title"] == evil


def test_nothing_comes_from_elsewhere_and_no_script_is_let_in(tmp_path: Path) -> None:
    """No address outside the folder stands in the pages, no style or script in their markup; the policy is strict."""
    add(tmp_path, "one")
    pages = [html(tmp_path), *(path.read_text() for path in sorted((tmp_path / ".gallery").rglob("*.html")))]
    assets = [path.read_text() for path in (tmp_path / ".gallery").iterdir() if path.suffix in (".css", ".js")]
    assert len(pages) == 2
    for text in pages:
        policy = next(str(attrs["content"]) for tag, attrs in Page(text).tags if "http-equiv" in attrs)
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert not [tag for tag, attrs in Page(text).tags if tag == "style" or "style" in attrs or "onclick" in attrs]
        images = [attrs for tag, attrs in Page(text).tags if tag == "img" and attrs.get("src")]
        assert images
        assert all(attrs["loading"] == "lazy" for attrs in images)
    for text in pages + [text.replace("http://www.w3.org/2000/svg", "") for text in assets]:
        assert not re.search("https?:|@import|url\\(|\\beval\\b|innerHTML", text)


def test_no_absolute_path_stands_anywhere(tmp_path: Path) -> None:
    """The outbox can be moved, copied and shared."""
    add(tmp_path, "one")
    page(tmp_path)
    for path in (tmp_path / ".gallery").rglob("*"):
        if path.is_file():
            assert os.fsencode(tmp_path) not in path.read_bytes()


def test_what_browsers_cannot_show_has_a_small_picture_all_the_same(tmp_path: Path) -> None:
    """A TIFF result is offered for opening, and shown small."""
    path = add(tmp_path, "print")
    (path / "print.png").rename(path / "print.tiff")
    found = page(tmp_path)
    sources = [str(attrs["src"]) for tag, attrs in found.tags if tag == "img" and attrs.get("src")]
    assert "./print/print.tiff" in found.links
    assert [source.rpartition(".")[2] for source in sources] == ["webp"]


def test_the_result_is_found_by_title_or_by_what_the_job_lists(tmp_path: Path) -> None:
    """TITLE.EXT goes first, with dots in the title; else the first listed output that is there."""
    add(tmp_path, "v1.2")
    renamed = add(tmp_path, "other", title="x", outputs=["gone.png", "other.png"])
    (renamed / "x.png").rename(renamed / "other.png")
    pictures = {entry.folder: entry.picture for entry in collect(tmp_path).entries}
    assert pictures == {"v1.2": "v1.2.png", "other": "other.png"}


def test_every_result_is_reachable_without_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows the newest, plain pages linked to one another show all."""
    monkeypatch.setattr(module, "FIRST", 2)
    monkeypatch.setattr(module, "CHUNK", 3)
    for number in range(7):
        add(tmp_path, f"n{number}", minute=number)
    assert re.findall(r'class="name">(n\d)<', html(tmp_path)) == ["n6", "n5"]
    seen, at = set(), tmp_path / ".gallery/older/0003.html"
    assert "./.gallery/older/0003.html" in page(tmp_path).links
    while at is not None:
        found = Page(at.read_text())
        seen |= set(re.findall(r"n\d", found.text))
        at = next((at.parent / link for link in found.links if link == f"{int(at.stem) - 1:04d}.html"), None)
    assert seen == {f"n{number}" for number in range(7)}
    assert CHUNK > FIRST


def test_an_update_reads_what_is_new_and_writes_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old results cost neither their job.json nor their pictures again, and full pages stay as they are."""
    read: list[str] = []
    made: list[str] = []
    monkeypatch.setattr(module, "CHUNK", 2)
    original_read, original_make = module.read, module.make
    monkeypatch.setattr(module, "read", lambda *args: read.append(args[1]) or original_read(*args))
    monkeypatch.setattr(module, "make", lambda file, name: made.append(name) or original_make(file, name))
    for number in range(3):
        add(tmp_path, f"n{number}", minute=number)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "job.json").write_text("{")
    page(tmp_path)
    assert sorted(read) == ["bad", "n0", "n1", "n2"]
    full = {name: (tmp_path / ".gallery" / name).stat().st_ino for name in ("data/0001.js", "base.css")}
    read.clear(), made.clear()
    page(tmp_path)
    assert (read, made) == ([], [])
    add(tmp_path, "n3", minute=3)
    page(tmp_path)
    assert (read, sorted(made)) == (["n3"], ["my photo.jpg", "n3.png", "waves.png"])
    assert {name: (tmp_path / ".gallery" / name).stat().st_ino for name in full} == full


def test_what_is_gone_leaves_nothing(tmp_path: Path) -> None:
    """A removed result is no longer shown, and its small pictures are removed; one that has changed is read anew."""
    add(tmp_path, "keep", minute=1)
    gone = add(tmp_path, "gone", minute=2)
    page(tmp_path)
    assert len(list((tmp_path / ".gallery/thumbnails").iterdir())) == 6
    gone.rename(tmp_path.parent / f"{tmp_path.name}-elsewhere")
    assert [tile["title"] for tile in (page(tmp_path), tiles(tmp_path))[1]] == ["keep"]
    assert len(list((tmp_path / ".gallery/thumbnails").iterdir())) == 3
    job = json.loads((tmp_path / "keep/job.json").read_text())
    (tmp_path / "keep/job.json").unlink()
    (tmp_path / "keep/job.json").write_text(json.dumps(job | {"title": "new title"}))
    assert "new title" in page(tmp_path).text


def test_a_jpeg_xl_has_a_small_picture_like_any_other():
    """Pillow does not read it."""
    data = imagecodecs.jpegxl_encode(np.full((60, 1200, 3), (200, 40, 90), np.uint8), lossless=True)
    thumbnail = thumbnails.make(io.BytesIO(data), "a.jxl")
    assert thumbnail is not None
    assert thumbnail[1:3] == (thumbnails.SIDE, round(thumbnails.SIDE / 20))
    assert set(textwrap.wrap(thumbnail[3][1], 3)) == {"c25"}  # every spot of its blur: fifteenths of red, green, blue
    assert thumbnails.make(io.BytesIO(data[: len(data) // 2]), "a.jxl") is None


@pytest.mark.parametrize("known", ["", "{", "[]", '{"format": 0}'])
def test_what_is_known_may_be_lost(tmp_path: Path, known: str) -> None:
    """Without its notes, or with those of another version, the gallery reads everything anew."""
    add(tmp_path, "one")
    page(tmp_path)
    (tmp_path / ".gallery/known.json").write_text(known)
    assert "one" in page(tmp_path).text


def test_equal_images_share_a_small_picture(tmp_path: Path) -> None:
    """An image that many jobs use is made small once, known by its hash."""
    inputs = [
        {"role": "content", "name": "my photo.jpg", "sha256": "a" * 64},
        {"role": "style", "name": "waves.png", "sha256": "not a hash"},
    ]
    for name in ("one", "two"):
        add(tmp_path, name, inputs=inputs)
    page(tmp_path)
    shared = {tile["inputs"][0]["thumb"][0] for tile in tiles(tmp_path)}
    own = {tile["inputs"][1]["thumb"][0] for tile in tiles(tmp_path)}
    assert (len(shared), len(own)) == (1, 2)


def small_of(path: Path) -> tuple[bytes, int, int, str] | None:
    with path.open("rb") as file:
        return module.make(file, path.name)


def test_a_link_in_its_own_folder_leads_nowhere(tmp_path: Path) -> None:
    """Whoever may write in the outbox can have nothing of the daemon's user written over or removed by the gallery."""
    (tmp_path / "home/data").mkdir(parents=True)
    (tmp_path / "home/data/letters.txt").write_text("mine")
    (tmp_path / "outbox").mkdir()
    for place in (module.FOLDER, f"{module.FOLDER}/data"):
        link = tmp_path / "outbox" / place
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "home" / ("data" if "/" in place else ""))
        with pytest.raises(OSError, match="directory"):
            Gallery(tmp_path / "outbox").update()
        assert [path.name for path in (tmp_path / "home").rglob("*")] == ["data", "letters.txt"]
        link.unlink()


def test_small_pictures_stand_upright_and_in_their_colours(tmp_path: Path) -> None:
    """A turned photograph is turned, 16 bits are scaled, what does not decode is named instead."""
    turned = Image.new("RGB", (60, 30), (0, 0, 200))
    turned.getexif()[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=turned.getexif())
    turned.paste((200, 0, 0), (0, 0, 30, 30))
    turned.save(tmp_path / "turned.jpg", exif=turned.getexif(), quality=95, subsampling=0)
    _, width, height, (across, colors) = small_of(tmp_path / "turned.jpg") or (b"", 0, 0, (0, ""))
    assert width < height
    assert len(colors) == 3 * across * (20 // across)
    assert (colors[:3], colors[-3:]) == ("c00", "00c")  # the left is above now
    deep = Image.new("I;16", (40, 40), 32768)
    deep.putpixel((0, 0), 65535)
    deep.save(tmp_path / "deep.png")
    _, _, _, (_, colors) = small_of(tmp_path / "deep.png") or (b"", 0, 0, (0, ""))
    assert set(colors) <= {"7", "8"}
    assert colors
    (tmp_path / "cut.png").write_bytes(PICTURE[:40])
    assert small_of(tmp_path / "cut.png") is None


def test_a_second_update_leaves_it_to_the_first(tmp_path: Path) -> None:
    """Two daemons on one outbox do not write over one another."""
    add(tmp_path, "one")
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "nst_batch.report.gallery", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    assert not (tmp_path / "index.html").exists()
    os.close(held)
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "index.html").exists()
    gone = subprocess.run([*command[:-1], str(tmp_path / "gone")], check=False, capture_output=True, text=True)
    assert gone.returncode == 1
    assert gone.stderr.startswith(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (SETTINGS, "classic · 512 px · 10 × 100 steps · adam"),
        ({"preset": "fine", "size": "full", "scales": 4}, "fine · full size · 4 scales"),
        ({"size": 256, "scales": 1, "color": "match"}, "256 px · colours: match"),
        ({}, ""),
    ],
)  # fmt: skip
def test_settings_summary(settings: dict[str, Any], text: str) -> None:
    """What tells jobs apart, and nothing that is as always."""
    assert settings_summary(settings) == text
